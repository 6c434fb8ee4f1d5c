//! Whether a container is well: its own command is run in it from time to
//! time, and a few failures in a row are believed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::Keeper;
use super::checker::Checker;
use crate::container::{Health, HealthStatus, Healthcheck, Probe, Timestamp};
use crate::sys::{fd, process};

/// So much of what a check prints is kept.
const LONGEST_OUTPUT: usize = 4096;
/// So many checks are remembered.
const REMEMBERED: usize = 5;
/// So long what is left of a check may take to end before it is frozen.
const PATIENCE: Duration = Duration::from_millis(500);

/// The checks of one container.
#[derive(Debug, Default)]
pub(super) struct Checks {
    next: Option<Instant>,
    running: Option<Running>,
    /// What was killed, and is waited for by nobody.
    dying: Vec<OwnedFd>,
}

#[derive(Debug)]
struct Running {
    checker: Checker,
    said: Vec<u8>,
    start: Timestamp,
    deadline: Instant,
}

impl Checks {
    /// When there is something to do again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.running.as_ref().map(|r| r.deadline).or(self.next)
    }

    /// The check that runs, if one does.
    pub(super) fn process(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref().map(|r| r.checker.pidfd.as_fd())
    }

    /// What it says.
    pub(super) fn output(&self) -> Option<BorrowedFd<'_>> {
        let running = self.running.as_ref()?;
        running.checker.output.as_ref().map(AsFd::as_fd)
    }

    /// Takes in what it says; the rest of a long story is let go by.
    pub(super) fn read(&mut self) {
        let Some(running) = &mut self.running else {
            return;
        };
        let mut buf = [0; 4096];
        let Some(output) = &running.checker.output else {
            return;
        };
        match nix::unistd::read(output, &mut buf) {
            Ok(n) if n > 0 => {
                let room = LONGEST_OUTPUT.saturating_sub(running.said.len());
                running.said.extend(&buf[..n.min(room)]);
            }
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            Ok(_) | Err(_) => running.checker.output = None,
        }
    }

    /// Forgets those of the dying that have ended.
    fn mourn(&mut self) {
        self.dying
            .retain(|pidfd| matches!(process::try_wait(pidfd), Ok(None)));
    }
}

impl Keeper {
    /// The program runs; the first check comes after a while.
    pub(super) fn begin_checks(&mut self) {
        let Some(check) = &self.config.health else {
            return;
        };
        let first = if check.start_period.is_zero() {
            check.interval
        } else {
            check.interval.min(check.start_interval)
        };
        self.checks.next = Some(Instant::now() + first);
    }

    /// The program has ended, and with it whatever looked after it.
    pub(super) fn cease_checks(&mut self) {
        self.checks.next = None;
        self.end_check();
    }

    /// Ends a check that is on its way, as if it had not begun.
    pub(super) fn put_checks_off(&mut self) {
        let Some(check) = &self.config.health else {
            return;
        };
        let interval = check.interval;
        if self.end_check() {
            self.checks.next = Some(Instant::now() + interval);
            self.see_off();
        }
    }

    /// Whether there was one to end.
    fn end_check(&mut self) -> bool {
        let Some(running) = self.checks.running.take() else {
            return false;
        };
        let dying = self.call_back(running.checker);
        self.checks.dying.extend(dying);
        true
    }

    /// Waits a moment for the last of what was ended.
    fn see_off(&mut self) {
        let until = Instant::now() + PATIENCE;
        self.checks.mourn();
        while let Some(last) = self.checks.dying.last() {
            let left = until.saturating_duration_since(Instant::now());
            if !fd::ready_within(last, Some(left)).unwrap_or(false) {
                return;
            }
            self.checks.mourn();
        }
    }

    /// Does what is due.
    pub(super) fn attend_checks(&mut self) {
        let Some(check) = self.config.health.clone() else {
            return;
        };
        self.checks.mourn();
        let now = Instant::now();
        if let Some(running) = &self.checks.running {
            if running.deadline <= now {
                self.give_up(&check);
            } else if let Ok(Some(exit)) = process::try_wait(&running.checker.pidfd) {
                self.conclude(&check, exit.shell_code());
            }
        } else if self.checks.next.is_some_and(|at| at <= now) {
            self.begin_check(&check);
        }
    }

    fn begin_check(&mut self, check: &Healthcheck) {
        let now = Instant::now();
        self.checks.next = None;
        if self.state.status == crate::container::Status::Paused {
            // What is frozen cannot answer, and is not unwell for that.
            self.checks.next = Some(now + check.interval);
            return;
        }
        if !self.checks.dying.is_empty() {
            let text = "what the last check has started does not end";
            return self.judge(check, Timestamp::now(), -1, text.to_owned());
        }
        match self.send_checker(check) {
            Ok(checker) => {
                self.checks.running = Some(Running {
                    checker,
                    said: Vec::new(),
                    start: Timestamp::now(),
                    deadline: now + check.timeout,
                });
            }
            Err(e) => self.judge(check, Timestamp::now(), -1, e.to_string()),
        }
    }

    /// The check takes too long.
    fn give_up(&mut self, check: &Healthcheck) {
        let start = self.checks.running.as_ref().map(|r| r.start);
        self.end_check();
        let text = format!("Health check exceeded timeout ({:?})", check.timeout);
        self.judge(check, start.unwrap_or_else(Timestamp::now), -1, text);
    }

    fn conclude(&mut self, check: &Healthcheck, code: i32) {
        while self.checks.output().is_some_and(has_more) {
            self.checks.read();
        }
        let Some(running) = self.checks.running.take() else {
            return;
        };
        let mut trouble = [0; LONGEST_OUTPUT];
        let (code, said) = match nix::unistd::read(&running.checker.trouble, &mut trouble) {
            Ok(n) if n > 0 => (-1, &trouble[..n]),
            _ => (code, &running.said[..]),
        };
        let said = String::from_utf8_lossy(said).into_owned();
        self.judge(check, running.start, code, said);
    }

    fn judge(&mut self, check: &Healthcheck, start: Timestamp, code: i32, output: String) {
        let since_start = self.state.started.map_or(Duration::MAX, Timestamp::elapsed);
        let starting = since_start < check.start_period;
        let health = self.state.health.get_or_insert_with(Health::default);
        let before = health.status;
        let probe = Probe {
            start,
            end: Timestamp::now(),
            exit_code: code,
            output,
        };
        record(health, probe, check, starting);
        let hurry = starting && health.status == HealthStatus::Starting;
        let pause = if hurry {
            check.start_interval
        } else {
            check.interval
        };
        let now = health.status;
        self.checks.next = Some(Instant::now() + pause);
        self.write_state();
        if now != before {
            let word = format!("{now:?}").to_lowercase();
            self.note(&format!("health_status: {word}"), &[]);
        }
    }
}

/// What one check means. While the program may still be starting, its failures
/// do not count.
fn record(health: &mut Health, probe: Probe, check: &Healthcheck, starting: bool) {
    if probe.exit_code == 0 {
        health.failing_streak = 0;
        health.status = HealthStatus::Healthy;
    } else if !(starting && health.status == HealthStatus::Starting) {
        health.failing_streak += 1;
        if health.failing_streak >= check.retries.max(1) {
            health.status = HealthStatus::Unhealthy;
        }
    }
    health.log.push(probe);
    if health.log.len() > REMEMBERED {
        health.log.remove(0);
    }
}

fn has_more(output: BorrowedFd<'_>) -> bool {
    fd::ready_within(&output, Some(Duration::ZERO)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> Healthcheck {
        let second = Duration::from_secs(1);
        Healthcheck {
            command: vec!["true".to_owned()],
            interval: second,
            timeout: second,
            start_period: second,
            start_interval: second,
            retries: 3,
        }
    }

    fn probe(exit_code: i32) -> Probe {
        Probe {
            start: Timestamp::now(),
            end: Timestamp::now(),
            exit_code,
            output: String::new(),
        }
    }

    #[test]
    fn a_few_failures_in_a_row_are_believed() {
        let mut health = Health::default();
        for (code, want) in [
            (1, HealthStatus::Starting),
            (1, HealthStatus::Starting),
            (0, HealthStatus::Healthy),
            (1, HealthStatus::Healthy),
            (1, HealthStatus::Healthy),
            (1, HealthStatus::Unhealthy),
            (0, HealthStatus::Healthy),
        ] {
            record(&mut health, probe(code), &check(), false);
            assert_eq!(health.status, want);
        }
        assert_eq!(health.log.len(), REMEMBERED);
    }

    #[test]
    fn failures_at_the_beginning_do_not_count() {
        let mut health = Health::default();
        for _ in 0..10 {
            record(&mut health, probe(1), &check(), true);
        }
        assert_eq!(
            (health.status, health.failing_streak),
            (HealthStatus::Starting, 0)
        );
        record(&mut health, probe(0), &check(), true);
        for _ in 0..3 {
            record(&mut health, probe(1), &check(), true);
        }
        assert_eq!(health.status, HealthStatus::Unhealthy, "it was well before");
    }
}
