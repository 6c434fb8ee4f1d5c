//! Terminals, from both sides: the socket over which a runtime hands out a
//! container's pty, and a pty of the test's own to run a command under.

use super::host::{PATIENCE, becomes_true};
use super::{Bed, Call, Running};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::time::Instant;

/// A listening socket that receives descriptors, as podman and containerd
/// keep one for `--console-socket`.
pub struct DescriptorSocket {
    listener: UnixListener,
    path: String,
}

impl DescriptorSocket {
    /// Listens in the bed.
    #[track_caller]
    pub fn listen(bed: &Bed, name: &str) -> Self {
        let path = bed.text_path(name);
        let listener = UnixListener::bind(&path).expect("a socket in the bed");
        Self { listener, path }
    }

    /// What to give to the runtime.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Waits for one message: its text and the descriptors that came along.
    #[track_caller]
    pub fn receive(&self) -> (String, Vec<OwnedFd>) {
        assert!(readable(&self.listener), "nobody connected");
        let (stream, _) = self.listener.accept().expect("somebody connected");
        assert!(readable(&stream), "nothing was sent");
        let message = receive(&stream);
        drop(stream);
        message
    }

    /// Waits for a pty master.
    #[track_caller]
    pub fn terminal(&self) -> Terminal {
        let (_, mut fds) = self.receive();
        assert_eq!(fds.len(), 1, "one descriptor, the pty's master");
        Terminal::new(fds.remove(0))
    }
}

fn receive(stream: &UnixStream) -> (String, Vec<OwnedFd>) {
    let mut text = vec![0; 16 * 1024];
    let mut room = nix::cmsg_space!([RawFd; 8]);
    let (length, fds) = {
        let mut slices = [IoSliceMut::new(&mut text)];
        let fd = stream.as_raw_fd();
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(fd, &mut slices, Some(&mut room), flags).expect("a message");
        let parts = message.cmsgs().expect("room for descriptors");
        let fds: Vec<OwnedFd> = parts.flat_map(descriptors).collect();
        (message.bytes, fds)
    };
    text.truncate(length);
    (String::from_utf8_lossy(&text).into_owned(), fds)
}

fn descriptors(part: ControlMessageOwned) -> Vec<OwnedFd> {
    match part {
        ControlMessageOwned::ScmRights(fds) => fds.into_iter().map(own).collect(),
        _ => Vec::new(),
    }
}

fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: recvmsg has just installed this descriptor in our table for us;
    // nothing else knows its number, so we are its only owner.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn readable(fd: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PATIENCE.as_millis() as u16).is_ok_and(|n| n > 0)
}

/// The master side of a pty, with all that was read from it so far.
pub struct Terminal {
    master: File,
    seen: String,
}

impl Terminal {
    /// Takes over a master.
    pub fn new(master: OwnedFd) -> Self {
        Self {
            master: master.into(),
            seen: String::new(),
        }
    }

    /// Types a text.
    #[track_caller]
    pub fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("a terminal");
    }

    /// Reads until the text has appeared, and returns everything seen.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> &str {
        let end = Instant::now() + PATIENCE;
        while !self.seen.contains(text) {
            let more = Instant::now() < end && self.read_some();
            assert!(more, "{text:?} never appeared in {:?}", self.seen);
        }
        &self.seen
    }

    /// Reads until the other side is closed, and returns everything seen.
    pub fn read_to_end(&mut self) -> &str {
        while self.read_some() {}
        &self.seen
    }

    /// Forgets what was seen, so that the next wait is for something new.
    pub fn forget(&mut self) {
        self.seen.clear();
    }

    /// False at the end, which on a pty is the error EIO.
    fn read_some(&mut self) -> bool {
        let mut buffer = [0; 4096];
        if !readable(&self.master) {
            return false;
        }
        match self.master.read(&mut buffer) {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
                true
            }
        }
    }
}

/// A command running under a pty of the test's own.
pub struct UnderPty {
    /// The command.
    pub running: Running,
    /// Our side of its terminal.
    pub terminal: Terminal,
    /// Its side, kept open so that its settings can be looked at.
    pub slave: File,
}

/// Runs a command with all three standard streams on a new pty.
#[track_caller]
pub fn under_pty(call: Call, rows: u16, columns: u16) -> UnderPty {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let OpenptyResult { master, slave } = openpty(Some(&size), None).expect("a pty");
    // Other tests start commands at the same time; they must not inherit these.
    for fd in [&master, &slave] {
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).expect("our descriptor");
    }
    let stream = || Stdio::from(slave.try_clone().expect("a descriptor"));
    let call = call.with(|c| {
        c.stdin(stream()).stdout(stream()).stderr(stream());
    });
    UnderPty {
        running: call.spawn_as_is(),
        terminal: Terminal::new(master),
        slave: slave.into(),
    }
}

/// Whether the terminal is back in the mode a shell expects (echo is on).
pub fn echoes(slave: &File) -> bool {
    nix::sys::termios::tcgetattr(slave)
        .is_ok_and(|t| t.local_flags.contains(nix::sys::termios::LocalFlags::ECHO))
}

/// Whether a terminal leaves raw mode again in time.
pub fn becomes_cooked(slave: &File) -> bool {
    becomes_true(PATIENCE, || echoes(slave))
}

/// Gives a terminal another size, as a window manager would.
#[track_caller]
pub fn resize(slave: &File, rows: u16, columns: u16) {
    let status = std::process::Command::new("stty")
        .args(["rows", &rows.to_string(), "cols", &columns.to_string()])
        .stdin(slave.try_clone().expect("a descriptor"))
        .status();
    assert!(status.is_ok_and(|s| s.success()), "stty failed");
}
