//! Archives made to do harm. Nothing outside may change, and what is refused is
//! refused by name.

use crate::support::{
    Builder, Room, block, end, entry, filled, names, pax, record, room, seal, tree,
};
use rcon::archive::{Entry, Kind, Limits, Unpack};
use std::fs;
use std::os::unix::fs::MetadataExt;

fn layer() -> Unpack {
    Unpack {
        layer: true,
        ..Unpack::default()
    }
}

/// Unpacks both ways an archive that tries to get out. Whether it fails or
/// lands inside, the outside stays as it is.
#[track_caller]
fn harmless(archive: impl Fn(&Room) -> Vec<u8>) {
    for options in [Unpack::default(), layer()] {
        let Some(room) = room() else { return };
        let before = tree(&room.path("outside"));
        let archive = archive(&room);
        let outcome = room.unpack(&archive, &options);
        assert_eq!(before, tree(&room.path("outside")), "{outcome:?}");
        let around = fs::read_dir(room.path("")).unwrap().count();
        assert_eq!(around, 2, "something was made beside it: {outcome:?}");
    }
}

#[track_caller]
fn refused(archive: &[u8], because: &str) {
    refused_with(archive, because, &Unpack::default());
}

#[track_caller]
fn refused_with(archive: &[u8], because: &str, options: &Unpack) {
    let Some(room) = room() else { return };
    let e = room.unpack(archive, options).unwrap_err().to_string();
    assert!(e.contains(because), "{e:?} does not say {because:?}");
}

fn outside(room: &Room, name: &str) -> String {
    room.path("outside")
        .join(name)
        .to_string_lossy()
        .into_owned()
}

#[test]
fn a_name_with_dots_is_refused() {
    for name in ["../outside/x", "a/../../outside/x", "..", "a/.."] {
        harmless(|_| Builder::new().file(name, "x").end());
        refused(&Builder::new().file(name, "x").end(), "has \"..\" in it");
    }
}

#[test]
fn an_absolute_name_is_taken_for_one_inside() {
    harmless(|room| Builder::new().file(&outside(room, "x"), "x").end());
    let Some(room) = room() else { return };
    let archive = Builder::new().file("/etc//./x", "absolute").end();
    room.unpack(&archive, &Unpack::default()).unwrap();
    assert_eq!(room.text("in/etc/x"), "absolute");
}

#[test]
fn cve_2021_32760_an_entry_through_a_link_stays_inside() {
    harmless(|room| {
        Builder::new()
            .symlink("out", &outside(room, ""))
            .file("out/x", "x")
            .dir("out/dir")
            .bare(&Entry {
                mode: 0o777,
                ..entry("out/secret", Kind::Directory)
            })
            .end()
    });
    harmless(|_| {
        Builder::new()
            .symlink("up", "../../outside")
            .file("up/secret", "x")
            .end()
    });
}

#[test]
fn a_file_replaces_a_link_and_is_not_written_through_it() {
    harmless(|room| {
        Builder::new()
            .symlink("x", &outside(room, "secret"))
            .file("x", "new")
            .end()
    });
    let Some(room) = room() else { return };
    let archive = Builder::new().symlink("x", "/etc/passwd").file("x", "new");
    room.unpack(&archive.end(), &Unpack::default()).unwrap();
    assert!(room.path("in/x").symlink_metadata().unwrap().is_file());
}

#[test]
fn cve_2026_33056_a_directory_over_a_link_changes_no_mode_outside() {
    harmless(|room| {
        Builder::new()
            .symlink("d", &outside(room, "dir"))
            .bare(&Entry {
                mode: 0o777,
                uid: 1234,
                ..entry("d", Kind::Directory)
            })
            .end()
    });
}

#[test]
fn a_hard_link_leads_to_nothing_outside() {
    for through in [true, false] {
        harmless(|room| {
            let target = outside(room, "secret");
            let (first, link) = if through {
                (Builder::new().symlink("s", &outside(room, "")), "s/secret")
            } else {
                (Builder::new(), target.as_str())
            };
            first
                .link("h", Kind::HardLink, link)
                .file("h", "overwritten")
                .end()
        });
    }
    let up = Builder::new().link("h", Kind::HardLink, "../outside/secret");
    refused(&up.end(), "has \"..\" in it");
    let none = Builder::new().link("h", Kind::HardLink, "gone").end();
    refused(
        &none,
        "\"h\": it is a hard link to \"gone\", which is not there",
    );
}

#[test]
fn a_hard_link_to_a_link_is_to_the_link() {
    let Some(room) = room() else { return };
    let archive = Builder::new()
        .symlink("s", &outside(&room, "secret"))
        .link("h", Kind::HardLink, "s")
        .bare(&Entry {
            link: b"s".to_vec(),
            mode: 0o7777,
            uid: 77,
            ..entry("h2", Kind::HardLink)
        });
    let before = tree(&room.path("outside"));
    room.unpack(&archive.end(), &Unpack::default()).unwrap();
    assert!(room.path("in/h").is_symlink());
    assert_eq!(before, tree(&room.path("outside")));
}

#[test]
fn a_hard_link_to_itself_does_not_remove_the_file() {
    let archive = Builder::new()
        .file("x", "kept")
        .link("x", Kind::HardLink, "./x")
        .end();
    refused(&archive, "to itself");
    let Some(room) = room() else { return };
    room.unpack(&archive, &Unpack::default()).unwrap_err();
    assert_eq!(room.text("in/x"), "kept");
}

#[test]
fn a_whiteout_of_dots_is_refused() {
    for name in [".wh.", ".wh..", "a/.wh..."] {
        harmless(|_| Builder::new().file(name, "").end());
        let archive = Builder::new().file(name, "").end();
        refused_with(&archive, "a whiteout of no file", &layer());
    }
}

#[test]
fn attributes_that_steer_overlayfs_are_left_out() {
    let Some(room) = room() else { return };
    let names = [
        "trusted.overlay.opaque",
        "user.overlay.opaque",
        "trusted.overlay.redirect",
        "security.selinux",
        "user.kept",
    ];
    let mut dir = entry("d", Kind::Directory);
    dir.xattrs = names
        .iter()
        .map(|n| (n.as_bytes().to_vec(), b"y".to_vec()))
        .collect();
    let done = room
        .unpack(&Builder::new().bare(&dir).end(), &layer())
        .unwrap();
    assert_eq!(done.left_out, 4);
    let found = rcon::sys::xattr::list(room.open("in/d")).unwrap();
    assert_eq!(found, [b"user.kept".to_vec()]);
}

#[test]
fn bombs_end_at_the_limits() {
    let limits = Limits {
        entries: 10,
        bytes: 1000,
        path: 50,
    };
    let options = Unpack {
        limits,
        ..Unpack::default()
    };
    let many = (0..20)
        .fold(Builder::new(), |b, n| b.dir(&n.to_string()))
        .end();
    refused_with(&many, "more than 10 entries", &options);
    let large = Builder::new().file("a", &"x".repeat(600));
    let large = large.file("b", &"x".repeat(600)).end();
    refused_with(
        &large,
        "unpacking \"b\": the archive's files have more than 1000 bytes",
        &options,
    );
    let long = Builder::new().dir(&"x/".repeat(30)).end();
    refused_with(&long, "a name of more than 50 bytes", &options);
    // Says it is huge, and is refused before a byte of it is read.
    let huge = [block(b'0', b"huge", "77777777777"), end()].concat();
    refused_with(&huge, "more than 1000 bytes", &options);
}

#[test]
fn sizes_that_overflow_are_refused() {
    let mut wide = block(b'0', b"wide", "");
    wide[124..136].copy_from_slice(&[
        0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ]);
    seal(&mut wide);
    refused(&wide, "its size: a number in it is too large");
    wide[124..136].fill(0xff);
    seal(&mut wide);
    refused(&wide, "its size: is negative");
    let size = record("size", "9223372036854775807");
    let twice = [pax(b'x', &size), block(b'0', b"a", ""), end()].concat();
    refused(&twice, "more than 1099511627776 bytes");
    let size = record("size", "9223372036854775808");
    refused(
        &[pax(b'x', &size), block(b'0', b"a", "")].concat(),
        "is no number",
    );
}

/// The file that a reader which ignores the PAX size would see.
fn hidden_file() -> Vec<u8> {
    let hidden = [block(b'0', b"hidden", "00000000001"), filled(b"x")].concat();
    assert_eq!(hidden.len(), 1024);
    hidden
}

#[test]
fn cve_2025_62518_cve_2026_33055_a_pax_size_counts_for_data_and_for_skipping() {
    for told in ["00000000000", "00000000005", "00000002000"] {
        let Some(room) = room() else { return };
        let archive = [
            pax(b'x', &record("size", "1024")),
            block(b'0', b"outer", told),
            hidden_file(),
            block(b'0', b"after", "00000000000"),
            end(),
        ]
        .concat();
        fs::write(room.path("in.tar"), &archive).unwrap();
        let listed = room.sh("tar tf in.tar");
        assert_eq!(listed, "outer\nafter\n", "the other opinion");
        room.unpack(&archive, &Unpack::default()).unwrap();
        assert_eq!(names(&room.path("in")), ["after", "outer"]);
        assert_eq!(fs::metadata(room.path("in/outer")).unwrap().size(), 1024);
    }
}

#[test]
fn a_pax_size_is_not_that_of_a_header_in_between() {
    let Some(room) = room() else { return };
    let long = "n".repeat(120);
    let archive = [
        pax(b'x', &record("size", "1024")),
        block(b'L', b"././@LongLink", "00000000171"),
        filled(format!("{long}\0").as_bytes()),
        block(b'0', b"short", "00000000000"),
        hidden_file(),
        end(),
    ]
    .concat();
    room.unpack(&archive, &Unpack::default()).unwrap();
    assert_eq!(names(&room.path("in")), [long]);
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let name = record("path", "a");
    let twice = [pax(b'x', &name), pax(b'x', &name), block(b'0', b"b", "")].concat();
    refused(&twice, "two extended headers");
    let sized = [block(b'5', b"dir", "00000001000"), hidden_file(), end()].concat();
    refused(&sized, "has data of its own");
    let global = [pax(b'g', &record("size", "1024")), block(b'0', b"b", "")].concat();
    refused(&global, "a global header");
    refused(&[pax(b'x', &name), end()].concat(), "ends before the file");
    refused(
        &[block(b'0', b"dir/", ""), end()].concat(),
        "ends in a slash",
    );
    refused(
        &[vec![0; 512], block(b'0', b"b", ""), end()].concat(),
        "a block of zeros",
    );
    refused(&[block(b'M', b"b", ""), end()].concat(), "unknown kind 'M'");
    let old = record("GNU.sparse.size", "1");
    refused(
        &[pax(b'x', &old), block(b'0', b"b", ""), end()].concat(),
        "sparse file of a form",
    );
    let endless = pax(b'g', &record("comment", "c")).repeat(20);
    refused(&endless, "too many extended headers");
    let large = block(b'x', b"PaxHeader", "77777777777");
    refused(&large, "an extended header of 8589934591 bytes");
}

#[test]
fn a_damaged_or_cut_archive_is_refused() {
    let whole = Builder::new().file("a", &"x".repeat(1000)).end();
    let mut damaged = whole.clone();
    damaged[3] ^= 1;
    refused(&damaged, "byte 0: the checksum");
    for length in [0, 100, 511, 512, 600, 1023, 1024, 1535, 1536] {
        refused(&whole[..length], "cut short");
        let at_border = matches!(length, 0 | 1536);
        if !at_border {
            refused_with(&whole[..length], "cut short", &layer());
        }
    }
    let Some(room) = room() else { return };
    room.unpack(&whole[..1536], &layer())
        .expect("a layer's digest says it is whole");
    assert_eq!(room.text("in/a").len(), 1000);
}

#[test]
fn names_are_bytes_but_not_nul() {
    let nul = [
        pax(b'x', &record("path", "a\0b")),
        block(b'0', b"b", ""),
        end(),
    ]
    .concat();
    refused(&nul, "NUL");
    let link = [
        pax(b'x', &record("linkpath", "a\0b")),
        block(b'2', b"b", ""),
        end(),
    ]
    .concat();
    refused(&link, "NUL");
    let long = [
        block(b'L', b"L", "00000000004"),
        filled(b"a\0b\0"),
        block(b'0', b"b", ""),
    ]
    .concat();
    refused(&long, "NUL");
    let Some(room) = room() else { return };
    let name = "new\nline \u{1b}[31m ü";
    let archive = Builder::new()
        .file(name, "x")
        .file(&format!("{name}/x"), "")
        .end();
    let e = room
        .unpack(&archive, &Unpack::default())
        .unwrap_err()
        .to_string();
    assert!(!e.contains('\n') && !e.contains('\u{1b}'), "{e:?}");
    assert_eq!(names(&room.path("in")), [name]);
}

#[test]
fn an_owner_that_means_nobody_is_refused() {
    let owner = [
        pax(b'x', &record("uid", "4294967295")),
        block(b'0', b"b", ""),
        end(),
    ]
    .concat();
    refused(&owner, "no owner or group");
}

#[test]
fn a_path_ten_thousand_deep_is_refused_and_one_that_fits_is_removed_again() {
    let deep = "d/".repeat(10_000);
    refused(
        &Builder::new().dir(&deep).end(),
        "a name of more than 4095 bytes",
    );
    let Some(room) = room() else { return };
    // Through links, a tree can be deeper than any path is long.
    let run = "d/".repeat(1500);
    let archive = Builder::new()
        .dir(&run)
        .symlink("one", &run[..run.len() - 1])
        .dir(&format!("one/{run}"))
        .end();
    room.unpack(&archive, &Unpack::default()).unwrap();
    rcon::archive::remove_all(&room.open(""), std::path::Path::new("in")).unwrap();
    assert!(!room.path("in").exists());
}

#[test]
fn devices_and_set_id_bits_are_made_as_asked() {
    let archive = Builder::new()
        .bare(&entry("null", Kind::Character(1, 3)))
        .bare(&entry("loop", Kind::Block(7, 0)))
        .bare(&entry("pipe", Kind::Fifo))
        .data(
            &Entry {
                mode: 0o6755,
                uid: 5,
                gid: 6,
                ..entry("suid", Kind::File)
            },
            "x",
        )
        .end();
    let Some(room) = room() else { return };
    room.unpack(&archive, &Unpack::default()).unwrap();
    let null = fs::metadata(room.path("in/null")).unwrap();
    assert_eq!((null.mode(), null.rdev()), (0o020_644, libc::makedev(1, 3)));
    assert_eq!(
        fs::metadata(room.path("in/loop")).unwrap().mode(),
        0o060_644
    );
    assert_eq!(
        fs::metadata(room.path("in/pipe")).unwrap().mode(),
        0o010_644
    );
    let suid = fs::metadata(room.path("in/suid")).unwrap();
    assert_eq!((suid.mode(), suid.uid(), suid.gid()), (0o106_755, 5, 6));

    let Some(room) = crate::support::room() else {
        return;
    };
    let options = Unpack {
        devices: false,
        ..Unpack::default()
    };
    assert_eq!(room.unpack(&archive, &options).unwrap().left_out, 2);
    assert_eq!(names(&room.path("in")), ["pipe", "suid"]);
}

#[test]
fn kinds_replace_each_other() {
    let Some(room) = room() else { return };
    let archive = Builder::new()
        .dir("a")
        .file("a/in", "x")
        .file("a", "now a file")
        .file("b", "x")
        .file("b2", "x")
        .dir("b")
        .file("b/in", "below")
        .end();
    room.unpack(&archive, &Unpack::default()).unwrap();
    assert_eq!(room.text("in/a"), "now a file");
    assert_eq!(room.text("in/b/in"), "below");
}

#[test]
fn a_file_that_replaces_a_hard_link_leaves_the_other_name_alone() {
    let Some(room) = room() else { return };
    fs::hard_link(room.path("outside/secret"), room.path("in/x")).unwrap();
    let archive = Builder::new().data(
        &Entry {
            mode: 0o777,
            ..entry("x", Kind::File)
        },
        "new",
    );
    room.unpack(&archive.end(), &Unpack::default()).unwrap();
    assert_eq!(room.text("outside/secret"), "only the host has this");
    assert_eq!(room.text("in/x"), "new");
}
