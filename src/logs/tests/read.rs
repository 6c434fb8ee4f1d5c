//! Choosing from a log, and logs that are not as we write them.

use super::*;
use std::io::Write;

fn open(dir: &Path, options: &Options) -> crate::error::Result<Reader> {
    Reader::open(dir, options, Wanted::default())
}

/// All that a reader gives.
fn rest(reader: &mut Reader) -> String {
    let mut said = String::new();
    let mut each = |event: Event<'_>| {
        assert_ne!(event, Event::Spoilt);
        if let Event::Entry(e) = event {
            said.push_str(e.text);
        }
        Ok(())
    };
    reader.run(None, || false, &mut each).unwrap();
    said
}

#[test]
fn since_and_until_are_about_where_a_line_begins() {
    let dir = Scratch::new();
    let mut writer = Writer::open(&dir, &Options::default()).unwrap();
    for n in 0..10 {
        let line = format!("{n}\n");
        writer
            .write(Stream::Stdout, line.as_bytes(), at(n))
            .unwrap();
    }
    let long = "x".repeat(20_000);
    writer
        .write(Stream::Stdout, long.as_bytes(), at(10))
        .unwrap();
    writer.write(Stream::Stdout, b"end\n", at(20)).unwrap();
    let lengths = |since, until| {
        let wanted = Wanted {
            since: Some(at(since)),
            until: Some(at(until)),
            ..Wanted::default()
        };
        let lengths: Vec<_> = texts(&dir, wanted).iter().map(String::len).collect();
        lengths
    };
    assert_eq!(lengths(3, 5), [2, 2, 2]);
    assert_eq!(lengths(9, 15), [2, 16_384, 20_004 - 16_384]);
    assert_eq!(lengths(11, 30), [0; 0]);
    assert_eq!(lengths(0, 0), [2]);
}

#[test]
fn a_tail_is_counted_before_instants_are_looked_at() {
    let dir = Scratch::new();
    let mut writer = Writer::open(&dir, &Options::default()).unwrap();
    for n in 0..10 {
        writer.write(Stream::Stdout, b"x\n", at(n)).unwrap();
    }
    let wanted = Wanted {
        since: Some(at(7)),
        ..tail(5)
    };
    assert_eq!(texts(&dir, wanted).len(), 3);
}

#[test]
fn a_time_stands_in_front_of_a_line_and_not_of_its_parts() {
    let dir = Scratch::new();
    let mut writer = Writer::open(&dir, &Options::default()).unwrap();
    let line = "x".repeat(20_000) + "\n";
    writer
        .write(Stream::Stdout, line.as_bytes(), at(1))
        .unwrap();
    writer.write(Stream::Stdout, b"b\n", at(2)).unwrap();
    let mut out = Vec::new();
    let mut each = |event: Event<'_>| {
        if let Event::Entry(entry) = event {
            entry.print(&mut out, true, false)?;
        }
        Ok(())
    };
    let mut reader = open(&dir, &Options::default()).unwrap();
    reader.run(None, || true, &mut each).unwrap();
    let expected =
        format!("1970-01-01T00:00:01.000000000Z {line}1970-01-01T00:00:02.000000000Z b\n");
    assert!(out == expected.as_bytes());
}

#[test]
fn what_is_not_kept_cannot_be_read() {
    let dir = Scratch::new();
    for driver in [Driver::None, Driver::Passthrough] {
        let options = Options {
            driver,
            ..Options::default()
        };
        let e = open(&dir, &options).unwrap_err().to_string();
        let docker = "configured logging driver does not support reading";
        assert!(e.starts_with(docker), "{e}");
    }
}

#[test]
fn a_container_that_said_nothing_has_said_nothing() {
    let dir = Scratch::new();
    assert_eq!(read(&dir, Wanted::default()), []);
    assert_eq!(read(&dir, tail(3)), []);
    fs::write(dir.join("container.log"), "").unwrap();
    assert_eq!(read(&dir, Wanted::default()), []);
    assert_eq!(read(&dir, tail(3)), []);
}

#[test]
fn lines_that_make_no_sense_are_left_out_and_told_of_once() {
    let dir = Scratch::new();
    let log = [
        &record("a"),
        "nonsense\n",
        "\n",
        &record("b"),
        "{\"log\":\n",
        "\u{0}\u{0}\n",
        &record("c"),
    ];
    fs::write(dir.join("container.log"), log.concat()).unwrap();
    let (said, spoilt) = read_spoilt(&dir, Wanted::default());
    let said: Vec<_> = said.iter().map(|s| s.text.as_str()).collect();
    assert_eq!((said, spoilt), (vec!["a\n", "b\n", "c\n"], 1));
    assert_eq!(read_spoilt(&dir, tail(2)).0.len(), 2);
}

#[test]
fn a_line_of_a_hundred_megabytes_is_passed_over() {
    let dir = Scratch::new();
    let mut file = fs::File::create(dir.join("container.log")).unwrap();
    file.write_all(record("a").as_bytes()).unwrap();
    file.set_len(100_000_000).unwrap();
    let mut file = fs::File::options()
        .append(true)
        .open(dir.join("container.log"))
        .unwrap();
    write!(file, "\n{}", record("b")).unwrap();
    for wanted in [Wanted::default(), tail(2), tail(3)] {
        let (said, spoilt) = read_spoilt(&dir, wanted);
        let said: Vec<_> = said.iter().map(|s| s.text.as_str()).collect();
        assert_eq!((said, spoilt), (vec!["a\n", "b\n"], 1));
    }
    assert_eq!(texts(&dir, tail(1)), ["b\n"]);
}

#[test]
fn a_last_record_without_a_newline_is_read_and_half_of_one_is_not() {
    let dir = Scratch::new();
    let last = record("b");
    fs::write(dir.join("container.log"), record("a") + last.trim_end()).unwrap();
    assert_eq!(all(&dir), ["a\n", "b\n"]);
    assert_eq!(texts(&dir, tail(1)), ["b\n"]);
    fs::write(dir.join("container.log"), record("a") + &last[..30]).unwrap();
    assert_eq!(all(&dir), ["a\n"]);
    assert_eq!(texts(&dir, tail(1)), ["a\n"]);
}

#[test]
fn what_is_said_later_is_not_waited_for() {
    let dir = Scratch::new();
    let options = kept(200, 1000);
    let mut writer = Writer::open(&dir, &options).unwrap();
    writer.write(Stream::Stdout, b"a\nb\n", at(0)).unwrap();
    let mut reader = open(&dir, &options).unwrap();
    writer
        .write(Stream::Stdout, b"c\nd\ne\nf\n", at(0))
        .unwrap();
    assert_eq!(rest(&mut reader), "a\nb\n");
}

#[test]
fn what_was_there_is_read_though_its_files_go() {
    let dir = Scratch::new();
    let options = kept(1, 2);
    let mut writer = Writer::open(&dir, &options).unwrap();
    writer.write(Stream::Stdout, b"a\nb\n", at(0)).unwrap();
    let mut reader = open(&dir, &options).unwrap();
    // Each line has a file of its own, and an inode that is free is used again.
    for line in ["c\n", "d\n", "e\n", "f\n"] {
        writer
            .write(Stream::Stdout, line.as_bytes(), at(0))
            .unwrap();
    }
    assert_eq!(rest(&mut reader), "a\nb\n");
}

#[test]
fn a_tail_is_read_though_its_files_go() {
    let dir = Scratch::new();
    let options = kept(1, 3);
    let mut writer = Writer::open(&dir, &options).unwrap();
    let mut say = |line: &[u8]| writer.write(Stream::Stdout, line, at(0)).unwrap();
    say(b"a\nb\nc\n");
    let mut reader = Reader::open(&dir, &options, tail(2)).unwrap();
    say(b"d\ne\n");
    assert_eq!(rest(&mut reader), "b\nc\n");
}

#[test]
fn nobody_forges_a_record_behind_a_line_that_is_too_long() {
    let dir = Scratch::new();
    // Wherever the line might be cut, one piece is a record amid spaces.
    let spaces = " ".repeat(2 * super::super::record::LONGEST);
    let forged = record("forged");
    let parts = [
        &record("a"),
        "x",
        &spaces,
        forged.trim_end(),
        &spaces,
        "x\n",
        &record("b"),
    ];
    fs::write(dir.join("container.log"), parts.concat()).unwrap();
    for wanted in [Wanted::default(), tail(3)] {
        let (said, _) = read_spoilt(&dir, wanted);
        let said: Vec<_> = said.iter().map(|s| s.text.as_str()).collect();
        assert_eq!(said, ["a\n", "b\n"]);
    }
}

#[test]
fn a_fifo_in_the_way_is_not_waited_for() {
    let dir = Scratch::new();
    fs::write(dir.join("container.log.1"), record("a")).unwrap();
    let mode = nix::sys::stat::Mode::S_IRWXU;
    nix::unistd::mkfifo(&dir.join("container.log"), mode).unwrap();
    assert_eq!(all(&dir), ["a\n"]);
}
