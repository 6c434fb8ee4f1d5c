//! Reading while somebody writes.

use super::*;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc;
use std::thread;
use std::time::{Instant, SystemTime};

fn following(dir: &Path) -> Reader {
    let wanted = Wanted {
        follow: true,
        ..Wanted::default()
    };
    Reader::open(dir, &Options::default(), wanted).unwrap()
}

/// Writes `count` numbered lines, never further than `ahead` lines before the
/// one that is read.
fn write_numbers(dir: &Path, options: &Options, count: u64, ahead: u64, read: &AtomicU64) {
    let mut writer = Writer::open(dir, options).unwrap();
    let mut n = 0;
    while n < count {
        while n >= read.load(Ordering::Acquire) + ahead {
            thread::sleep(Duration::from_micros(50));
        }
        // Sometimes one line with a call, sometimes some.
        let calls = (n % 7 + 1).min(count - n);
        let lines: Vec<_> = (n..n + calls).map(|n| format!("{n}\n")).collect();
        let lines = lines.concat();
        writer
            .write(Stream::Stdout, lines.as_bytes(), Timestamp::now())
            .unwrap();
        n += calls;
    }
}

fn nothing_is_lost_or_doubled(options: &Options, count: u64, ahead: u64) {
    let dir = Scratch::new();
    let (read, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut reader = following(&dir);
    thread::scope(|scope| {
        scope.spawn(|| {
            write_numbers(&dir, options, count, ahead, &read);
            is_over.store(true, Ordering::Release);
        });
        let mut each = |event: Event<'_>| {
            let Event::Entry(entry) = event else {
                assert_eq!(event, Event::Pause);
                return Ok(());
            };
            let next = read.fetch_add(1, Ordering::Release);
            assert_eq!(entry.text, format!("{next}\n"));
            Ok(())
        };
        let ended = || is_over.load(Ordering::Acquire);
        // A follower that stopped would leave the writer waiting for ever.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            reader.run(None, ended, &mut each).unwrap();
        }));
        let seen = read.swap(u64::MAX / 2, Ordering::Release);
        done.unwrap();
        assert_eq!(seen, count);
    });
}

#[test]
fn a_follower_far_behind_gets_every_line_once() {
    nothing_is_lost_or_doubled(&kept(20_000, 1000), 20_000, u64::MAX / 4);
}

#[test]
fn a_follower_close_behind_gets_every_line_once_though_files_go() {
    // A file holds some 50 lines: the one that is read is never gone before
    // its successor is known to be the next.
    nothing_is_lost_or_doubled(&kept(4000, 2), 5000, 40);
}

#[test]
fn a_follower_of_one_file_gets_every_line_once() {
    nothing_is_lost_or_doubled(&kept(4000, 1), 3000, 40);
}

/// Follows in a thread of its own.
fn follow(dir: &Path, wake: impl AsFd + Send + 'static) -> (mpsc::Receiver<String>, Ended) {
    let mut reader = following(dir);
    let (sender, receiver) = mpsc::channel();
    let ended: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    let thread = thread::spawn(move || {
        let mut each = |event: Event<'_>| {
            if let Event::Entry(entry) = event {
                sender.send(entry.text.to_owned()).unwrap();
            }
            Ok(())
        };
        let ended = || ended.load(Ordering::Acquire);
        reader.run(Some(wake.as_fd()), ended, &mut each).unwrap();
    });
    (receiver, Ended(ended, Some(thread)))
}

struct Ended(&'static AtomicBool, Option<thread::JoinHandle<()>>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
        let joined = self.1.take().map(thread::JoinHandle::join);
        assert!(thread::panicking() || matches!(joined, Some(Ok(()))));
    }
}

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_log_is_followed_from_before_its_first_line_and_after_being_emptied() {
    let dir = Scratch::new();
    let (wake, other) = io::pipe().unwrap();
    let (said, _ended) = follow(&dir, wake);
    let mut writer = Writer::open(&dir, &Options::default()).unwrap();
    writer.write(Stream::Stdout, b"a\nbb\n", at(0)).unwrap();
    assert_eq!(said.recv_timeout(SOON).unwrap(), "a\n");
    assert_eq!(said.recv_timeout(SOON).unwrap(), "bb\n");
    let file = fs::File::options()
        .write(true)
        .open(dir.join("container.log"))
        .unwrap();
    file.set_len(0).unwrap();
    writer.write(Stream::Stdout, b"c\n", at(0)).unwrap();
    assert_eq!(said.recv_timeout(SOON).unwrap(), "c\n");
    drop(other);
}

#[test]
fn a_log_that_is_removed_is_followed_as_long_as_it_is_written() {
    let dir = Scratch::new();
    let (wake, _other) = io::pipe().unwrap();
    let (said, _ended) = follow(&dir, wake);
    let mut writer = Writer::open(&dir, &kept(200, 2)).unwrap();
    writer.write(Stream::Stdout, b"a\n", at(0)).unwrap();
    assert_eq!(said.recv_timeout(SOON).unwrap(), "a\n");
    fs::remove_file(dir.join("container.log")).unwrap();
    // The second fits into the file without a name, the others do not.
    for line in ["b\n", "c\n", "d\n", "e\n"] {
        writer
            .write(Stream::Stdout, line.as_bytes(), at(0))
            .unwrap();
        assert_eq!(said.recv_timeout(SOON).unwrap(), line);
    }
    assert_eq!(dir.names(), ["container.log", "container.log.1"]);
}

#[test]
fn a_container_that_is_removed_has_had_its_last_words() {
    let dir = Scratch::new();
    let (wake, other) = io::pipe().unwrap();
    let (said, ended) = follow(&dir, wake);
    let mut writer = Writer::open(&dir, &Options::default()).unwrap();
    writer.write(Stream::Stdout, b"a\n", at(0)).unwrap();
    assert_eq!(said.recv_timeout(SOON).unwrap(), "a\n");
    writer.write(Stream::Stdout, b"last\n", at(0)).unwrap();
    fs::remove_dir_all(&*dir).unwrap();
    ended.0.store(true, Ordering::Release);
    drop(other);
    assert_eq!(said.iter().collect::<Vec<_>>(), ["last\n"]);
}

#[test]
fn whoever_waits_does_not_spin() {
    let dir = Scratch::new();
    // What should wake the reader does so at once, and nothing has ended.
    let (wake, other) = io::pipe().unwrap();
    drop(other);
    let until = Instant::now() + Duration::from_millis(500);
    let mut pauses = 0;
    let mut each = |event: Event<'_>| {
        pauses += u32::from(event == Event::Pause);
        Ok(())
    };
    let ended = || Instant::now() > until;
    following(&dir)
        .run(Some(wake.as_fd()), ended, &mut each)
        .unwrap();
    assert!(pauses < 10, "{pauses}");
}

#[test]
fn the_last_words_are_read_when_the_end_is_told() {
    let dir = Scratch::new();
    let (wake, other) = io::pipe().unwrap();
    let (said, ended) = follow(&dir, wake);
    let mut writer = Writer::open(&dir, &Options::default()).unwrap();
    thread::sleep(Duration::from_millis(150));
    writer.write(Stream::Stdout, b"last", at(0)).unwrap();
    writer.end(at(0)).unwrap();
    ended.0.store(true, Ordering::Release);
    let before = Instant::now();
    drop(other);
    assert_eq!(said.iter().collect::<Vec<_>>(), ["last"]);
    assert!(before.elapsed() < Duration::from_millis(700));
}

#[test]
fn a_tail_is_followed_by_what_comes() {
    let dir = Scratch::new();
    let mut writer = Writer::open(&dir, &Options::default()).unwrap();
    writer.write(Stream::Stdout, b"a\nb\n", at(0)).unwrap();
    for (lines, expected) in [(0, ""), (1, "b\n"), (5, "a\nb\n")] {
        let wanted = Wanted {
            follow: true,
            ..tail(lines)
        };
        let mut reader = Reader::open(&dir, &Options::default(), wanted).unwrap();
        let mut said = String::new();
        let mut each = |event: Event<'_>| {
            if let Event::Entry(entry) = event {
                said.push_str(entry.text);
            }
            Ok(())
        };
        reader.read(&mut each).unwrap();
        writer.write(Stream::Stderr, b"e\n", at(0)).unwrap();
        writer.write(Stream::Stdout, b"c\n", at(0)).unwrap();
        reader.read(&mut each).unwrap();
        assert_eq!(said, format!("{expected}e\nc\n"));
        fs::remove_file(dir.join("container.log")).unwrap();
        writer = Writer::open(&dir, &Options::default()).unwrap();
        writer.write(Stream::Stdout, b"a\nb\n", at(0)).unwrap();
    }
}

#[test]
fn following_ends_when_nothing_more_can_be_wanted() {
    let dir = Scratch::new();
    let mut writer = Writer::open(&dir, &Options::default()).unwrap();
    writer.write(Stream::Stdout, b"a\n", at(0)).unwrap();
    let wanted = Wanted {
        until: Some((SystemTime::now() + Duration::from_millis(200)).into()),
        follow: true,
        ..Wanted::default()
    };
    let mut reader = Reader::open(&dir, &Options::default(), wanted).unwrap();
    let before = Instant::now();
    reader.run(None, || false, &mut |_| Ok(())).unwrap();
    assert!(before.elapsed() >= Duration::from_millis(200));
}

#[test]
fn whoever_takes_the_lines_can_stop_it() {
    let dir = Scratch::new();
    let mut writer = Writer::open(&dir, &Options::default()).unwrap();
    writer.write(Stream::Stdout, b"a\nb\n", at(0)).unwrap();
    let mut count = 0;
    let mut each = |_: Event<'_>| {
        count += 1;
        Err(crate::error::Error::environment("nobody reads on"))
    };
    let done = following(&dir).run(None, || false, &mut each);
    assert!(done.is_err());
    assert_eq!(count, 1);
}
