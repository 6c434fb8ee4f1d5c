//! After the program has ended: what is noted, what is taken away, and
//! whether it is started again.

use std::time::Duration;

use super::{Keeper, parents};
use nix::sys::signal::Signal;

use crate::cgroup::ops::{self, Cgroup};
use crate::cgroup::paths::CgroupPaths;
use crate::container::{Config, Restart, State, Status, Timestamp};
use crate::error::Result;
use crate::network::store::Networks;
use crate::store::{Entry, Lock, Starter, Store};
use crate::sys::process::Exit;

/// The first pause before a program is started again; each is twice as long
/// as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A program that has run so long was well: the pauses begin anew.
const WAS_WELL: Duration = Duration::from_secs(10);

impl Keeper {
    /// Takes away what the program was kept in, and who is left in there.
    pub(super) fn clear_up(&mut self) {
        let paths = self.state.cgroups.as_ref();
        self.state.oom_killed = paths
            .and_then(|paths| Cgroup::open_one(paths, "memory").ok())
            .and_then(|cgroup| cgroup.oom_kill_count().ok())
            .is_some_and(|n| n > 0);
        take_away(&mut self.state);
    }

    /// Notes how the program ended.
    pub(super) fn bury(&mut self, exit: Exit) {
        self.log.end();
        let code = exit.shell_code();
        self.state.exit_code = code;
        self.state.finished = Some(Timestamp::now());
        if self.state.oom_killed {
            self.note("oom", &[]);
        }
        self.note("die", &[("exitCode", &code.to_string())]);
        if self.stopping.take().is_some() {
            self.note("stop", &[]);
        }
    }

    /// How long to wait before the program is started again, if it is.
    pub(super) fn again(&mut self) -> Option<Duration> {
        let ran = self.state.started.zip(self.state.finished);
        if ran.is_some_and(|(start, end)| end.since(start) > WAS_WELL) {
            self.pause = FIRST_PAUSE;
        }
        if self.state.stopped_by_hand || !wants_restart(self.config.restart, &self.state) {
            return None;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        self.state.restarts += 1;
        Some(pause)
    }

    pub(super) fn first_pause() -> Duration {
        FIRST_PAUSE
    }
}

fn wants_restart(policy: Restart, state: &State) -> bool {
    match policy {
        Restart::No => false,
        Restart::Always | Restart::UnlessStopped => true,
        Restart::OnFailure(most) => state.exit_code != 0 && (most == 0 || state.restarts < most),
    }
}

/// Ends what is left of a container's processes and removes its cgroups. Those
/// that cannot be removed stay on record, to be tried again.
pub(super) fn take_away(state: &mut State) {
    state.cgroups = state.cgroups.take().filter(|paths| !end_all(paths));
    state.pid = 0;
    state.pid_start = 0;
}

/// Whether nothing is left of it.
fn end_all(paths: &CgroupPaths) -> bool {
    // No process can be in a directory that could be removed; mostly none is
    // left, and looking for them would take longer.
    if ops::destroy_empty(paths).is_err() {
        if let Ok(cgroup) = Cgroup::open(paths) {
            let _ = cgroup.kill(Signal::SIGKILL);
        }
        if ops::destroy(paths).is_err() {
            return false;
        }
    }
    parents::remove(paths);
    true
}

/// Whether a keeper has yet to write the end of it.
pub(super) fn is_open(state: &State) -> bool {
    state.status.is_up() || state.keeper != 0
}

/// Whether it was a step of a build, which nobody else will take away. Its
/// lock is held from its making to its end.
pub(super) fn is_orphan(entry: &Entry) -> bool {
    entry.config().is_ok_and(|config| config.build.is_some())
}

/// What became of a container, as it is now: a keeper that died without a
/// word is noticed here, and what it left is taken away.
pub fn truth(store: &Store, entry: &Entry) -> Result<State> {
    truth_with(store, entry, || is_orphan(entry)).map(|(state, _)| state)
}

/// The same for somebody who wants it noted.
pub(super) fn note_truth(store: &Store, entry: &Entry) -> Result<()> {
    truth_with(store, entry, || is_orphan(entry))?.1
}

/// The same for somebody who has read what was asked for. A container that
/// goes with its program may be gone with what is found out here.
pub fn truth_of(store: &Store, entry: &Entry, config: &Config) -> Result<State> {
    let state = truth_with(store, entry, || config.build.is_some()).map(|(state, _)| state);
    if config.auto_remove || config.build.is_some() {
        return entry.still_there(state);
    }
    state
}

/// What became of it, and whether that could be noted where it had to be.
type Truth = (State, Result<()>);

fn truth_with(store: &Store, entry: &Entry, is_step: impl Fn() -> bool) -> Result<Truth> {
    loop {
        // The lock first: whoever gives it back has written the end before.
        let held = entry.is_held();
        let state = entry.recorded()?;
        if held || !(is_open(&state) || is_step()) {
            return Ok((state, Ok(())));
        }
        match entry.try_lock()? {
            // Somebody was faster: a new start, or another who looks.
            None => {}
            Some(lock) => return settle(store, entry, lock),
        }
    }
}

fn was_begun(state: &State) -> bool {
    state.status.is_up() || state.started.is_some()
}

/// What became of a container whose keeper left without a word. One that was
/// just about to start it may have failed to, and found no room to say so.
pub(super) fn what_was_cut_short(state: &State) -> &'static str {
    if was_begun(state) {
        "its keeper was killed"
    } else {
        "its start was cut short"
    }
}

/// Settles what a dead keeper has left open. Its lock is ours now.
fn settle(store: &Store, entry: &Entry, lock: Lock) -> Result<Truth> {
    let mut state = entry.recorded()?;
    if !is_open(&state) {
        if is_orphan(entry) {
            store.remove(entry, lock)?;
        }
        return Ok((state, Ok(())));
    }
    let rebooted = state.boot != boot_id();
    if rebooted {
        // Nothing of it survived, and its numbers mean nothing any more.
        state.cgroups = None;
    }
    take_away(&mut state);
    Networks(store).forget_everywhere(entry.id());
    state.network = serde_json::Value::Null;
    let config = entry.config();
    if let Ok(config) = &config {
        super::volumes::release(store, config);
    }
    state.keeper = 0;
    let why = what_was_cut_short(&state);
    if was_begun(&state) {
        state.status = Status::Exited;
        state.exit_code = 137;
        state.finished = Some(Timestamp::now());
    }
    state.error = if rebooted {
        "the machine was restarted".to_owned()
    } else {
        why.to_owned()
    };
    let _ = std::fs::remove_dir_all(entry.run_dir());
    // Where it cannot be noted it is true all the same, and whoever looks next
    // finds it out again.
    let mut noted = entry.write_state(&lock, &state, false);
    if let Some(config) = config.ok().filter(|c| c.auto_remove) {
        let _ = super::volumes::forget(store, &config);
        noted = noted.and(store.remove(entry, lock));
    }
    Ok((state, noted))
}

/// Takes away what may be left of a container's processes, whatever its record
/// says. Its lock is ours.
pub fn clear_away(store: &Store, entry: &Entry) {
    Networks(store).forget_everywhere(entry.id());
    if let Ok(config) = entry.config() {
        super::volumes::release(store, &config);
    }
    let recorded = entry.recorded().ok().and_then(|state| state.cgroups);
    let Some(paths) = recorded else { return };
    let mut state = State {
        cgroups: Some(paths),
        ..State::default()
    };
    take_away(&mut state);
}

/// This process, as the one who starts a new container.
pub fn starter() -> Starter {
    Starter {
        pid: std::process::id() as i32,
        boot: boot_id(),
    }
}

/// A different one after each start of the machine.
pub(super) fn boot_id() -> String {
    let path = "/proc/sys/kernel/random/boot_id";
    let id = crate::sys::read_kernel_file(path.as_ref()).unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::layout::{Mode, Version};
    use crate::cgroup::paths::CgroupDir;

    #[test]
    fn cgroups_that_cannot_be_removed_stay_on_record() {
        let state = |mount: &str, path: &str| State {
            pid: 7,
            cgroups: Some(CgroupPaths {
                mode: Mode::Unified,
                dirs: vec![CgroupDir {
                    version: Version::V2,
                    controllers: vec![],
                    name: None,
                    mount: mount.into(),
                    path: path.to_owned(),
                    made: true,
                }],
            }),
            ..State::default()
        };
        // No cgroup at all, so that nothing there will ever be removed.
        let mut stuck = state("/proc", "self/x");
        take_away(&mut stuck);
        assert_eq!(stuck.pid, 0);
        assert!(stuck.cgroups.is_some());
        let mut gone = state("/no/such/mount", "x");
        take_away(&mut gone);
        assert!(gone.cgroups.is_none());
    }
}
