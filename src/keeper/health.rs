//! Whether a container is well: its own command is run in it from time to
//! time, and a few failures in a row are believed.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::{Keeper, streams};
use crate::container::{Health, HealthStatus, Healthcheck, Probe, Timestamp};
use crate::error::{Context, Error, Result};
use crate::facts;
use crate::plan::{self, ExecRequest};
use crate::run::{self, Launch, State};
use crate::spec::{self, Further};
use crate::sys::{fd, process};

/// So much of what a check prints is kept.
const LONGEST_OUTPUT: usize = 4096;
/// So many checks are remembered.
const REMEMBERED: usize = 5;

/// The checks of one container.
#[derive(Debug, Default)]
pub(super) struct Checks {
    next: Option<Instant>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    pid: i32,
    pidfd: OwnedFd,
    output: Option<OwnedFd>,
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
        self.running.as_ref().map(|r| r.pidfd.as_fd())
    }

    /// What it says.
    pub(super) fn output(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref()?.output.as_ref().map(AsFd::as_fd)
    }

    /// Takes in what it says; the rest of a long story is let go by.
    pub(super) fn read(&mut self) {
        let Some(running) = &mut self.running else {
            return;
        };
        let mut buf = [0; 4096];
        let Some(output) = &running.output else {
            return;
        };
        match nix::unistd::read(output, &mut buf) {
            Ok(n) if n > 0 => {
                let room = LONGEST_OUTPUT.saturating_sub(running.said.len());
                running.said.extend(&buf[..n.min(room)]);
            }
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            Ok(_) | Err(_) => running.output = None,
        }
    }

    /// The program has ended, and with it whatever looked after it.
    pub(super) fn cease(&mut self) {
        self.next = None;
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }
}

impl Running {
    /// Ends it and what it has started. It leads a session of its own, and its
    /// number is nobody else's until we have waited for it.
    fn kill(&self) {
        let _ = process::kill(-self.pid, libc::SIGKILL);
        let _ = fd::pidfd_send_signal(&self.pidfd, libc::SIGKILL);
        let _ = process::wait(&self.pidfd);
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

    /// Ends a check that is on its way, as if it had not begun.
    pub(super) fn put_checks_off(&mut self) {
        let Some(check) = &self.config.health else {
            return;
        };
        if let Some(running) = self.checks.running.take() {
            running.kill();
            self.checks.next = Some(Instant::now() + check.interval);
        }
    }

    /// Does what is due.
    pub(super) fn attend_checks(&mut self) {
        let Some(check) = self.config.health.clone() else {
            return;
        };
        let now = Instant::now();
        if let Some(running) = &self.checks.running {
            if running.deadline <= now {
                running.kill();
                let text = format!("Health check exceeded timeout ({:?})", check.timeout);
                self.conclude(&check, -1, Some(text));
            } else if let Ok(Some(exit)) = process::try_wait(&running.pidfd) {
                while self.checks.output().is_some_and(has_more) {
                    self.checks.read();
                }
                self.conclude(&check, exit.shell_code(), None);
            }
            return;
        }
        if self.checks.next.is_some_and(|at| at <= now) {
            self.checks.next = None;
            if self.state.status == crate::container::Status::Paused {
                // What is frozen cannot answer, and is not unwell for that.
                self.checks.next = Some(now + check.interval);
                return;
            }
            match self.start_check(&check) {
                Ok(running) => self.checks.running = Some(running),
                Err(e) => self.judge(&check, Timestamp::now(), -1, e.to_string()),
            }
        }
    }

    fn start_check(&mut self, check: &Healthcheck) -> Result<Running> {
        let spec = self.entry.spec()?;
        let process = spec::further(
            &spec,
            &Further {
                args: &check.command,
                env: &[],
                workdir: None,
                user: None,
                terminal: false,
                privileged: None,
            },
        )?;
        let gone = || Error::environment("the container has just ended");
        let plan = plan::exec(
            &ExecRequest {
                process: &process,
                spec: &spec,
                namespaces: facts::foreign_namespaces(self.state.pid)?,
                cgroups: self.state.cgroups.clone().ok_or_else(gone)?,
                id: self.entry.id().to_string(),
                no_new_keyring: false,
            },
            &facts::observe()?,
        )?;
        let container = crate::process::handle(self.state.pid, self.state.pid_start);
        let (output, theirs) = streams::pipe()?;
        streams::not_waiting(&output)?;
        let null = File::open("/dev/null").context(|| "cannot open /dev/null")?;
        fd::place(&null, 0)?;
        fd::place(&theirs, 1)?;
        fd::place(&theirs, 2)?;
        drop(theirs);
        let held = run::launch(Launch {
            plan: &plan,
            state: State {
                oci_version: spec.version().clone(),
                id: self.entry.id().to_string(),
                status: "running".to_owned(),
                pid: self.state.pid,
                bundle: self.entry.dir().to_owned(),
                annotations: std::collections::HashMap::default(),
            },
            console: None,
            start_socket: None,
            root: None,
            container: Some(container.ok_or_else(gone)?),
            preserve_fds: 0,
            explain: None,
        });
        streams::forget_own()?;
        let (pid, pidfd) = held?.release()?;
        Ok(Running {
            pid,
            pidfd,
            output: Some(output),
            said: Vec::new(),
            start: Timestamp::now(),
            deadline: Instant::now() + check.timeout,
        })
    }

    fn conclude(&mut self, check: &Healthcheck, code: i32, instead: Option<String>) {
        let Some(running) = self.checks.running.take() else {
            return;
        };
        let said = instead.unwrap_or_else(|| String::from_utf8_lossy(&running.said).into_owned());
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
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(output, PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap_or(0) > 0
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
