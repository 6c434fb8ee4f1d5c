//! What is wanted, complete but for the image: the second stage.

use std::path::{Path, PathBuf};

use super::build::{conflicts, isolation, limits, mounts, network, program, records};
use super::parse::{env, keys};
use super::typed::{Create, Exec, Pull, Run, Stream};
use crate::container::{
    Config, Id, ImageDefaults, Mount, MountKind, Overrides, Root, SCHEMA, Timestamp, merge,
};
use crate::error::{Error, Result};

/// What a command line means depends on where it is typed.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// rcon's own variables.
    pub variables: env::Lookup<'a>,
    /// The directory rcon was started in, absolute.
    pub directory: &'a Path,
}

/// What others know about containers that are named on the command line.
pub trait Resolve {
    /// Which container a name, id or beginning of an id is.
    fn container(&self, reference: &str) -> Result<Id>;
    /// What is mounted in it.
    fn mounts(&self, id: &Id) -> Result<Vec<Mount>>;
}

/// Where the root file system is to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An image, by what was typed.
    Image(String),
    /// A directory of the host; the configuration's root is it already.
    Directory,
}

/// Which of the program's streams lead to the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attach {
    /// What it reads.
    pub stdin: bool,
    /// What it writes.
    pub stdout: bool,
    /// What it complains about.
    pub stderr: bool,
}

/// A container that is wanted, and what is to be done beside making it.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The container. What comes from the image is missing until
    /// [`Request::merge`], and `image` and the layers in `root` are for
    /// whoever has fetched it to set.
    pub config: Config,
    /// What it comes from.
    pub source: Source,
    /// What to call it; none: make a name up.
    pub name: Option<String>,
    /// Return once it runs.
    pub detach: bool,
    /// Write its id there; the file did not exist a moment ago.
    pub cidfile: Option<PathBuf>,
    /// When to fetch the image.
    pub pull: Pull,
    /// Without telling how far that is.
    pub quiet: bool,
    /// For which kind of machine; none: this one's.
    pub platform: Option<String>,
    /// What leads to the terminal.
    pub attach: Attach,
    /// Signals to rcon are for the program.
    pub sig_proxy: bool,
    /// What is typed to leave it running.
    pub detach_keys: Vec<u8>,
    /// Tell every step.
    pub explain: bool,
    /// Whose mounts it has; they are among the configuration's already.
    pub volumes_from: Vec<Id>,
    /// What is odd but no error, a line each.
    pub warnings: Vec<String>,
    /// What was said against the image's defaults.
    overrides: Overrides,
}

impl Request {
    /// Completes the configuration with its image's defaults; without an
    /// image, with none at all.
    pub fn merge(&mut self, image: &ImageDefaults) -> Result<()> {
        merge(&mut self.config, &self.overrides, image)?;
        for mount in &mut self.config.mounts {
            if let MountKind::Volume { name, .. } = &mut mount.kind
                && name.is_empty()
            {
                Id::random()?.as_str().clone_into(name);
            }
        }
        Ok(())
    }
}

impl Create {
    /// The container that is wanted; nothing is fetched or made yet.
    pub fn request(&self, here: &Surroundings<'_>, others: &dyn Resolve) -> Result<Request> {
        conflicts::check(self)?;
        let (mounts, volumes_from) = mounts::build(&self.files, here, others)?;
        let (source, root) = self.root(here)?;
        let attach = self.attach();
        let config = Config {
            version: SCHEMA,
            id: Id::random()?,
            created: Timestamp::now(),
            image: None,
            root,
            program: program::build(self, attach, here)?,
            isolation: isolation::build(self, here, others)?,
            mounts,
            resources: limits::build(self),
            network: network::build(&self.network, others)?,
            restart: self.life.restart,
            health: None,
            log: records::log(&self.records)?,
            auto_remove: self.life.rm,
            labels: records::labels(&self.records, here)?,
            annotations: self.records.annotation.iter().cloned().collect(),
            build: None,
        };
        let warnings = conflicts::warnings(self, &config);
        Ok(Request {
            config,
            source,
            name: self.life.name.clone().filter(|n| !n.is_empty()),
            detach: false,
            cidfile: self.cidfile(here)?,
            pull: self.life.pull,
            quiet: self.life.quiet,
            platform: self.life.platform.clone(),
            attach,
            sig_proxy: true,
            detach_keys: keys::USUAL.to_vec(),
            explain: false,
            volumes_from,
            warnings,
            overrides: Overrides {
                entrypoint: self.program.entrypoint.as_deref().map(program::entrypoint),
                health: records::health(&self.health),
            },
        })
    }

    /// A directory is kept as it is with `:O` behind it.
    fn root(&self, here: &Surroundings<'_>) -> Result<(Source, Root)> {
        let image = self.image();
        if !self.life.rootfs {
            if image.is_empty() {
                return Err(Error::user(
                    "invalid reference format: the image has no name",
                ));
            }
            let root = Root::Layers { layers: Vec::new() };
            return Ok((Source::Image(image.to_owned()), root));
        }
        let (path, overlay) = match image.strip_suffix(":O") {
            Some(path) => (path, true),
            None => (image, false),
        };
        let path = here.directory.join(path);
        let canonical = path.canonicalize().ok().filter(|p| p.is_dir());
        let path = canonical.ok_or_else(|| {
            Error::user(format!("--rootfs: {} is not a directory", path.display()))
                .hint("with --rootfs, the word in the image's place is a directory or DIR:O")
        })?;
        Ok((Source::Directory, Root::Directory { path, overlay }))
    }

    fn attach(&self) -> Attach {
        let asked = &self.life.attach;
        if asked.is_empty() {
            return Attach {
                stdin: self.life.interactive,
                stdout: true,
                stderr: true,
            };
        }
        Attach {
            stdin: asked.contains(&Stream::Stdin),
            stdout: asked.contains(&Stream::Stdout),
            stderr: asked.contains(&Stream::Stderr),
        }
    }

    /// Whoever waits for the file would read the id of an earlier container.
    fn cidfile(&self, here: &Surroundings<'_>) -> Result<Option<PathBuf>> {
        let Some(path) = &self.life.cidfile else {
            return Ok(None);
        };
        let path = here.directory.join(path);
        if path.symlink_metadata().is_ok() {
            let shown = path.display();
            return Err(Error::user(format!("container ID file found: {shown}"))
                .hint("make sure that the other container is not needed, and remove the file"));
        }
        Ok(Some(path))
    }
}

impl Run {
    /// The container that is wanted, and how one stays with it.
    pub fn request(&self, here: &Surroundings<'_>, others: &dyn Resolve) -> Result<Request> {
        let detach_keys = detach_keys(&self.detach_keys)?;
        if self.detach && !self.create.life.attach.is_empty() {
            return Err(Error::user(
                "conflicting options: cannot specify both --attach and --detach",
            ));
        }
        let mut request = self.create.request(here, others)?;
        request.detach = self.detach;
        request.sig_proxy = self.sig_proxy;
        request.detach_keys = detach_keys;
        request.explain = self.explain;
        if self.detach {
            request.attach = Attach::default();
            request.config.program.stdin_once = false;
        }
        Ok(request)
    }
}

/// What to type to leave, as `--detach-keys` says it.
pub fn detach_keys(text: &str) -> Result<Vec<u8>> {
    keys::parse(text).map_err(|e| e.context("--detach-keys").wrong_flag())
}

/// A further program that is wanted in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecRequest {
    /// In which.
    pub container: Id,
    /// What is executed.
    pub argv: Vec<String>,
    /// `NAME=value` beside the container's; a name alone takes one away.
    pub env: Vec<String>,
    /// Where it starts; none: where the container's program did.
    pub workdir: Option<String>,
    /// As whom; none: as the container's program.
    pub user: Option<String>,
    /// With a terminal.
    pub tty: bool,
    /// With standard input.
    pub interactive: bool,
    /// With every right there is.
    pub privileged: bool,
    /// Return once it runs.
    pub detach: bool,
    /// What is typed to leave it running.
    pub detach_keys: Vec<u8>,
}

impl Exec {
    /// The program that is wanted.
    pub fn request(&self, here: &Surroundings<'_>, others: &dyn Resolve) -> Result<ExecRequest> {
        let words = &self.container_and_command;
        let [container, argv @ ..] = words.as_slice() else {
            return Err(Error::user("exec needs a container and a command"));
        };
        if argv.first().is_none_or(String::is_empty) {
            return Err(Error::user("no command specified")
                .hint("rcon exec CONTAINER COMMAND, as in rcon exec -it web sh"));
        }
        let given = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
        Ok(ExecRequest {
            env: program::env(&self.environment, here)?,
            detach_keys: detach_keys(&self.detach_keys)?,
            container: others.container(container)?,
            argv: argv.to_vec(),
            workdir: given(&self.workdir),
            user: given(&self.user),
            tty: self.tty,
            interactive: self.interactive,
            privileged: self.privileged,
            detach: self.detach,
        })
    }
}

#[cfg(test)]
#[path = "exec_tests.rs"]
mod exec_tests;
#[cfg(test)]
#[path = "request_mounts_tests.rs"]
mod mounts_tests;
#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
