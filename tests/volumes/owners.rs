//! `idmap`: files keep their owners, and show others inside.

use crate::place::{PLAIN, Place};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

/// A directory of user 1234's, with a file of another's.
fn theirs(place: &Place) -> String {
    let dir = place.host_dir("theirs");
    fs::write(format!("{dir}/other"), "").unwrap();
    chown(&dir, Some(1234), Some(1235)).unwrap();
    chown(format!("{dir}/theirs"), Some(1234), Some(1235)).unwrap();
    chown(format!("{dir}/other"), Some(77), Some(78)).unwrap();
    dir
}

fn owner(path: &str) -> (u32, u32) {
    let meta = fs::symlink_metadata(path).unwrap();
    (meta.uid(), meta.gid())
}

#[test]
fn the_owner_of_the_source_is_the_containers_user() {
    let Some(place) = Place::new() else { return };
    let dir = theirs(&place);
    let stat = "stat -c %u:%g /x /x/theirs /x/other; touch /x/made-$(id -u)";
    let bind = format!("{dir}:/x:idmap");
    assert_eq!(place.prints(&["-v", &bind], PLAIN, stat), "0:0\n0:0\n77:78");
    assert_eq!(owner(&format!("{dir}/made-0")), (1234, 1235));
    let shown = place.prints(&["-u", "1000:1000", "-v", &bind], PLAIN, stat);
    assert_eq!(shown, "1000:1000\n1000:1000\n77:78");
    assert_eq!(owner(&format!("{dir}/made-1000")), (1234, 1235));
    let shown = place.prints(&["-u", "1234:1235", "-v", &bind], PLAIN, stat);
    assert_eq!(shown, "1234:1235\n1234:1235\n77:78");
    let mount = format!("type=bind,src={dir},dst=/x,idmap");
    assert_eq!(
        place.prints(&["--mount", &mount], PLAIN, "stat -c %u:%g /x"),
        "0:0"
    );
    // A single file, too; and on disk nothing has changed.
    let file = format!("{dir}/theirs:/file:idmap");
    assert_eq!(
        place.prints(&["-v", &file], PLAIN, "stat -c %u:%g /file"),
        "0:0"
    );
    assert_eq!(owner(&dir), (1234, 1235));
}

#[test]
fn ranges_that_are_given() {
    let Some(place) = Place::new() else { return };
    let dir = theirs(&place);
    let bind = format!("{dir}:/x:idmap=uids=1234-5-1#77-0-1;gids=1235-6-1#78-0-1");
    let shown = place.prints(
        &["-v", &bind],
        PLAIN,
        "stat -c %u:%g /x /x/other; touch /x/made",
    );
    assert_eq!(shown, "5:6\n0:0");
    assert_eq!(owner(&format!("{dir}/made")), (77, 78));
    let mount = format!("type=bind,src={dir},dst=/x,idmap=uids=1234-9-1;gids=1235-9-1");
    let shown = place.prints(&["--mount", &mount], PLAIN, "stat -c %u:%g /x /x/other");
    assert_eq!(shown, "9:9\n65534:65534", "whose id is not in it is nobody");
}

#[test]
fn a_volume_and_a_user_namespace() {
    let Some(place) = Place::new() else { return };
    // Its root must be able to make what is mounted on.
    let mut chown = std::process::Command::new("chown");
    chown
        .args(["-R", "100000:100000"])
        .arg(place.bed.rootfs(""));
    assert!(chown.status().unwrap().success());
    place.import(&[], "mapped:1");
    place.prints(
        &["-v", "data:/mnt"],
        PLAIN,
        "touch /mnt/of-root; chown 5:6 /mnt",
    );
    let flags = ["--userns", "100000:65536"];
    let with = |volume: &str, script: &str| {
        place.prints(&[&flags[..], &["-v", volume]].concat(), "mapped:1", script)
    };
    // Without it the host's ids are nobody's.
    assert_eq!(with("data:/mnt", "stat -c %u /mnt/of-root"), "65534");
    let shown = with(
        "data:/mnt:idmap",
        "stat -c %u:%g /mnt/of-root /mnt; touch /mnt/new",
    );
    assert_eq!(shown, "0:0\n5:6");
    let new = place.data("data").join("new");
    assert_eq!(owner(new.to_str().unwrap()), (0, 0));
    let relative = "data:/mnt:idmap=uids=@0-3-1#5-4-1;gids=@0-3-1#6-4-1";
    assert_eq!(
        with(relative, "stat -c %u:%g /mnt/of-root /mnt"),
        "3:3\n4:4"
    );
}

#[test]
fn what_cannot_be_shown_so() {
    let Some(place) = Place::new() else { return };
    for (flags, why) in [
        (
            ["-v", "data:/x:idmap=uids=0-0-1"],
            "uids and gids go together",
        ),
        (["-v", "data:/x:U"], "idmap shows"),
        (
            ["--mount", "type=tmpfs,dst=/x,idmap"],
            "no owners but its own",
        ),
    ] {
        place
            .run(&flags, PLAIN, "true")
            .code(125)
            .fails_naming(&[why]);
    }
    // The kernel cannot do it for everything: procfs never.
    let out = place.run(
        &["-v", "/proc/sys:/x:idmap=uids=0-0-1;gids=0-0-1"],
        PLAIN,
        "true",
    );
    out.code(125).fails_naming(&["other owners"]);
}
