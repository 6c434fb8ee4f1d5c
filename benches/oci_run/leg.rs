//! One row of a table: how it is measured.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::outcome::Outcome;
use crate::place::Place;
use crate::words::words;

/// A way to do what a case is about, and the times it took.
pub(crate) struct Leg {
    pub(crate) name: String,
    /// What it had, or did not have, compared with the others.
    pub(crate) had: String,
    pub(crate) times: Vec<Duration>,
    /// Why it is out of the race.
    pub(crate) failure: Option<String>,
    place: Place,
    /// The commands of one round, one after another.
    commands: Vec<Vec<String>>,
    /// Leaves nothing behind.
    at_end: Option<Vec<String>>,
}

impl Leg {
    pub(crate) fn new(name: &str, had: &str, place: &Place, commands: &[String]) -> Self {
        Leg {
            name: name.to_owned(),
            had: had.to_owned(),
            times: Vec::new(),
            failure: None,
            place: place.clone(),
            commands: commands.iter().map(|line| words(line)).collect(),
            at_end: None,
        }
    }

    /// Runs this command when the leg is dropped, whatever it gives.
    pub(crate) fn at_end(mut self, line: &str) -> Self {
        self.at_end = Some(words(line));
        self
    }

    /// Runs this command now. If it fails, the leg is out.
    pub(crate) fn prepared_by(mut self, line: &str) -> Self {
        let argv = words(line);
        self.failure = self.place.run(move || failing(&argv));
        self
    }

    /// Runs this command now: it must print what [`PROOF`] prints. Whoever does
    /// nothing is fast, and does not belong in the table.
    pub(crate) fn proved_by(mut self, line: &str) -> Self {
        let argv = words(line);
        if self.failure.is_none() {
            self.failure = self.place.run(move || unproved(&argv));
        }
        self
    }

    /// One round. While warming up nothing is timed, but what is said on
    /// standard error is kept: that is where a leg may turn out not to work.
    pub(crate) fn go(&mut self, warming_up: bool) {
        if self.failure.is_some() {
            return;
        }
        let commands = self.commands.clone();
        if warming_up {
            self.failure = self
                .place
                .run(move || commands.iter().find_map(|argv| failing(argv)));
            return;
        }
        match self.place.run(move || timed(&commands)) {
            Ok(time) => self.times.push(time),
            Err(why) => self.failure = Some(why.to_string()),
        }
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        if let Some(argv) = self.at_end.take() {
            self.place.run(move || outcome(&argv));
        }
    }
}

/// A program that shows that it ran.
pub(crate) const PROOF: [&str; 2] = ["/bin/echo", "it-ran"];

fn unproved(argv: &[String]) -> Option<String> {
    failing(argv).or_else(|| {
        let printed = outcome(argv).stdout;
        (printed.trim_end() != PROOF[1]).then(|| "the program did not run".to_owned())
    })
}

/// What the command said if it failed.
fn failing(argv: &[String]) -> Option<String> {
    let outcome = outcome(argv);
    let last = outcome.stderr.trim().lines().last().unwrap_or("");
    (outcome.code != 0).then(|| format!("exit code {}: {last}", outcome.code))
}

pub(crate) fn outcome(argv: &[String]) -> Outcome {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]);
    Outcome::of(command, "")
}

/// From before the first command's start to after the last one's end. With
/// nothing to do between fork and exec, the standard library spawns the way
/// vfork does, so our own size costs nothing.
fn timed(commands: &[Vec<String>]) -> io::Result<Duration> {
    let mut commands: Vec<Command> = commands.iter().map(|argv| quiet(argv)).collect();
    let start = Instant::now();
    for command in &mut commands {
        let status = command.status()?;
        if !status.success() {
            return Err(io::Error::other(format!("{status}")));
        }
    }
    Ok(start.elapsed())
}

fn quiet(argv: &[String]) -> Command {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]);
    command.stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}
