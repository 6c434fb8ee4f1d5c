//! A store, a registry, and images made by umoci from busybox or by hand.

use std::fs;
use std::path::{Path, PathBuf};

use rcon::image::reference::Digest;
use serde_json::{Value, json};

use crate::common::registry::{Registry, have, run};
use crate::common::store::StoreBed;

const TOOLS: &[&str] = &["docker-registry", "skopeo", "umoci"];

/// A store and a registry.
pub struct Place {
    pub bed: StoreBed,
    pub registry: Registry,
}

impl Place {
    pub fn new() -> Option<Self> {
        let bed = StoreBed::new()?;
        have(TOOLS).then(|| Self {
            registry: Registry::plain(),
            bed,
        })
    }

    /// A name on the registry.
    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.registry.host)
    }

    fn layout(&self) -> PathBuf {
        self.bed.path("layout")
    }

    /// An image of busybox and these further files, a layer each, pushed
    /// under a name.
    pub fn publish(&self, rest: &str, files: &[(&str, &[u8])]) -> String {
        let layout = self.layout();
        let layout = layout.display();
        if !self.layout().exists() {
            run("umoci", &["init", "--layout", &layout.to_string()]);
        }
        let image = format!("{layout}:work");
        run("umoci", &["new", "--image", &image]);
        let root = self.bed.rootfs("");
        let root = root.to_string_lossy();
        run("umoci", &["insert", "--image", &image, &root, "/"]);
        for (name, bytes) in files {
            let file = self.bed.path("file");
            fs::write(&file, bytes).unwrap();
            let file = file.to_string_lossy();
            run("umoci", &["insert", "--image", &image, &file, name]);
        }
        run(
            "umoci",
            &[
                "config",
                "--image",
                &image,
                "--config.env",
                "PATH=/bin:/usr/bin",
                "--config.env",
                "GREETING=hello",
                "--config.cmd",
                "/bin/sh",
                "--config.label",
                "made=here",
            ],
        );
        let name = self.name(rest);
        let (from, to) = (format!("oci:{image}"), format!("docker://{name}"));
        run("skopeo", &["copy", "--dest-tls-verify=false", &from, &to]);
        name
    }

    /// The store's directory of images.
    pub fn images(&self) -> PathBuf {
        self.bed.root().join("images")
    }

    /// Nothing half made is left, and `system check` finds nothing.
    #[track_caller]
    pub fn assert_whole(&self) {
        self.bed.rcon(&["images"]).ok();
        assert_eq!(names(&self.images().join("stage")), [""; 0]);
        let layers = names(&self.bed.root().join("layers"));
        assert!(layers.iter().all(|n| !n.starts_with('.')), "{layers:?}");
        let found = self.bed.rcon(&["system", "check"]).stdout;
        // Cgroups of other tests' containers are none of ours.
        let ours: Vec<_> = found.lines().filter(|l| l.contains("image")).collect();
        assert!(ours.is_empty(), "{ours:?}");
    }

    /// No blob and no layer is there.
    #[track_caller]
    pub fn assert_empty(&self) {
        self.assert_whole();
        assert_eq!(names(&self.images().join("blobs/sha256")), [""; 0]);
        assert_eq!(names(&self.bed.root().join("layers")), [""; 0]);
    }
}

/// What is in a directory.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// An image by hand, to be served by a fake registry.
pub struct ByHand {
    pub manifest: Vec<u8>,
    pub blobs: Vec<Vec<u8>>,
}

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

impl ByHand {
    /// One of these layers (as plain archives), with this configuration.
    pub fn new(layers: &[Vec<u8>], config: &Value) -> Self {
        let sums: Vec<String> = layers.iter().map(|l| Digest::of(l).to_string()).collect();
        let mut config = config.clone();
        config["rootfs"] = json!({"type": "layers", "diff_ids": sums});
        for (key, usual) in [("os", "linux"), ("architecture", "amd64")] {
            if config[key].is_null() {
                config[key] = usual.into();
            }
        }
        let config = config.to_string().into_bytes();
        let blob = |kind: &str, bytes: &[u8]| {
            json!({"mediaType": format!("application/vnd.oci.image.{kind}"),
                "size": bytes.len(), "digest": Digest::of(bytes).to_string()})
        };
        let all: Vec<Value> = layers.iter().map(|l| blob("layer.v1.tar", l)).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST,
            "config": blob("config.v1+json", &config), "layers": all});
        let mut blobs = layers.to_vec();
        blobs.push(config);
        Self {
            manifest: manifest.to_string().into_bytes(),
            blobs,
        }
    }

    pub fn digest(&self) -> String {
        Digest::of(&self.manifest).to_string()
    }
}

/// An archive of a directory, as GNU tar makes it.
pub fn tar(dir: &Path) -> Vec<u8> {
    let out = std::process::Command::new("tar")
        .args([
            "--numeric-owner",
            "--xattrs",
            "--format=posix",
            "--sparse",
            "-C",
        ])
        .arg(dir)
        .args(["-cf", "-", "."])
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    out.stdout
}
