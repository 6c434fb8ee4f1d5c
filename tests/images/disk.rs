//! A full disk, and a large layer in little memory.

use std::fs;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::common::registry::run;
use crate::common::store::StoreBed;
use crate::place::{Place, names};

/// A small file system that goes away with the test.
struct Small(std::path::PathBuf);

impl Small {
    fn new(bed: &StoreBed, size: &str) -> Self {
        let at = bed.path("small");
        fs::create_dir(&at).unwrap();
        let options = format!("size={size},mode=700");
        let fs = Some("tmpfs");
        mount(fs, &at, fs, MsFlags::empty(), Some(options.as_str())).unwrap();
        Self(at)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

fn left(root: &Path) -> Vec<String> {
    let mut all = names(&root.join("layers"));
    all.extend(names(&root.join("images/stage")));
    all.extend(names(&root.join("images/blobs/sha256")));
    all
}

#[test]
fn a_full_disk_is_told_in_one_line_and_left_as_it_was() {
    let Some(place) = Place::new() else { return };
    let small = Small::new(&place.bed, "12M");
    let root = small.0.join("store");
    let noise: Vec<u8> = (0..6_000_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let zeros = vec![0; 40 << 20];
    // One whose blobs do not fit, one that does not fit unpacked.
    for (name, bytes) in [
        ("packed:1", [noise.clone(), noise.clone()].concat()),
        ("unpacked:1", zeros),
    ] {
        let name = place.publish(name, &[("/big", &bytes)]);
        let out = place
            .bed
            .call(&["--root", root.to_str().unwrap(), "pull", "-q", &name])
            .output();
        out.fails_naming(&[]);
        assert_eq!(left(&root), [""; 0], "{name}");
    }
    let name = place.publish("fits:1", &[("/small", b"x")]);
    let root = root.to_str().unwrap();
    place
        .bed
        .call(&["--root", root, "pull", "-q", &name])
        .output()
        .ok();
    assert_eq!(
        place
            .bed
            .says(&["--root", root, "images", "-q"])
            .lines()
            .count(),
        1
    );
}

#[test]
fn a_bomb_is_given_up_before_the_disk_is_full() {
    let Some(place) = Place::new() else { return };
    let small = Small::new(&place.bed, "48M");
    let root = small.0.join("store");
    let dir = place.bed.path("bomb");
    fs::create_dir(&dir).unwrap();
    let file = fs::File::create(dir.join("zeros")).unwrap();
    file.set_len(300 << 20).unwrap();
    let archive = place.bed.path("bomb.tar.gz");
    let script = format!("tar -C {} -cz zeros > {}", dir.display(), archive.display());
    run("sh", &["-c", &script]);
    let (root_text, archive) = (root.to_str().unwrap(), archive.to_str().unwrap());
    let dir = dir.to_str().unwrap();
    for (command, why) in [
        (&["import", archive, "x"][..], "the disk is nearly full"),
        (&["load", "-i", archive], "free on the disk"),
        (&["import", dir, "x"], "holes included"),
    ] {
        let out = place.bed.call(&[&["--root", root_text], command].concat());
        out.output().fails_naming(&[why]);
        assert_eq!(left(&root), [""; 0], "{command:?}");
    }
}

/// Two gigabytes with `RCON_TEST_LARGE=1`, else what is done in a moment.
#[test]
fn a_large_layer_takes_little_memory() {
    let Some(place) = Place::new() else { return };
    let size = if std::env::var_os("RCON_TEST_LARGE").is_some() {
        2 << 30
    } else {
        300 << 20
    };
    let zeros = vec![0; size];
    let name = place.publish("large:1", &[("/big", &zeros)]);
    drop(zeros);
    let mut pull = place.bed.call(&["pull", "-q", &name]).spawn();
    let mut most = 0;
    while !pull.has_ended() {
        let status = fs::read_to_string(format!("/proc/{}/status", pull.pid())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let peak = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
        most = most.max(peak.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    pull.wait().ok();
    let shown = place
        .bed
        .says(&["run", "--rm", &name, "stat", "-c", "%s", "/big"]);
    assert_eq!(shown.trim(), size.to_string());
    assert!(most > 1000 && most < 100_000, "{most} kB");
}
