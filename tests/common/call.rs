//! Calling a program and judging how it ended. Output goes to files rather than
//! pipes: a container that outlives the runtime keeps a pipe open, and a test
//! that reads to its end would wait for ever.

use super::{is_foreign, older};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// No command line may take longer than this, even on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// A command that is about to be run.
pub struct Call {
    command: Command,
    files: PathBuf,
}

impl Call {
    /// `files` is a path whose extensions `out`, `err` and `in` may be used.
    pub fn new(command: Command, files: PathBuf) -> Self {
        let mut call = Self { command, files };
        call.command.stdin(Stdio::null());
        call
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of the runtime's own environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Where the runtime itself starts.
    pub fn cwd(mut self, dir: &std::path::Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// What is read from standard input.
    pub fn stdin(mut self, text: &str) -> Self {
        let file = self.files.with_extension("in");
        fs::write(&file, text).expect("the bed is writable");
        self.command.stdin(File::open(file).expect("just written"));
        self
    }

    /// Gives the command itself, for what is not offered here.
    pub fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// Runs it on a kernel that lacks some system calls: see [`older`].
    pub fn without(mut self, list: &str) -> Self {
        let filter = older::filter(list);
        // SAFETY: it makes one system call and allocates nothing.
        unsafe { self.command.pre_exec(move || older::hide(&filter, 0)) };
        self
    }

    /// Starts it and returns at once.
    #[track_caller]
    pub fn spawn(mut self) -> Running {
        let create = |kind| File::create(self.files.with_extension(kind)).expect("a file");
        self.command.stdout(create("out")).stderr(create("err"));
        self.spawn_as_is()
    }

    /// Starts it with other standard streams than usual.
    #[track_caller]
    pub fn spawn_with(mut self, change: impl FnOnce(&mut Command)) -> Running {
        let create = |kind| File::create(self.files.with_extension(kind)).expect("a file");
        self.command.stdout(create("out")).stderr(create("err"));
        change(&mut self.command);
        self.spawn_as_is()
    }

    /// Starts it with the standard streams [`Call::with`] has set.
    #[track_caller]
    pub fn spawn_as_is(mut self) -> Running {
        let line = format!("{:?}", self.command);
        let child = self.command.spawn();
        Running {
            child: child.unwrap_or_else(|e| panic!("cannot start {line}: {e}")),
            files: self.files,
            line,
        }
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn output(self) -> Output {
        self.spawn().wait()
    }
}

/// A command that was started; killed if the test forgets it.
pub struct Running {
    child: Child,
    files: PathBuf,
    line: String,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.pid()), signal);
    }

    /// What it, or the container that shares its output, has said so far.
    pub fn stdout(&self) -> String {
        read(&self.files.with_extension("out"))
    }

    /// What stands on standard error so far.
    pub fn stderr(&self) -> String {
        read(&self.files.with_extension("err"))
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits for its end; more than [`TIMEOUT`] is a failure.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let ended = super::host::becomes_true(TIMEOUT, || self.has_ended());
        assert!(
            ended,
            "still running after {TIMEOUT:?}: {}\n{}",
            self.line,
            self.stderr()
        );
        let status = self.child.wait().expect("it has ended");
        Output {
            status,
            stdout: self.stdout(),
            stderr: self.stderr(),
            line: std::mem::take(&mut self.line),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &std::path::Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// How a command ended and what it said.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output, as text.
    pub stdout: String,
    /// Standard error, as text.
    pub stderr: String,
    line: String,
}

impl Output {
    /// It must have succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.success(), "failed: {self}");
        self
    }

    /// It must have ended with this code, and not by a signal.
    #[track_caller]
    pub fn code(self, expected: i32) -> Self {
        assert_eq!(self.status.code(), Some(expected), "wrong code: {self}");
        self
    }

    /// Standard output without the white space around it.
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e} in {self}"))
    }

    /// It must have failed on purpose: an exit code, not a crash, and one line
    /// on standard error. Every word must be in that line when rcon is driven;
    /// a stand-in words its errors as it likes.
    #[track_caller]
    pub fn fails_naming(self, words: &[&str]) -> Self {
        let code = self.status.code();
        assert!(code.is_some_and(|c| c != 0), "did not fail: {self}");
        assert!(!self.stderr.contains("panicked"), "panicked: {self}");
        if is_foreign() {
            return self;
        }
        assert_eq!(self.stderr.lines().count(), 1, "not one line: {self}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not named: {self}");
        }
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        write!(f, "{}\n--- {end}\n--- stdout\n{}", self.line, self.stdout)?;
        write!(f, "--- stderr\n{}---", self.stderr)
    }
}
