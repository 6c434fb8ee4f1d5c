//! What an image has at a path becomes what is in the volume there.

use crate::place::{PLAIN, Place, WITH};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

#[test]
fn an_empty_volume_gets_all_of_the_images_files_as_they_are() {
    let Some(place) = Place::new() else { return };
    let shown = place.prints(&["-v", "data:/data"], PLAIN, "cat /data/file; ls -ld /data");
    assert!(shown.starts_with("image\ndrwxrws---"), "{shown}");
    let data = place.data("data");
    let meta = |name: &str| fs::symlink_metadata(data.join(name)).unwrap();
    let top = meta("");
    assert_eq!(
        (top.mode() & 0o7777, top.uid(), top.gid()),
        (0o2770, 33, 44)
    );
    assert_eq!(meta("sub").mode() & 0o7777, 0o1711);
    let own = meta("sub/deep/own");
    assert_eq!(
        (own.mode() & 0o7777, own.uid(), own.gid()),
        (0o4750, 1000, 50)
    );
    assert_eq!(meta("file").ino(), meta("sub/again").ino());
    assert_eq!(meta("file").nlink(), 2);
    assert_eq!(
        fs::read_link(data.join("link")).unwrap().to_str(),
        Some("../etc/passwd")
    );
    assert!(meta("pipe").file_type().is_fifo());
    let file = fs::File::open(data.join("sub/deep/own")).unwrap();
    let note = rcon::sys::xattr::get(&file, b"user.note").unwrap();
    assert_eq!(note.as_deref(), Some(&b"kept"[..]));
    let of_image = fs::metadata(place.bed.rootfs("data/file")).unwrap();
    assert_eq!(meta("file").mtime(), of_image.mtime());
}

#[test]
fn only_an_empty_volume_is_filled_and_only_if_that_is_wanted() {
    let Some(place) = Place::new() else { return };
    let list = |flags: &[&str]| place.prints(flags, PLAIN, "ls /data");
    assert_eq!(list(&["-v", "none:/data:nocopy"]), "");
    assert_eq!(list(&["--mount", "src=nil,dst=/data,volume-nocopy"]), "");
    assert_eq!(
        place.prints(&["-v", "mine:/elsewhere"], PLAIN, "touch /elsewhere/mine"),
        ""
    );
    assert_eq!(list(&["-v", "mine:/data"]), "mine");
    // One that is empty still is filled by whoever comes next.
    assert_eq!(list(&["-v", "none:/data"]), "file\nlink\npipe\nsub");
    // And what is removed from it stays away, as long as something is there.
    place.prints(&["-v", "none:/data"], PLAIN, "rm /data/file");
    assert_eq!(list(&["-v", "none:/data"]), "link\npipe\nsub");
}

#[test]
fn a_volume_is_filled_when_the_container_is_made() {
    let Some(place) = Place::new() else { return };
    place.create("web", &["-v", "data:/data"], PLAIN, "cat /data/file");
    assert_eq!(
        fs::read_to_string(place.data("data").join("file")).unwrap(),
        "image\n"
    );
    fs::write(place.data("data").join("file"), "mine\n").unwrap();
    assert_eq!(place.says(&["start", "-a", "web"]), "mine");
}

#[test]
fn an_images_volumes_are_unnamed_ones() {
    let Some(place) = Place::new() else { return };
    let shown = place.prints(&[], WITH, "cat /data/file; mount | grep -c ' /data '");
    assert_eq!(shown, "image\n1");
    assert_eq!(place.volumes(), [""; 0], "it went with --rm");
    place.create("web", &[], WITH, "true");
    let mounts = place.mounts("web");
    let name = mounts[0]["Name"].as_str().unwrap();
    assert_eq!((mounts.len(), name.len()), (1, 64));
    assert_eq!(mounts[0]["Destination"], "/data");
    assert_eq!(place.volumes(), [name]);
    // Whatever else is mounted there takes its place.
    let dir = place.host_dir("covering");
    for flags in [
        &["-v", "named:/data"][..],
        &["-v", &format!("{dir}:/data")],
        &["--tmpfs", "/data"],
        &["--mount", "type=tmpfs,dst=/data"],
    ] {
        place.run(flags, WITH, "true").ok();
        place.create("other", flags, WITH, "true");
        let anonymous = place.volumes().iter().filter(|v| v.len() == 64).count();
        assert_eq!(anonymous, 1, "{flags:?}");
        place.says(&["rm", "other"]);
    }
}

#[test]
fn a_part_of_a_volume() {
    let Some(place) = Place::new() else { return };
    place.prints(
        &["-v", "data:/data"],
        PLAIN,
        "ln -s / /data/out; echo b >/data/sub/b",
    );
    let sub = |path: &str, script: &str| {
        let mount = format!("src=data,dst=/mnt/x,volume-subpath={path}");
        place.run(&["--mount", &mount], PLAIN, script)
    };
    assert_eq!(sub("sub", "cat /mnt/x/b").ok().text(), "b");
    assert_eq!(sub("sub/b", "cat /mnt/x").ok().text(), "b");
    // A link that leads out leads to the volume's own top.
    let shown = sub("out", "cat /mnt/x/file").ok();
    assert_eq!(shown.text(), "image");
    sub("gone", "true")
        .code(125)
        .fails_naming(&["gone", "data"]);
    // What the image has is nothing that a part of a volume gets.
    place.prints(&["-v", "new:/x"], PLAIN, "mkdir /x/part");
    let mount = "src=new,dst=/data,volume-subpath=part";
    assert_eq!(place.prints(&["--mount", mount], PLAIN, "ls /data"), "");
}

#[test]
fn a_volume_over_a_file_is_refused() {
    let Some(place) = Place::new() else { return };
    let out = place
        .run(&["-v", "data:/etc/passwd"], PLAIN, "true")
        .code(125);
    out.fails_naming(&["/etc/passwd", "a file"]);
}

#[test]
fn nothing_at_the_path_is_an_empty_directory() {
    let Some(place) = Place::new() else { return };
    let shown = place.prints(
        &["-v", "data:/made/here", "--read-only"],
        PLAIN,
        "ls -ld /made/here; touch /made/here/x",
    );
    assert!(shown.starts_with("drwxr-xr-x"), "{shown}");
}
