//! Changing files, and being stopped in the middle of it.

use super::*;

fn say(writer: &mut Writer, lines: std::ops::Range<u32>) {
    for n in lines {
        let line = format!("line {n}\n");
        writer
            .write(Stream::Stdout, line.as_bytes(), at(0))
            .unwrap();
    }
}

fn numbers(dir: &Path) -> Vec<u32> {
    let number = |line: &String| line["line ".len()..].trim_end().parse().unwrap();
    all(dir).iter().map(number).collect()
}

#[test]
fn files_stay_below_the_limit_and_as_many_as_wanted() {
    for max_file in [1, 2, 3] {
        let dir = Scratch::new();
        let mut writer = Writer::open(&dir, &kept(1000, max_file)).unwrap();
        say(&mut writer, 0..200);
        // As much with one call: it does not all go into one file.
        let many: Vec<_> = (200..400).map(|n| format!("line {n}\n")).collect();
        let many = many.concat();
        writer
            .write(Stream::Stdout, many.as_bytes(), at(0))
            .unwrap();
        let expected = ["container.log", "container.log.1", "container.log.2"];
        assert_eq!(dir.names(), expected[..max_file as usize]);
        for name in dir.names() {
            let size = fs::metadata(dir.join(&name)).unwrap().len();
            assert!(size > 0 && size <= 1000, "{name}: {size}");
        }
        let numbers = numbers(&dir);
        assert_eq!(*numbers.last().unwrap(), 399);
        let first = numbers[0];
        assert_eq!(numbers, (first..400).collect::<Vec<_>>());
        assert!(numbers.len() > 10 * (max_file as usize - 1), "{numbers:?}");
    }
}

#[test]
fn without_a_limit_there_is_one_file() {
    let dir = Scratch::new();
    let options = Options {
        max_size: None,
        ..Options::default()
    };
    let mut writer = Writer::open(&dir, &options).unwrap();
    let much = "x".repeat(99) + "\n";
    for _ in 0..110 {
        writer
            .write(Stream::Stdout, much.repeat(1000).as_bytes(), at(0))
            .unwrap();
    }
    assert_eq!(dir.names(), ["container.log"]);
    let size = fs::metadata(dir.join("container.log")).unwrap().len();
    assert!(size > 11_000_000);
}

#[test]
fn a_record_that_is_larger_than_the_limit_has_a_file_of_its_own() {
    let dir = Scratch::new();
    let mut writer = Writer::open(&dir, &kept(10, 5)).unwrap();
    say(&mut writer, 0..3);
    assert_eq!(numbers(&dir), [0, 1, 2]);
    let names = ["container.log", "container.log.1", "container.log.2"];
    assert_eq!(dir.names(), names);
}

/// The files there are, with the line in each; the lines to be read.
type Instant = (&'static [(&'static str, u32)], &'static [u32]);

#[test]
fn a_writer_goes_on_where_another_was_killed_between_two_renames() {
    // Each instant of a rotation with three files: what is there, and what
    // must be read, before and after going on.
    let instants: [Instant; 4] = [
        (&[("", 3), (".1", 2), (".new", 9)], &[2, 3]),
        (&[("", 3), (".2", 2), (".new", 9)], &[2, 3]),
        (&[(".1", 3), (".2", 2), (".new", 9)], &[2, 3]),
        (&[("", 4), (".1", 3), (".2", 2)], &[2, 3, 4]),
    ];
    for (files, expected) in instants {
        let dir = Scratch::new();
        for (name, n) in files {
            let path = dir.join(format!("container.log{name}"));
            fs::write(path, record(&format!("line {n}"))).unwrap();
        }
        assert_eq!(numbers(&dir), expected);
        let mut writer = Writer::open(&dir, &kept(1000, 3)).unwrap();
        say(&mut writer, 5..6);
        assert_eq!(numbers(&dir), [expected, &[5]].concat());
        say(&mut writer, 6..50);
        let numbers = numbers(&dir);
        assert_eq!(numbers[numbers.len() - 20..], (30..50).collect::<Vec<_>>());
    }
}

#[test]
fn half_a_record_of_one_who_was_killed_ends_its_line() {
    let dir = Scratch::new();
    let half = &record("line 2")[..20];
    fs::write(dir.join("container.log"), record("line 1") + half).unwrap();
    let mut writer = Writer::open(&dir, &Options::default()).unwrap();
    say(&mut writer, 3..5);
    let (said, spoilt) = read_spoilt(&dir, Wanted::default());
    let said: Vec<_> = said.into_iter().map(|s| s.text).collect();
    assert_eq!(said, ["line 1\n", "line 3\n", "line 4\n"]);
    assert_eq!(spoilt, 1);
}

#[test]
fn where_no_new_file_can_be_made_records_are_lost_and_told_of() {
    let dir = Scratch::new();
    let mut writer = Writer::open(&dir, &kept(1000, 3)).unwrap();
    say(&mut writer, 0..40);
    let before = numbers(&dir);
    // Nobody can open this for writing.
    fs::create_dir(dir.join("container.log.new")).unwrap();
    let mut failed = 0;
    for _ in 0..30 {
        let done = writer.write(Stream::Stdout, b"a\nb\n", at(0));
        failed += u32::from(done.is_err());
    }
    assert!(failed > 10 && writer.lost() > 20, "{failed}");
    let lost = writer.lost();
    let now = all(&dir);
    let written = now.iter().filter(|l| l.len() == 2).count() as u64;
    assert_eq!(written + lost, 60);
    // Only the file that was to go next may have gone.
    let newest = format!("line {}\n", before.last().unwrap());
    assert!(now.contains(&newest));
    assert!(dir.join("container.log.1").exists());
    let size = fs::metadata(dir.join("container.log")).unwrap().len();
    assert!(size <= 1200, "the limit holds: {size}");

    fs::remove_dir(dir.join("container.log.new")).unwrap();
    writer.write(Stream::Stdout, b"again\n", at(0)).unwrap();
    assert_eq!(writer.lost(), 0);
    let now = read(&dir, tail(2));
    let note = format!("rcon: {lost} records of this log were lost\n");
    assert_eq!((now[0].stream, &now[0].text), (Stream::Stderr, &note));
    assert_eq!(now[1].text, "again\n");
}

#[test]
fn where_somebody_has_taken_the_newest_file_the_older_ones_stay() {
    let dir = Scratch::new();
    let mut writer = Writer::open(&dir, &kept(1, 2)).unwrap();
    say(&mut writer, 0..3);
    assert_eq!(numbers(&dir), [1, 2]);
    fs::remove_file(dir.join("container.log")).unwrap();
    say(&mut writer, 3..4);
    assert_eq!(numbers(&dir), [1, 3]);
}

#[test]
fn a_log_that_is_something_else_is_not_written() {
    let dir = Scratch::new();
    let fifo = dir.join("container.log");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(Writer::open(&dir, &Options::default()).is_err());
    fs::remove_file(&fifo).unwrap();
    std::os::unix::fs::symlink("elsewhere", &fifo).unwrap();
    assert!(Writer::open(&dir, &Options::default()).is_err());
    assert_eq!(dir.names(), ["container.log"]);
}
