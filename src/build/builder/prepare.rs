//! From a task to its key in the cache, and to the work it is if the cache
//! does not know it.

use std::path::PathBuf;

use super::{Builder, Fetched};
use crate::build::apply::{CopySource, CopyTask, RunTask, Task};
use crate::build::cache::{self, Key};
use crate::build::context::Repository;
use crate::build::files::mode::Mode;
use crate::build::files::{Tree, find};
use crate::build::gather::{Place, Which};
use crate::build::language::{Diagnostic, MountSpec, RunNetwork, RunSecurity, Source, Span};
use crate::build::scope::variable;
use crate::build::state::State;
use crate::build::trouble::{Result, Trouble};
use crate::build::work::{Archive, Chosen, Copy, Fetch, Mount, MountKind, Piece, Run, Work};
use crate::container::NetworkMode;
use crate::error::Error;
use crate::image::instruction::below;
use crate::image::reference::Digest;

/// What is known of a task before it is done.
pub(super) enum Prepared {
    /// It needs a stage that is not done.
    Later,
    /// This has to be fetched first.
    Fetch(Fetch),
    /// This.
    Ready(Ready),
}

/// What a task is found by.
pub(super) struct Ready {
    pub key: Key,
    /// For each source of a `COPY` what was found, if it was looked at.
    pub trees: Vec<Option<Vec<Tree>>>,
}

/// Where the agent's socket is seen, if nothing else is said.
const AGENT: &str = "/run/buildkit/ssh_agent";

impl Builder<'_> {
    /// Works out what a task is found by.
    pub(super) fn prepare(&mut self, stage: usize, state: &State, task: &Task) -> Result<Prepared> {
        match task {
            Task::Workdir(path, _) => Ok(Prepared::Ready(Ready {
                key: cache::of_workdir(state, path, self.ask.epoch),
                trees: Vec::new(),
            })),
            Task::Run(run) => self.prepare_run(stage, state, run),
            Task::Copy(copy) => self.prepare_copy(stage, state, copy),
        }
    }

    /// Where `from` leads; `None` while that stage is not done.
    fn place(&self, stage: usize, from: Option<&str>) -> Result<Option<Place>> {
        let Some(name) = from else {
            return Ok(Some(Place::Context));
        };
        let layers = |state: &State| {
            let chain = state.chain().map_or_else(String::new, |c| c.to_string());
            Place::Layers(state.dirs(), chain)
        };
        Ok(match self.file.from(stage, name) {
            Source::Scratch => Some(Place::Layers(Vec::new(), String::new())),
            Source::Stage(other) => self.finished(other).map(layers),
            Source::Image(name) => {
                let image = self.graph.images.get(&name);
                let image = image.ok_or_else(|| Error::internal("an image nobody brought"))?;
                Some(layers(&State::of_image(image, self.stage)?))
            }
        })
    }

    fn prepare_run(&mut self, stage: usize, state: &State, task: &RunTask) -> Result<Prepared> {
        let mut sums = Vec::new();
        for (spec, span) in &task.mounts {
            let mut sum = cache::of_mount(spec);
            if let MountSpec::Bind { from, source, .. } = spec {
                let Some(place) = self.place(stage, from.as_deref())? else {
                    return Ok(Prepared::Later);
                };
                let which = Which {
                    path: source,
                    ..Which::default()
                };
                let found = self.gather.sum(&place, &which);
                sum += &found.map_err(|e| at(*span, &e))?.0;
            }
            if let MountSpec::Cache { from, .. } = spec
                && self.place(stage, from.as_deref())?.is_none()
            {
                return Ok(Prepared::Later);
            }
            sums.push(sum);
        }
        let network = self.network(task)?;
        let (limits, epoch) = (&self.ask.limits, self.ask.epoch);
        Ok(Prepared::Ready(Ready {
            key: cache::of_run(state, task, &network, limits, &sums, epoch),
            trees: Vec::new(),
        }))
    }

    fn network(&self, task: &RunTask) -> Result<NetworkMode> {
        let insecure = task.security == Some(RunSecurity::Insecure);
        if insecure && !self.ask.allow_insecure {
            return Err(refused("--security=insecure", "security.insecure"));
        }
        match task.network {
            Some(RunNetwork::None) => Ok(NetworkMode::None),
            Some(RunNetwork::Host) => {
                if self.ask.network != NetworkMode::Host && !self.ask.allow_host {
                    return Err(refused("--network=host", "network.host"));
                }
                Ok(NetworkMode::Host)
            }
            Some(RunNetwork::Default) | None => Ok(self.ask.network.clone()),
        }
    }

    fn prepare_copy(&mut self, stage: usize, state: &State, task: &CopyTask) -> Result<Prepared> {
        let from = task.from.as_ref().map(|word| word.text.as_str());
        let Some(place) = self.place(stage, from)? else {
            return Ok(Prepared::Later);
        };
        let mut sums = Vec::new();
        let mut trees = Vec::new();
        let mut nothing = true;
        for source in &task.sources {
            let mut found = None;
            match source {
                CopySource::Inline(..) => nothing = false,
                CopySource::Path(url, _) if repository(task, url)?.is_some() => {
                    nothing = false;
                    let Some(place) = self.cloned(url) else {
                        return Ok(Prepared::Fetch(self.to_clone(task, url)?));
                    };
                    let (sum, seen) = self.gather.sum(&place, &which(task, "."))?;
                    sums.push(sum);
                    found = seen;
                }
                CopySource::Path(url, _) if is_address(task, url) => {
                    nothing = false;
                    match self.address(task, url)? {
                        Ok(sum) => sums.push(format!("{url} {sum}")),
                        Err(fetch) => return Ok(Prepared::Fetch(fetch)),
                    }
                }
                CopySource::Path(path, span) => {
                    let sum = self.gather.sum(&place, &which(task, path));
                    let (sum, seen) = sum.map_err(|e| at(*span, &e))?;
                    nothing &= seen.as_ref().is_some_and(Vec::is_empty);
                    sums.push(sum);
                    found = seen;
                }
            }
            trees.push(found);
        }
        if nothing {
            return Err(Error::user("no source is there: no file fits")
                .hint("patterns are seen from the top of what is copied from")
                .into());
        }
        Ok(Prepared::Ready(Ready {
            key: cache::of_copy(state, task, &sums, self.ask.epoch),
            trees,
        }))
    }

    /// The sum of what is at an address, or what has to be fetched for it.
    fn address(&self, task: &CopyTask, url: &str) -> Result<std::result::Result<String, Fetch>> {
        let checksum = task.add.as_ref().and_then(|add| add.checksum.as_deref());
        let checksum = checksum.map(Digest::parse).transpose()?;
        if let Some(checksum) = &checksum {
            return Ok(Ok(checksum.to_string()));
        }
        if let Some(fetched) = self.fetched.get(url) {
            return Ok(Ok(fetched.sum.clone()));
        }
        Ok(Err(self.to_fetch(url, checksum)))
    }

    fn to_fetch(&self, url: &str, checksum: Option<Digest>) -> Fetch {
        Fetch {
            url: url.to_owned(),
            checksum,
            path: self
                .stage
                .dir()
                .join(format!("fetched-{}", self.next_fetch())),
            repository: None,
        }
    }

    /// What has to be fetched although the cache was asked without it: its sum
    /// was known.
    pub(super) fn unfetched(&self, task: &Task) -> Result<Option<Fetch>> {
        let Task::Copy(task) = task else {
            return Ok(None);
        };
        for source in &task.sources {
            if let CopySource::Path(url, _) = source
                && is_address(task, url)
                && !self.fetched.contains_key(url)
            {
                let checksum = task.add.as_ref().and_then(|add| add.checksum.as_deref());
                let checksum = checksum.map(Digest::parse).transpose()?;
                return Ok(Some(self.to_fetch(url, checksum)));
            }
        }
        Ok(None)
    }

    fn to_clone(&self, task: &CopyTask, url: &str) -> Result<Fetch> {
        let whole = task.add.as_ref().is_some_and(|add| add.keep_git_dir);
        Ok(Fetch {
            repository: repository(task, url)?.map(|repository| (repository, whole)),
            ..self.to_fetch(url, None)
        })
    }

    /// Where the files of a repository are, once it was fetched.
    fn cloned(&self, url: &str) -> Option<Place> {
        let fetched = self.fetched.get(url)?;
        Some(Place::Folder(PathBuf::from(&fetched.sum)))
    }

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

fn which<'a>(task: &'a CopyTask, path: &'a str) -> Which<'a> {
    Which {
        path,
        parents: task.parents,
        exclude: &task.exclude,
    }
}

/// The repository that a source is, if it is one.
fn repository(task: &CopyTask, text: &str) -> Result<Option<Repository>> {
    if task.add.is_none() {
        return Ok(None);
    }
    Ok(Repository::parse(text)?)
}

/// Whether a source is in the web.
fn is_address(task: &CopyTask, text: &str) -> bool {
    let web = text.starts_with("http://") || text.starts_with("https://");
    task.add.is_some() && web
}

/// An error about a place in the file.
fn at(span: Span, e: &Error) -> Trouble {
    let mut diagnostic = Diagnostic::new(span, e.what());
    diagnostic.hint = e.remedy().map(str::to_owned);
    Trouble::At(diagnostic)
}

fn unfinished() -> Trouble {
    Trouble::Plain(Error::internal("a step before what it needs is done"))
}

/// A Dockerfile alone does not take more than every container has.
fn refused(flag: &str, entitlement: &str) -> Trouble {
    let error = Error::user(format!("{flag} is not allowed"));
    Trouble::Plain(error.hint(format!(
        "--allow {entitlement} on the command line allows it, if you trust this Dockerfile"
    )))
}
