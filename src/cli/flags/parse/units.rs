//! Sizes and numbers of processors: `512m`, `1.5g`, `-1`, `0.5`.

use crate::error::{Error, Result};
use crate::format::number;
use crate::format::units::size::parse_binary;
pub use crate::format::units::size::parse_limit as size_or_unlimited;

/// Bytes, or a number with a unit.
pub fn size(text: &str) -> Result<i64> {
    parse_binary(text).map(u64::cast_signed)
}

/// Processors as billionths of one: `1.5` is 1500000000.
pub fn cpus(text: &str) -> Result<i64> {
    let read = number::scaled(text, 1_000_000_000).filter(|n| n.exact);
    let billionths = read.and_then(|n| i64::try_from(n.whole).ok());
    billionths.ok_or_else(|| {
        Error::user(format!("invalid number of processors: {text:?}"))
            .hint("a number as 2 or 0.5, with at most nine digits behind the point")
    })
}

/// A whole number between two bounds.
pub fn number(text: &str, least: i64, most: i64) -> Result<i64> {
    let number = text.parse().ok();
    let number = number.filter(|n| (least..=most).contains(n));
    number.ok_or_else(|| {
        Error::user(format!("invalid value: {text:?}"))
            .hint(format!("a whole number from {least} to {most}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_processor() {
        for (text, nano) in [
            ("1", 1_000_000_000),
            ("1.5", 1_500_000_000),
            ("0.01", 10_000_000),
            (".5", 500_000_000),
            ("0.000000001", 1),
            ("1.5000000000", 1_500_000_000),
        ] {
            assert_eq!(cpus(text).unwrap(), nano, "{text}");
        }
        for text in [
            "",
            ".",
            "-1",
            "1,5",
            "one",
            "1e3",
            "0.0000000001",
            "99999999999",
        ] {
            assert!(cpus(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(number("-1000", -1000, 1000).unwrap(), -1000);
        for text in ["", "1001", "-1001", "1.5", "x", "99999999999999999999"] {
            let e = number(text, -1000, 1000).unwrap_err().to_string();
            assert!(e.ends_with("(a whole number from -1000 to 1000)"), "{e}");
        }
    }
}
