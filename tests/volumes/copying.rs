//! `cp` reaches what is mounted in a container, up or not.

use crate::place::{PLAIN, Place, WITH};
use std::fs;
use std::os::unix::fs::chown;

#[test]
fn into_a_volume_and_out_of_it() {
    let Some(place) = Place::new() else { return };
    let dir = place.host_dir("bound");
    let bind = format!("{dir}:/bound");
    let file = place.bed.path("mine");
    fs::write(&file, "mine\n").unwrap();
    let file = file.to_string_lossy().into_owned();
    let flags = ["-v", "data:/data", "-v", "new:/made/here", "-v", &bind];
    place.create("web", &flags, WITH, "exec sleep 600");
    for state in ["created", "running", "exited"] {
        match state {
            "running" => drop(place.says(&["start", "web"])),
            "exited" => drop(place.says(&["stop", "-t", "0", "web"])),
            _ => {}
        }
        for (inside, outside) in [
            ("/data/sub/in", place.data("data").join("sub/in")),
            ("/made/here/in", place.data("new").join("in")),
            ("/bound/in", format!("{dir}/in").into()),
        ] {
            place.says(&["cp", "-q", &file, &format!("web:{inside}")]);
            assert_eq!(
                fs::read_to_string(&outside).unwrap(),
                "mine\n",
                "{state} {inside}"
            );
            let back = place.bed.path("back");
            place.says(&[
                "cp",
                "-q",
                &format!("web:{inside}"),
                &back.to_string_lossy(),
            ]);
            assert_eq!(
                fs::read_to_string(&back).unwrap(),
                "mine\n",
                "{state} {inside}"
            );
            fs::remove_file(&back).unwrap();
            fs::remove_file(&outside).unwrap();
        }
        place.says(&["cp", "-q", &file, "web:/plain"]);
    }
    assert_eq!(place.host_mounts(), [""; 0]);
    // It is in the container's own files, and volumes are not.
    let diff = place.says(&["diff", "web"]);
    assert!(diff.contains("A /plain"), "{diff}");
    assert!(!diff.contains("/data/"), "{diff}");
    place.says(&["cp", "-q", &file, "web:/made/here/kept"]);
    assert!(place.data("new").join("kept").exists());
    let archive = place.bed.path("all.tar");
    place.says(&["export", "-o", &archive.to_string_lossy(), "web"]);
    let list = std::process::Command::new("tar")
        .arg("tf")
        .arg(&archive)
        .output()
        .unwrap();
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.contains("plain"), "{list}");
    assert!(!list.contains("kept"), "{list}");
}

#[test]
fn what_is_read_only_stays_so() {
    let Some(place) = Place::new() else { return };
    let file = place.bed.path("mine");
    fs::write(&file, "mine\n").unwrap();
    let file = file.to_string_lossy().into_owned();
    place.create("web", &["-v", "data:/data:ro"], PLAIN, "exec sleep 600");
    place
        .rcon(&["cp", &file, "web:/data/x"])
        .code(1)
        .fails_naming(&["/data/x: read-only file system"]);
    assert_eq!(
        place
            .says(&["cp", "web:/data/file", "-"])
            .matches("image")
            .count(),
        1
    );
}

#[test]
fn a_file_system_of_its_own_is_there_for_a_copy() {
    let Some(place) = Place::new() else { return };
    let dir = place.host_dir("bound");
    let device = format!("device={dir}");
    let opts = ["-o", "type=none", "-o", &device, "-o", "o=bind"];
    place.says(&[&["volume", "create"], &opts[..], &["mine"]].concat());
    place.create("web", &["-v", "mine:/x"], PLAIN, "true");
    let back = place.bed.path("back");
    place.says(&["cp", "-q", "web:/x/theirs", &back.to_string_lossy()]);
    assert_eq!(fs::read_to_string(&back).unwrap(), "host\n");
    assert_eq!(place.host_mounts(), [""; 0]);
}

#[test]
fn other_owners_are_shown_only_while_it_is_up() {
    let Some(place) = Place::with_other_owners() else {
        return;
    };
    let dir = place.host_dir("bound");
    chown(&dir, Some(1234), Some(1234)).unwrap();
    let file = format!("{dir}/theirs");
    place.create(
        "web",
        &["-v", &format!("{dir}:/x:idmap")],
        PLAIN,
        "exec sleep 600",
    );
    place
        .rcon(&["cp", &file, "web:/x/y"])
        .code(1)
        .fails_naming(&["start the container"]);
    place.says(&["cp", "-q", &file, "web:/elsewhere"]);
    place.says(&["start", "web"]);
    place.says(&["cp", "-q", &file, "web:/x/y"]);
    let meta = fs::metadata(format!("{dir}/y")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&meta), 1234);
    place.says(&["stop", "-t", "0", "web"]);
}

#[test]
fn an_image_that_is_committed_has_no_volumes_files() {
    let Some(place) = Place::new() else { return };
    place.create(
        "web",
        &["-v", "data:/made"],
        WITH,
        "touch /made/x /data/x /own",
    );
    place.says(&["start", "-a", "web"]);
    place.says(&["commit", "web", "again:1"]);
    let shown = place.prints(
        &[],
        "again:1",
        "ls /made; ls /own; cat /data/file; ls /data | wc -l",
    );
    assert_eq!(shown, "/own\nimage\n4");
}
