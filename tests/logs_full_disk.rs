//! A container's log on a disk that is full, and is not any more.
//!
//! The disk is a small tmpfs in a mount namespace that only the test's own
//! thread is in: it goes with the thread.

mod common;

use std::fs;
use std::path::Path;

use common::Bed;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rcon::container::Timestamp;
use rcon::logs::{Event, Options, Reader, Stream, Wanted, Writer};

/// Runs `test` with a directory that has so much room.
fn on_a_disk(room: &'static str, test: impl Fn(&Path) + Send + 'static) {
    let Some(bed) = Bed::new() else { return };
    let disk = bed.path("disk");
    fs::create_dir(&disk).unwrap();
    let none = None::<&str>;
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        mount(none, "/", none, private, none).unwrap();
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
        mount(Some("tmpfs"), &disk, Some("tmpfs"), flags, Some(room)).unwrap();
        test(&disk);
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// All lines, and whether any was spoilt.
fn read(dir: &Path) -> (Vec<String>, bool) {
    let mut reader = Reader::open(dir, &Options::default(), Wanted::default()).unwrap();
    let (mut said, mut is_spoilt) = (Vec::new(), false);
    let mut each = |event: Event<'_>| {
        match event {
            Event::Entry(entry) => said.push(entry.text.to_owned()),
            Event::Spoilt => is_spoilt = true,
            Event::Pause => {}
        }
        Ok(())
    };
    reader.run(None, || true, &mut each).unwrap();
    (said, is_spoilt)
}

/// The numbers that were written, and the sum of those told to be lost.
fn account(said: &[String]) -> (Vec<u64>, u64) {
    let (mut numbers, mut lost) = (Vec::new(), 0);
    for line in said {
        match line.strip_prefix("rcon: ") {
            Some(note) => lost += note.split(' ').next().unwrap().parse::<u64>().unwrap(),
            None => numbers.push(line.trim_end().parse().unwrap()),
        }
    }
    (numbers, lost)
}

#[test]
fn what_finds_no_room_is_counted_and_nothing_is_torn() {
    on_a_disk("size=64k", |dir| {
        let ballast = dir.join("ballast");
        fs::write(&ballast, vec![0; 40_000]).unwrap();
        let mut writer = Writer::open(dir, &Options::default()).unwrap();
        let mut say = |from: u64, to: u64| {
            let mut failed = 0;
            for n in (from..to).step_by(5) {
                let lines: Vec<_> = (n..n + 5).map(|n| format!("{n}\n")).collect();
                let lines = lines.concat();
                let done = writer.write(Stream::Stdout, lines.as_bytes(), Timestamp::now());
                failed += u64::from(done.is_err());
            }
            (failed, writer.lost())
        };
        assert_eq!(say(0, 50), (0, 0));
        let (failed, lost) = say(50, 1000);
        assert!(failed > 50 && lost > 250, "{failed} {lost}");
        // Half a record is there, and its rest waits.
        let log = fs::read(dir.join("container.log")).unwrap();
        assert_eq!(log.len() % 4096, 0);
        assert_ne!(log.last(), Some(&b'\n'));

        fs::write(&ballast, vec![0; 20_000]).unwrap();
        assert_eq!(say(1000, 1010), (0, 0));
        let (said, is_spoilt) = read(dir);
        assert!(!is_spoilt, "the half record was made whole");
        let (numbers, told) = account(&said);
        assert_eq!(told, lost);
        assert_eq!(numbers.len() as u64 + lost, 1010);
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert_eq!(numbers.last(), Some(&1009));

        // And the same again: each loss is told once.
        let (_, lost) = say(1010, 2000);
        assert!(lost > 250, "{lost}");
        fs::remove_file(&ballast).unwrap();
        assert_eq!(say(2000, 2005), (0, 0));
        let (numbers, told) = account(&read(dir).0);
        assert_eq!(numbers.len() as u64 + told, 2005);
    });
}

#[test]
fn a_disk_without_room_for_one_more_file_is_no_hindrance_to_rotation() {
    // Itself, and two files.
    on_a_disk("nr_inodes=3", |dir| {
        let options = Options {
            max_size: Some(16_000),
            max_file: 2,
            ..Options::default()
        };
        let mut writer = Writer::open(dir, &options).unwrap();
        for n in 0..2000 {
            let line = format!("{n}\n");
            writer
                .write(Stream::Stdout, line.as_bytes(), Timestamp::now())
                .unwrap();
        }
        let (said, is_spoilt) = read(dir);
        assert!(!is_spoilt);
        let (numbers, told) = account(&said);
        let first = numbers[0];
        assert_eq!(numbers, (first..2000).collect::<Vec<_>>());
        assert!(first < 1800 && told == 0, "{first}");
    });
}
