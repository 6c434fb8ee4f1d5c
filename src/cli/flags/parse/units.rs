//! Sizes and numbers of processors: `512m`, `1.5g`, `-1`, `0.5`.

use crate::error::{Error, Result};

const UNITS: &str = "kmgtp";

/// Bytes, or a number with a unit; units are powers of 1024.
pub fn size(text: &str) -> Result<i64> {
    bytes(text).ok_or_else(|| {
        Error::user(format!("invalid size: {text:?}"))
            .hint("a number of bytes, or with a unit as in 64k, 512m, 1.5g")
    })
}

/// The same; `-1` is no limit.
pub fn size_or_unlimited(text: &str) -> Result<i64> {
    if text == "-1" {
        return Ok(-1);
    }
    bytes(text).ok_or_else(|| {
        Error::user(format!("invalid size: {text:?}"))
            .hint("a number of bytes, or with a unit as in 512m, 1.5g; or -1 for no limit")
    })
}

fn bytes(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    let end = lower.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = lower.split_at(end.unwrap_or(lower.len()));
    decimal(
        number,
        factor(unit.strip_prefix(' ').unwrap_or(unit))?,
        false,
    )
}

/// What `""`, `b`, `m`, `mb` and `mib` multiply by.
fn factor(unit: &str) -> Option<i64> {
    let Some(first) = unit.chars().next() else {
        return Some(1);
    };
    if unit == "b" {
        return Some(1);
    }
    let power = UNITS.find(first)? as u32 + 1;
    matches!(&unit[1..], "" | "b" | "ib").then(|| 1024_i64.pow(power))
}

/// `1.5` times the factor, without the rounding of floating point. What is
/// less than one unit of the result is dropped, or refused if `exact`.
fn decimal(text: &str, factor: i64, exact: bool) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = 10u128.checked_pow(fraction.len() as u32)?;
    let product = digits.parse::<u128>().ok()?.checked_mul(factor as u128)?;
    if exact && product % scale != 0 {
        return None;
    }
    i64::try_from(product / scale).ok()
}

/// Processors as billionths of one: `1.5` is 1500000000.
pub fn cpus(text: &str) -> Result<i64> {
    decimal(text, 1_000_000_000, true).ok_or_else(|| {
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
    fn units_are_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("10b", 10),
            ("64k", 64 << 10),
            ("512m", 512 << 20),
            ("32MB", 32 << 20),
            ("32 MiB", 32 << 20),
            ("1.5g", 3 << 29),
            (".5k", 512),
            ("0.0001k", 0),
            ("2t", 2 << 40),
            ("7p", 7 << 50),
        ] {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
            assert_eq!(size_or_unlimited(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn no_limit_only_where_it_is_one() {
        assert_eq!(size_or_unlimited("-1").unwrap(), -1);
        assert!(size("-1").is_err());
    }

    #[test]
    fn what_is_no_size() {
        for text in [
            "",
            "-2",
            "m",
            ".",
            ".m",
            "1.2.3m",
            "1x",
            "1mm",
            "1ki",
            "1é",
            "nan",
            "9999999p",
            "1e3",
            "9223372036854775808",
            "1  m",
            " 1m",
            "1m ",
            "+1",
            "0x10",
        ] {
            let e = size_or_unlimited(text).unwrap_err().to_string();
            assert!(e.starts_with(&format!("invalid size: {text:?} (")), "{e}");
            assert!(size(text).is_err(), "{text:?}");
        }
    }

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
