//! Logs: files that anybody may have written, and what programs say.

use std::fs;
use std::path::Path;

use rcon::container::Timestamp;
use rcon::logs::{Event, FILE, Options, Reader, Stream, Wanted, Writer};

use super::bed;

/// Pieces of records.
pub const WORDS: &[&str] = &[
    "{\"log\":\"a\\n\",\"stream\":\"stdout\",\"time\":\"2024-01-02T03:04:05.123456789Z\"}\n",
    "\"stream\":\"stderr\"",
    "\"attrs\":{\"a\":\"b\"}",
    "\"log\":\"\\ud83d\\ude00\"",
    "\\ud800",
    "\\n",
    "\n",
    "\r\n",
    "\0",
    "\u{1b}[2J",
];

/// What was said: on which stream, when, and what.
type Said = Vec<(Stream, Timestamp, String)>;

fn read(dir: &Path, tail: Option<u64>) -> Said {
    let wanted = Wanted {
        tail,
        ..Wanted::default()
    };
    let mut said = Vec::new();
    let mut each = |event: Event<'_>| {
        if let Event::Entry(entry) = event {
            let mut out = Vec::new();
            entry.print(&mut out, true, true)?;
            assert!(out.ends_with(entry.text.as_bytes()));
            said.push((entry.stream, entry.time, entry.text.to_owned()));
        }
        Ok(())
    };
    let mut reader = Reader::open(dir, &Options::default(), wanted).expect("our own directory");
    reader.run(None, || true, &mut each).expect("our own file");
    said
}

/// What one stream was heard to say.
fn of(stream: Stream, said: &Said) -> String {
    let own = said.iter().filter(|(s, ..)| *s == stream);
    own.map(|(.., text)| text.as_str()).collect()
}

/// Whatever is in the file, the last lines are the end of what a stream said.
pub fn file(bytes: &[u8]) {
    bed::within(|dir, _| {
        // Two files, as after a rotation.
        let (old, new) = bytes.split_at(bytes.len() / 2);
        fs::write(dir.join(format!("{FILE}.1")), old).expect("our own directory");
        fs::write(dir.join(FILE), new).expect("our own directory");
        let all = read(dir, None);
        let text: usize = all.iter().map(|(.., text)| text.len()).sum();
        assert!(text <= bytes.len(), "more was read than there is");
        for tail in [0, 1, 3, u64::MAX] {
            let last = read(dir, Some(tail));
            for stream in [Stream::Stdout, Stream::Stderr] {
                let (all, last) = (of(stream, &all), of(stream, &last));
                assert!(all.ends_with(&last), "the last {tail}: {last:?} of {all:?}");
                assert!(tail < u64::MAX || all == last, "{last:?} of {all:?}");
            }
            assert!(tail > 0 || last.is_empty());
        }
    });
}

/// What a program says comes back, but for bytes that are no text.
pub fn output(bytes: &[u8]) {
    let options = Options {
        max_size: None,
        max_file: 1,
        ..Options::default()
    };
    bed::within(|dir, _| {
        let mut writer = Writer::open(dir, &options).expect("our own directory");
        let now = Timestamp::at(1_704_164_645);
        let mut sides = [Vec::new(), Vec::new()];
        for (n, piece) in bytes.chunks(97).enumerate() {
            let stream = [Stream::Stdout, Stream::Stderr][n % 2];
            sides[n % 2].extend_from_slice(piece);
            writer.write(stream, piece, now).expect("our own directory");
        }
        writer.end(now).expect("our own directory");
        assert_eq!(writer.lost(), 0);
        let said = read(dir, None);
        for (n, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
            let got = of(stream, &said);
            let bare = |text: &str| text.replace(['\u{fffd}', '\n'], "");
            let want = String::from_utf8_lossy(&sides[n]);
            assert_eq!(bare(&got), bare(&want));
            assert_eq!(lines(&got), lines(&want));
        }
    });
}

fn lines(text: &str) -> usize {
    text.matches('\n').count()
}
