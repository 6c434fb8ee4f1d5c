//! Image layers: whiteouts in both directions, judged by mounting them.

use crate::support::{Builder, Room, entry, names, open, room};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rcon::archive::{Entry, IdMaps, IdRange, Kind, Ownership, Pack, Reader, Unpack, pack, unpack};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

pub(crate) struct Overlay(PathBuf);

impl Overlay {
    /// Mounts the named directories over each other, the topmost first.
    pub(crate) fn mount(room: &Room, lowers: &[&str], upper: Option<&str>) -> Self {
        let at = room.path("merged");
        let _ = fs::create_dir(&at);
        let lowers: Vec<String> = lowers
            .iter()
            .map(|l| room.path(l).display().to_string())
            .collect();
        let mut data = format!("lowerdir={}", lowers.join(":"));
        if let Some(upper) = upper {
            for dir in [upper, "work"] {
                fs::create_dir_all(room.path(dir)).unwrap();
            }
            let (upper, work) = (room.path(upper), room.path("work"));
            data = format!(
                "{data},upperdir={},workdir={}",
                upper.display(),
                work.display()
            );
        }
        mount(
            Some("overlay"),
            &at,
            Some("overlay"),
            MsFlags::empty(),
            Some(data.as_str()),
        )
        .unwrap_or_else(|e| panic!("mounting {data}: {e}"));
        Self(at)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

fn layer(room: &Room, name: &str, archive: &[u8]) {
    fs::create_dir_all(room.path(name)).unwrap();
    let options = Unpack {
        layer: true,
        ..Unpack::default()
    };
    unpack(&open(&room.path(name)), archive, &options).unwrap();
}

fn base() -> Vec<u8> {
    Builder::new()
        .dir("d")
        .file("d/one", "1")
        .file("d/two", "2")
        .dir("e")
        .file("e/old", "old")
        .dir("f")
        .file("f/old", "old")
        .dir("g")
        .file("g/old", "old")
        .file("gone", "x")
        .file("both", "old")
        .end()
}

/// Whiteouts before, after and without the entries they are about.
fn over() -> Vec<u8> {
    Builder::new()
        .file(".wh.gone", "")
        .file("d/.wh.one", "")
        .file("e/.wh..wh..opq", "")
        .file("e/new", "new")
        .file(".wh.f", "")
        .dir("f")
        .file("f/new", "new")
        .file(".wh.g", "")
        .file("g/new", "new")
        .file("both", "new")
        .file(".wh.both", "")
        .file(".wh..wh.plnk", "")
        .end()
}

const MERGED: [&str; 9] = [
    "both", "d", "d/two", "e", "e/new", "f", "f/new", "g", "g/new",
];

/// The directory of one entry is kept for the next, until something is taken
/// away: then the same name may lead elsewhere.
#[test]
fn a_directory_that_becomes_a_link_is_followed_from_then_on() {
    let Some(room) = room() else { return };
    let archive = Builder::new()
        .dir("a")
        .file("a/one", "1")
        .file("a/two", "2")
        .dir("b")
        .file("a/three", "3")
        .symlink("a", "b")
        .file("a/four", "4")
        .file("b/one", "5")
        .file("a/one", "6")
        .end();
    layer(&room, "in", &archive);
    assert_eq!(names(&room.path("in/b")), ["four", "one"]);
    assert_eq!(room.text("in/b/one"), "6");
    assert!(room.path("in/a").is_symlink());
}

/// A file that is made as it should be is not changed after that, whatever the
/// caller's umask is.
#[test]
fn owners_and_modes_are_the_archives() {
    let Some(room) = room() else { return };
    let modes = [0o644, 0o600, 0o666, 0o777, 0o4755, 0o2755, 0o1777, 0o444, 0];
    let mut builder = Builder::new();
    for (kind, prefix) in [(Kind::File, "f"), (Kind::Directory, "d")] {
        for mode in modes {
            for uid in [0, 7] {
                let like = Entry {
                    mode,
                    uid,
                    gid: uid,
                    ..entry(&format!("{prefix}{mode:o}-{uid}"), kind)
                };
                builder = match kind {
                    Kind::File => builder.data(&like, "x"),
                    _ => builder.bare(&like),
                };
            }
        }
    }
    layer(&room, "in", &builder.end());
    for prefix in ["f", "d"] {
        for mode in modes {
            for uid in [0, 7] {
                let name = format!("in/{prefix}{mode:o}-{uid}");
                let meta = room.path(&name).metadata().unwrap();
                let is = (meta.mode() & 0o7777, meta.uid(), meta.gid());
                assert_eq!(is, (mode, uid, uid), "{name}");
            }
        }
    }
}

#[test]
fn whiteouts_hide_what_is_below_and_only_that() {
    let Some(room) = room() else { return };
    layer(&room, "base", &base());
    layer(&room, "over", &over());
    let _mounted = Overlay::mount(&room, &["over", "base"], None);
    assert_eq!(names(&room.path("merged")), MERGED);
    assert_eq!(room.text("merged/both"), "new");
}

#[test]
fn a_whiteout_after_a_directory_of_the_same_layer_hides_what_is_below() {
    let Some(room) = room() else { return };
    layer(&room, "base", &base());
    layer(
        &room,
        "over",
        &Builder::new()
            .dir("f")
            .file("f/new", "n")
            .file(".wh.f", "")
            .end(),
    );
    let _mounted = Overlay::mount(&room, &["over", "base"], None);
    assert_eq!(names(&room.path("merged/f")), ["new"]);
}

#[test]
fn an_upper_directory_becomes_a_layer_that_does_the_same() {
    let Some(room) = room() else { return };
    layer(&room, "base", &base());
    let mounted = Overlay::mount(&room, &["base"], Some("upper"));
    room.sh(
        "cd merged; rm gone d/one; rm -r e f; mkdir e f; echo new >e/new; echo new >f/new;
             rm g/old; echo new >g/new; echo new >both",
    );
    let wanted = names(&room.path("merged"));
    assert_eq!(wanted, MERGED);
    drop(mounted);
    let mut archive = Vec::new();
    let options = Pack {
        layer: true,
        ..Pack::default()
    };
    pack(&room.open("upper"), b".", &mut archive, &options).unwrap();
    let listed = list(&archive);
    for name in [
        ".wh.gone",
        "d/.wh.one",
        "e/.wh..wh..opq",
        "f/.wh..wh..opq",
        "g/.wh.old",
    ] {
        assert!(listed.contains(&name.to_owned()), "{name} in {listed:?}");
    }
    layer(&room, "again", &archive);
    let _mounted = Overlay::mount(&room, &["again", "base"], None);
    assert_eq!(names(&room.path("merged")), wanted);
}

pub(crate) fn list(archive: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(archive);
    let mut found = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        found.push(String::from_utf8_lossy(&entry.path).into_owned());
    }
    found
}

#[test]
fn a_file_named_like_a_whiteout_cannot_be_packed_into_a_layer() {
    let Some(room) = room() else { return };
    fs::write(room.path("in/.wh.x"), "").unwrap();
    let options = Pack {
        layer: true,
        ..Pack::default()
    };
    let e = pack(&room.open("in"), b".", std::io::sink(), &options).unwrap_err();
    assert!(e.to_string().starts_with("packing \".wh.x\""), "{e}");
    pack(&room.open("in"), b".", std::io::sink(), &Pack::default()).unwrap();
}

#[test]
fn links_of_the_root_are_followed_inside_it() {
    let Some(room) = room() else { return };
    let archive = Builder::new()
        .dir("usr/lib")
        .symlink("lib", "usr/lib")
        .file("lib/a", "relative")
        .symlink("abs", "/usr/lib")
        .file("abs/b", "absolute")
        .symlink("dangling", "usr/new")
        .file("dangling/c", "made")
        .end();
    layer(&room, "base", &archive);
    assert_eq!(
        names(&room.path("base/usr")),
        ["lib", "lib/a", "lib/b", "new", "new/c"]
    );
    assert!(room.path("base/lib").is_symlink());
}

#[test]
fn directories_get_mode_and_time_at_the_end_and_missing_ones_are_0755() {
    let Some(room) = room() else { return };
    let shut = Entry {
        mode: 0o500,
        ..entry("shut", Kind::Directory)
    };
    let top = Entry {
        mode: 0o711,
        ..entry("./", Kind::Directory)
    };
    let archive = Builder::new()
        .bare(&top)
        .bare(&shut)
        .file("shut/x", "x")
        .file("missing/x", "x")
        .end();
    layer(&room, "base", &archive);
    let meta = |name: &str| fs::metadata(room.path(name)).unwrap();
    assert_eq!(
        (meta("base/shut").mode() & 0o7777, meta("base/shut").mtime()),
        (0o500, 1_000_000_000)
    );
    assert_eq!(
        (meta("base").mode() & 0o7777, meta("base").mtime()),
        (0o711, 1_000_000_000)
    );
    assert_eq!(meta("base/missing").mode() & 0o7777, 0o755);
}

#[test]
fn owners_and_capabilities_are_mapped_there_and_back() {
    let Some(room) = room() else { return };
    let ranges = vec![IdRange {
        inside: 0,
        outside: 100_000,
        size: 65_536,
    }];
    let mapped = Ownership::Mapped(IdMaps {
        uids: ranges.clone(),
        gids: ranges,
    });
    let plain = [[1, 0, 0, 2].as_slice(), &[0x20, 0, 0, 0], &[0; 12]].concat();
    let mut file = Entry {
        uid: 5,
        gid: 6,
        ..entry("new/ping", Kind::File)
    };
    file.xattrs = vec![(b"security.capability".to_vec(), plain.clone())];
    let archive = Builder::new().data(&file, "x").symlink("s", "ping").end();
    let options = Unpack {
        ownership: mapped.clone(),
        ..Unpack::default()
    };
    room.unpack(&archive, &options).unwrap();
    let meta = |name: &str| room.path(name).symlink_metadata().unwrap();
    assert_eq!(
        (meta("in/new/ping").uid(), meta("in/new/ping").gid()),
        (100_005, 100_006)
    );
    assert_eq!(
        (meta("in/s").uid(), meta("in/new").uid()),
        (100_000, 100_000)
    );
    let fd = rcon::sys::fd::open(&room.path("in/new/ping"), libc::O_PATH).unwrap();
    let stored = rcon::sys::xattr::get(&fd, b"security.capability")
        .unwrap()
        .unwrap();
    assert_eq!(&stored[..4], [1, 0, 0, 3], "good in the container only");
    let mut packed = Vec::new();
    let options = Pack {
        ownership: mapped,
        ..Pack::default()
    };
    pack(
        &room.open("in"),
        b"new",
        &mut packed,
        &Pack {
            name: b"n".to_vec(),
            ..options
        },
    )
    .unwrap();
    let mut reader = Reader::new(&packed[..]);
    let top = reader.next().unwrap().unwrap();
    let file = reader.next().unwrap().unwrap();
    assert_eq!(
        (top.uid, file.uid, file.gid, file.path),
        (0, 5, 6, b"n/ping".to_vec())
    );
    assert_eq!(file.xattrs, [(b"security.capability".to_vec(), plain)]);
}
