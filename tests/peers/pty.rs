//! A command on a real pseudo-terminal, typed at and read like a person does.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};

use crate::outcome::Outcome;
use crate::room::wait_until;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running command and the terminal it sits at.
pub(crate) struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<String>>,
    /// How much of the screen earlier expectations have used up.
    seen: usize,
    device: PathBuf,
    child: Child,
}

impl Terminal {
    /// Starts the command in a session of its own, with a terminal of 24
    /// rows and 80 columns as its controlling one.
    pub(crate) fn start(command: &Command) -> Self {
        let (keyboard, device) = open().expect("a pseudo-terminal");
        resize(&device, 24, 80);
        let child = seat(command, &device).expect("start setsid");
        let screen = watch(keyboard.try_clone().expect("dup"));
        Terminal {
            keyboard,
            screen,
            seen: 0,
            device,
            child,
        }
    }

    /// Types the text.
    pub(crate) fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("type");
    }

    /// Waits until the text is on the screen, after what was expected before.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) {
        if !self.shows(text, PATIENCE) {
            let screen = self.screen.lock().expect("screen");
            panic!("no {text:?} in {:?} of {screen:?}", &screen[self.seen..]);
        }
    }

    /// The same, for a time and with an answer.
    fn shows(&mut self, text: &str, limit: Duration) -> bool {
        let mut found = None;
        wait_until(limit, || {
            let screen = self.screen.lock().expect("screen");
            found = screen[self.seen..].find(text).map(|at| at + text.len());
            found.is_some()
        });
        self.seen += found.unwrap_or(0);
        found.is_some()
    }

    /// Changes the window's size to 33 rows and 99 columns until the text
    /// that the program shows then is there. More than once, because a peer
    /// that has just read the size, and does not listen yet, misses a change.
    #[track_caller]
    pub(crate) fn resize_until(&mut self, text: &str) {
        let seen = (0..10).any(|_| {
            resize(&self.device, 33, 98);
            resize(&self.device, 33, 99);
            self.shows(text, Duration::from_secs(1))
        });
        let screen = self.screen.lock().expect("screen");
        assert!(seen, "the size did not arrive; screen: {screen:?}");
    }

    /// Waits for the command's end and asserts its exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) {
        let screen = Arc::clone(&self.screen);
        let ended = self.ends();
        let screen = screen.lock().expect("screen");
        assert_eq!(ended, Some(code), "screen: {screen:?}");
    }

    /// Waits for the command's end and gives its exit code.
    #[track_caller]
    pub(crate) fn ends(mut self) -> Option<i32> {
        let mut status = None;
        wait_until(PATIENCE, || {
            status = self.child.try_wait().expect("wait");
            status.is_some()
        });
        let screen = self.screen.lock().expect("screen").clone();
        let status = status.unwrap_or_else(|| panic!("does not end; screen: {screen:?}"));
        status.code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A new terminal: our end, and the path of the other.
fn open() -> nix::Result<(File, PathBuf)> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let device = PathBuf::from(ptsname_r(&master)?);
    Ok((File::from(OwnedFd::from(master)), device))
}

/// Starts the command below `setsid`, which makes the terminal its own.
fn seat(command: &Command, device: &Path) -> io::Result<Child> {
    let mut setsid = Command::new("setsid");
    setsid.args(["--ctty", "--wait"]).arg(command.get_program());
    setsid.args(command.get_args()).env_clear();
    let variables = command.get_envs();
    setsid.envs(variables.filter_map(|(key, value)| Some((key, value?))));
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NOCTTY);
    let chair = options.open(device)?;
    setsid.stdin(chair.try_clone()?).stdout(chair.try_clone()?);
    setsid.stderr(chair).spawn()
}

/// Changes the window's size; the kernel tells whoever is in front of it.
fn resize(device: &Path, rows: u16, columns: u16) {
    let mut stty = Command::new("stty");
    stty.arg("-F").arg(device);
    stty.args(["rows", &rows.to_string(), "cols", &columns.to_string()]);
    Outcome::of(stty, "").code(0);
}

/// Copies what the terminal shows into a string, on a thread of its own: the
/// kernel's buffer is small, and a full one would stop the command.
fn watch(mut master: File) -> Arc<Mutex<String>> {
    let screen = Arc::new(Mutex::new(String::new()));
    let shared = Arc::clone(&screen);
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        // The last holder's exit reads as an error here, which is our end too.
        while let Ok(count @ 1..) = master.read(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..count]);
            shared.lock().expect("screen").push_str(&text);
        }
    });
    screen
}
