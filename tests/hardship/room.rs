//! A store that has no room, or cannot be written: what cannot be done is told
//! in a line with its cause, and all is as it was.

use crate::common::Output;
use crate::deeds::furnish;
use crate::place::{Mounted, Place, SLEEP};
use nix::mount::{MsFlags, mount};
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

/// Commands that make something; what each is to be taken away by.
const MAKERS: &[(&[&str], &[&str])] = &[
    (&["run", "--rm", "base", "true"], &[]),
    (
        &["run", "-d", "--name", "up", "base", "sh", "-c", SLEEP],
        &["rm", "-f", "up"],
    ),
    (
        &[
            "run",
            "--rm",
            "-v",
            "/unnamed",
            "-p",
            "127.0.0.1::80",
            "base",
            "true",
        ],
        &[],
    ),
    (&["create", "--name", "made", "base"], &["rm", "-f", "made"]),
    (&["start", "old"], &["stop", "-t", "0", "old"]),
    (&["volume", "create", "vol"], &["volume", "rm", "vol"]),
    (&["network", "create", "net"], &["network", "rm", "net"]),
    (&["import", "ROOT", "other"], &["rmi", "other"]),
    (&["load", "-qi", "ARCHIVE"], &["rmi", "loaded"]),
    (&["commit", "old", "other"], &["rmi", "other"]),
    (&["build", "-qt", "built", "CONTEXT"], &["rmi", "built"]),
    (&["tag", "base", "more"], &["rmi", "more"]),
    (&["rename", "old", "older"], &["rename", "older", "old"]),
    (&["cp", "ROOT/bin", "old:/root/tree"], &[]),
];

/// Fills in what depends on the place.
fn words(place: &Place, line: &[&str]) -> Vec<String> {
    let fill = |word: &&str| {
        let word = word.replace("ROOT", &place.text("image/rootfs"));
        let word = word.replace("ARCHIVE", &place.text("archive.tar"));
        word.replace("CONTEXT", &place.text("context"))
    };
    line.iter().map(fill).collect()
}

fn run(place: &Place, line: &[&str]) -> Output {
    let words = words(place, line);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    place.rcon(&words)
}

/// It is done, or it is told in one line why it is not.
#[track_caller]
pub fn done_or_told(out: &Output, why: &[&str]) -> bool {
    if out.status.success() {
        return true;
    }
    out.clone().fails_naming(&[]);
    assert!(!out.stderr.contains("internal"), "{out}");
    assert!(why.iter().any(|why| out.stderr.contains(why)), "{out}");
    false
}

/// A store on a small disk, with a container that has ended.
fn on(options: &str) -> Option<(Mounted, Place)> {
    let place = Place::empty()?;
    let disk = Mounted::tmpfs(place.bed.root(), options);
    place.import_base();
    furnish(&place);
    place.ok(&["create", "--name", "old", "base", "sh", "-c", SLEEP]);
    place.ok(&["run", "--rm", "base", "true"]);
    // What is made once is there from here on.
    place.ok(&["volume", "create", "first"]);
    place.ok(&["build", "-qt", "first", &place.text("context")]);
    Some((disk, place))
}

/// Has everything made with so much room left, and so much more of it: it is
/// done in the end, and before that it is told `why` not.
fn make_with_little<N: Copy + Display>(
    place: &Place,
    room: &[N],
    why: &[&str],
    fill: impl Fn(N) -> Filler,
) {
    for (line, undo) in MAKERS {
        let mut was_done = false;
        for left in room {
            let filler = fill(*left);
            let done = done_or_told(&run(place, line), why);
            drop(filler);
            if !undo.is_empty() {
                // What could not be started is there all the same.
                let undone = run(place, undo);
                assert!(!done || undone.status.success(), "{undone}");
            }
            was_done |= done;
            place.assert_lists(&format!("{left} left, {line:?}"));
        }
        assert!(was_done, "{line:?} was never done");
        place.repair(&format!("{line:?}"));
    }
}

/// Takes all inodes but so many.
struct Filler(PathBuf);

impl Filler {
    fn all_but(disk: &Path, left: usize) -> Self {
        let dir = disk.join("filler");
        fs::create_dir(&dir).expect("room for one more");
        let mut made = Vec::new();
        for n in 0.. {
            let file = dir.join(n.to_string());
            if fs::write(&file, "").is_err() {
                break;
            }
            made.push(file);
        }
        for file in made.iter().rev().take(left) {
            fs::remove_file(file).expect("just made");
        }
        Self(dir)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn without_inodes() {
    let Some((disk, place)) = on("size=64m,mode=700,nr_inodes=4000") else {
        return;
    };
    let why = ["No space left", "free on the disk"];
    let room = [0, 1, 3, 6, 12, 30, 2000];
    make_with_little(&place, &room, &why, |left| Filler::all_but(&disk.0, left));
    // Removing works all the same.
    place.sleeper("up", &[]);
    let filler = Filler::all_but(&disk.0, 0);
    place.ok(&["rm", "-f", "up"]);
    drop(filler);
    images_make_room(&place, || Filler::all_but(&disk.0, 0));
    place.assert_goes();
}

/// Whoever has nothing to remove but images can remove those.
fn images_make_room(place: &Place, fill: impl Fn() -> Filler) {
    place.ok(&["tag", "first", "second"]);
    let filler = fill();
    place.ok(&["rmi", "second"]);
    place.ok(&["rmi", "first"]);
    drop(filler);
    place.ok(&["build", "-qt", "first", &place.text("context")]);
    let filler = fill();
    let out = place.ok(&["image", "prune", "-a", "-f"]);
    assert!(out.contains("first"), "{out}");
    drop(filler);
    place.repair("images on a full disk");
}

/// Fills a disk to the last byte but so many.
fn fill(disk: &Path, left: u64) -> Filler {
    let dir = disk.join("filler");
    fs::create_dir(&dir).expect("room for one more");
    let stat = nix::sys::statvfs::statvfs(disk).expect("a file system");
    let free = stat.blocks_available() * stat.fragment_size();
    let file = fs::File::create(dir.join("all")).expect("room for one more");
    let size = free.saturating_sub(left) as i64;
    let flags = nix::fcntl::FallocateFlags::empty();
    nix::fcntl::fallocate(&file, flags, 0, size.max(1)).expect("as much as is free");
    Filler(dir)
}

#[test]
fn on_a_full_disk() {
    let Some((disk, place)) = on("size=48m,mode=700") else {
        return;
    };
    let why = ["No space left", "free on the disk", "nearly full"];
    let room = [0, 4096, 3 * 4096, 10 * 4096, 30 * 4096, 700 << 10, 20 << 20];
    make_with_little(&place, &room, &why, |left| fill(&disk.0, left));
    images_make_room(&place, || fill(&disk.0, 0));
    place.assert_goes();
}

#[test]
fn a_store_that_cannot_be_written_can_be_read() {
    let Some(place) = Place::new() else { return };
    furnish(&place);
    place.ok(&["run", "--name", "old", "base", "echo", "said"]);
    place.ok(&["tag", "base", "spare"]);
    place.ok(&["volume", "create", "data"]);
    place.ok(&["network", "create", "own"]);
    let root = place.bed.root();
    let shown = Mounted::bind(&root, root.clone());
    let none = None::<&str>;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(none, &root, none, flags, none).expect("a read-only bind");
    for (args, said) in [
        (&["ps", "-a"][..], "old"),
        (&["images"], "base"),
        (&["volume", "ls"], "data"),
        (&["network", "ls"], "own"),
        (&["inspect", "old"], "\"Name\""),
        (&["logs", "old"], "said"),
        (&["system", "df"], "Images"),
        (&["info"], ""),
        (&["history", "base"], ""),
        (&["diff", "old"], ""),
        (&["export", "-o", "/dev/null", "old"], ""),
        (&["cp", "old:/etc/passwd", "-"], "root"),
    ] {
        let out = place.rcon(args);
        assert!(out.clone().ok().stdout.contains(said), "{out}");
    }
    assert_eq!(place.findings(&[]), [""; 0]);
    let changes = [
        (&["rm", "old"][..], &[][..]),
        (&["rmi", "spare"], &[]),
        (&["volume", "rm", "data"], &[]),
        (&["network", "rm", "own"], &[]),
        (&["volume", "prune", "-af"], &[]),
        (&["container", "prune", "-f"], &[]),
    ];
    for (line, _) in MAKERS.iter().chain(&changes) {
        let out = run(&place, line);
        assert!(!done_or_told(&out, &["Read-only", "read-only"]), "{out}");
    }
    drop(shown);
    place.assert_lists("when it can be written again");
    assert_eq!(place.ok(&["volume", "ls", "-q"]), "data");
    place.assert_goes();
}

#[test]
fn a_store_of_somebody_elses() {
    let Some(place) = Place::new() else { return };
    place.ok(&["create", "--name", "old", "base"]);
    let dir = place.bed.path("");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&dir, open).expect("our directory");
    let program = place.text("rcon");
    let mut copy = std::process::Command::new("cp");
    let copied = copy.args([env!("CARGO_BIN_EXE_rcon"), &program]).status();
    assert!(copied.is_ok_and(|s| s.success()));
    let plain = "shift; exec setpriv --reuid=1000 --regid=1000 --clear-groups ./rcon \"$@\"";
    for (args, code) in [
        (&["ps", "-a"][..], 1),
        (&["images"], 1),
        (&["run", "--rm", "base", "true"], 125),
        (&["volume", "create", "x"], 1),
        (&["network", "create", "x"], 1),
        (&["system", "check"], 1),
        (&["rm", "-f", "old"], 1),
    ] {
        let out = place.by_shell(plain, args).output();
        out.code(code).fails_naming(&["user 1000", "root"]);
    }
    place.ok(&["rm", "old"]);
    place.assert_goes();
}
