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
/// unit's spelling, as Docker and runc read memory.
pub fn parse_binary(text: &str) -> Result<u64> {
    parse(text, 1024).ok_or_else(|| {
        invalid(text).hint("a number of bytes, or with a unit as in 64k, 512m, 1.5g")
    })
}

/// The same in multiples of 1000, as Docker reads the size of a log.
pub fn parse_decimal(text: &str) -> Result<u64> {
    parse(text, 1000)
        .ok_or_else(|| invalid(text).hint("a number of bytes, or with a unit as in 64k, 10m, 1.5g"))
}

/// As [`parse_binary`] for what may also be `-1`, which is no limit.
pub fn parse_limit(text: &str) -> Result<i64> {
    if text == "-1" {
        return Ok(-1);
    }
    parse(text, 1024).map(u64::cast_signed).ok_or_else(|| {
        invalid(text).hint("a number of bytes, or with a unit as in 512m, 1.5g; or -1 for no limit")
    })
}

fn invalid(text: &str) -> Error {
    Error::user(format!("invalid size: {text:?}"))
}

fn parse(text: &str, base: u128) -> Option<u64> {
    let digits = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    // One space may part them.
    let unit = rest.strip_prefix(' ').filter(|unit| !unit.is_empty());
    let power = power(&unit.unwrap_or(rest).to_ascii_lowercase())?;
    let size = number::scaled(number, base.pow(power))?.whole;
    // Nobody's cgroup counts above what a signed number holds.
    i64::try_from(size).ok().map(i64::cast_unsigned)
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
            ("4096", 4096),
            ("10b", 10),
            ("64k", 64 << 10),
            ("32M", 32 << 20),
            ("32mb", 32 << 20),
            ("32MB", 32 << 20),
            ("32 MiB", 32 << 20),
            ("0.0001k", 0),
            ("7p", 7 << 50),
            ("2t", 2 << 40),
            ("1p", 1 << 50),
            ("9223372036854775807", i64::MAX as u64),
        ] {
            assert_eq!(parse_binary(text).unwrap(), bytes, "{text}");
            assert_eq!(parse_limit(text).unwrap(), bytes as i64, "{text}");
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
            "-2",
            "-1m",
            "m",
            ".m",
            "1.2.3m",
            "1ki",
            "nan",
            "9999999p",
            "9.9999p1",
            " 1m",
            "1m ",
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
            let e = parse_limit(text).unwrap_err().to_string();
            assert!(e.starts_with(&format!("invalid size: {text:?} (")), "{e}");
            assert!(parse_binary(text).is_err(), "{text:?}");
        }
        assert_eq!(
            parse_binary("1x").unwrap_err().to_string(),
            "invalid size: \"1x\" (a number of bytes, or with a unit as in 64k, 512m, 1.5g)"
        );
    }

    #[test]
    fn no_limit_only_where_it_is_one() {
        assert_eq!(parse_limit("-1").unwrap(), -1);
        assert!(parse_binary("-1").is_err());
    }
}
