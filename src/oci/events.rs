//! `events`: what a container uses, and when it ran out of memory, as lines of
//! JSON.
//!
//! One poll(2) waits for everything that can happen: the time for the next
//! line, the OOM killer, the end of the container, and the reader going away.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use super::log::Log;
use super::manage;
use super::root::Root;
use crate::cgroup::ops::{Cgroup, Oom, OomEvents};
use crate::cgroup::stats::Stats;
use crate::error::{Context, Error, Result};
use crate::format::units::duration;

// Flags of `events`.
#[derive(Debug, clap::Args)]
pub struct Events {
    /// The time between two lines: 500ms, 5s, 1m30s
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = interval)]
    pub interval: Duration,
    /// Print one line at once, and end
    #[arg(long)]
    pub stats: bool,
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub id: String,
}

/// One line.
#[derive(Debug, Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Stats>,
}

/// Whether anybody still reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    There,
    Gone,
}

/// As in runc, there is a time between two lines.
fn interval(text: &str) -> Result<Duration> {
    let duration = duration::parse(text)?;
    if duration.is_zero() {
        return Err(Error::user(format!("invalid duration {text:?}"))
            .hint("a time greater than 0, like 5s"));
    }
    Ok(duration)
}

/// `events`.
pub fn events(root: &Root, args: &Events, log: &Log) -> Result<()> {
    let record = root.read(&args.id)?;
    let process = manage::running(&record)?;
    let cgroup = Cgroup::open(&record.cgroups)?;
    if args.stats {
        return stats(&args.id, &cgroup).map(|_| ());
    }
    let oom = match cgroup.oom_events() {
        Ok(oom) => Some(oom),
        Err(e) => {
            log.warn(&e.to_string());
            None
        }
    };
    Watch {
        id: &args.id,
        interval: args.interval,
        cgroup,
        process,
        oom,
    }
    .until_the_end()
}

struct Watch<'a> {
    id: &'a str,
    interval: Duration,
    cgroup: Cgroup,
    process: OwnedFd,
    oom: Option<OomEvents>,
}

/// Why the wait is over.
#[derive(Debug, Default, Clone, Copy)]
struct Woken {
    ended: bool,
    oom: bool,
    reader_gone: bool,
}

impl Watch<'_> {
    fn until_the_end(mut self) -> Result<()> {
        let mut next = Instant::now() + self.interval;
        loop {
            let woken = self.wait(next)?;
            // First the OOM killer: it may be what ended the container. Version 2
            // may ring for it only some time later, and then nobody listens.
            if (woken.oom || woken.ended) && self.tell_oom()? == Reader::Gone {
                return Ok(());
            }
            if woken.ended || woken.reader_gone {
                return Ok(());
            }
            if Instant::now() < next {
                continue;
            }
            if stats(self.id, &self.cgroup)? == Reader::Gone {
                return Ok(());
            }
            // Lines that could not be written in time are not made up for.
            next = Instant::now().max(next + self.interval);
        }
    }

    fn wait(&self, until: Instant) -> Result<Woken> {
        let stdout = io::stdout();
        // Without being asked for anything, it tells when its reader is gone.
        let mut fds = vec![
            PollFd::new(self.process.as_fd(), PollFlags::POLLIN),
            PollFd::new(stdout.as_fd(), PollFlags::empty()),
        ];
        if let Some(oom) = &self.oom {
            fds.push(PollFd::new(oom.as_fd(), oom.interest()));
        }
        match poll(&mut fds, timeout(until)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(Error::environment(e.desc()).context("poll")),
        }
        let rang = |at: usize| fds.get(at).is_some_and(|f| f.any() == Some(true));
        let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
        Ok(Woken {
            ended: rang(0),
            reader_gone: fds[1].revents().is_some_and(|r| r.intersects(gone)),
            oom: rang(2),
        })
    }

    fn tell_oom(&mut self) -> Result<Reader> {
        match self.oom.as_mut().map(OomEvents::take) {
            Some(Oom::Happened) => print(&Event {
                kind: "oom",
                id: self.id,
                data: None,
            }),
            Some(Oom::Gone) => {
                // It would ring for ever.
                self.oom = None;
                Ok(Reader::There)
            }
            Some(Oom::Nothing) | None => Ok(Reader::There),
        }
    }
}

/// In whole milliseconds, rounded up: waking too early would mean waking
/// again and again.
fn timeout(until: Instant) -> PollTimeout {
    let left = until.saturating_duration_since(Instant::now());
    let ms = left.as_nanos().div_ceil(1_000_000);
    i32::try_from(ms)
        .ok()
        .and_then(|ms| PollTimeout::try_from(ms).ok())
        .unwrap_or(PollTimeout::MAX)
}

fn stats(id: &str, cgroup: &Cgroup) -> Result<Reader> {
    print(&Event {
        kind: "stats",
        id,
        data: Some(cgroup.stats()?),
    })
}

/// A whole line at once, so that no reader ever waits for the rest of one.
fn print(event: &Event<'_>) -> Result<Reader> {
    let mut line = serde_json::to_vec(event).map_err(|e| Error::internal(e.to_string()))?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    match out.write_all(&line).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        written => written
            .map(|()| Reader::There)
            .context(|| "cannot write to standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oom_event_has_no_data() {
        let event = Event {
            kind: "oom",
            id: "a",
            data: None,
        };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(text, r#"{"type":"oom","id":"a"}"#);
    }

    #[test]
    fn there_is_a_time_between_two_lines() {
        assert_eq!(interval("500ms").unwrap(), Duration::from_millis(500));
        for text in ["0", "0s", "0.1ns", "-1s", "5"] {
            assert!(interval(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_time_that_is_almost_there_is_still_waited_for() {
        let soon = timeout(Instant::now() + Duration::from_micros(900));
        assert_eq!(soon.as_millis(), Some(1));
        let past = Instant::now();
        assert_eq!(timeout(past).as_millis(), Some(0));
        let far = timeout(Instant::now() + Duration::from_secs(1 << 40));
        assert_eq!(far, PollTimeout::MAX);
    }
}
