//! Floating-point numbers written as Go's `fmt` writes them, and decimal ones
//! read without the rounding of floating point.

/// From which power of ten on a number in its shortest form gets an exponent.
const SHORTEST_SWITCH: i32 = 6;

/// No number has more decimals than this; what is asked beyond is not written
/// (and the standard library panics at 65,536).
const MAX_DECIMALS: usize = 1100;

/// `%g` and `%v`: the fewest digits that read back as the same number.
pub(super) fn shortest(value: f64) -> String {
    general(value, &format!("{value:e}"), SHORTEST_SWITCH)
}

/// `%.Ng`: at most so many significant digits, without zeros at the end.
pub(super) fn significant(value: f64, digits: usize) -> String {
    let digits = digits.clamp(1, MAX_DECIMALS);
    let rounded = format!("{value:.*e}", digits - 1);
    general(value, &rounded, digits as i32)
}

/// `%.Ne`: one digit, so many decimals, and an exponent.
pub(super) fn exponential(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return not_finite(value);
    }
    let decimals = decimals.min(MAX_DECIMALS);
    let rounded = format!("{value:.decimals$e}");
    let (digits, exponent) = split(&rounded);
    with_exponent(digits, exponent)
}

/// `%.Nf`: so many decimals and never an exponent.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return not_finite(value);
    }
    let decimals = decimals.min(MAX_DECIMALS);
    format!("{value:.decimals$}")
}

/// Go says `+Inf`, and Rust `inf`.
fn not_finite(value: f64) -> String {
    let word = match value {
        _ if value.is_nan() => "NaN",
        _ if value > 0.0 => "+Inf",
        _ => "-Inf",
    };
    word.to_owned()
}

/// `scientific` is the rounded number as Rust's `{:e}` writes it; which of the
/// two forms to print depends on the exponent after rounding.
fn general(value: f64, scientific: &str, switch: i32) -> String {
    if !value.is_finite() {
        return not_finite(value);
    }
    let (digits, exponent) = split(scientific);
    let digits = without_end_zeros(digits);
    if exponent < -4 || exponent >= switch {
        return with_exponent(digits, exponent);
    }
    let after_point = digits.bytes().filter(u8::is_ascii_digit).count() as i32 - 1;
    let decimals = (after_point - exponent).max(0) as usize;
    format!("{value:.decimals$}")
}

/// `1.5e3` is `1.5` and 3.
fn split(scientific: &str) -> (&str, i32) {
    let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    (digits, exponent.parse().unwrap_or(0))
}

fn without_end_zeros(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

fn with_exponent(digits: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// So many decimals of any unit are far below what is counted.
const READ_DECIMALS: usize = 18;

/// A decimal number times something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scaled {
    /// What is below one is dropped.
    pub whole: u128,
    /// Whether nothing was.
    pub exact: bool,
}

/// Reads `1.5`, `.5` or `5.`, digits and at most one point, times `factor`.
pub(crate) fn scaled(text: &str, factor: u128) -> Option<Scaled> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let value = |digits: &str| match digits {
        "" => Some(0),
        digits => digits.parse::<u128>().ok(),
    };
    let fraction = fraction.trim_end_matches('0');
    let (fraction, cut) = fraction.split_at(fraction.len().min(READ_DECIMALS));
    let product = value(fraction)?.checked_mul(factor)?;
    let scale = 10u128.pow(fraction.len() as u32);
    Some(Scaled {
        whole: value(whole)?
            .checked_mul(factor)?
            .checked_add(product / scale)?,
        exact: product % scale == 0 && cut.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_without_rounding() {
        for (text, factor, whole, exact) in [
            ("1.5", 10, 15, true),
            (".5", 1, 0, false),
            ("5.", 3, 15, true),
            ("0.1", 1_000_000_000, 100_000_000, true),
            ("0.10", 10, 1, true),
            ("1.0000000000000000001", 10, 10, false),
            ("0.1234567890123456789", 1, 0, false),
            (
                "340282366920938463463374607431768211455",
                1,
                u128::MAX,
                true,
            ),
        ] {
            let want = Scaled { whole, exact };
            assert_eq!(scaled(text, factor), Some(want), "{text}");
        }
        for text in [
            "",
            ".",
            "1.2.3",
            "-1",
            "+1",
            "1e3",
            " 1",
            "é",
            "١",
            "340282366920938463463374607431768211456",
        ] {
            assert_eq!(scaled(text, 1), None, "{text:?}");
        }
        assert_eq!(scaled("340282366920938463463374607431768211455", 2), None);
    }

    #[test]
    fn the_shortest_form_is_go_s() {
        for (value, text) in [
            (0.0, "0"),
            (3.0, "3"),
            (-0.5, "-0.5"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (100_000.0, "100000"),
            (123_456.0, "123456"),
            (1_000_000.0, "1e+06"),
            (1_234_567.5, "1.2345675e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (1e20, "1e+20"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(shortest(value), text);
        }
    }

    #[test]
    fn significant_digits_are_counted_after_rounding() {
        for (value, digits, text) in [
            (12_345.678, 4, "1.235e+04"),
            (0.000_012_34, 4, "1.234e-05"),
            (1000.0, 4, "1000"),
            (999.99, 4, "1000"),
            (9999.9, 4, "1e+04"),
            (12.30, 4, "12.3"),
            (1.0005, 4, "1"),
            (1.0, 0, "1"),
        ] {
            assert_eq!(significant(value, digits), text, "{value} in {digits}");
        }
    }

    #[test]
    fn other_verbs() {
        assert_eq!(exponential(12_345.678, 3), "1.235e+04");
        assert_eq!(exponential(1.0, 6), "1.000000e+00");
        assert_eq!(exponential(f64::NEG_INFINITY, 6), "-Inf");
        assert_eq!(fixed(2.345, 2), "2.35");
        assert_eq!(fixed(f64::NAN, 2), "NaN");
    }
}
