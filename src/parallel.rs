//! Several pieces of work at once, on threads that are gone when the call returns:
//! the caller may fork afterwards.

use std::num::NonZero;
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

/// What `work` makes of every item, in their order, at most `limit` at once.
pub fn map<T: Sync, R: Send>(items: &[T], limit: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let places: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let both: Vec<(&T, &Mutex<Option<R>>)> = items.iter().zip(&places).collect();
    // Nothing here can fail.
    let _ = each(&both, limit, |(item, place), _| {
        let made = work(item);
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
        Ok(())
    });
    let made = places
        .into_iter()
        .filter_map(|place| place.into_inner().unwrap_or_else(PoisonError::into_inner));
    made.collect()
}

/// As many threads as there are processors.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, NonZero::get)
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

    #[test]
    fn what_is_made_has_the_order_of_the_items() {
        let items: Vec<u32> = (0..1000).collect();
        let made = map(&items, 3, |n| n * 2);
        assert_eq!(made, items.iter().map(|n| n * 2).collect::<Vec<_>>());
    }
}
