//! A small image made from Debian's static busybox: no registry is asked.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::needs;
use crate::outcome::Outcome;
use crate::room::Room;

/// The name the image gets in every peer.
pub(crate) const NAME: &str = "localhost/rcon-test:latest";

const PATH: &str = "PATH=/bin";
const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nworker:x:1000:1000::/home/worker:/bin/sh\n";
const GROUP: &str = "root:x:0:\nworker:x:1000:\nextra:x:2000:worker\n";

/// The root file system as a tar archive in the room.
pub(crate) fn layer(room: &Room) -> PathBuf {
    let tree = root_filesystem(room);
    let tar = room.path("layer.tar");
    let mut command = Command::new("tar");
    command.args(["--numeric-owner", "--owner=0", "--group=0", "-C"]);
    command.arg(tree).arg("-cf").arg(&tar).arg(".");
    Outcome::of(command, "").code(0);
    tar
}

/// The root file system as a directory in the room.
pub(crate) fn root_filesystem(room: &Room) -> PathBuf {
    let tree = room.path("rootfs");
    for folder in [
        "bin",
        "dev",
        "etc",
        "home/worker",
        "proc",
        "root",
        "sys",
        "tmp",
    ] {
        fs::create_dir_all(tree.join(folder)).expect("make a folder");
    }
    fs::set_permissions(tree.join("tmp"), fs::Permissions::from_mode(0o1777)).expect("chmod");
    fs::write(tree.join("etc/passwd"), PASSWD).expect("write passwd");
    fs::write(tree.join("etc/group"), GROUP).expect("write group");
    let busybox = needs::find("busybox").expect("busybox is needed");
    fs::copy(&busybox, tree.join("bin/busybox")).expect("copy busybox");
    for applet in applets(&busybox) {
        symlink("busybox", tree.join("bin").join(applet)).ok();
    }
    tree
}

fn applets(busybox: &Path) -> Vec<String> {
    let mut list = Command::new(busybox);
    list.arg("--list");
    let names = Outcome::of(list, "").ok();
    names.lines().map(str::to_owned).collect()
}

/// The image as a tar archive of an OCI image layout.
pub(crate) fn oci_archive(room: &Room) -> PathBuf {
    let layout = room.path("layout");
    fs::create_dir_all(layout.join("blobs/sha256")).expect("make the layout");
    write_json(
        &layout.join("oci-layout"),
        &json!({"imageLayoutVersion": "1.0.0"}),
    );
    let layer = blob(&layout, &layer(room), "layer.v1.tar");
    let config = json_blob(room, &layout, &config(&layer["digest"]), "config.v1+json");
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
    let mut manifest = json_blob(room, &layout, &manifest, "manifest.v1+json");
    manifest["annotations"] = json!({"io.containerd.image.name": NAME});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    write_json(&layout.join("index.json"), &index);
    pack(room, &layout)
}

fn pack(room: &Room, layout: &Path) -> PathBuf {
    let archive = room.path("image.oci.tar");
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(layout).arg("-cf").arg(&archive);
    tar.args(["oci-layout", "index.json", "blobs"]);
    Outcome::of(tar, "").code(0);
    archive
}

fn config(diff_id: &Value) -> Value {
    json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Env": [PATH], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    })
}

fn json_blob(room: &Room, layout: &Path, value: &Value, kind: &str) -> Value {
    let file = room.path("blob.json");
    write_json(&file, value);
    blob(layout, &file, kind)
}

/// Puts a file into the layout and gives its descriptor.
fn blob(layout: &Path, file: &Path, kind: &str) -> Value {
    let mut sum = Command::new("sha256sum");
    sum.arg(file);
    let sum = Outcome::of(sum, "").ok();
    let digest = sum.split(' ').next().expect("a digest");
    let size = fs::metadata(file).expect("stat").len();
    fs::copy(file, layout.join("blobs/sha256").join(digest)).expect("copy a blob");
    json!({
        "mediaType": format!("application/vnd.oci.image.{kind}"),
        "digest": format!("sha256:{digest}"),
        "size": size,
    })
}

fn write_json(path: &Path, value: &Value) {
    fs::write(path, value.to_string()).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
}
