//! A command on a real pseudo-terminal, typed at and read like a person does.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::pty::{Winsize, openpty};

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
        let pair = openpty(&size(24, 80), None).expect("openpty");
        let device = nix::unistd::ttyname(&pair.slave).expect("ttyname");
        let slave = File::from(pair.slave);
        let mut seated = seated(command);
        seated
            .stdin(slave.try_clone().expect("dup"))
            .stdout(slave.try_clone().expect("dup"))
            .stderr(slave);
        let child = seated.spawn().expect("start setsid");
        // With `seated` go the last copies of the slave on our side.
        drop(seated);
        let keyboard = File::from(pair.master);
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
        let mut found = None;
        wait_until(PATIENCE, || {
            let screen = self.screen.lock().expect("screen");
            found = screen[self.seen..].find(text).map(|at| at + text.len());
            found.is_some()
        });
        let Some(end) = found else {
            let screen = self.screen.lock().expect("screen");
            panic!("no {text:?} in {:?} of {screen:?}", &screen[self.seen..]);
        };
        self.seen += end;
    }

    /// Changes the window's size; the kernel tells whoever is in front of it.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let mut stty = Command::new("stty");
        stty.arg("-F").arg(&self.device);
        stty.args(["rows", &rows.to_string(), "cols", &columns.to_string()]);
        Outcome::of(stty, "").code(0);
    }

    /// Waits for the command's end and asserts its exit code.
    #[track_caller]
    pub(crate) fn exits(mut self, code: i32) {
        let mut status = None;
        wait_until(PATIENCE, || {
            status = self.child.try_wait().expect("wait");
            status.is_some()
        });
        let screen = self.screen.lock().expect("screen").clone();
        let status = status.unwrap_or_else(|| panic!("does not end; screen: {screen:?}"));
        assert_eq!(status.code(), Some(code), "screen: {screen:?}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The command below `setsid`, which makes its input its controlling terminal.
fn seated(command: &Command) -> Command {
    let mut seated = Command::new("setsid");
    seated.args(["--ctty", "--wait"]).arg(command.get_program());
    seated.args(command.get_args()).env_clear();
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            seated.env(key, value);
        }
    }
    seated
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
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
