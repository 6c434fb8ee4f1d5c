//! Hearing of the OOM killer as it strikes.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::fcntl::OFlag;
use nix::poll::PollFlags;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::Cgroup;
use super::dir::{Dir, read_again};
use crate::cgroup::layout::Version;
use crate::cgroup::stats::parse;
use crate::error::{Context, Error, Result};
use crate::sys::{SysError, SysResult};

/// What became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oom {
    /// The container ran out of memory.
    Happened,
    /// Something changed, but not that.
    Nothing,
    /// The cgroup is gone; nothing will come any more.
    Gone,
}

/// A descriptor to poll with [`OomEvents::interest`]; when it is ready,
/// [`OomEvents::take`] tells why.
#[derive(Debug)]
pub struct OomEvents(Kind);

#[derive(Debug)]
enum Kind {
    V1 { event: EventFd, control: File },
    V2 { events: File, seen: u64 },
}

impl Cgroup {
    /// Starts to listen.
    pub fn oom_events(&self) -> Result<OomEvents> {
        let dir = self
            .find("memory")
            .ok_or_else(|| Error::environment("OOM events need the memory cgroup controller"))?;
        let kind = match dir.version() {
            Version::V1 => listen_v1(dir),
            Version::V2 => listen_v2(dir),
        };
        Ok(OomEvents(kind.context(|| "listening for OOM events")?))
    }
}

/// v1 signals an eventfd that was registered together with the file.
fn listen_v1(dir: &Dir) -> SysResult<Kind> {
    let control = dir.open_file("memory.oom_control", OFlag::O_RDONLY)?;
    let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
        .map_err(|e| SysError::new(e, "eventfd2(0, EFD_CLOEXEC|EFD_NONBLOCK)"))?;
    let pair = format!("{} {}", event.as_fd().as_raw_fd(), control.as_raw_fd());
    dir.write("cgroup.event_control", &pair)?;
    Ok(Kind::V1 { event, control })
}

/// v2 marks the file as changed, for any line of it.
fn listen_v2(dir: &Dir) -> SysResult<Kind> {
    let events = dir.open_file("memory.events", OFlag::O_RDONLY)?;
    let seen = kills(&read_again(&events)?);
    Ok(Kind::V2 { events, seen })
}

fn kills(events: &str) -> u64 {
    parse::flat_keyed(events)
        .get("oom_kill")
        .copied()
        .unwrap_or(0)
}

impl OomEvents {
    /// What to poll for.
    pub fn interest(&self) -> PollFlags {
        match self.0 {
            Kind::V1 { .. } => PollFlags::POLLIN,
            Kind::V2 { .. } => PollFlags::POLLPRI,
        }
    }

    /// Takes what has come. Never blocks.
    pub fn take(&mut self) -> Oom {
        match &mut self.0 {
            Kind::V1 { event, control } => {
                let rang = event.read().is_ok();
                // The removal of the cgroup rings, too.
                match (read_again(control), rang) {
                    (Err(_), _) => Oom::Gone,
                    (Ok(_), true) => Oom::Happened,
                    (Ok(_), false) => Oom::Nothing,
                }
            }
            Kind::V2 { events, seen } => match read_again(events).map(|t| kills(&t)) {
                Err(_) => Oom::Gone,
                Ok(now) if now > *seen => {
                    *seen = now;
                    Oom::Happened
                }
                Ok(_) => Oom::Nothing,
            },
        }
    }
}

impl AsFd for OomEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Kind::V1 { event, .. } => event.as_fd(),
            Kind::V2 { events, .. } => events.as_fd(),
        }
    }
}
