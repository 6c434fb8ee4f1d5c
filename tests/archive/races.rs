//! Names that change while an archive is unpacked, packed, copied or removed:
//! a thread exchanges a directory with a link to the outside as fast as it can.

use crate::support::{Builder, Room, room, tree};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use rcon::archive::copy::{Incoming, copy_from, copy_to};
use rcon::archive::{Ownership, Pack, Unpack, pack, remove_all};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const RACE: Duration = Duration::from_secs(3);

/// Calls `attempt` while `in/d` is a directory half of the time and a link to
/// the outside the other half. Gives how many attempts succeeded.
fn race(room: &Room, mut attempt: impl FnMut() -> bool) -> u32 {
    let (dir, link) = (room.path("in/d"), room.path("in/link"));
    fs::create_dir_all(dir.join("dir")).unwrap();
    symlink(room.path("outside"), &link).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = renameat2(
                    AT_FDCWD,
                    &dir,
                    AT_FDCWD,
                    &link,
                    RenameFlags::RENAME_EXCHANGE,
                );
            }
        });
        let end = Instant::now() + RACE;
        let mut done = 0;
        while Instant::now() < end {
            done += u32::from(attempt());
        }
        stop.store(true, Ordering::Relaxed);
        done
    })
}

#[test]
fn cve_2018_15664_unpacking_never_lands_outside() {
    let Some(room) = room() else { return };
    let before = tree(&room.path("outside"));
    let archive = Builder::new()
        .file("d/new", "x")
        .file("d/secret", "overwritten")
        .dir("d/dir/deep")
        .symlink("d/s", "x")
        .link("d/h", rcon::archive::Kind::HardLink, "d/secret")
        .end();
    let done = race(&room, || room.unpack(&archive, &Unpack::default()).is_ok());
    assert_eq!(before, tree(&room.path("outside")));
    assert!(done > 0, "nothing was ever unpacked");
}

#[test]
fn copying_into_a_container_never_lands_outside() {
    let Some(room) = room() else { return };
    let before = tree(&room.path("outside"));
    let inside = room.open("in");
    let archive = Builder::new().file("x", "new").end();
    let incoming = Incoming::Named {
        name: b"x".to_vec(),
        is_dir: false,
    };
    let done = race(&room, || {
        copy_to(
            &inside,
            b"/d/secret",
            &incoming,
            &archive[..],
            &Ownership::Keep,
        )
        .is_ok()
    });
    assert_eq!(before, tree(&room.path("outside")));
    assert!(done > 0, "nothing was ever copied");
}

#[test]
fn packing_and_copying_out_never_read_outside() {
    let Some(room) = room() else { return };
    let inside = room.open("in");
    fs::create_dir(room.path("in/d")).unwrap();
    fs::write(room.path("in/d/secret"), "the container's own").unwrap();
    let done = race(&room, || {
        let mut archive = Vec::new();
        let packed = pack(&inside, b".", &mut archive, &Pack::default());
        let copied = copy_from(&inside, b"/d/secret", true)
            .and_then(|source| source.write(&mut archive, &Ownership::Keep));
        let leaked = archive.windows(8).any(|part| part == b"only the");
        assert!(!leaked, "{packed:?} {copied:?}");
        copied.is_ok()
    });
    assert!(done > 0, "nothing was ever read");
}

#[test]
fn removing_never_removes_outside() {
    let Some(room) = room() else { return };
    let before = tree(&room.path("outside"));
    let (inside, inner) = (room.open("in"), room.path("in"));
    let done = race(&room, || {
        let done = remove_all(&inside, Path::new("d")).is_ok();
        for name in ["d", "link"] {
            let _ = fs::create_dir_all(inner.join(name).join("dir"));
        }
        let _ = fs::remove_file(inner.join("link"));
        let _ = fs::remove_dir_all(inner.join("link"));
        let _ = symlink(room.path("outside"), inner.join("link"));
        done
    });
    assert_eq!(before, tree(&room.path("outside")));
    assert_eq!(room.text("outside/secret"), "only the host has this");
    assert!(done > 0, "nothing was ever removed");
}
