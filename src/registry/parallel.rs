//! Several transfers at once, on threads that are gone when the call returns:
//! the caller may fork afterwards.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};

/// What a transfer says that ended because of another one's failure.
pub(crate) const STOPPED: &str = "stopped because another transfer failed";

/// Does `work` for every item, at most `limit` at once. The first failure sets
/// the flag that `work` is given, and is the one that is returned.
pub fn each<T: Sync>(
    items: &[T],
    limit: usize,
    work: impl Fn(&T, &AtomicBool) -> Result<()> + Sync,
) -> Result<()> {
    let stop = AtomicBool::new(false);
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let worker = || {
        while !stop.load(Ordering::Relaxed)
            && let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed))
        {
            if let Err(e) = work(item, &stop) {
                // Recorded before others can notice the flag and fail of it.
                let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(e);
                stop.store(true, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        let more = limit.min(items.len()).saturating_sub(1);
        for _ in 0..more {
            // Where no thread is to be had, this one does the work.
            let _ = std::thread::Builder::new().spawn_scoped(scope, worker);
        }
        worker();
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(e) => Err(e),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn every_item_is_done_once_and_at_once() {
        let seen = Mutex::new(Vec::new());
        // Passes only if three run at the same time.
        let together = Barrier::new(3);
        each(&[1, 2, 3], 3, |item, _| {
            together.wait();
            seen.lock().unwrap().push(*item);
            Ok(())
        })
        .unwrap();
        let mut seen = seen.into_inner().unwrap();
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3]);
    }

    #[test]
    fn the_first_failure_stops_the_rest_and_is_told() {
        let done = AtomicUsize::new(0);
        let items: Vec<u32> = (0..100).collect();
        let e = each(&items, 2, |item, stop| {
            if *item == 3 {
                return Err(Error::user("three"));
            }
            while *item > 3 && !stop.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            done.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        assert_eq!(e.unwrap_err().what(), "three");
        assert!(done.into_inner() < 6);
    }

    #[test]
    fn no_items_no_work() {
        each(&[] as &[u8], 4, |_, _| Err(Error::user("x"))).unwrap();
    }
}
