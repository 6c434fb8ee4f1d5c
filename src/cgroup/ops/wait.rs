//! Waiting for the kernel, in short steps that grow.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

const FIRST: Duration = Duration::from_micros(100);
const LONGEST: Duration = Duration::from_millis(10);

/// Pauses of 100 µs, 200 µs, … up to 10 ms, until the time is up.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    until: Instant,
}

impl Backoff {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            next: FIRST,
            until: Instant::now() + patience,
        }
    }

    /// Sleeps a little longer than the last time; false when time is up.
    pub(super) fn pause(&mut self) -> bool {
        let Some(step) = self.step() else {
            return false;
        };
        std::thread::sleep(step);
        true
    }

    /// As [`Self::pause`], but ends at once when the kernel marks `file` as
    /// changed. It may hold that back for 10 ms when the last change was just
    /// before, so the steps stay short even so.
    pub(super) fn pause_for(&mut self, file: impl AsFd) -> bool {
        let Some(step) = self.step() else {
            return false;
        };
        let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLPRI)];
        let millis = u16::try_from(step.as_millis()).unwrap_or(u16::MAX);
        if millis == 0 {
            std::thread::sleep(step);
        } else if poll(&mut fds, PollTimeout::from(millis)).is_err() {
            std::thread::sleep(FIRST);
        }
        true
    }

    fn step(&mut self) -> Option<Duration> {
        let left = self.until.checked_duration_since(Instant::now())?;
        let step = self.next;
        self.next = (self.next * 2).min(LONGEST);
        Some(step.min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_grow_to_a_limit_and_end_in_time() {
        let mut b = Backoff::new(Duration::from_millis(60));
        let steps: Vec<_> = (0..9).map(|_| b.step().unwrap()).collect();
        assert_eq!(steps[0], FIRST);
        assert_eq!(steps[1], FIRST * 2);
        assert_eq!(steps[8], LONGEST);
        let start = Instant::now();
        let mut b = Backoff::new(Duration::from_millis(5));
        while b.pause() {}
        assert!((5..500).contains(&start.elapsed().as_millis()));
    }
}
