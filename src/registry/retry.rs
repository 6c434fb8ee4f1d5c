//! Asking again: what went wrong for a moment is tried anew after a pause that
//! grows, and is never quite the same for two who fail together.

use std::time::Duration;

use super::config::Patience;
use super::progress::Watch;
use crate::error::{Error, Result};

/// A failed attempt.
pub(crate) enum Failed {
    /// It may go better; not before so long, if that was said.
    Passing(Error, Option<Duration>),
    /// It will not.
    Final(Error),
}

/// Counts attempts and waits between them.
pub(crate) struct Attempts<'a> {
    patience: &'a Patience,
    watch: Watch<'a>,
    in_a_row: u32,
    all: u32,
}

/// Failures in all, even if each attempt came a little further.
const MOST: u32 = 200;
/// The longest pause of our own making.
const LONGEST: Duration = Duration::from_secs(20);
/// Between two looks at whether the work is still wanted.
const GLANCE: Duration = Duration::from_millis(100);

impl<'a> Attempts<'a> {
    pub fn new(patience: &'a Patience, watch: Watch<'a>) -> Self {
        Self {
            patience,
            watch,
            in_a_row: 0,
            all: 0,
        }
    }

    /// The last attempt has brought something, even if it failed.
    pub fn came_further(&mut self) {
        self.in_a_row = 0;
    }

    /// Waits before the next attempt, or gives up.
    pub fn after(&mut self, failed: Failed) -> Result<()> {
        let (error, asked) = match failed {
            Failed::Final(error) => return Err(error),
            Failed::Passing(error, asked) => (error, asked),
        };
        self.in_a_row += 1;
        self.all += 1;
        if self.in_a_row >= self.patience.attempts || self.all >= MOST {
            return Err(error);
        }
        let own = pause(self.patience.backoff, self.in_a_row, chance());
        let wait = asked.map_or(own, |asked| asked.max(own));
        if wait > self.patience.longest_wait.max(own) {
            return Err(error);
        }
        let text = format!("{}; again in {:.1} s", error.what(), wait.as_secs_f32());
        self.watch.progress.message(&text);
        self.sleep(wait)
    }

    fn sleep(&self, mut wait: Duration) -> Result<()> {
        while !wait.is_zero() {
            self.watch.go_on()?;
            let glance = wait.min(GLANCE);
            std::thread::sleep(glance);
            wait -= glance;
        }
        self.watch.go_on()
    }

    /// Tries until it works or nothing helps.
    pub fn until<T>(
        mut self,
        mut attempt: impl FnMut() -> std::result::Result<T, Failed>,
    ) -> Result<T> {
        loop {
            self.watch.go_on()?;
            match attempt() {
                Ok(done) => return Ok(done),
                Err(failed) => self.after(failed)?,
            }
        }
    }
}

/// The pause after the n-th failure: twice the one before, and between half
/// and all of it as chance (of 256) has it.
fn pause(first: Duration, failures: u32, chance: u8) -> Duration {
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(LONGEST) * (256 + u32::from(chance)) / 512
}

/// Without the kernel's help there is no chance, and no harm.
fn chance() -> u8 {
    let mut byte = [0];
    let _ = crate::sys::random(&mut byte);
    byte[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        Patience {
            attempts: 3,
            backoff: Duration::from_millis(1),
            longest_wait: Duration::from_millis(50),
            ..Patience::default()
        }
    }

    #[test]
    fn pauses_grow_and_end() {
        let ms = Duration::from_millis;
        assert_eq!(pause(ms(100), 1, 0), ms(50));
        assert_eq!(pause(ms(100), 3, 0), ms(200));
        assert!(pause(ms(100), 3, 255) > ms(398) && pause(ms(100), 3, 255) < ms(400));
        assert!(pause(ms(300), 60, 255) <= LONGEST);
    }

    #[test]
    fn what_passes_is_tried_again_and_the_rest_is_not() {
        let patience = patience();
        let tries = |fail: &dyn Fn(u32) -> Option<Failed>| {
            let mut count = 0;
            let done = Attempts::new(&patience, Watch::none()).until(|| {
                count += 1;
                fail(count).map_or(Ok(()), Err)
            });
            (count, done.is_ok())
        };
        let passing = || Failed::Passing(Error::user("x"), None);
        assert_eq!(tries(&|n| (n < 3).then(passing)), (3, true));
        assert_eq!(tries(&|_| Some(passing())), (3, false));
        assert_eq!(
            tries(&|_| Some(Failed::Final(Error::user("x")))),
            (1, false)
        );
        let long = || Failed::Passing(Error::user("x"), Some(Duration::from_secs(1)));
        assert_eq!(tries(&|_| Some(long())), (1, false));
    }

    #[test]
    fn who_comes_further_is_not_given_up() {
        let patience = patience();
        let mut attempts = Attempts::new(&patience, Watch::none());
        for _ in 0..10 {
            attempts.came_further();
            attempts
                .after(Failed::Passing(Error::user("x"), None))
                .unwrap();
        }
    }
}
