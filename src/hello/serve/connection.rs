//! One connection: a head is read, an answer written, the rest let go.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use super::super::http::{self, Head, Status};

/// How long the last bytes of an answer are given to arrive.
const FAREWELL: Duration = Duration::from_secs(2);

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// When the socket is ready again.
    More,
    /// The connection can be closed.
    Over,
}

enum Stage {
    /// What has come of the head.
    Reading(Vec<u8>),
    /// The answer, and how much of it has been sent.
    Writing(Vec<u8>, usize),
    /// All is sent. Closing while something unread is there would have the
    /// kernel take the answer back, so what still comes is read and dropped.
    Draining,
}

pub struct Connection {
    stream: TcpStream,
    from: IpAddr,
    deadline: Instant,
    stage: Stage,
}

impl Connection {
    /// `stream` does not block.
    pub fn new(stream: TcpStream, from: IpAddr, deadline: Instant) -> Self {
        Self {
            stream,
            from,
            deadline,
            stage: Stage::Reading(Vec::new()),
        }
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// When it is given up.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What it waits for.
    pub fn awaited(&self) -> PollFlags {
        match self.stage {
            Stage::Reading(_) | Stage::Draining => PollFlags::POLLIN,
            Stage::Writing(..) => PollFlags::POLLOUT,
        }
    }

    /// Does what can be done at once.
    pub fn advance(&mut self, tell: bool) -> Progress {
        self.step(tell).unwrap_or(Progress::Over)
    }

    /// It has taken too long. One that was still asking is told so; true
    /// while that is under way.
    pub fn time_is_over(&mut self) -> bool {
        let asking = matches!(&self.stage, Stage::Reading(head) if !head.is_empty());
        if asking {
            self.deadline = Instant::now() + FAREWELL;
            self.stage = Stage::Writing(http::refusal(Status::Timeout, false), 0);
        }
        asking && self.advance(false) == Progress::More
    }

    fn step(&mut self, tell: bool) -> io::Result<Progress> {
        match &mut self.stage {
            Stage::Reading(head) => {
                let mut buffer = [0; 4096];
                let Some(read) = now(self.stream.read(&mut buffer))? else {
                    return Ok(Progress::More);
                };
                if read == 0 {
                    return Ok(Progress::Over);
                }
                head.extend_from_slice(&buffer[..read]);
                let (status, bytes, line) = match http::read(head) {
                    Head::Partial => return Ok(Progress::More),
                    Head::Bad(status) => (status, http::refusal(status, false), "-".to_owned()),
                    Head::Whole(request) => {
                        let (status, bytes) = super::answer(&request);
                        (status, bytes, request.line)
                    }
                };
                if tell {
                    super::tell(self.from, &line, status);
                }
                self.stage = Stage::Writing(bytes, 0);
                self.step(tell)
            }
            Stage::Writing(bytes, sent) => {
                let Some(more) = now(self.stream.write(&bytes[*sent..]))? else {
                    return Ok(Progress::More);
                };
                *sent += more;
                if *sent == bytes.len() {
                    self.stream.shutdown(Shutdown::Write)?;
                    self.stage = Stage::Draining;
                    self.deadline = self.deadline.min(Instant::now() + FAREWELL);
                }
                Ok(Progress::More)
            }
            Stage::Draining => match now(self.stream.read(&mut [0; 4096]))? {
                Some(0) => Ok(Progress::Over),
                _ => Ok(Progress::More),
            },
        }
    }
}

/// Nothing: not at this moment.
fn now(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) =>
        {
            Ok(None)
        }
        other => other.map(Some),
    }
}
