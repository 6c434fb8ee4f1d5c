//! The machine's own programs, in containers and outside.

use crate::common::{Need, Output, eventually, needs_met};
use crate::world::World;

/// For a container that runs them. Who does not mean `KILL` does not say it.
const PROGRAMS: [&str; 12] = [
    "-v",
    "/usr:/usr:ro",
    "-v",
    "/lib:/lib:ro",
    "-v",
    "/lib64:/lib64:ro",
    "--tmpfs",
    "/tmp:mode=1777",
    "--tmpfs",
    "/data:mode=1777,exec",
    "--stop-signal",
    "KILL",
];

/// A world, where all of these programs are there as well.
pub fn world_with(tools: &[&'static str]) -> Option<World> {
    let needs: Vec<Need> = tools.iter().map(|t| Need::Tool(t)).collect();
    needs_met(&needs).then(World::new).flatten()
}

impl World {
    fn programs(&self, first: &[&str], flags: &[&str], program: &[&str]) -> Output {
        let root = format!("{}:O", self.bed.rootfs("").display());
        let args = [first, &PROGRAMS, flags, &["--rootfs", &root], program].concat();
        self.rcon(&args)
    }

    /// Starts a container that runs a program of the machine's.
    #[track_caller]
    pub fn serve(&self, name: &str, flags: &[&str], program: &[&str]) {
        self.programs(&["run", "-d", "--name", name], flags, program)
            .ok();
    }

    /// Runs a client in a container to its end. What it printed.
    #[track_caller]
    pub fn client(&self, flags: &[&str], line: &str) -> String {
        let out = self.programs(&["run", "--rm"], flags, &["sh", "-c", line]);
        out.ok().stdout
    }

    /// Waits until a server does what it is there for. `line` is a client's.
    #[track_caller]
    pub fn answers(&self, line: &str) {
        let quiet = format!("({line}) > /dev/null 2>&1 && echo yes || echo no");
        eventually(line, || self.sh(&quiet).trim() == "yes");
    }

    /// The end of a test: what was started is gone, and nothing is left.
    #[track_caller]
    pub fn remove(&self, names: &[&str]) {
        self.rcon(&[&["rm", "-f"], names].concat()).ok();
        assert_eq!(self.says(&["system", "check"]), "");
    }
}
