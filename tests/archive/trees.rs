//! Walking, measuring and removing trees, and packing what changes meanwhile.

use crate::support::{Builder, names, room, tree};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rcon::archive::{Pack, Reader, Unpack, du, pack, remove_all};
use rcon::sys::fd;
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

#[test]
fn removing_follows_no_link_and_takes_all_kinds() {
    let Some(room) = room() else { return };
    let before = tree(&room.path("outside"));
    symlink(room.path("outside"), room.path("in/link")).unwrap();
    fs::create_dir_all(room.path("in/a/b")).unwrap();
    symlink(room.path("outside"), room.path("in/a/b/link")).unwrap();
    room.sh("mkfifo in/a/pipe; mknod in/a/null c 1 3; echo x >in/a/file; chmod 0 in/a/b");
    let dir = room.open("");
    remove_all(&room.open("in"), Path::new("link")).unwrap();
    remove_all(&dir, Path::new("in")).unwrap();
    remove_all(&dir, Path::new("in")).expect("gone is fine");
    assert!(!room.path("in").exists());
    assert_eq!(before, tree(&room.path("outside")));
    for name in ["..", ".", "a/b", "/", ""] {
        assert!(remove_all(&dir, Path::new(name)).is_err(), "{name}");
    }
    assert_eq!(before, tree(&room.path("outside")));
}

#[test]
fn removing_stops_at_a_mount() {
    let Some(room) = room() else { return };
    fs::create_dir_all(room.path("in/a/mounted")).unwrap();
    let at = room.path("in/a/mounted");
    let none = None::<&str>;
    mount(
        Some(&room.path("outside")),
        &at,
        none,
        MsFlags::MS_BIND,
        none,
    )
    .unwrap();
    let done = remove_all(&room.open("in"), Path::new("a"));
    let itself = remove_all(&room.open("in/a"), Path::new("mounted"));
    let usage = du(&room.open("in"));
    let mut archive = Vec::new();
    let options = Pack {
        one_file_system: true,
        ..Pack::default()
    };
    let packed = pack(&room.open("in"), b".", &mut archive, &options);
    umount2(&at, MntFlags::MNT_DETACH).unwrap();
    assert!(
        done.unwrap_err()
            .to_string()
            .contains("something is mounted there")
    );
    assert!(itself.is_err() && packed.is_ok());
    assert_eq!(room.text("outside/secret"), "only the host has this");
    // in, in/a; the mounted directory and what is in it are not of the tree.
    assert_eq!(usage.unwrap(), 2 * 4096);
    assert_eq!(crate::layers::list(&archive), ["a/", "a/mounted/"]);
}

/// Directories ten thousand deep, which no path reaches.
fn deep(top: &OwnedFd, levels: usize) {
    let mut here = fd::duplicate(top).unwrap();
    for _ in 0..levels {
        fd::mkdirat(&here, Path::new("d"), 0o755).unwrap();
        here = fd::openat2(
            &here,
            Path::new("d"),
            libc::O_PATH | libc::O_DIRECTORY,
            0,
            fd::NO_LINKS,
        )
        .unwrap();
    }
}

#[test]
fn ten_thousand_levels_are_measured_packed_and_removed() {
    let Some(room) = room() else { return };
    deep(&room.open("in"), 10_000);
    let usage = du(&room.open("in")).unwrap();
    assert_eq!(usage, 10_001 * 4096);
    let packed = pack(&room.open("in"), b".", std::io::sink(), &Pack::default()).unwrap();
    assert_eq!(packed.entries, 10_000);
    remove_all(&room.open(""), Path::new("in")).unwrap();
    assert!(!room.path("in").exists());
}

#[test]
fn usage_counts_a_file_once_and_holes_not_at_all() {
    let Some(room) = room() else { return };
    room.sh("cd in; head -c 8192 /dev/urandom >a; ln a b; truncate -s 1G hole; sync -f .");
    assert_eq!(du(&room.open("in")).unwrap(), 4096 + 8192);
}

#[test]
fn sockets_are_left_out_and_hard_links_packed_once() {
    let Some(room) = room() else { return };
    let _socket = UnixListener::bind(room.path("in/socket")).unwrap();
    fs::write(room.path("in/a"), "data").unwrap();
    fs::hard_link(room.path("in/a"), room.path("in/b")).unwrap();
    let mut archive = Vec::new();
    let done = pack(&room.open("in"), b".", &mut archive, &Pack::default()).unwrap();
    assert_eq!((done.entries, done.bytes, done.left_out), (2, 4, 1));
    let mut reader = Reader::new(&archive[..]);
    let sizes: Vec<u64> = (0..2)
        .map(|_| reader.next().unwrap().unwrap().size)
        .collect();
    assert_eq!(sizes, [4, 0]);
}

/// Changes a file as soon as the first bytes of the archive arrive.
struct Meddler<'a> {
    archive: Vec<u8>,
    then: Option<Box<dyn FnOnce() + 'a>>,
}

impl Write for Meddler<'_> {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        if let Some(then) = self.then.take() {
            then();
        }
        self.archive.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_that_changes_its_length_leaves_a_sound_archive() {
    for (length, wanted) in [(10, 10), (3_000_000, 1_000_000)] {
        let Some(room) = room() else { return };
        fs::write(room.path("in/a"), vec![b'x'; 1_000_000]).unwrap();
        fs::write(room.path("in/b"), "after").unwrap();
        let change = || fs::write(room.path("in/a"), vec![b'x'; length]).unwrap();
        let mut out = Meddler {
            archive: Vec::new(),
            then: Some(Box::new(change)),
        };
        pack(&room.open("in"), b".", &mut out, &Pack::default()).unwrap();
        let archive = std::mem::take(&mut out.archive);
        drop(out);
        room.sh("mkdir copy");
        rcon::archive::unpack(&room.open("copy"), &archive[..], &Unpack::default()).unwrap();
        let data = fs::read(room.path("copy/a")).unwrap();
        assert_eq!(data.len(), 1_000_000);
        assert_eq!(data.iter().take_while(|b| **b == b'x').count(), wanted);
        assert_eq!(room.text("copy/b"), "after");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let Some(room) = room() else { return };
    fs::create_dir(room.path("in/d")).unwrap();
    fs::write(room.path("in/d/bad"), "x").unwrap();
    let options = Pack {
        ownership: rcon::archive::Ownership::Mapped(rcon::archive::IdMaps::default()),
        ..Pack::default()
    };
    let e = pack(&room.open("in"), b".", std::io::sink(), &options).unwrap_err();
    assert_eq!(
        e.to_string(),
        "packing \"d\": the host's id 0 is not mapped"
    );
}

#[test]
fn a_top_that_is_a_link_is_packed_itself_unless_followed() {
    let Some(room) = room() else { return };
    fs::create_dir(room.path("in/d")).unwrap();
    fs::write(room.path("in/d/x"), "x").unwrap();
    symlink("/d", room.path("in/l")).unwrap();
    for (follow_top, wanted) in [(false, vec!["t"]), (true, vec!["t/", "t/x"])] {
        let mut archive = Vec::new();
        let options = Pack {
            name: b"t".to_vec(),
            follow_top,
            ..Pack::default()
        };
        pack(&room.open("in"), b"l", &mut archive, &options).unwrap();
        assert_eq!(crate::layers::list(&archive), wanted);
    }
}

#[test]
fn only_the_owner_may_pass_until_a_directory_is_done() {
    let Some(room) = room() else { return };
    let archive = Builder::new().dir("d").file("d/x", "x").end();
    // Cut after the file: the directory must still be shut.
    let cut = archive.len() - 1024;
    room.unpack(&archive[..cut], &Unpack::default())
        .unwrap_err();
    let mode = fs::metadata(room.path("in/d"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(names(&room.path("in")), ["d", "d/x"]);
}

/// A small file system over the room's `in`, gone before the room is.
struct Small<'a>(&'a crate::support::Room);

impl<'a> Small<'a> {
    fn new(room: &'a crate::support::Room) -> Self {
        room.sh("mount -t tmpfs -o size=16M,mode=700 tmpfs in");
        Self(room)
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        self.0.sh("umount -l in");
    }
}

#[test]
fn a_disk_is_not_filled_to_the_brim_by_an_archive() {
    let Some(room) = room() else { return };
    room.sh("head -c 24M /dev/zero > big; tar -cf big.tar big; truncate -s 9G hole; tar --sparse -cf hole.tar hole");
    let _small = Small::new(&room);
    let unpack = |name: &str| {
        let archive = fs::read(room.path(name)).unwrap();
        room.unpack(&archive, &Unpack::default())
    };
    let e = unpack("big.tar").unwrap_err().to_string();
    assert!(e.contains("\"big\"") && e.contains("nearly full"), "{e}");
    room.sh("rm in/big");
    // What is a hole takes no room.
    unpack("hole.tar").unwrap();
    assert_eq!(room.sh("stat -c %s in/hole"), "9663676416\n");
}
