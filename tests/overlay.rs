//! Many layers laid over each other, in the way of the present kernel and in
//! that of kernels before 6.5. One test only: the old way forks, which a test
//! beside it would disturb.

mod common;
use common::*;

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rcon::plan::{Changes, Overlay};
use rcon::sys::fd::proc_path;

/// More than a value of `fsconfig` has room for.
const LAYERS: usize = 40;

/// Layer `n` has the file `n`, and one that all have.
fn layers(dir: &Path) -> Vec<PathBuf> {
    let layer = |n: usize| {
        let layer = dir.join(format!("a layer, number {n}"));
        fs::create_dir(&layer).expect("a layer");
        fs::write(layer.join(n.to_string()), "").expect("a file");
        fs::write(layer.join("all"), n.to_string()).expect("a file");
        layer
    };
    (0..LAYERS).map(layer).collect()
}

fn changes(dir: &Path, name: &str) -> Changes {
    let (upper, work) = (dir.join(name), dir.join(format!("{name}-work")));
    fs::create_dir(&upper).expect("upper");
    fs::create_dir(&work).expect("work");
    Changes {
        upper,
        work,
        volatile: true,
    }
}

/// All layers are there, the first on top, and writing goes to `upper`.
fn check(root: &OwnedFd, upper: &Path) {
    let top = proc_path(root.as_fd());
    let has = |n: &usize| top.join(n.to_string()).exists();
    assert!((0..LAYERS).all(|n| has(&n)));
    assert_eq!(fs::read_to_string(top.join("all")).expect("all"), "0");
    fs::write(top.join("new"), "x").expect("a change");
    assert!(upper.join("new").exists());
}

#[test]
fn forty_layers_in_the_new_way_and_in_the_old_one() {
    let Some(bed) = store::StoreBed::new() else {
        return;
    };
    let mut overlay = Overlay {
        layers: layers(&bed.path("")),
        ..Overlay::default()
    };
    for (name, mount) in [
        ("new", rcon::run::mount_overlay as fn(&Overlay) -> _),
        ("old", rcon::run::mount_overlay_at_once),
    ] {
        let changes = changes(&bed.path(""), name);
        let upper = changes.upper.clone();
        overlay.changes = Some(changes);
        let root = mount(&overlay).expect(name);
        check(&root, &upper);
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    assert!(
        !mounts.contains("number\\0400"),
        "seen on the host:\n{mounts}"
    );
    overlay.layers.push(bed.path("missing"));
    let error = rcon::run::mount_overlay_at_once(&overlay).expect_err("a layer is missing");
    assert!(error.to_string().contains("missing"), "{error}");
}
