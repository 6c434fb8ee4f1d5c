//! Connections by the thousand through one port, and nothing left of them.

use crate::common::{Value, eventually};
use crate::programs::world_with;
use crate::world::World;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What a keeper, its worker or a client has open besides connections.
const SPARE: u64 = 400;

impl World {
    /// The keeper of a container, and its worker.
    fn keeper_and_worker(&self, name: &str) -> (String, String) {
        let id = self.field(name, "{{.Id}}");
        let state = self.bed.root().join("containers").join(id);
        let state = fs::read(state.join("state.json")).unwrap();
        let state: Value = serde_json::from_slice(&state).unwrap();
        let keeper = state["keeper"].to_string();
        let children = self.sh(&format!("ps -o pid=,comm= --ppid {keeper}"));
        let worker = children.lines().find(|l| l.ends_with("rcon:net"));
        let worker = worker.and_then(|l| l.split_whitespace().next());
        let worker = worker.expect("somebody has knocked").to_owned();
        (keeper, worker)
    }
}

fn open_descriptors(pid: &str) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn a_thousand_connections_leave_no_descriptor() {
    let Some(world) = world_with(&["nginx", "wrk", "curl"]) else {
        return;
    };
    world.serve_pages("web", &["-p", "127.0.0.1:8000:80"], 2000);
    world.answers("curl -s http://127.0.0.1:8000/hello");
    let (keeper, worker) = world.keeper_and_worker("web");
    let before = (open_descriptors(&keeper), open_descriptors(&worker));
    for header in ["Connection: keep-alive", "Connection: close"] {
        let told = world.sh(&format!(
            "wrk -t 2 -c 1000 -d 2s --timeout 10s -H '{header}' http://127.0.0.1:8000/hello"
        ));
        assert!(told.contains("Requests/sec"), "{told}");
        assert!(!told.contains("Non-2xx"), "{told}");
        // wrk counts as an error what it cuts short itself, at its end; but
        // nothing failed to connect or ran into its limit.
        if let Some(errors) = told.lines().find(|l| l.contains("Socket errors")) {
            assert!(errors.contains("connect 0,"), "{errors}");
            assert!(errors.contains("timeout 0"), "{errors}");
        }
    }
    // Pipes are kept for the next who needs one, two descriptors each, and
    // sockets that were made before somebody came.
    eventually("what was opened is closed", || {
        let pipes = pipes_of(&worker);
        open_descriptors(&worker) - pipes <= before.1 + 24 && pipes <= 64
    });
    assert_eq!(open_descriptors(&keeper), before.0);
    world.remove(&["web"]);
}

fn pipes_of(pid: &str) -> usize {
    let all = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let links = all.filter_map(|e| fs::read_link(e.path()).ok());
    links
        .filter(|l| l.to_string_lossy().starts_with("pipe:"))
        .count()
}

/// Ten thousand, where a process may have twice as many descriptors; else as
/// many as it may.
fn as_many_as_may_be() -> usize {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let most = 10_000.min((hard - SPARE) / 2);
    if most < 10_000 {
        eprintln!(
            "{most} connections: 10000 need {} descriptors",
            20_000 + SPARE
        );
    }
    most as usize
}

fn open(n: usize) -> TcpStream {
    let client = TcpStream::connect("127.0.0.1:8000").unwrap_or_else(|e| panic!("{n}: {e}"));
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    client
}

#[test]
fn ten_thousand_are_open_at_once() {
    let Some(world) = world_with(&["nginx", "curl"]) else {
        return;
    };
    let count = as_many_as_may_be();
    world.serve_pages("web", &["-p", "127.0.0.1:8000:80"], count + 100);
    world.answers("curl -s http://127.0.0.1:8000/hello");
    let (_, worker) = world.keeper_and_worker("web");
    let before = open_descriptors(&worker);
    let mut all: Vec<TcpStream> = (0..count).map(open).collect();
    eventually("all are passed on", || {
        open_descriptors(&worker) >= before + 2 * count
    });
    for client in &mut all {
        client.write_all(b"GET /hello HTTP/1.0\r\n").unwrap();
    }
    // Every one of them is served, the first as well as the last.
    for client in &mut all {
        client.write_all(b"\r\n").unwrap();
    }
    for (n, client) in all.iter_mut().enumerate() {
        let mut text = String::new();
        client
            .read_to_string(&mut text)
            .unwrap_or_else(|e| panic!("{n}: {e}"));
        assert!(text.ends_with("hello from nginx\n"), "{n}: {text}");
    }
    drop(all);
    eventually("what was opened is closed", || {
        open_descriptors(&worker) <= before + 64
    });
    world.remove(&["web"]);
}
