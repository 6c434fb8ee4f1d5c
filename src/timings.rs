//! `run --timings`: where the time of one start went.
//!
//! Three processes do the work, in turns, each with a memory of its own. So
//! they share one page, made before the first of them is forked, on which each
//! notes when it came to a moment; the command that was typed reads it in the
//! end. Where nobody asked for that there is no page, and noting is one look at
//! a pointer.
//!
//! The clock is the one of the calendar, for every other one can be another in
//! a container's time namespace. Should it be set meanwhile, a time is wrong.

use std::fmt::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::Result;
use crate::say;
use crate::sys::{clock, memory};

/// A moment of a start, in the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The process that was typed began.
    Begun,
    /// The command line has been read.
    Read,
    /// The container is on record.
    Kept,
    /// The keeper is there.
    Keeper,
    /// The layers of the root are laid over each other.
    Laid,
    /// The plan is there.
    Planned,
    /// What will be made is on record.
    Recorded,
    /// The cgroups are there.
    Cgroups,
    /// The first process is there.
    Born,
    /// It has namespaces of its own.
    Apart,
    /// It is in its root.
    Inside,
    /// All is ready but the program.
    Ready,
    /// It may start.
    Told,
    /// It runs.
    Runs,
    /// It has ended.
    Ended,
    /// Its cgroups are gone.
    Cleared,
    /// Its files are gone, or its end is on record.
    Closed,
    /// The command has heard of it.
    Heard,
}

/// All of them, each with what the time before it was spent on.
const ALL: [(Moment, &str); 18] = [
    (Moment::Begun, ""),
    (
        Moment::Read,
        "rcon is executed, again through a view of its binary that cannot be written, and reads the line",
    ),
    (
        Moment::Kept,
        "the image is found, and the container put on record",
    ),
    (Moment::Keeper, "the keeper is forked"),
    (
        Moment::Laid,
        "it looks at this host, and lays the image's layers over each other",
    ),
    (
        Moment::Planned,
        "the user is looked up; configuration, filter and plan are worked out",
    ),
    (Moment::Recorded, "what will be made is put on record"),
    (Moment::Cgroups, "cgroups are made and limited"),
    (Moment::Born, "the first process is forked"),
    (
        Moment::Apart,
        "it moves into its cgroups, and gets namespaces of its own",
    ),
    (
        Moment::Inside,
        "its network is made, its root put together and entered",
    ),
    (Moment::Ready, "it gives up power; the program is found"),
    (Moment::Told, "ready, it waits for the word to start"),
    (
        Moment::Runs,
        "the filter of system calls is loaded, and the program executed",
    ),
    (Moment::Ended, "the program"),
    (Moment::Cleared, "its end is seen, its cgroups are removed"),
    (
        Moment::Closed,
        "its files are removed, or how it ended is put on record",
    ),
    (Moment::Heard, "this command hears of it"),
];

static PAGE: OnceLock<&'static [AtomicU64]> = OnceLock::new();

/// Begins to take times, in this process and those it forks.
pub fn begin() -> Result<()> {
    let page = memory::shared_numbers()?;
    let _ = PAGE.set(page);
    mark(Moment::Read);
    // A process knows how long it has computed, and until here it did little
    // else.
    let read = page[Moment::Read as usize].load(Ordering::Relaxed);
    let begun = read.saturating_sub(clock::time_computed().as_nanos() as u64);
    page[Moment::Begun as usize].store(begun, Ordering::Relaxed);
    Ok(())
}

/// Notes that this moment has come. Of a program that is started again it is
/// the first time that counts.
pub fn mark(moment: Moment) {
    let Some(page) = PAGE.get() else { return };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_nanos() as u64;
    let place = &page[moment as usize];
    let _ = place.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
}

/// Tells what was noted, if times were taken.
pub fn tell() {
    if let Some(page) = PAGE.get() {
        let times = ALL.map(|(moment, _)| page[moment as usize].load(Ordering::Relaxed));
        say::err(table(&times).trim_end());
    }
}

/// Who has not come to a moment has spent no time of its own on the way there.
fn table(times: &[u64; ALL.len()]) -> String {
    let begun = times[Moment::Begun as usize];
    let between = |from: u64, to: u64| Duration::from_nanos(to.saturating_sub(from));
    let last = times.iter().max().copied().unwrap_or(begun);
    let whole = between(begun, last);
    let mut text = format!("{} until here:\n", shown(whole));
    let mut before = begun;
    for ((_, words), at) in ALL.iter().zip(times).skip(1) {
        if *at == 0 {
            continue;
        }
        let spent = between(before, *at);
        let part = 100.0 * spent.as_secs_f64() / whole.as_secs_f64().max(1e-9);
        let _ = writeln!(text, "{:>12} {part:>3.0} %  {words}", shown(spent));
        before = before.max(*at);
    }
    text
}

fn shown(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_moment_has_its_place() {
        for (n, (moment, words)) in ALL.iter().enumerate() {
            assert_eq!(*moment as usize, n);
            assert_eq!(words.is_empty(), n == 0, "{moment:?}");
        }
    }

    #[test]
    fn times_add_up_and_what_did_not_happen_is_left_out() {
        let mut times = [0; ALL.len()];
        times[Moment::Begun as usize] = 1_000_000;
        times[Moment::Read as usize] = 2_000_000;
        times[Moment::Kept as usize] = 4_500_000;
        times[Moment::Runs as usize] = 11_000_000;
        let text = table(&times);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "10.000 ms until here:");
        assert!(
            lines[1].starts_with("    1.000 ms  10 %  rcon is executed"),
            "{text}"
        );
        assert!(
            lines[2].starts_with("    2.500 ms  25 %  the image"),
            "{text}"
        );
        assert!(
            lines[3].starts_with("    6.500 ms  65 %  the filter"),
            "{text}"
        );
        assert_eq!(lines.len(), 4, "{text}");
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_of_it() {
        let mut times = [0; ALL.len()];
        times[Moment::Begun as usize] = 5_000_000;
        times[Moment::Read as usize] = 1_000_000;
        assert!(table(&times).contains("0.000 ms"));
    }
}
