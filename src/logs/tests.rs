use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;
use crate::container::{Id, LogConfig, Timestamp};

/// A directory of its own, removed with it.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let name = format!("rcon-test-{}", Id::random().unwrap().short());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn writer(&self, max_size: u64, max_file: u32) -> Writer {
        let options = Options {
            driver: Driver::JsonFile,
            max_size,
            max_file,
        };
        Writer::open(&self.0, &options).unwrap()
    }

    fn read(&self, wanted: Wanted) -> Vec<Entry> {
        all(&mut Reader::open(&self.0, wanted).unwrap())
    }

    fn text(&self, tail: Option<usize>) -> String {
        let wanted = Wanted {
            tail,
            ..Wanted::default()
        };
        self.read(wanted).into_iter().map(|e| e.text).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn all(reader: &mut Reader) -> Vec<Entry> {
    std::iter::from_fn(|| reader.next_entry().unwrap()).collect()
}

const fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 5 }
}

#[test]
fn the_files_are_docker_s() {
    let p = Place::new();
    let mut w = p.writer(1 << 20, 3);
    w.write(Stream::Stdout, b"a \"b\"\t\x01\\\n", at(0));
    w.write(Stream::Stderr, "grün\n".as_bytes(), at(1));
    let text = fs::read_to_string(p.0.join(FILE)).unwrap();
    let want = concat!(
        r#"{"log":"a \"b\"\t\u0001\\\n","stream":"stdout","time":"1970-01-01T00:00:00.000000005Z"}"#,
        "\n",
        r#"{"log":"grün\n","stream":"stderr","time":"1970-01-01T00:00:01.000000005Z"}"#,
        "\n"
    );
    assert_eq!(text, want);
}

#[test]
fn a_line_waits_for_its_end() {
    let p = Place::new();
    let mut w = p.writer(1 << 20, 3);
    w.write(Stream::Stdout, b"one", at(0));
    w.write(Stream::Stderr, b"between\n", at(0));
    assert_eq!(p.text(None), "between\n");
    w.write(Stream::Stdout, b" line\nrest", at(0));
    w.end(at(0));
    assert_eq!(p.text(None), "between\none line\nrest");
}

#[test]
fn a_long_line_is_written_in_parts_and_counts_once() {
    let p = Place::new();
    let mut w = p.writer(1 << 30, 3);
    let long = "ä".repeat(50_000) + "\n";
    w.write(Stream::Stdout, b"before\n", at(0));
    w.write(Stream::Stdout, long.as_bytes(), at(0));
    w.write(Stream::Stdout, b"after\n", at(0));
    assert!(p.read(Wanted::default()).len() > 5);
    assert_eq!(p.text(Some(2)), long.clone() + "after\n");
    assert_eq!(p.text(Some(1)), "after\n");
    assert_eq!(p.text(Some(0)), "");
    assert_eq!(p.text(Some(9)), "before\n".to_owned() + &long + "after\n");
}

#[test]
fn old_files_make_room() {
    let p = Place::new();
    let mut w = p.writer(4096, 3);
    for n in 0..1000 {
        w.write(Stream::Stdout, format!("line {n}\n").as_bytes(), at(0));
    }
    let files = fs::read_dir(&p.0).unwrap().count();
    assert_eq!(files, 3);
    let text = p.text(None);
    assert!(text.ends_with("line 998\nline 999\n") && !text.contains("line 1\n"));
    let first: u32 = text.lines().next().unwrap()[5..].parse().unwrap();
    assert_eq!(
        text.lines().count() as u32,
        1000 - first,
        "none is lost between"
    );
    assert_eq!(p.text(Some(100)).lines().count(), 100);
}

#[test]
fn only_what_was_said_in_that_time() {
    let p = Place::new();
    let mut w = p.writer(1 << 20, 3);
    for n in 0..10 {
        w.write(Stream::Stdout, format!("{n}\n").as_bytes(), at(n));
    }
    let wanted = Wanted {
        since: Some(at(3)),
        until: Some(at(5)),
        tail: None,
    };
    let text: String = p.read(wanted).into_iter().map(|e| e.text).collect();
    assert_eq!(text, "3\n4\n5\n");
}

#[test]
fn what_was_cut_short_does_not_spoil_the_rest() {
    let p = Place::new();
    p.writer(1 << 20, 3).write(Stream::Stdout, b"one\n", at(0));
    let mut text = fs::read(p.0.join(FILE)).unwrap();
    text.extend(b"{\"log\":\"tw");
    fs::write(p.0.join(FILE), text).unwrap();
    p.writer(1 << 20, 3)
        .write(Stream::Stdout, b"three\n", at(0));
    let mut reader = Reader::open(&p.0, Wanted::default()).unwrap();
    let texts: Vec<String> = all(&mut reader).into_iter().map(|e| e.text).collect();
    assert_eq!(texts, ["one\n", "three\n"]);
    assert_eq!(reader.spoilt(), 1);
}

#[test]
fn a_file_without_lines_does_not_fill_memory() {
    let p = Place::new();
    fs::write(p.0.join(FILE), vec![b'x'; 5 << 20]).unwrap();
    let mut reader = Reader::open(&p.0, Wanted::default()).unwrap();
    assert_eq!(all(&mut reader), []);
    assert!(reader.spoilt() > 0);
    assert_eq!(p.text(Some(3)), "");
}

#[test]
fn a_follower_misses_nothing_and_sees_nothing_twice() {
    let p = Place::new();
    let count = 20_000;
    let mut w = p.writer(8192, 1000);
    w.write(Stream::Stdout, b"0\n", at(0));
    let mut reader = Reader::open(&p.0, Wanted::default()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|s| {
        s.spawn(|| {
            for n in 1..count {
                w.write(Stream::Stdout, format!("{n}\n").as_bytes(), at(0));
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut next = 0;
        while next < count {
            let last_look = done.load(Ordering::SeqCst);
            for entry in all(&mut reader) {
                assert_eq!(entry.text, format!("{next}\n"));
                next += 1;
            }
            assert!(!last_look || next == count, "{next} is missing");
        }
    });
}

#[test]
fn options_are_checked() {
    let options = |key: &str, value: &str| {
        Options::new(&LogConfig {
            driver: "json-file".to_owned(),
            options: [(key.to_owned(), value.to_owned())].into(),
        })
    };
    assert_eq!(options("max-size", "1m").unwrap().max_size, 1 << 20);
    assert_eq!(options("max-size", "-1").unwrap().max_size, u64::MAX);
    assert_eq!(options("max-file", "7").unwrap().max_file, 7);
    for (key, value) in [
        ("max-size", "x"),
        ("max-size", "1"),
        ("max-file", "0"),
        ("max-file", "-1"),
        ("nope", "1"),
        ("mode", "non-blocking"),
    ] {
        let e = options(key, value).unwrap_err().to_string();
        assert!(e.contains(&format!("--log-opt {key}={value}")), "{e}");
    }
    let unknown = LogConfig {
        driver: "syslog".to_owned(),
        ..LogConfig::default()
    };
    assert!(
        Options::new(&unknown)
            .unwrap_err()
            .to_string()
            .contains("json-file")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_said_is_read(pieces in proptest::collection::vec("[a-zä\n\"\\\\\u{1}]{0,40}", 0..20)) {
        let p = Place::new();
        let mut w = p.writer(1 << 20, 3);
        for piece in &pieces {
            w.write(Stream::Stdout, piece.as_bytes(), at(0));
        }
        w.end(at(0));
        prop_assert_eq!(p.text(None), pieces.concat());
    }

    #[test]
    fn the_tail_is_the_end_of_all(count in 0usize..300, tail in 0usize..320) {
        let p = Place::new();
        let mut w = p.writer(4096, 100);
        for n in 0..count {
            w.write(Stream::Stdout, format!("line {n}\n").as_bytes(), at(0));
        }
        let all = p.text(None);
        let lines: Vec<&str> = all.split_inclusive('\n').collect();
        let want = lines[lines.len().saturating_sub(tail)..].concat();
        prop_assert_eq!(p.text(Some(tail)), want);
    }
}
