//! From a task to its key in the cache, and to what must be fetched before
//! that can be known. The work it is is in [`super::make`].

use std::path::PathBuf;

use super::Builder;
use crate::build::apply::{CopySource, CopyTask, RunTask, Task};
use crate::build::cache::{self, Key};
use crate::build::context::Repository;
use crate::build::files::Tree;
use crate::build::gather::{Place, Which};
use crate::build::language::{Diagnostic, MountSpec, RunNetwork, RunSecurity, Source, Span};
use crate::build::state::State;
use crate::build::trouble::{Result, Trouble};
use crate::build::work::Fetch;
use crate::container::NetworkMode;
use crate::error::Error;
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
    pub(super) fn place(&self, stage: usize, from: Option<&str>) -> Result<Option<Place>> {
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

    pub(super) fn network(&self, task: &RunTask) -> Result<NetworkMode> {
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
    pub(super) fn cloned(&self, url: &str) -> Option<Place> {
        let fetched = self.fetched.get(url)?;
        Some(Place::Folder(PathBuf::from(&fetched.sum)))
    }
}

pub(super) fn which<'a>(task: &'a CopyTask, path: &'a str) -> Which<'a> {
    Which {
        path,
        parents: task.parents,
        exclude: &task.exclude,
    }
}

/// The repository that a source is, if it is one.
pub(super) fn repository(task: &CopyTask, text: &str) -> Result<Option<Repository>> {
    if task.add.is_none() {
        return Ok(None);
    }
    Ok(Repository::parse(text)?)
}

/// Whether a source is in the web.
pub(super) fn is_address(task: &CopyTask, text: &str) -> bool {
    let web = text.starts_with("http://") || text.starts_with("https://");
    task.add.is_some() && web
}

/// An error about a place in the file.
pub(super) fn at(span: Span, e: &Error) -> Trouble {
    let mut diagnostic = Diagnostic::new(span, e.what());
    diagnostic.hint = e.remedy().map(str::to_owned);
    Trouble::At(diagnostic)
}

pub(super) fn unfinished() -> Trouble {
    Trouble::Plain(Error::internal("a step before what it needs is done"))
}

/// A Dockerfile alone does not take more than every container has.
fn refused(flag: &str, entitlement: &str) -> Trouble {
    let error = Error::user(format!("{flag} is not allowed"));
    Trouble::Plain(error.hint(format!(
        "--allow {entitlement} on the command line allows it, if you trust this Dockerfile"
    )))
}
