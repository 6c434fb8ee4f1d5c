//! Running programs, with and without a clock.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::outcome::Outcome;
use crate::words::words;

/// A program with the arguments that come before all others.
#[derive(Clone)]
pub(crate) struct Tool {
    argv: Vec<String>,
    env: Vec<(&'static str, String)>,
    /// Where it complains while it is timed.
    complaints: PathBuf,
}

impl Tool {
    pub(crate) fn new(start: &str, dir: &Path) -> Self {
        Tool {
            argv: words(start),
            env: Vec::new(),
            complaints: dir.join("complaints"),
        }
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.argv[0]);
        command.args(&self.argv[1..]).args(words(line));
        let own = self.env.iter().map(|(name, value)| (name, value));
        command.envs(own).stdin(Stdio::null());
        command
    }

    /// Runs it; what it printed if it succeeded.
    pub(crate) fn run(&self, line: &str) -> Result<String, String> {
        let done = Outcome::of(self.command(line), "");
        if done.code == 0 {
            return Ok(done.stdout.trim_end().to_owned());
        }
        let said = complaint(&done.stderr);
        Err(format!("`{}` gave {}: {said}", shown(line), done.code))
    }

    /// Runs it and does not care.
    pub(crate) fn try_run(&self, line: &str) {
        self.run(line).ok();
    }

    /// How long it took, in seconds, as a shell would see it: from before the
    /// start to after the end. With nothing to do between fork and exec, the
    /// standard library spawns as vfork does, and our own size costs nothing.
    pub(crate) fn time(&self, line: &str) -> Result<f64, String> {
        let log = File::create(&self.complaints).map_err(|why| why.to_string())?;
        let mut command = self.command(line);
        command.stdout(Stdio::null()).stderr(log);
        let start = Instant::now();
        let status = command.status();
        let took = start.elapsed().as_secs_f64();
        let status = status.map_err(|why| format!("{}: {why}", self.argv[0]))?;
        if status.success() {
            return Ok(took);
        }
        let said = fs::read_to_string(&self.complaints).unwrap_or_default();
        Err(format!("`{}`: {status}: {}", shown(line), complaint(&said)))
    }
}

/// Long command lines do not fit into a table.
fn shown(line: &str) -> String {
    match line.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

/// The line that tells most: the first error; later ones only say what failed
/// because of it.
fn complaint(text: &str) -> &str {
    let error = |line: &&str| line.to_lowercase().contains("error");
    let lines = || text.trim().lines();
    lines().find(error).or(lines().next()).unwrap_or("")
}
