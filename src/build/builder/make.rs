//! From a task to the work that it is, when the cache does not know it.

use super::prepare::{at, is_address, repository, unfinished, which};
use super::{Builder, Fetched};
use crate::build::apply::{CopySource, CopyTask, RunTask, Task};
use crate::build::files::mode::Mode;
use crate::build::files::{Tree, find};
use crate::build::gather::{Place, Which};
use crate::build::language::{MountSpec, RunSecurity};
use crate::build::scope::variable;
use crate::build::state::State;
use crate::build::trouble::{Result, Trouble};
use crate::build::work::{Archive, Chosen, Copy, Mount, MountKind, Piece, Run, Work};
use crate::error::Error;
use crate::image::instruction::below;

/// Where the agent's socket is seen, if nothing else is said.
const AGENT: &str = "/run/buildkit/ssh_agent";

impl Builder<'_> {
    /// The work that a task is.
    pub(super) fn work_of(
        &mut self,
        stage: usize,
        state: &State,
        task: &Task,
        trees: Vec<Option<Vec<Tree>>>,
    ) -> Result<Work> {
        match task {
            Task::Workdir(path, _) => {
                let user = state.config.config.user.clone();
                Ok(Work::Workdir(path.clone(), user))
            }
            Task::Run(run) => Ok(Work::Run(Box::new(self.run_of(stage, state, run)?))),
            Task::Copy(copy) => Ok(Work::Copy(Box::new(self.copy_of(stage, copy, trees)?))),
        }
    }

    fn run_of(&mut self, stage: usize, state: &State, task: &RunTask) -> Result<Run> {
        let config = &state.config.config;
        let mut env = config.env.clone();
        env.extend(
            task.args
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        for (name, value) in self.globals.proxies() {
            if variable(&env, name).is_none() {
                env.push(format!("{name}={value}"));
            }
        }
        let mut mounts = Vec::new();
        for (spec, span) in &task.mounts {
            let mount = self.mount_of(stage, spec, &mut env);
            let mount = mount.map_err(|e| match e {
                Trouble::Plain(e) => at(*span, &e),
                at @ Trouble::At(_) => at,
            })?;
            mounts.extend(mount.map(|(target, kind)| Mount {
                target: below(&config.working_dir, &target),
                kind,
            }));
        }
        Ok(Run {
            argv: task.argv.clone(),
            env,
            user: config.user.clone(),
            workdir: config.working_dir.clone(),
            mounts,
            script: task.script.clone(),
            network: self.network(task)?,
            insecure: task.security == Some(RunSecurity::Insecure),
            limits: self.ask.limits.clone(),
        })
    }

    /// What is mounted, and where. A secret that is not there, and need not
    /// be, is nothing.
    fn mount_of(
        &mut self,
        stage: usize,
        spec: &MountSpec,
        env: &mut Vec<String>,
    ) -> Result<Option<(String, MountKind)>> {
        Ok(match spec {
            MountSpec::Bind {
                from,
                source,
                target,
                writable,
            } => {
                let place = self.place(stage, from.as_deref())?.ok_or_else(unfinished)?;
                let chosen = if place == Place::Context && self.gather.is_choosy() {
                    let which = Which {
                        path: source,
                        ..Which::default()
                    };
                    Some(Chosen {
                        trees: self.gather.trees(&place, &which)?,
                        root: self.gather.root(&place)?,
                    })
                } else {
                    None
                };
                let kind = MountKind::Bind {
                    origin: self.gather.origin(&place),
                    path: source.clone(),
                    writable: *writable,
                    chosen,
                };
                Some((target.clone(), kind))
            }
            MountSpec::Cache {
                id,
                target,
                read_only,
                sharing,
                from,
                source,
                mode,
                uid,
                gid,
            } => {
                let from = match from {
                    None => None,
                    Some(name) => {
                        let place = self.place(stage, Some(name))?.ok_or_else(unfinished)?;
                        let path = source.clone().unwrap_or_else(|| "/".to_owned());
                        Some((self.gather.origin(&place), path))
                    }
                };
                let kind = MountKind::Cache {
                    name: id.clone(),
                    read_only: *read_only,
                    sharing: *sharing,
                    from,
                    made: (*mode, *uid, *gid),
                };
                Some((target.clone(), kind))
            }
            MountSpec::Tmpfs { target, size } => Some((target.clone(), MountKind::Tmpfs(*size))),
            MountSpec::Secret { .. } => self.secret(spec, env)?,
            MountSpec::Ssh { .. } => self.agent(spec, env)?,
        })
    }

    fn secret(
        &self,
        spec: &MountSpec,
        env: &mut Vec<String>,
    ) -> Result<Option<(String, MountKind)>> {
        let MountSpec::Secret {
            id,
            target,
            env: variable,
            required,
            mode,
            uid,
            gid,
        } = spec
        else {
            return Ok(None);
        };
        let Some(bytes) = self.ask.secrets.get(id) else {
            if *required {
                return Err(Error::user(format!("the secret {id} was not given"))
                    .hint(format!("--secret id={id},src=FILE gives it"))
                    .into());
            }
            return Ok(None);
        };
        if let Some(name) = variable {
            let value = String::from_utf8(bytes.clone()).ok();
            let value = value.filter(|value| !value.contains('\0'));
            let value = value
                .ok_or_else(|| Error::user(format!("the secret {id} cannot be in a variable")))?;
            env.retain(|entry| entry.split_once('=').is_none_or(|(known, _)| known != name));
            env.push(format!("{name}={value}"));
        }
        Ok(target.as_ref().map(|target| {
            let kind = MountKind::Secret {
                bytes: bytes.clone(),
                made: (*mode, *uid, *gid),
            };
            (target.clone(), kind)
        }))
    }

    fn agent(
        &self,
        spec: &MountSpec,
        env: &mut Vec<String>,
    ) -> Result<Option<(String, MountKind)>> {
        let MountSpec::Ssh {
            id,
            target,
            required,
            uid,
            gid,
            ..
        } = spec
        else {
            return Ok(None);
        };
        let Some(socket) = self.ask.agents.get(id) else {
            if *required {
                return Err(Error::user(format!("the SSH agent {id} was not given"))
                    .hint(format!("--ssh {id} gives the one of SSH_AUTH_SOCK"))
                    .into());
            }
            return Ok(None);
        };
        if (*uid, *gid) != (0, 0) {
            return Err(
                Error::user("an SSH agent is for root of the container only")
                    .hint("leave out uid and gid, and run this step as root")
                    .into(),
            );
        }
        let target = target.clone().unwrap_or_else(|| format!("{AGENT}.{id}"));
        if variable(env, "SSH_AUTH_SOCK").is_none() {
            env.push(format!("SSH_AUTH_SOCK={target}"));
        }
        Ok(Some((target, MountKind::Agent(socket.clone()))))
    }

    fn copy_of(
        &mut self,
        stage: usize,
        task: &CopyTask,
        trees: Vec<Option<Vec<Tree>>>,
    ) -> Result<Copy> {
        let from = task.from.as_ref().map(|word| word.text.as_str());
        let place = self.place(stage, from)?.ok_or_else(unfinished)?;
        let mut pieces = Vec::new();
        for (source, found) in task.sources.iter().zip(trees) {
            match source {
                CopySource::Inline(name, text) => {
                    let bytes = text.clone().into_bytes();
                    let (tree, bytes) = find::made(name.as_bytes(), bytes, 0o644);
                    pieces.push(Piece::Text(tree, bytes));
                }
                CopySource::Path(url, _) if repository(task, url)?.is_some() => {
                    let place = self.cloned(url).ok_or_else(unfinished)?;
                    let trees = self.gather.trees(&place, &which(task, "."))?;
                    pieces.push(Piece::Trees(self.gather.root(&place)?, trees));
                }
                CopySource::Path(url, _) if is_address(task, url) => {
                    pieces.push(self.fetched_piece(task, url)?);
                }
                CopySource::Path(path, _) => {
                    let found = match found {
                        Some(found) => found,
                        None => self.gather.trees(&place, &which(task, path))?,
                    };
                    self.local_pieces(&place, task, found, &mut pieces)?;
                }
            }
        }
        let several = pieces.iter().map(Piece::files).sum::<usize>() > 1;
        let mode = task.mode.as_deref().map(Mode::parse).transpose()?;
        Ok(Copy {
            pieces,
            destination: task.destination.clone().into_bytes(),
            is_dir: task.is_dir || several,
            owner: task.owner.clone(),
            mode,
            link: task.link,
        })
    }

    fn fetched_piece(&self, task: &CopyTask, url: &str) -> Result<Piece> {
        let fetched = self.fetched.get(url).ok_or_else(unfinished)?;
        let Fetched { path, changed, .. } = fetched.clone();
        if task
            .add
            .as_ref()
            .is_some_and(|add| add.unpack == Some(true))
        {
            return Ok(Piece::Archive(Archive::Fetched(path)));
        }
        let bare = url.split(['?', '#']).next().unwrap_or_default();
        let (_, after) = bare.split_once("://").unwrap_or(("", bare));
        let name = after.split_once('/').map_or("", |(_, path)| path);
        let name = name.rsplit('/').next().unwrap_or_default();
        if name.is_empty() && task.is_dir {
            return Err(Error::user(format!("{url} names no file"))
                .hint("give the file a name in the destination")
                .into());
        }
        let (mut tree, _) = find::made(name.as_bytes(), Vec::new(), 0o600);
        for node in &mut tree.nodes {
            node.entry.mtime.seconds = changed;
        }
        Ok(Piece::File(tree, path))
    }

    fn local_pieces(
        &mut self,
        place: &Place,
        task: &CopyTask,
        found: Vec<Tree>,
        pieces: &mut Vec<Piece>,
    ) -> Result<()> {
        let root = self.gather.root(place)?;
        let add = task.add.as_ref();
        let unpack = add.is_some_and(|add| add.unpack != Some(false));
        let mut plain = Vec::new();
        for tree in found {
            if unpack && self.gather.is_archive(place, &tree)? {
                pieces.push(Piece::Archive(Archive::Below(root.clone(), tree)));
            } else {
                plain.push(tree);
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Trees(root, plain));
        }
        Ok(())
    }
}
