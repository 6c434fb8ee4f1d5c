//! Sizes as people write them: `32M`, `1.5g`, `64KiB`, `-1`. Text to number,
//! nothing else.

const UNITS: &str = "kmgtp";

/// Bytes, or a number with a unit (powers of 1024); `-1` is no limit.
pub fn parse(text: &str) -> Result<i64, String> {
    let bad = || format!("{text:?} is not a size like 32M");
    if text == "-1" {
        return Ok(-1);
    }
    let lower = text.to_ascii_lowercase();
    let end = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at(end);
    let factor = factor(unit.trim_start()).ok_or_else(bad)?;
    let bytes = if number.contains('.') {
        fraction(number, factor)
    } else {
        whole(number, factor)
    };
    bytes.ok_or_else(bad)
}

/// `""`, `b`, `m`, `mb` and `mib`.
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

fn whole(number: &str, factor: i64) -> Option<i64> {
    number.parse::<i64>().ok()?.checked_mul(factor)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a fraction of a unit is rounded to bytes in any case"
)]
fn fraction(number: &str, factor: i64) -> Option<i64> {
    let bytes = number.parse::<f64>().ok()? * factor as f64;
    (bytes < i64::MAX as f64).then_some(bytes as i64)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn units_are_powers_of_1024() {
        let all = [
            ("0", 0),
            ("4096", 4096),
            ("10b", 10),
            ("32M", 32 << 20),
            ("32mb", 32 << 20),
            ("32 MiB", 32 << 20),
            ("1.5g", 3 << 29),
            ("2t", 2 << 40),
            ("7p", 7 << 50),
            ("-1", -1),
        ];
        for (text, bytes) in all {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "-2",
            "M",
            ".",
            "1.2.3m",
            "1x",
            "1mm",
            "1ki",
            "1é",
            "nan",
            "9999999p",
            "1e3",
            "9223372036854775808",
            "9.9999p1",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
