//! A dockerd whose containers' users are others on the host.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::Docker;
use crate::checks::{Check, checks};

pub(super) const CHECKS: &[Check<Docker>] =
    checks![ids_are_mapped, files_are_mapped, exec_is_mapped, host_users,];

/// The first subordinate id of `nobody` in the room.
const BASE: u32 = 200_000;

fn ids_are_mapped(docker: &Docker) {
    docker.run(&[], &["id", "-u"]).prints("0");
    let map = docker.run(&[], &["cat", "/proc/self/uid_map"]).ok();
    let fields: Vec<&str> = map.split_whitespace().collect();
    assert_eq!(fields, ["0", "200000", "65536"]);
    docker.background("mapped", &["-u", "worker"], "sleep 1000");
    let pid = docker.inspect("mapped", ".State.Pid");
    let uid = docker
        .room
        .run(&["stat", "-c", "%u", &format!("/proc/{pid}")])
        .ok();
    assert_eq!(uid, (BASE + 1000).to_string());
}

fn files_are_mapped(docker: &Docker) {
    let folder = docker.room.path("volume");
    fs::create_dir_all(&folder).expect("make a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("chmod");
    let volume = format!("{}:/v", folder.display());
    docker
        .sh(&["-v", &volume], "touch /v/file /root/file")
        .code(0);
    assert_eq!(fs::metadata(folder.join("file")).expect("stat").uid(), BASE);
}

fn exec_is_mapped(docker: &Docker) {
    docker.background("joined", &[], "sleep 1000");
    let links = "readlink /proc/1/ns/user /proc/self/ns/user; id -u";
    let out = docker.cli(&["exec", "joined", "sh", "-c", links]).ok();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], lines[1]);
    assert_eq!(lines[2], "0");
}

fn host_users(docker: &Docker) {
    let map = docker
        .run(&["--userns", "host"], &["cat", "/proc/self/uid_map"])
        .ok();
    let fields: Vec<&str> = map.split_whitespace().collect();
    assert_eq!(fields, ["0", "0", "4294967295"]);
}
