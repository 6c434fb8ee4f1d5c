//! What tests of whole command lines share.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use clap::Parser;

use super::request::{Request, Resolve, Surroundings};
use super::typed::Run;
use crate::container::{Id, ImageDefaults, Mount, MountKind, TmpfsOptions};
use crate::error::{Error, Result};

#[derive(Debug, Parser)]
#[command(name = "run")]
pub struct RunLine {
    #[command(flatten)]
    pub run: Run,
}

/// Knows one container, `web`, and what is mounted in it.
#[derive(Default)]
pub struct Others {
    pub asked: RefCell<Vec<String>>,
}

pub fn id() -> Id {
    Id::try_from("c".repeat(64)).unwrap()
}

pub fn volume(name: &str, target: &str, anonymous: bool) -> Mount {
    Mount {
        kind: MountKind::Volume {
            name: name.into(),
            anonymous,
            subpath: None,
            wish: crate::container::VolumeWish::default(),
        },
        target: target.into(),
        read_only: false,
        options: Vec::new(),
    }
}

impl Resolve for Others {
    fn container(&self, reference: &str) -> Result<Id> {
        self.asked.borrow_mut().push(reference.to_owned());
        if reference == "web" {
            return Ok(id());
        }
        Err(Error::user(format!("No such container: {reference}")))
    }

    fn mounts(&self, _: &Id) -> Result<Vec<Mount>> {
        let tmpfs = Mount {
            kind: MountKind::Tmpfs(TmpfsOptions::default()),
            ..volume("", "/theirs-only", false)
        };
        Ok(vec![
            volume("data", "/data", true),
            volume("log", "/log", false),
            tmpfs,
        ])
    }
}

/// A directory of its own that is gone afterwards.
pub struct Here(pub PathBuf);

impl Here {
    pub fn new() -> Self {
        let name = format!("rcon-test-flags-{}", Id::random().unwrap().short());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), text).unwrap();
    }

    pub fn try_run(&self, line: &str) -> Result<Request> {
        self.try_words(&words(line))
    }

    pub fn try_words(&self, line: &[&str]) -> Result<Request> {
        let line = ["run"].iter().chain(line);
        let run = RunLine::try_parse_from(line)
            .unwrap_or_else(|e| panic!("{e}"))
            .run;
        run.request(&self.surroundings(), &Others::default())
    }

    pub fn run(&self, line: &str) -> Request {
        self.try_run(line).unwrap_or_else(|e| panic!("{line}: {e}"))
    }

    pub fn refused(&self, line: &str) -> String {
        match self.try_run(line) {
            Err(e) => e.to_string(),
            Ok(_) => panic!("{line} is accepted"),
        }
    }

    pub fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            variables: &|name| (name == "HOME").then(|| "/home/me".to_owned()),
            directory: &self.0,
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

pub fn image() -> ImageDefaults {
    ImageDefaults {
        cmd: vec!["sh".into()],
        ..ImageDefaults::default()
    }
}
