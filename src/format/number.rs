//! Floating-point numbers written as Go's `fmt` writes them.

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

#[cfg(test)]
mod tests {
    use super::*;

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
