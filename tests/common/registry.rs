//! Debian's registry as a child process that ends with the test, and what
//! drives other tools.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

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
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
