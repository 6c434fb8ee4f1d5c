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
    let Some(place) = Place::with_other_owners() else {
        return;
    };
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
    let Some(place) = Place::with_other_owners() else {
        return;
    };
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

const USERNS: [&str; 2] = ["--userns", "100000:65536"];

#[test]
fn an_image_in_a_user_namespace() {
    let Some(place) = Place::with_other_owners() else {
        return;
    };
    let stat = "stat -c %u:%g / /bin /etc/hosts /etc/resolv.conf /etc/hostname | sort -u";
    assert_eq!(place.prints(&USERNS, PLAIN, stat), "0:0");
    let script = "set -e; echo '1.2.3.4 far' >>/etc/hosts; echo x >>/etc/passwd; mkdir /a; \
                  chown 7:8 /a; mv /etc/group /a/group; stat -c %u:%g /a /a/group /etc/passwd; \
                  head -1 /proc/self/uid_map | tr -s ' '";
    let flags = ["--userns", "100000:65536", "--tmpfs", "/made/for/it"];
    assert_eq!(
        place.prints(&flags, PLAIN, script),
        "7:8\n0:0\n0:0\n 0 100000 65536"
    );
    // In the image nothing has changed.
    let without = place.prints(&[], PLAIN, "ls -d /a /made 2>&1 | wc -l; stat -c %u /etc");
    assert_eq!(without, "2\n0");
}

#[test]
fn what_is_copied_and_committed_has_the_ids_of_the_container() {
    let Some(place) = Place::with_other_owners() else {
        return;
    };
    let flags = [&USERNS[..], &["-v", "data:/mnt"]].concat();
    place.start("web", &flags, PLAIN);
    fs::write(place.bed.path("in"), "in").unwrap();
    for state in ["up", "down"] {
        let to = format!("web:/{state}");
        place.rcon(&["cp", "in", &to]).ok();
        place.rcon(&["cp", &format!("web:/{state}"), state]).ok();
        assert_eq!(fs::read_to_string(place.bed.path(state)).unwrap(), "in");
        let upper = place.bed.root().join("containers");
        let upper = upper.join(place.says(&["inspect", "-f", "{{.Id}}", "web"]));
        let copied = upper.join("fs/upper").join(state);
        assert_eq!(owner(copied.to_str().unwrap()), (0, 0), "{state}");
        if state == "up" {
            place.exec("web", "chown 7:8 /up; touch /mnt/1");
            place.rcon(&["kill", "web"]).ok();
            place.rcon(&["wait", "web"]).ok();
        }
    }
    place
        .rcon(&["cp", "in", "web:/mnt/x"])
        .fails_naming(&["only while the container is up"]);
    place.rcon(&["cp", "-a", "web:/up", "kept"]).ok();
    assert_eq!(owner(place.bed.path("kept").to_str().unwrap()), (7, 8));
    place.rcon(&["commit", "web", "made:1"]).ok();
    let shown = place.prints(&[], "made:1", "stat -c %u:%g /up /down");
    assert_eq!(shown, "7:8\n0:0");
    assert_eq!(place.says(&["diff", "web"]), "A /down\nA /up");
}

#[test]
fn a_volume_and_a_user_namespace() {
    let Some(place) = Place::with_other_owners() else {
        return;
    };
    place.prints(
        &["-v", "data:/mnt"],
        PLAIN,
        "touch /mnt/of-root; chown 5:6 /mnt",
    );
    let with = |volume: &str, script: &str| {
        place.prints(&[&USERNS[..], &["-v", volume]].concat(), PLAIN, script)
    };
    // A directory of the host's is shown as it is: its ids are nobody's.
    let host = place.host_dir("ours");
    assert_eq!(with(&format!("{host}:/mnt"), "stat -c %u /mnt"), "65534");
    // A volume is the container's own, without being told so.
    assert_eq!(with("data:/mnt", "stat -c %u /mnt/of-root"), "0");
    assert_eq!(
        with("fresh:/mnt", "touch /mnt/1; stat -c %u:%g /mnt/1"),
        "0:0"
    );
    assert_eq!(
        owner(place.data("fresh").join("1").to_str().unwrap()),
        (0, 0)
    );
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
