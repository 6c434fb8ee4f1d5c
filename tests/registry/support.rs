//! What the tests stand on beside `tests/common/registry.rs`: a client, and an
//! image made here.

use std::sync::Mutex;
use std::time::Duration;

use rcon::image::manifest::{Descriptor, Document, OCI_MANIFEST};
use rcon::image::reference::{Digest, Reference};
use rcon::registry::{Client, Config, Patience, Progress};
use serde_json::json;

use crate::common::fake::Fake;
pub use crate::common::registry::{Dir, Registry, free_port, have, run};

/// Names on a registry.
impl Registry {
    pub fn name(&self, rest: &str) -> Reference {
        Reference::parse(&format!("{}/{rest}", self.host)).unwrap()
    }
}

/// Names on a fake.
impl Fake {
    pub fn name(&self, rest: &str) -> Reference {
        Reference::parse(&format!("{}/{rest}", self.host)).unwrap()
    }
}

/// Impatient, and deaf to what is set up on this machine.
pub fn config() -> Config {
    Config {
        certs: Vec::new(),
        patience: Patience {
            connect: Duration::from_secs(3),
            stall: Duration::from_millis(400),
            attempts: 4,
            backoff: Duration::from_millis(5),
            longest_wait: Duration::from_secs(3),
        },
        ..Config::default()
    }
}

pub fn client() -> Client {
    Client::new(config())
}

/// Bytes that are the same each time and do not repeat themselves.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// An image of one layer, in memory.
pub struct Image {
    pub config: Vec<u8>,
    pub layer: Vec<u8>,
    pub document: Document,
}

pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

impl Image {
    pub fn new(length: usize, seed: u64) -> Self {
        let layer = noise(length, seed);
        let diff = Digest::of(&layer);
        let config = json!({"os": "linux", "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": [diff]}});
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": CONFIG, "size": config.len(), "digest": Digest::of(&config)},
            "layers": [{"mediaType": LAYER, "size": length, "digest": diff}],
        });
        let document = Document::read(manifest.to_string().into_bytes(), None).unwrap();
        Self {
            config,
            layer,
            document,
        }
    }

    pub fn layer_descriptor(&self) -> Descriptor {
        Descriptor::new(LAYER, self.layer.len() as u64, Digest::of(&self.layer))
    }

    pub fn config_descriptor(&self) -> Descriptor {
        Descriptor::new(CONFIG, self.config.len() as u64, Digest::of(&self.config))
    }
}

/// Remembers what was told.
#[derive(Default)]
pub struct Notes {
    pub bytes: Mutex<u64>,
    pub lines: Mutex<Vec<String>>,
}

impl Progress for Notes {
    fn start(&self, _: &Digest, size: u64) {
        self.lines.lock().unwrap().push(format!("start {size}"));
    }
    fn advance(&self, _: &Digest, bytes: u64) {
        *self.bytes.lock().unwrap() += bytes;
    }
    fn done(&self, _: &Digest, how: &str) {
        self.lines.lock().unwrap().push(format!("done {how}"));
    }
    fn message(&self, text: &str) {
        self.lines.lock().unwrap().push(format!("message {text}"));
    }
}
