//! `--serve`: the page on a port.
//!
//! One thread that never waits for anybody: each connection is read and
//! written as far as that goes at once, and is given up when its time is over
//! or when there are too many. The facts are read afresh for each answer.
//!
//! The process may be number 1 of its pid namespace, to which the kernel
//! delivers no signal that it has no handler for; so signals are read from a
//! descriptor, and the two that ask to end are obeyed.

mod connection;
mod listen;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::http::{self, Document, Status};
use super::lesson::{self, Audience};
use super::observe;
use super::{page, text};
use crate::error::Result;
use crate::format::escaped;
use crate::sys::process;
use connection::{Connection, Progress};

/// More than look at one page at once; the oldest has to leave.
const MOST: usize = 64;

/// How a server behaves.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// How long a connection may take, all in all.
    patience: Duration,
    /// Whether each request is told on standard output.
    tell: bool,
}

/// Serves until asked to end.
pub fn serve(port: u16) -> Result<()> {
    // Before anybody is told that we are ready.
    let signals = process::signals_as_fd()?;
    let listeners = listen::everywhere(port)?;
    super::say(&format!(
        "serving on port {port} of {}; Ctrl-C or SIGTERM ends it\n",
        listen::addresses(&listeners)
    ));
    let manner = Manner {
        patience: Duration::from_secs(10),
        tell: true,
    };
    Server::new(&listeners, manner).run(&signals, asked_to_end);
    Ok(())
}

fn asked_to_end(signals: &OwnedFd) -> bool {
    while let Some(signal) = process::next_signal(signals) {
        if matches!(signal, libc::SIGTERM | libc::SIGINT | libc::SIGHUP) {
            return true;
        }
    }
    false
}

struct Server<'a> {
    listeners: &'a [TcpListener],
    manner: Manner,
    connections: Vec<Connection>,
}

impl<'a> Server<'a> {
    fn new(listeners: &'a [TcpListener], manner: Manner) -> Self {
        Self {
            listeners,
            manner,
            connections: Vec::new(),
        }
    }

    /// Until `wakeup` is readable and `end` says so.
    fn run(&mut self, wakeup: &OwnedFd, end: impl Fn(&OwnedFd) -> bool) {
        loop {
            let ready = self.wait(wakeup.as_fd());
            if ready[0] && end(wakeup) {
                return;
            }
            let (listening, connected) = ready[1..].split_at(self.listeners.len());
            self.serve(connected);
            for (listener, _) in self.listeners.iter().zip(listening).filter(|(_, r)| **r) {
                self.accept(listener);
            }
        }
    }

    /// Which of wakeup, listeners and connections have something to do.
    fn wait(&self, wakeup: BorrowedFd<'_>) -> Vec<bool> {
        let mut fds = vec![PollFd::new(wakeup, PollFlags::POLLIN)];
        let listeners = self.listeners.iter();
        fds.extend(listeners.map(|l| PollFd::new(l.as_fd(), PollFlags::POLLIN)));
        let connections = self.connections.iter();
        fds.extend(connections.map(|c| PollFd::new(c.as_fd(), c.awaited())));
        // Interrupted or not: whoever is not ready is looked at again.
        let _ = poll(&mut fds, self.until_next_deadline());
        fds.iter().map(|fd| fd.any().unwrap_or(true)).collect()
    }

    fn until_next_deadline(&self) -> PollTimeout {
        let Some(next) = self.connections.iter().map(Connection::deadline).min() else {
            return PollTimeout::NONE;
        };
        let left = next.saturating_duration_since(Instant::now());
        // Rounded up, or the last millisecond would be spent in a busy loop.
        let left = left + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    }

    fn serve(&mut self, ready: &[bool]) {
        let now = Instant::now();
        let tell = self.manner.tell;
        let mut ready = ready.iter();
        self.connections.retain_mut(|connection| {
            let ready = ready.next().copied().unwrap_or(false);
            if ready && connection.advance(tell) == Progress::Over {
                return false;
            }
            now < connection.deadline() || connection.time_is_over()
        });
    }

    fn accept(&mut self, listener: &TcpListener) {
        // Whatever failed, it failed for this one caller.
        let Ok((stream, from)) = listener.accept() else {
            return;
        };
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        if self.connections.len() >= MOST {
            self.connections.remove(0);
        }
        let deadline = Instant::now() + self.manner.patience;
        let connection = Connection::new(stream, from.ip(), deadline);
        self.connections.push(connection);
    }
}

/// What is sent for a request.
fn answer(request: &http::Request) -> (Status, Vec<u8>) {
    let document = match request.target {
        Ok(document) => document,
        Err(status) => return (status, http::refusal(status, request.head_only)),
    };
    let (content, body) = content(document);
    (
        Status::Ok,
        http::answer(Status::Ok, content, &body, request.head_only),
    )
}

fn content(document: Document) -> (&'static str, String) {
    let mut facts = observe::observe();
    let lesson = lesson::teach(&facts, Audience::Anybody);
    match document {
        Document::Page => ("text/html", page::lay_out(&lesson)),
        Document::Text => {
            let style = text::Style {
                width: 80,
                colour: false,
            };
            ("text/plain", text::lay_out(&lesson, style))
        }
        Document::Json => {
            lesson::keep_back(&mut facts);
            let json = super::json(&facts).unwrap_or_default();
            ("application/json", json)
        }
    }
}

/// One line for `rcon logs`. Nobody listening is no reason to end.
fn tell(from: std::net::IpAddr, line: &str, status: Status) {
    let short: String = line.chars().take(200).collect();
    let line = format!("{from} {} {}\n", escaped(&short), status.code());
    let _ = io::stdout().lock().write_all(line.as_bytes());
}
