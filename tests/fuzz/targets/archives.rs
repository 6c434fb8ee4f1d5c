//! Tar archives and how they are packed: what arrives as a layer, for `cp`,
//! `import` and `load`.

use std::io::Read;

use rcon::archive::{Conflict, Entry, Kind, Limits, Pack, Reader, Unpack, Writer, pack, unpack};
use rcon::image::{Packing, decoded, opened};

use super::{bed, check_error};

/// Names, kinds and records that mean something in an archive.
pub const WORDS: &[&str] = &[
    "../outside",
    "../../outside",
    "/a/../../../outside",
    "link",
    "link/file",
    ".wh.",
    ".wh..wh..opq",
    ".wh..wh.plnk",
    ".wh.link",
    "././@LongLink",
    "ustar\0",
    "ustar  \0",
    "00",
    "0000644\0",
    "00000000000\0",
    "77777777777\0",
    "18 path=../outside\n",
    "12 size=0\n",
    "18 linkpath=../..\n",
    "22 GNU.sparse.major=1\n",
    "22 GNU.sparse.minor=0\n",
    "31 GNU.sparse.realsize=1048576\n",
    "19 mtime=1.000001\n",
    "20 uid=4294967295\n",
    "30 SCHILY.xattr.user.name=abc\n",
    "\x01",
    "\0",
];

/// How packed streams begin.
pub const PACKED: &[&str] = &[
    "BZh9",
    "7zXZ\0",
    "\x1f",
    "\x04\x22\x4d\x18",
    "YZ",
    "\0\0\0\0",
];

/// Files of more are not made.
const MOST: u64 = 1 << 20;
/// Of a packed stream no more is read: it may become a gigabyte.
const MOST_PLAIN: u64 = 1 << 20;

/// What is read is within bounds, and comes back when it is written.
pub fn reader(bytes: &[u8]) {
    for open_end in [false, true] {
        read_all(bytes, open_end);
    }
}

fn read_all(bytes: &[u8], open_end: bool) {
    let mut reader = Reader::new(bytes).open_end(open_end);
    let mut entries = 0;
    let mut stored = 0;
    let mut buffer = [0; 700];
    loop {
        let entry = match reader.next() {
            Ok(Some(entry)) => entry,
            Ok(None) => break,
            Err(e) => return check_error(&e),
        };
        entries += 1;
        assert!(entries <= bytes.len() / 512, "more entries than headers");
        let mut end = 0;
        loop {
            match reader.data(&mut buffer) {
                Ok(Some((offset, length))) => {
                    assert!(offset >= end, "data before other data");
                    end = offset + length as u64;
                    stored += length;
                    assert!(end <= entry.size, "data behind the end of its file");
                }
                Ok(None) => break,
                Err(e) => return check_error(&e),
            }
        }
        assert!(stored <= bytes.len(), "more data than there is");
        check_written(&entry);
    }
    assert!(matches!(reader.next(), Ok(None)), "the end is not the end");
}

/// Who reads what we write of an entry reads the same.
fn check_written(entry: &Entry) {
    if entry.size > MOST {
        return;
    }
    let mut writer = Writer::new(Vec::new());
    match entry.kind {
        Kind::File => writer.file(entry, std::io::empty()),
        _ => writer.bare(entry),
    }
    .expect("memory can be written");
    let archive = writer.finish().expect("memory can be written");
    let mut reader = Reader::new(&archive[..]);
    let again = reader.next().expect("what we write can be read");
    assert_eq!(again.as_ref(), Some(entry));
    assert!(
        matches!(reader.next(), Ok(None)),
        "one entry became several"
    );
}

/// What is unpacked stays inside, and can be packed again.
pub fn unpacked(bytes: &[u8]) {
    for layer in [true, false] {
        let options = Unpack {
            layer,
            limits: Limits {
                entries: 1000,
                bytes: MOST,
                ..Limits::default()
            },
            conflict: if layer {
                Conflict::Replace
            } else {
                Conflict::Refuse
            },
            ..Unpack::default()
        };
        bed::within(|_, dir| match unpack(dir, bytes, &options) {
            Ok(_) => check_packed(dir, layer),
            Err(e) => check_error(&e),
        });
    }
}

fn check_packed(dir: &std::os::fd::OwnedFd, layer: bool) {
    let options = Pack {
        name: b".".to_vec(),
        layer,
        ..Pack::default()
    };
    let mut archive = Vec::new();
    pack(dir, b".", &mut archive, &options).expect("what was unpacked can be packed");
    let mut reader = Reader::new(&archive[..]);
    while reader.next().expect("what we pack can be read").is_some() {}
}

/// Nothing grows beyond measure, and what is opened as an archive is one.
pub fn packing(bytes: &[u8]) {
    let mut plain = Vec::new();
    if let Ok(stream) = decoded(bytes) {
        let whole = stream.take(MOST_PLAIN).read_to_end(&mut plain);
        if Packing::of(bytes) == Packing::None {
            assert!(whole.is_ok() && plain == bytes, "plain bytes were changed");
        }
    }
    match opened(bytes) {
        Ok(mut stream) => {
            let mut again = Vec::new();
            let _ = stream.by_ref().take(MOST_PLAIN).read_to_end(&mut again);
            assert!(plain.starts_with(&again) || again.starts_with(&plain));
        }
        Err(e) => check_error(&e),
    }
    if plain.len() < 1 << 16 {
        read_all(&plain, true);
    }
}
