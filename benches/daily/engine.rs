//! The container engines: they all understand nearly the same command line.

use crate::house::Place;
use crate::needs;
use crate::tool::Tool;
use crate::{podman, private_docker};

/// The image that every case but the large ones runs.
pub(crate) const IMAGE: &str = "localhost/bench:small";

/// Runs until it is ended, and ends when it is asked to.
pub(crate) const STAY: &str = "sh -c 'trap \"exit 0\" TERM; sleep 100000 & wait'";

/// rcon, or one of those it is compared with.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) tool: Tool,
    /// What it needs to be told in front of each image.
    place: String,
    /// Another option of `pull` and `build` for a registry without TLS.
    pub(crate) plain_http: &'static str,
}

impl Engine {
    pub(crate) fn new(name: &'static str, tool: Tool, place: &Place) -> Self {
        Engine {
            name,
            tool,
            place: format!("--cgroup-parent /{}", place.name),
            plain_http: "",
        }
    }

    /// A command line that makes a container: `start` is `run --rm` or the
    /// like, then come an image and what runs in it.
    pub(crate) fn line(&self, start: &str, image: &str, program: &str) -> String {
        format!("{start} {} {image} {program}", self.place)
    }

    /// The same with the usual image, run now.
    pub(crate) fn make(&self, start: &str, program: &str) -> Result<String, String> {
        self.tool.run(&self.line(start, IMAGE, program))
    }

    /// Whoever does nothing is fast, and does not belong in the table.
    pub(crate) fn proved(&self, options: &str) -> Option<String> {
        match self.make(&format!("run --rm {options}"), "echo it-ran") {
            Ok(said) if said == "it-ran" => None,
            Ok(_) => Some("the program did not run".to_owned()),
            Err(why) => Some(why),
        }
    }

    pub(crate) fn remove(&self, name: &str) {
        self.tool.try_run(&format!("rm -f {name}"));
    }
}

/// Everybody who is installed: rcon first.
pub(crate) fn all(place: &Place) -> Vec<Engine> {
    let peers = [
        ("docker", private_docker::start(place)),
        ("podman", podman::prepare(place)),
    ];
    let mut engines = vec![ours(place)];
    for (name, engine) in peers {
        match engine {
            Ok(engine) => engines.push(engine),
            Err(why) => println!("Left out everywhere: {name}: {why}."),
        }
    }
    engines
}

fn ours(place: &Place) -> Engine {
    let root = place.dir.join("rcon");
    let start = format!(
        "{} --root {} --run-root /run/rcon",
        env!("CARGO_BIN_EXE_rcon"),
        root.display()
    );
    let tool = Tool::new(&start, &place.dir);
    Engine::new("rcon", tool, place)
}

/// Why it is not installed, or nothing.
pub(crate) fn lacks(programs: &[&str]) -> Result<(), String> {
    let missing = programs.iter().find(|name| needs::find(name).is_none());
    missing.map_or(Ok(()), |name| Err(format!("`{name}` is not installed")))
}
