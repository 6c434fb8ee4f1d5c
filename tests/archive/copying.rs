//! `docker cp`, by its rules, from one root to another.

use crate::support::{Builder, Room, names, room};
use rcon::archive::Ownership;
use rcon::archive::copy::{Incoming, Trust, copy, copy_from, copy_to};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// Copies from the root `from` to the root `to` and shows what is there then,
/// or what went wrong.
fn cp(room: &Room, source: &str, destination: &str, follow: bool) -> Result<Vec<String>, String> {
    let (from, to) = (room.open("from"), room.open("to"));
    copy_from(&from, source.as_bytes(), follow)
        .and_then(|s| {
            copy(
                (&s, &Ownership::Keep),
                &to,
                destination.as_bytes(),
                &Ownership::Keep,
                Trust::All,
            )
        })
        .map(|_| names(&room.path("to")))
        .map_err(|e| e.to_string())
}

fn roots() -> Option<Room> {
    let room = room()?;
    room.sh(
        "mkdir -p from/dir/sub to; echo data >from/file; echo x >from/dir/x; echo y >from/dir/sub/y
         ln from/dir/x from/dir/hard; ln -s /dir from/dlink; ln -s file from/flink; ln -s /outside/secret from/bad",
    );
    Some(room)
}

/// Each row begins with an empty destination, prepared by a script.
#[track_caller]
fn row(prepare: &str, source: &str, destination: &str, wanted: Result<&[&str], &str>) {
    let Some(room) = roots() else { return };
    room.sh(&format!("cd to; {prepare}"));
    let found = cp(&room, source, destination, false);
    let wanted = wanted.map(|w| w.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(
        found,
        wanted.map_err(String::from),
        "{prepare}: {source} {destination}"
    );
}

#[test]
fn a_file_goes_where_docker_puts_it() {
    row("", "/file", "/", Ok(&["file"]));
    row("", "/file", "/new", Ok(&["new"]));
    row("", "file", "new", Ok(&["new"]));
    row("mkdir d", "/file", "/d", Ok(&["d", "d/file"]));
    row("mkdir d", "/file", "/d/", Ok(&["d", "d/file"]));
    row("mkdir d", "/file", "/d/n", Ok(&["d", "d/n"]));
    row("echo old >n", "/file", "/n", Ok(&["n"]));
    row("", "/file", "/new/", Err("no such directory: /new"));
    row(
        "",
        "/file",
        "/no/such",
        Err("/no/such: no such file or directory"),
    );
    row("echo f >f", "/file", "/f/", Err("/f/: not a directory"));
    row("echo f >f", "/file", "/f/x", Err("/f/x: not a directory"));
    row("", "/gone", "/", Err("/gone: no such file or directory"));
    row("", "/file/", "/", Err("/file/: not a directory"));
    row("", "/file/.", "/", Err("/file/.: not a directory"));
    row(
        "mkdir -p d/file",
        "/file",
        "/d",
        Err("unpacking \"file\": cannot overwrite directory with non-directory"),
    );
}

const DIR: [&str; 5] = ["d", "d/hard", "d/sub", "d/sub/y", "d/x"];

#[test]
fn a_directory_goes_where_docker_puts_it() {
    row("", "/dir", "/d", Ok(&DIR));
    row("", "/dir/", "/d/", Ok(&DIR));
    row("", "/dir/.", "/d", Ok(&DIR));
    row("", "/dir/.", "/", Ok(&["hard", "sub", "sub/y", "x"]));
    row("mkdir d", "/dir/.", "/d", Ok(&DIR));
    row("mkdir d", "/dir/sub", "/d", Ok(&["d", "d/sub", "d/sub/y"]));
    row(
        "echo f >f",
        "/dir",
        "/f",
        Err("cannot copy directory: /f is a file"),
    );
    row(
        "echo f >f",
        "/dir/.",
        "/f",
        Err("cannot copy directory: /f is a file"),
    );
    row(
        "echo f >sub",
        "/dir/sub",
        "/",
        Err("unpacking \"sub/\": cannot overwrite non-directory with directory"),
    );
}

#[test]
fn links_are_copied_themselves_unless_followed() {
    for (source, follow, wanted) in [
        ("/dlink", false, vec!["n"]),
        (
            "/dlink/",
            false,
            vec!["n", "n/hard", "n/sub", "n/sub/y", "n/x"],
        ),
        (
            "/dlink/.",
            false,
            vec!["n", "n/hard", "n/sub", "n/sub/y", "n/x"],
        ),
        (
            "/dlink",
            true,
            vec!["n", "n/hard", "n/sub", "n/sub/y", "n/x"],
        ),
        ("/dlink/x", false, vec!["n"]),
    ] {
        let Some(room) = roots() else { return };
        assert_eq!(
            cp(&room, source, "/n", follow).unwrap(),
            wanted,
            "{source} {follow}"
        );
        let link = room.path("to/n").is_symlink();
        assert_eq!(link, source == "/dlink" && !follow);
    }
    let Some(room) = roots() else { return };
    assert_eq!(cp(&room, "/flink", "/", true).unwrap(), ["flink"]);
    assert_eq!(room.text("to/flink"), "data\n");
    let e = cp(&room, "/bad", "/n", true).unwrap_err();
    assert_eq!(
        e, "/bad: no such file or directory",
        "a link means the container's own"
    );
}

#[test]
fn a_destination_that_is_a_link_is_the_one_inside() {
    let Some(room) = roots() else { return };
    room.sh("cd to; mkdir -p run etc; ln -s /run var; ln -s ../../../etc up; ln -s /run/made dangling; ln -s loop loop");
    assert_eq!(cp(&room, "/file", "/var/a", false).unwrap().len(), 7);
    cp(&room, "/file", "/up", false).unwrap();
    cp(&room, "/file", "/dangling", false).unwrap();
    assert_eq!(names(&room.path("to/run")), ["a", "made"]);
    assert_eq!(names(&room.path("to/etc")), ["file"]);
    assert!(room.path("to/dangling").is_symlink());
    let e = cp(&room, "/file", "/loop", false).unwrap_err();
    assert_eq!(e, "/loop: too many levels of symbolic links");
}

#[test]
fn an_archive_from_elsewhere_needs_a_directory_and_leaves_it_as_it_is() {
    let Some(room) = roots() else { return };
    let to = room.open("to");
    fs::set_permissions(room.path("to"), fs::Permissions::from_mode(0o1777)).unwrap();
    let archive = Builder::new().dir(".").file("./a", "x").end();
    let put = |path: &str| {
        copy_to(
            &to,
            path.as_bytes(),
            &Incoming::Archive,
            &archive[..],
            &Ownership::Fixed(3, 4),
        )
        .map_err(|e| e.to_string())
    };
    put("/").unwrap();
    assert_eq!(put("/a").unwrap_err(), "/a: not a directory");
    assert_eq!(
        put("/none").unwrap_err(),
        "/none: no such file or directory"
    );
    let mode = fs::metadata(room.path("to")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o1777);
    let a = fs::metadata(room.path("to/a")).unwrap();
    assert_eq!((a.uid(), a.gid()), (3, 4));
}

#[test]
fn hard_links_stay_hard_links_under_another_name() {
    let Some(room) = roots() else { return };
    cp(&room, "/dir", "/renamed", false).unwrap();
    let inode = |name: &str| fs::metadata(room.path(name)).unwrap().ino();
    assert_eq!(inode("to/renamed/x"), inode("to/renamed/hard"));
}

#[test]
fn the_root_itself_can_be_copied() {
    let Some(room) = roots() else { return };
    assert_eq!(cp(&room, "/", "/all", false).unwrap().len(), 10);
    // What comes is not what was asked for: no entry may get past the name.
    let to = room.open("to");
    let incoming = Incoming::Named {
        name: b"x".to_vec(),
        is_dir: false,
    };
    let archive = Builder::new().file("other", "x").end();
    let e = copy_to(&to, b"/n", &incoming, &archive[..], &Ownership::Keep).unwrap_err();
    assert_eq!(
        e.to_string(),
        "unpacking \"other\": invalid copy source content"
    );
}
