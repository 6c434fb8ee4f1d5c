//! Moments against dates whose numbers are known.

use proptest::prelude::*;

use super::*;

const EPOCH: Timestamp = Timestamp {
    seconds: 0,
    nanos: 0,
};

fn at(seconds: i64, nanos: u32) -> Timestamp {
    Timestamp { seconds, nanos }
}

fn parse_rfc3339(text: &str) -> Result<Timestamp> {
    text.parse()
}

#[test]
fn moments_are_written_and_read_back() {
    for (seconds, nanos, text) in [
        (0, 0, "1970-01-01T00:00:00Z"),
        (951_782_400, 0, "2000-02-29T00:00:00Z"),
        (1_136_073_600, 1, "2006-01-01T00:00:00.000000001Z"),
        (1_704_067_199, 500_000_000, "2023-12-31T23:59:59.5Z"),
        (1_709_251_199, 0, "2024-02-29T23:59:59Z"),
        (4_102_444_800, 0, "2100-01-01T00:00:00Z"),
        (-1, 0, "1969-12-31T23:59:59Z"),
        (-1, 500_000_000, "1969-12-31T23:59:59.5Z"),
        (-2_208_988_800, 0, "1900-01-01T00:00:00Z"),
        (-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
    ] {
        assert_eq!(rfc3339(at(seconds, nanos)), text);
        assert_eq!(parse_rfc3339(text).unwrap(), at(seconds, nanos), "{text}");
    }
    assert_eq!(at(0, 5).to_string(), "1970-01-01T00:00:00.000000005Z");
    assert_eq!(at(0, 0).to_string(), "1970-01-01T00:00:00.000000000Z");
}

#[test]
fn zones_shift_the_clock_and_not_the_moment() {
    let time = at(1_714_979_289, 0);
    assert_eq!(rfc3339(time), "2024-05-06T07:08:09Z");
    assert_eq!(rfc3339_at(time, 7200), "2024-05-06T09:08:09+02:00");
    assert_eq!(rfc3339_at(time, -34_200), "2024-05-05T21:38:09-09:30");
    assert_eq!(spaced(time, 7200, "CEST"), "2024-05-06 09:08:09 +0200 CEST");
    assert_eq!(parse_rfc3339("2024-05-06T09:08:09+02:00").unwrap(), time);
    assert_eq!(parse_rfc3339("2024-05-05t21:38:09-09:30").unwrap(), time);
}

#[test]
fn since_takes_what_docker_takes() {
    let now = at(1_000_000_000, 0);
    for (text, seconds, nanos) in [
        ("10m", 999_999_400, 0),
        ("1h30m", 999_994_600, 0),
        ("0s", 1_000_000_000, 0),
        ("0", 0, 0),
        ("1136073600", 1_136_073_600, 0),
        ("1136073600.000000001", 1_136_073_600, 1),
        ("1136073600.5", 1_136_073_600, 500_000_000),
        ("1136073600.1234567891", 1_136_073_600, 123_456_789),
        ("2006-01-02T15:04:05Z", 1_136_214_245, 0),
        ("2006-01-02T15:04:05.25Z", 1_136_214_245, 250_000_000),
        ("2006-01-02T15:04:05+01:00", 1_136_210_645, 0),
        // Without a zone: here two hours east.
        ("2006-01-02T15:04:05", 1_136_207_045, 0),
        ("2006-01-02T15:04:05.5", 1_136_207_045, 500_000_000),
        ("2006-01-02T15:04", 1_136_207_040, 0),
        ("2006-01-02T15", 1_136_206_800, 0),
        ("2006-01-02T15:04Z", 1_136_214_240, 0),
        ("2006-01-02", 1_136_152_800, 0),
        ("2006-01-02Z", 1_136_160_000, 0),
        ("2006-01-02-05:00", 1_136_178_000, 0),
    ] {
        let read = parse_moment(text, now, 7200).unwrap();
        assert_eq!(read, at(seconds, nanos), "{text}");
    }
}

#[test]
fn what_is_no_moment_is_refused() {
    for text in [
        "",
        "x",
        "-",
        "1.",
        ".5",
        "1.x",
        "--1",
        "2006",
        "2006-13-01x",
        "2006-13-01",
        "2006-00-10",
        "2006-02-29",
        "2006-01-32",
        "2006-01-02T",
        "2006-01-02T24",
        "2006-01-02T15:60",
        "2006-01-02T15:04:60",
        "2006-01-02T15:04:05.",
        "2006-01-02T15.5",
        "2006-01-02T15:04:05+1",
        "2006-01-02T15:04:05+24:00",
        "2006-01-02T15:04:05ZZ",
        "2006-1-2",
        "20060102T1",
        "é006-01-02",
        "2006-01-0é",
        "99999999999999999999",
    ] {
        // Bare digits are seconds; this is about the rest.
        let digits = text.bytes().all(|b| b.is_ascii_digit()) && text.len() < 19;
        if !digits || text.is_empty() {
            assert!(parse_moment(text, EPOCH, 0).is_err(), "{text:?}");
        }
        assert!(parse_rfc3339(text).is_err(), "{text:?}");
    }
    for text in [
        "2006-01-02",
        "2006-01-02T15:04:05",
        "2006-01-02T15:04Z",
        "10m",
    ] {
        assert!(parse_rfc3339(text).is_err(), "{text:?} is not all of it");
    }
}

proptest! {
    #[test]
    fn every_moment_survives(
        seconds in -62_135_596_800i64..253_402_300_800,
        nanos in 0u32..1_000_000_000,
        minutes in -1439i32..1440,
    ) {
        let time = at(seconds, nanos);
        prop_assert_eq!(parse_rfc3339(&rfc3339(time)).unwrap(), time);
        // A zone must not lead out of the years that four digits can name.
        if (-62_135_000_000..253_402_000_000).contains(&seconds) {
            let text = rfc3339_at(time, minutes * 60);
            prop_assert_eq!(parse_rfc3339(&text).unwrap(), time);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,30}") {
        let _ = parse_moment(&text, EPOCH, 0);
        let _ = parse_rfc3339(&text);
        let _ = duration::parse(&text);
        let _ = super::super::size::parse_binary(&text);
    }
}
