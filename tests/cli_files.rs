//! `cp`, `diff` and `export`: the files of a container, while it is up and
//! while it is not.

mod common;
use common::store::StoreBed;
use common::*;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

/// A container whose changes are kept apart.
#[track_caller]
fn overlaid(bed: &StoreBed, name: &str, program: &[&str]) {
    let root = format!("{}:O", bed.rootfs("").display());
    let args = [&["run", "-d", "--name", name, "--rootfs", &root], program].concat();
    bed.rcon(&args).ok();
}

fn text(bed: &StoreBed, name: &str) -> String {
    fs::read_to_string(bed.path(name)).unwrap()
}

#[test]
fn files_are_copied_out_and_in() {
    let Some(bed) = StoreBed::new() else { return };
    let script = "mkdir -p /data/sub; echo one > /data/a; echo two > /data/sub/b; sleep 600";
    overlaid(&bed, "web", &["sh", "-c", script]);
    host::becomes_true(std::time::Duration::from_secs(5), || {
        bed.rcon(&["exec", "web", "cat", "/data/sub/b"])
            .status
            .success()
    });
    bed.rcon(&["cp", "web:/data/a", "out"]).ok();
    assert_eq!(text(&bed, "out"), "one\n");
    bed.rcon(&["cp", "web:/data", "tree"]).ok();
    assert_eq!(text(&bed, "tree/sub/b"), "two\n");
    fs::write(bed.path("mine"), "mine\n").unwrap();
    bed.rcon(&["cp", "mine", "web:/data/sub"]).ok();
    assert_eq!(
        bed.says(&["exec", "web", "cat", "/data/sub/mine"]),
        "mine\n"
    );
    assert!(!bed.rootfs("data").exists(), "the image is as it was");
    // Nobody runs any more: the files are still there.
    bed.rcon(&["kill", "web"]).ok();
    bed.rcon(&["wait", "web"]).ok();
    bed.rcon(&["cp", "web:/data/sub/mine", "again"]).ok();
    assert_eq!(text(&bed, "again"), "mine\n");
    bed.rcon(&["cp", "mine", "web:/data/late"]).ok();
    bed.rcon(&["start", "web"]).ok();
    assert_eq!(bed.says(&["exec", "web", "cat", "/data/late"]), "mine\n");
}

#[test]
fn a_copy_belongs_to_whoever_made_it_unless_ids_are_kept() {
    let Some(bed) = StoreBed::new() else { return };
    overlaid(
        &bed,
        "web",
        &["sh", "-c", "echo x > /x; chown 12:34 /x; sleep 600"],
    );
    host::becomes_true(std::time::Duration::from_secs(5), || {
        bed.rcon(&["exec", "web", "stat", "-c", "%u", "/x"]).stdout == "12\n"
    });
    bed.rcon(&["cp", "web:/x", "plain"]).ok();
    bed.rcon(&["cp", "-a", "web:/x", "kept"]).ok();
    let owner = |name: &str| {
        let meta = fs::metadata(bed.path(name)).unwrap();
        (meta.uid(), meta.gid())
    };
    assert_eq!(owner("plain"), (0, 0));
    assert_eq!(owner("kept"), (12, 34));
}

#[test]
fn a_containers_links_lead_into_it() {
    let Some(bed) = StoreBed::new() else { return };
    fs::write(bed.path("secret"), "the host's\n").unwrap();
    let host_dir = bed.path("").canonicalize().unwrap();
    fs::create_dir_all(bed.rootfs("lure")).unwrap();
    symlink(&host_dir, bed.rootfs("lure/dir")).unwrap();
    symlink(host_dir.join("secret"), bed.rootfs("lure/file")).unwrap();
    overlaid(&bed, "web", &["sleep", "600"]);
    let out = bed.rcon(&["cp", "-L", "web:/lure/file", "got"]);
    out.code(1);
    assert!(!bed.path("got").exists());
    fs::write(bed.path("mine"), "mine\n").unwrap();
    let before = fs::read_dir(&host_dir).unwrap().count();
    bed.rcon(&["cp", "mine", "web:/lure/dir/planted"]);
    let after = fs::read_dir(&host_dir).unwrap().count();
    assert_eq!(before, after, "something was written on the host");
    assert_eq!(text(&bed, "secret"), "the host's\n");
}

#[test]
fn an_archive_goes_through_a_pipe() {
    let Some(bed) = StoreBed::new() else { return };
    overlaid(
        &bed,
        "web",
        &["sh", "-c", "mkdir /d; echo one > /d/a; sleep 600"],
    );
    host::becomes_true(std::time::Duration::from_secs(5), || {
        bed.rcon(&["exec", "web", "cat", "/d/a"]).status.success()
    });
    let rcon = env!("CARGO_BIN_EXE_rcon");
    let line = format!("{rcon} cp web:/d - | {rcon} cp - web:/tmp && {rcon} export web > all.tar");
    let status = Command::new("sh")
        .args(["-c", &line])
        .env("RCON_ROOT", bed.root())
        .current_dir(bed.path(""))
        .status();
    assert!(status.unwrap().success());
    assert_eq!(bed.says(&["exec", "web", "cat", "/tmp/d/a"]), "one\n");
    let list = Command::new("tar")
        .arg("tf")
        .arg(bed.path("all.tar"))
        .output();
    let list = String::from_utf8(list.unwrap().stdout).unwrap();
    assert!(list.lines().any(|l| l == "d/a"), "{list}");
    assert!(
        !list.contains("proc/self"),
        "what is mounted is not exported"
    );
}

#[test]
fn diff_tells_what_was_changed() {
    let Some(bed) = StoreBed::new() else { return };
    let script = "echo x > /new; rm /bin/true; echo >> /etc/passwd";
    let root = format!("{}:O", bed.rootfs("").display());
    let made = bed.rootfs("bin/true").symlink_metadata().is_ok();
    assert!(made, "the image has what is to be deleted");
    bed.rcon(&[
        "run", "--name", "web", "--rootfs", &root, "sh", "-c", script,
    ])
    .ok();
    let told = bed.says(&["diff", "web"]);
    assert_eq!(told, "C /bin\nD /bin/true\nC /etc\nC /etc/passwd\nA /new\n");
    bed.make_container(&["create", "--name", "plain"], &["true"]);
    bed.rcon(&["diff", "plain"]).fails_naming(&["DIR:O"]);
}

/// `cp box:/x /dev/null` took the host's null device away.
#[test]
fn a_device_of_the_hosts_is_not_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let Some(bed) = StoreBed::new() else { return };
    overlaid(&bed, "web", &["true"]);
    let null = bed.path("null");
    nix::unistd::mkfifo(&bed.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let made = nix::sys::stat::mknod(
        &null,
        nix::sys::stat::SFlag::S_IFCHR,
        nix::sys::stat::Mode::S_IRWXU,
        nix::sys::stat::makedev(1, 3),
    );
    made.unwrap();
    symlink("null", bed.path("link")).unwrap();
    for to in ["null", "pipe", "link"] {
        let out = bed.rcon(&["cp", "web:/etc/passwd", to]);
        out.code(1)
            .fails_naming(&[to, "must be a directory or a regular file"]);
    }
    let kind = fs::symlink_metadata(&null).unwrap().file_type();
    assert!(kind.is_char_device());
    assert!(bed.path("link").is_symlink());
}

#[test]
fn what_cannot_be_copied_is_named() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper("web", &[]);
    for (args, part) in [
        (["cp", "web:/nope", "x"], "/nope: no such file or directory"),
        (["cp", "a", "b"], "must specify at least one container"),
        (["cp", "web:/bin", "web:/tmp"], "between containers"),
        (["cp", "nosuch:/x", "x"], "No such container: nosuch"),
        (
            ["cp", "/nope-here", "web:/"],
            "/nope-here: no such file or directory",
        ),
        (["cp", "image", "web:/etc/passwd"], "/etc/passwd is a file"),
        (["cp", "/etc/passwd", "web:/no/"], "no such directory: /no"),
        (
            ["cp", "/etc/passwd", "web:/sys"],
            "/sys: read-only file system",
        ),
    ] {
        bed.rcon(&args).fails_naming(&[part]);
    }
}

#[test]
fn a_packed_archive_is_as_good_as_a_plain_one() {
    let Some(bed) = StoreBed::new() else { return };
    overlaid(&bed, "web", &["sleep", "600"]);
    fs::write(bed.path("x"), "packed").unwrap();
    let script = "tar czf - x | \"$0\" cp - web:/tmp";
    let status = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_rcon")])
        .current_dir(bed.path(""))
        .env("RCON_ROOT", bed.root())
        .status();
    assert!(status.unwrap().success());
    assert_eq!(bed.says(&["exec", "web", "cat", "/tmp/x"]), "packed");
}

#[test]
fn a_copy_lends_nobody_powers_unless_all_is_kept() {
    let Some(bed) = StoreBed::new() else { return };
    let script = "mkdir /d; cp /bin/busybox /d/su; chmod 6755 /d/su; mknod /d/null c 1 3; \
                  echo > /d/done; sleep 600";
    overlaid(&bed, "web", &["sh", "-c", script]);
    host::becomes_true(std::time::Duration::from_secs(5), || {
        bed.rcon(&["exec", "web", "test", "-e", "/d/done"])
            .status
            .success()
    });
    let out = bed.rcon(&["cp", "web:/d", "plain"]).ok();
    assert!(out.stderr.contains("left out: 1"), "{out}");
    let mode = |path: &str| fs::metadata(bed.path(path)).map(|m| m.mode() & 0o7777);
    assert_eq!(mode("plain/su").unwrap(), 0o755);
    assert!(mode("plain/null").is_err(), "a device node");
    bed.rcon(&["cp", "-a", "web:/d", "kept"]).ok();
    assert_eq!(mode("kept/su").unwrap(), 0o6755);
    assert!(mode("kept/null").is_ok());
    // What goes into a container is its own business.
    bed.rcon(&["cp", "kept/su", "web:/d/again"]).ok();
    let inside = bed.says(&["exec", "web", "stat", "-c", "%a", "/d/again"]);
    assert_eq!(inside.trim(), "6755");
}

#[test]
fn its_own_files_are_there_when_it_is_not_up() {
    let Some(bed) = StoreBed::new() else { return };
    overlaid(&bed, "web", &["sleep", "600"]);
    bed.rcon(&["cp", "web:/etc/hosts", "up"]).ok();
    bed.rcon(&["kill", "web"]).ok();
    bed.rcon(&["wait", "web"]).ok();
    bed.rcon(&["cp", "web:/etc/hosts", "down"]).ok();
    assert!(text(&bed, "up").contains("localhost"));
    assert_eq!(text(&bed, "down"), text(&bed, "up"));
    bed.rcon(&["cp", "web:etc//hostname", "name"]).ok();
    assert_eq!(text(&bed, "name").trim().len(), 12);
}
