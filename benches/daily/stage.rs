//! The inner process: the engines, the images, and what cases ask for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use crate::big;
use crate::engine::{self, Engine, IMAGE};
use crate::house::Place;
use crate::layout::Layout;
use crate::leg::Leg;
use crate::needs;
use crate::picture;
use crate::tool::Tool;

/// The image with servers in it.
pub(crate) const SERVERS: &str = "localhost/bench:servers";

pub(crate) struct Stage {
    pub(crate) place: Place,
    /// rcon first.
    engines: Vec<Engine>,
    port: Cell<u16>,
    servers: Cell<bool>,
    /// How many kinds of large images there are.
    kinds: Cell<usize>,
}

impl Stage {
    /// Starts whoever is installed, and gives them the small image.
    pub(crate) fn open(place: Place) -> Self {
        let stage = Stage {
            engines: engine::all(&place),
            place,
            port: Cell::new(8000),
            servers: Cell::new(false),
            kinds: Cell::new(0),
        };
        stage.publish("small", IMAGE, &[]).expect("the small image");
        stage
    }

    /// A path in the benchmark's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.dir.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn engines(&self) -> impl Iterator<Item = Engine> + '_ {
        self.engines.iter().cloned()
    }

    pub(crate) fn rcon(&self) -> Engine {
        self.engines[0].clone()
    }

    /// A leg for every engine.
    pub(crate) fn each(&self, leg: impl FnMut(Engine) -> Leg) -> Vec<Leg> {
        self.engines().map(leg).collect()
    }

    /// A program with its whole path.
    pub(crate) fn tool(&self, start: &str) -> Tool {
        Tool::new(start, &self.place.dir)
    }

    /// One in Debian's directories, or why not.
    pub(crate) fn floor(&self, name: &str) -> Result<Tool, String> {
        engine::lacks(&[name])?;
        let found = needs::find(name).unwrap_or_default();
        Ok(self.tool(&found.display().to_string()))
    }

    /// A port that nobody had: the network is the benchmark's own.
    pub(crate) fn port(&self) -> u16 {
        self.port.set(self.port.get() + 1);
        self.port.get()
    }

    /// Gives every engine the image with the servers.
    pub(crate) fn need_servers(&self) -> Result<(), String> {
        engine::lacks(&["iperf3", "nginx", "wrk"])?;
        if !self.servers.get() {
            self.publish("servers", SERVERS, &["iperf3", "nginx"])?;
            self.servers.set(true);
        }
        Ok(())
    }

    /// Large images that nobody has yet, made when they are asked for.
    pub(crate) fn large(&self, what: &'static str, gzip: bool) -> Rc<Large> {
        self.kinds.set(self.kinds.get() + 1);
        Rc::new(Large {
            kind: self.kinds.get(),
            dir: self.path("large"),
            what,
            gzip,
            made: RefCell::default(),
        })
    }

    /// Between two cases: large files go.
    pub(crate) fn sweep(&self) {
        fs::remove_dir_all(self.path("large")).ok();
        nix::unistd::sync();
    }

    fn publish(&self, folder: &str, name: &str, programs: &[&str]) -> Result<(), String> {
        let layout = picture::write(&self.path(folder), name, programs);
        let archive = layout.and_then(|layout| layout.archive());
        let archive = archive.map_err(|why| format!("no image: {why}"))?;
        for engine in &self.engines {
            let load = format!("load -i {}", archive.display());
            engine
                .tool
                .run(&load)
                .map_err(|why| format!("{}: {why}", engine.name))?;
        }
        Ok(())
    }
}

impl Drop for Stage {
    /// The house takes away processes, mounts and files. Only rcon's own
    /// records know of the cgroups of its containers.
    fn drop(&mut self) {
        for engine in &self.engines {
            let ids = engine.tool.run("ps -aq").unwrap_or_default();
            let ids: Vec<&str> = ids.lines().collect();
            if !ids.is_empty() {
                engine.remove(&ids.join(" "));
            }
        }
    }
}

/// Large images by their number.
pub(crate) struct Large {
    kind: usize,
    dir: PathBuf,
    what: &'static str,
    gzip: bool,
    made: RefCell<BTreeMap<usize, Layout>>,
}

impl Large {
    /// The name of the image with this number.
    pub(crate) fn name(&self, number: usize) -> String {
        format!("localhost/{}:{number}", self.what)
    }

    pub(crate) fn get(&self, number: usize) -> Result<Layout, String> {
        if let Some(layout) = self.made.borrow().get(&number) {
            return Ok(layout.clone());
        }
        let dir = self.dir.join(format!("{}-{number}", self.what));
        // No two kinds may have layers in common.
        let seed = self.kind * 1000 + number;
        let layout = big::write(&dir, &self.name(number), self.gzip, seed);
        let layout = layout.map_err(|why| format!("no large image: {why}"))?;
        self.made.borrow_mut().insert(number, layout.clone());
        Ok(layout)
    }
}
