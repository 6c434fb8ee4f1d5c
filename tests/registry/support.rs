//! What the tests stand on: a directory that goes away, Debian's registry as a
//! child process that ends with the test, and an image made here.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rcon::image::reference::{Digest, Reference};
use rcon::registry::{Client, Config, Descriptor, Document, OCI_MANIFEST, Patience, Progress};
use serde_json::json;

/// True when the programs are there; otherwise a skip or a failure.
pub fn have(tools: &[&str]) -> bool {
    let must = ["CI", "RCON_TEST_MUST_RUN"]
        .iter()
        .any(|v| std::env::var_os(v).is_some());
    for tool in tools {
        let found = std::env::var("PATH").unwrap_or_default();
        let dirs = found.split(':').chain(["/usr/bin", "/usr/sbin"]);
        if !dirs.map(|d| Path::new(d).join(tool)).any(|p| p.is_file()) {
            assert!(
                !must,
                "this test needs {tool}, and skipping is forbidden here"
            );
            eprintln!("skipped: it needs {tool}");
            return false;
        }
    }
    true
}

/// A directory that goes away with the test.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rcon-test-registry-{}-{n}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port nobody had a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Debian's docker-registry.
pub struct Registry {
    child: Child,
    pub host: String,
    pub dir: Dir,
}

impl Registry {
    /// Starts one; `further` goes into the `http` and top level of its file.
    pub fn start(dir: Dir, http: &str, further: &str) -> Self {
        let port = free_port();
        let store = dir.0.join("store");
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  \
             delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:{port}\n{http}{further}",
            store.display()
        );
        let file = dir.write("config.yml", &config);
        let child = Command::new("docker-registry")
            .args(["serve".as_ref(), file.as_os_str()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self {
            child,
            host: format!("127.0.0.1:{port}"),
            dir,
        };
        registry.wait();
        registry
    }

    pub fn plain() -> Self {
        Self::start(Dir::new(), "", "")
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(&self.host).is_err() {
            assert!(Instant::now() < end, "the registry does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn name(&self, rest: &str) -> Reference {
        Reference::parse(&format!("{}/{rest}", self.host)).unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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

/// Runs a program to its end; its output if it succeeds.
pub fn run(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().unwrap();
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{program} {args:?}: {err}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// The first line of a request and its headers.
pub fn read_head(stream: &TcpStream) -> Vec<String> {
    let mut lines = Vec::new();
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        match reader.by_ref().take(64 << 10).read_line(&mut line) {
            Ok(n) if n > 0 && !line.trim().is_empty() => lines.push(line.trim().to_owned()),
            _ => break,
        }
    }
    lines
}
