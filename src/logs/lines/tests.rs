use super::*;
use proptest::prelude::*;
use std::io::Write;

fn file(bytes: &[u8]) -> File {
    // Without a name: nothing to take away.
    let name = c"rcon-test-lines";
    let fd = nix::sys::memfd::memfd_create(name, nix::sys::memfd::MFdFlags::empty()).unwrap();
    let mut file = File::from(fd);
    file.write_all(bytes).unwrap();
    file
}

fn forwards(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut lines = Lines::new(file(bytes), 0, 0, None);
    let mut all = Vec::new();
    loop {
        let next = match lines.next().unwrap() {
            Next::Dry => lines.rest(),
            next => next,
        };
        match next {
            Next::Line(at, line) => all.push((at, lines.bytes(line).to_vec())),
            Next::TooLong => panic!("too long"),
            Next::Dry => return all,
        }
    }
}

fn backwards(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let file = file(bytes);
    let mut lines = Backwards::new(&file, bytes.len() as u64);
    let next = || lines.next().unwrap().map(|(at, l)| (at, l.unwrap()));
    let mut all: Vec<_> = std::iter::from_fn(next).collect();
    all.reverse();
    all
}

proptest! {
    #[test]
    fn both_ways_give_the_same_lines(
        lines in prop::collection::vec((0..60_000usize, 0..4u8), 0..12),
        ends: bool,
    ) {
        let line = |(n, kind): (usize, u8)| "x".repeat(if kind == 0 { n } else { n % 5 });
        let lines: Vec<_> = lines.into_iter().map(line).collect();
        let mut text = lines.join("\n");
        if ends && !text.is_empty() {
            text.push('\n');
        }
        let mut expected = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let bare = line.strip_suffix('\n').unwrap_or(line);
            expected.push((at, bare.as_bytes().to_vec()));
            at += line.len() as u64;
        }
        prop_assert!(forwards(text.as_bytes()) == expected);
        prop_assert!(backwards(text.as_bytes()) == expected);
    }
}

#[test]
fn a_line_that_is_too_long_is_not_held() {
    let long = [b"a\n".to_vec(), vec![b'x'; 5_000_000], b"\nb\n".to_vec()].concat();
    let most = LONGEST + 2 * BLOCK;

    let mut lines = Lines::new(file(&long), 0, 0, None);
    assert_eq!(lines.next().unwrap(), Next::Line(0, 0..1));
    assert_eq!(lines.next().unwrap(), Next::TooLong);
    assert!(lines.buf.capacity() <= 2 * most, "{}", lines.buf.capacity());
    let Next::Line(5_000_003, line) = lines.next().unwrap() else {
        panic!("no line");
    };
    assert_eq!(lines.bytes(line), b"b");

    let file = file(&long);
    let mut lines = Backwards::new(&file, long.len() as u64);
    let b = Some((5_000_003, Some(b"b".to_vec())));
    assert_eq!(lines.next().unwrap(), b);
    assert_eq!(lines.next().unwrap(), Some((2, None)));
    assert!(lines.buf.capacity() <= 2 * most, "{}", lines.buf.capacity());
    assert_eq!(lines.next().unwrap(), Some((0, Some(b"a".to_vec()))));
    assert_eq!(lines.next().unwrap(), None);
}

#[test]
fn nothing_behind_the_limit_is_read() {
    let mut lines = Lines::new(file(b"a\nb\nc\n"), 0, 0, Some(4));
    for _ in 0..2 {
        assert!(matches!(lines.next().unwrap(), Next::Line(..)));
    }
    assert_eq!(lines.next().unwrap(), Next::Dry);
    assert_eq!(lines.rest(), Next::Dry);
}
