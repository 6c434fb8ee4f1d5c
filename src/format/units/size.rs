//! Sizes: decimal ones for storage, binary ones for memory.

use crate::error::{Error, Result};
use crate::format::number;

const DECIMAL: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const BINARY: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// `12.3MB`: steps of 1000 and four digits, as `docker system df` shows.
pub fn decimal(bytes: u64) -> String {
    scaled(bytes, 1000.0, DECIMAL, 4)
}

/// `1.234GiB`: steps of 1024 and four digits, as `docker stats` shows.
pub fn binary(bytes: u64) -> String {
    scaled(bytes, 1024.0, BINARY, 4)
}

/// As [`decimal`] with three digits: the sizes in `docker images` and
/// `docker ps`, and the traffic in `docker stats`.
pub fn decimal_short(bytes: u64) -> String {
    scaled(bytes, 1000.0, DECIMAL, 3)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "four digits are shown, and fifteen survive"
)]
fn scaled(bytes: u64, base: f64, units: [&str; 7], digits: usize) -> String {
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= base && unit + 1 < units.len() {
        size /= base;
        unit += 1;
    }
    number::significant(size, digits) + units[unit]
}

/// Reads `512m`, `1.5g`, `1024`, `64 KiB`: multiples of 1024 whatever the
/// unit's spelling, as Docker reads memory.
pub fn parse_binary(text: &str) -> Result<u64> {
    parse(text, 1024).ok_or_else(|| wrong(text))
}

/// The same in multiples of 1000, as Docker reads what is kept on disks.
pub fn parse_decimal(text: &str) -> Result<u64> {
    parse(text, 1000).ok_or_else(|| wrong(text))
}

fn wrong(text: &str) -> Error {
    Error::user(format!("invalid size: {text:?}"))
        .hint("a size is a number and perhaps a unit, like 512m or 1.5g")
}

fn parse(text: &str, base: u32) -> Option<u64> {
    let digits = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    // One space may part them.
    let unit = rest.strip_prefix(' ').filter(|unit| !unit.is_empty());
    let power = power(&unit.unwrap_or(rest).to_ascii_lowercase())?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let factor = u64::from(base).pow(power);
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let size = whole.checked_mul(factor)?;
    let part: f64 = format!("0.{fraction}0").parse().ok()?;
    // Nobody's cgroup counts above what a signed number holds.
    let size = size.checked_add((part * f64::from(base).powi(power as i32)) as u64)?;
    i64::try_from(size).is_ok().then_some(size)
}

/// The power of 1024, or of 1000, that a unit stands for.
fn power(unit: &str) -> Option<u32> {
    let (letter, spelling) = match unit.char_indices().nth(1) {
        Some((at, _)) => unit.split_at(at),
        None => (unit, ""),
    };
    let power = match letter {
        "" => return Some(0),
        "b" => return spelling.is_empty().then_some(0),
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    matches!(spelling, "" | "b" | "ib").then_some(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_with_four_digits() {
        for (bytes, ten, two) in [
            (0, "0B", "0B"),
            (999, "999B", "999B"),
            (1000, "1kB", "1000B"),
            (1024, "1.024kB", "1KiB"),
            (12_345_678, "12.35MB", "11.77MiB"),
            (999_999, "1000kB", "976.6KiB"),
            (1_610_612_736, "1.611GB", "1.5GiB"),
            (3_000_000_000_000, "3TB", "2.728TiB"),
            (u64::MAX, "18.45EB", "16EiB"),
        ] {
            assert_eq!(decimal(bytes), ten);
            assert_eq!(binary(bytes), two);
        }
        assert_eq!(decimal_short(12_345_678), "12.3MB");
    }

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, bytes) in [
            ("0", 0),
            ("32", 32),
            ("32b", 32),
            ("32B", 32),
            ("1024b", 1024),
            ("1k", 1024),
            ("1K", 1024),
            ("1kb", 1024),
            ("1KiB", 1024),
            ("1024k", 1 << 20),
            ("512m", 512 << 20),
            ("512 MB", 512 << 20),
            ("1g", 1 << 30),
            ("1.5g", 3 << 29),
            (".5k", 512),
            ("5.k", 5120),
            ("1.9", 1),
            ("2t", 2 << 40),
            ("1p", 1 << 50),
            ("9223372036854775807", i64::MAX as u64),
        ] {
            assert_eq!(parse_binary(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn decimal_sizes_are_read_with_the_same_units() {
        for (text, bytes) in [
            ("10m", 10_000_000),
            ("1.5 GB", 1_500_000_000),
            ("4KiB", 4000),
            ("7", 7),
            ("9p", 9_000_000_000_000_000),
        ] {
            assert_eq!(parse_decimal(text).unwrap(), bytes, "{text}");
        }
        assert!(parse_decimal("10q").is_err());
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "b",
            "k",
            ".",
            "-1",
            "-1m",
            "+1",
            "1x",
            "1mm",
            "1mib2",
            "1bb",
            "1bib",
            "1e3",
            "1.2.3",
            "1  m",
            " 1",
            "1 ",
            "0x10",
            "inf",
            "1é",
            "1kéb",
            "9223372036854775808",
            "99999999999p",
            "1_000",
        ] {
            assert!(parse_binary(text).is_err(), "{text:?}");
        }
        assert_eq!(
            parse_binary("1x").unwrap_err().to_string(),
            "invalid size: \"1x\" (a size is a number and perhaps a unit, like 512m or 1.5g)"
        );
    }
}
