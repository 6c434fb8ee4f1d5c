//! The times of a health check.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::format::units::duration;

/// The shortest that the times of a health check can be.
const SHORTEST: Duration = Duration::from_millis(1);

/// A duration as Go writes it; or `0`, which is Docker's word for "as usual".
pub fn parse(text: &str) -> Result<Option<Duration>> {
    let duration = duration::parse(text)?;
    if !duration.is_zero() && duration < SHORTEST {
        return Err(Error::user(format!("invalid duration {text:?}"))
            .hint("a health check cannot be timed in less than 1ms"));
    }
    Ok((!duration.is_zero()).then_some(duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_as_usual() {
        for (text, ms) in [("1ms", 1), ("1m30s", 90_000), ("1.5s", 1_500)] {
            let want = Some(Duration::from_millis(ms));
            assert_eq!(parse(text).unwrap(), want, "{text}");
        }
        assert_eq!(parse("0").unwrap(), None);
        assert_eq!(parse("0s").unwrap(), None);
    }

    #[test]
    fn too_short_or_no_time_at_all() {
        for text in ["", "5", "-1s", "1ns", "999us"] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.starts_with(&format!("invalid duration {text:?}")), "{e}");
        }
    }
}
