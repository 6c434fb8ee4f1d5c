//! Images as files: layers, an OCI layout, and the archive that every engine
//! can load (the layout, with the list that `docker save` writes beside it).

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, ScopedJoinHandle};

use flate2::Compression;
use flate2::write::GzEncoder;
use rcon::image::reference::Digest;
use serde_json::{Value, json};

const BLOCK: usize = 512;

/// A tar archive in memory.
#[derive(Default)]
pub(crate) struct Tar(Vec<u8>);

impl Tar {
    pub(crate) fn folder(&mut self, name: &str, mode: u32) {
        self.head(name, b'5', mode, 0, "");
    }

    pub(crate) fn link(&mut self, name: &str, target: &str) {
        self.head(name, b'2', 0o777, 0, target);
    }

    pub(crate) fn file(&mut self, name: &str, mode: u32, bytes: &[u8]) {
        self.head(name, b'0', mode, bytes.len(), "");
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
    }

    /// The archive's end is two empty blocks.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }

    fn head(&mut self, name: &str, kind: u8, mode: u32, size: usize, target: &str) {
        let mut head = [0_u8; BLOCK];
        let mut put =
            |at: usize, text: &str| head[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, name);
        put(100, &format!("{mode:07o}"));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{size:011o}"));
        put(136, "14000000000");
        // The sum is taken with blanks in its own place.
        put(148, "        ");
        put(157, target);
        put(257, "ustar\u{0}00");
        head[156] = kind;
        let sum: u32 = head.iter().copied().map(u32::from).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&head);
    }
}

/// An image in a directory, and as one archive beside it.
#[derive(Clone)]
pub(crate) struct Layout {
    pub(crate) dir: PathBuf,
    /// The layers' files, lowest first.
    pub(crate) layers: Vec<PathBuf>,
    pub(crate) gzip: bool,
}

/// What is known of a layer once its bytes are on disk.
struct Layer {
    file: PathBuf,
    descriptor: Value,
    diff_id: String,
}

impl Layout {
    /// Writes the image; `layers` makes the archive of each number.
    pub(crate) fn write(
        dir: &Path,
        name: &str,
        gzip: bool,
        count: usize,
        layers: impl Fn(usize) -> Vec<u8> + Sync,
    ) -> io::Result<Self> {
        fs::create_dir_all(dir.join("blobs/sha256"))?;
        let numbers: Vec<usize> = (0..count).collect();
        let mut written = Vec::new();
        let make = &|number: usize| layer(dir, &layers(number), gzip);
        let join = |thread: ScopedJoinHandle<'_, _>| thread.join().expect("no panic");
        // Two at a time: more would take memory and save hardly any time.
        for pair in numbers.chunks(2) {
            let both: Vec<io::Result<Layer>> = thread::scope(|scope| {
                let start = |&number| scope.spawn(move || make(number));
                let threads: Vec<_> = pair.iter().map(start).collect();
                threads.into_iter().map(join).collect()
            });
            for made in both {
                written.push(made?);
            }
        }
        documents(dir, name, &written)?;
        Ok(Layout {
            dir: dir.to_owned(),
            layers: written.into_iter().map(|layer| layer.file).collect(),
            gzip,
        })
    }

    /// The archive for `load`, made when it is first asked for.
    pub(crate) fn archive(&self) -> io::Result<PathBuf> {
        let archive = self.dir.with_extension("tar");
        if !archive.exists() {
            let mut tar = Command::new("tar");
            tar.arg("-C").arg(&self.dir).arg("-cf").arg(&archive);
            tar.args(["oci-layout", "index.json", "manifest.json", "blobs"]);
            if !tar.status()?.success() {
                return Err(io::Error::other("tar failed"));
            }
        }
        Ok(archive)
    }
}

fn layer(dir: &Path, tar: &[u8], gzip: bool) -> io::Result<Layer> {
    let diff_id = Digest::of(tar).to_string();
    let (bytes, kind) = if gzip {
        (gzipped(tar)?, "layer.v1.tar+gzip")
    } else {
        (tar.to_vec(), "layer.v1.tar")
    };
    let (file, descriptor) = blob(dir, &bytes, kind)?;
    Ok(Layer {
        file,
        descriptor,
        diff_id,
    })
}

fn gzipped(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes)?;
    packer.finish()
}

fn blob(dir: &Path, bytes: &[u8], kind: &str) -> io::Result<(PathBuf, Value)> {
    let digest = Digest::of(bytes);
    let file = dir.join("blobs/sha256").join(digest.hex());
    fs::write(&file, bytes)?;
    let descriptor = json!({
        "mediaType": format!("application/vnd.oci.image.{kind}"),
        "digest": digest.to_string(),
        "size": bytes.len(),
    });
    Ok((file, descriptor))
}

fn documents(dir: &Path, name: &str, layers: &[Layer]) -> io::Result<()> {
    let ids: Vec<&str> = layers.iter().map(|layer| &*layer.diff_id).collect();
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Env": ["PATH=/bin:/usr/sbin:/usr/bin"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": ids},
        "history": ids.iter().map(|_| json!({"created_by": "bench"})).collect::<Vec<_>>(),
    });
    let (file, config) = blob(dir, config.to_string().as_bytes(), "config.v1+json")?;
    let descriptors: Vec<&Value> = layers.iter().map(|layer| &layer.descriptor).collect();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": descriptors});
    let (_, mut manifest) = blob(dir, manifest.to_string().as_bytes(), "manifest.v1+json")?;
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    let below = |file: &Path| file.strip_prefix(dir).unwrap_or(file).display().to_string();
    let files: Vec<String> = layers.iter().map(|layer| below(&layer.file)).collect();
    let list = json!([{"Config": below(&file), "RepoTags": [name], "Layers": files}]);
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    let version = json!({"imageLayoutVersion": "1.0.0"});
    for (name, value) in [
        ("manifest.json", list),
        ("index.json", index),
        ("oci-layout", version),
    ] {
        fs::write(dir.join(name), value.to_string())?;
    }
    Ok(())
}
