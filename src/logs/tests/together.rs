//! What is written is read again, whatever it is and however it comes.

use super::*;
use proptest::prelude::*;

/// Text with short lines, empty lines, very long lines, and no last newline.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "\\PC{0,30}",
        4 => "[\\x00-\\x7f]{0,30}",
        8 => Just("\n".to_owned()),
        1 => (1..40_000usize).prop_map(|n| "€".repeat(n / 3)),
        1 => (16_380..16_390usize).prop_map(|n| "x".repeat(n)),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|v| v.concat())
}

/// Cuts both texts into pieces and mixes them.
fn said() -> impl Strategy<Value = Vec<(Stream, Vec<u8>)>> {
    let cuts = prop::collection::vec((any::<bool>(), 1..50_000usize), 0..40);
    (text(), text(), cuts).prop_map(|(out, err, cuts)| {
        let mut left = [out.as_bytes(), err.as_bytes()];
        let mut pieces = Vec::new();
        let mut take = |stream: Stream, n: usize| {
            let rest = left[stream.index()];
            let (now, later) = rest.split_at(n.min(rest.len()));
            left[stream.index()] = later;
            pieces.push((stream, now.to_vec()));
        };
        for (is_err, n) in cuts {
            // Most cuts are in the middle of short lines.
            let n = if n % 3 == 0 { n } else { n % 50 };
            take(Stream::BOTH[usize::from(is_err)], n);
        }
        for stream in Stream::BOTH {
            take(stream, usize::MAX);
        }
        pieces
    })
}

fn write_all(dir: &Path, options: &Options, pieces: &[(Stream, Vec<u8>)]) {
    let mut writer = Writer::open(dir, options).unwrap();
    for (n, (stream, bytes)) in pieces.iter().enumerate() {
        writer.write(*stream, bytes, at(n as i64)).unwrap();
    }
    writer.end(at(1000)).unwrap();
}

/// Puts parts together to lines, in the order in which they end.
fn lines(said: &[Said]) -> Vec<(Stream, String)> {
    let mut lines: Vec<(Stream, String)> = Vec::new();
    let mut open: [Option<String>; 2] = [None, None];
    for (n, s) in said.iter().enumerate() {
        let open = &mut open[s.stream.index()];
        assert_eq!(s.begins, open.is_none(), "{s:?}");
        let mut line = open.take().unwrap_or_default();
        line.push_str(&s.text);
        let is_last = !said[n + 1..].iter().any(|o| o.stream == s.stream);
        if line.ends_with('\n') || is_last {
            lines.push((s.stream, line));
        } else {
            *open = Some(line);
        }
    }
    lines
}

fn of(stream: Stream, pieces: &[(Stream, Vec<u8>)]) -> Vec<u8> {
    let ours = pieces.iter().filter(|(s, _)| *s == stream);
    ours.flat_map(|(_, bytes)| bytes.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_text_comes_back_and_a_tail_is_the_end_of_it(
        pieces in said(),
        max_size in prop_oneof![Just(1), 200..20_000u64, Just(10_000_000)],
        wanted in 0..9usize,
    ) {
        let dir = Scratch::new();
        write_all(&dir, &kept(max_size, 1000), &pieces);
        let said = read(&dir, Wanted::default());
        for stream in Stream::BOTH {
            let text: String = said
                .iter()
                .filter(|s| s.stream == stream)
                .map(|s| s.text.as_str())
                .collect();
            prop_assert_eq!(text.into_bytes(), of(stream, &pieces));
        }
        let lines_of_all = lines(&said);
        let from = lines_of_all.len().saturating_sub(wanted);
        let last = lines(&read(&dir, tail(wanted as u64)));
        prop_assert_eq!(&last[..], &lines_of_all[from..]);
    }

    #[test]
    fn bytes_that_are_no_text_lose_nothing_else(
        lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20),
        cut in 1..20usize,
    ) {
        let dir = Scratch::new();
        let bytes: Vec<u8> = lines.join(&b'\n');
        let pieces: Vec<_> = bytes.chunks(cut).map(|c| (Stream::Stderr, c.to_vec())).collect();
        write_all(&dir, &Options::default(), &pieces);
        let text = all(&dir).concat();
        // Newlines are where they were, and each line's own text is as it was.
        prop_assert_eq!(text.matches('\n').count(), bytes.split(|b| *b == b'\n').count() - 1);
        let valid = |b: &[u8]| b.utf8_chunks().map(|c| c.valid().to_owned()).collect::<String>();
        let signs = |s: &str| s.replace('\u{fffd}', "");
        prop_assert_eq!(signs(&text), signs(&valid(&bytes)));
    }
}

#[test]
fn a_tail_is_found_behind_more_than_one_block() {
    let dir = Scratch::new();
    let mut writer = Writer::open(&dir, &kept(100_000, 1000)).unwrap();
    for n in 0..10_000 {
        let line = format!("{n} {}\n", "x".repeat(n % 300));
        writer
            .write(Stream::Stdout, line.as_bytes(), at(0))
            .unwrap();
    }
    let whole = all(&dir);
    assert_eq!(whole.len(), 10_000);
    for wanted in [0, 1, 299, 5000, 9999, 10_000, 20_000] {
        let from = 10_000usize.saturating_sub(wanted);
        assert_eq!(texts(&dir, tail(wanted as u64)), whole[from..], "{wanted}");
    }
}

#[test]
fn a_line_is_cut_between_characters_and_at_docker_s_length() {
    let dir = Scratch::new();
    let mut writer = Writer::open(&dir, &Options::default()).unwrap();
    let line = format!("{}\n", "€".repeat(6000));
    for b in line.as_bytes() {
        writer.write(Stream::Stdout, &[*b], at(0)).unwrap();
    }
    let lengths: Vec<_> = all(&dir).iter().map(String::len).collect();
    assert_eq!(lengths, [16_383, 18_001 - 16_383]);
    // What just fits is one record.
    let line = format!("{}\n", "x".repeat(16_384));
    writer
        .write(Stream::Stdout, line.as_bytes(), at(0))
        .unwrap();
    assert_eq!(all(&dir).last().unwrap().len(), 16_385);
}

#[test]
fn the_file_is_dockers_and_not_everybodys() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Scratch::new();
    let mut writer = Writer::open(&dir, &Options::default()).unwrap();
    let time = Timestamp {
        seconds: 1_704_164_645,
        nanos: 123_456_789,
    };
    writer.write(Stream::Stdout, b"hel", time).unwrap();
    writer.write(Stream::Stderr, b"oh\n", time).unwrap();
    writer.write(Stream::Stdout, b"lo\nbye", time).unwrap();
    writer.end(time).unwrap();
    let rest = r#","time":"2024-01-02T03:04:05.123456789Z"}"#;
    let expected = [
        r#"{"log":"oh\n","stream":"stderr""#,
        r#"{"log":"hello\n","stream":"stdout""#,
        r#"{"log":"bye","stream":"stdout""#,
    ];
    let text = fs::read_to_string(dir.join("container.log")).unwrap();
    assert_eq!(text, expected.map(|l| format!("{l}{rest}\n")).concat());
    let mode = fs::metadata(dir.join("container.log"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o137, 0);
}
