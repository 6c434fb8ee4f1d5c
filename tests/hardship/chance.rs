//! Instants and choices without luck: the same in each run, unless another
//! seed is asked for.

use std::time::Duration;

/// A number from the environment.
pub fn asked(variable: &str, usual: u64) -> u64 {
    let said = std::env::var(variable).ok();
    said.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Whether somebody has the time for all there is.
pub fn is_long() -> bool {
    asked("RCON_TEST_ROUNDS", 0) >= 1000
}

/// A generator of numbers.
pub struct Chance(u64);

impl Chance {
    /// Another one for each who says another `name`.
    pub fn new(name: u64) -> Self {
        Self(asked("RCON_TEST_SEED", 1).wrapping_mul(0x9e37_79b9) ^ name)
    }

    /// A number below another.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// A while, short ones more often than long ones: most commands do what
    /// they do in their first milliseconds.
    pub fn instant(&mut self, longest: Duration) -> Duration {
        let part = self.below(1000) * self.below(1000);
        longest * u32::try_from(part).unwrap_or(0) / 1_000_000
    }

    /// One of several.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}
