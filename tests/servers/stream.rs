//! iperf3: as many bytes as there is room for, both ways.

use crate::common::{Value, eventually};
use crate::programs::world_with;
use crate::world::{MACHINE, World};
use std::process::{Child, Command, Stdio};

/// A server on the machine itself, ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl World {
    /// What arrived in one second, by iperf3's own account.
    #[track_caller]
    fn measured(&self, line: &str) -> f64 {
        let mut told = Value::Null;
        // It serves one client at a time, and takes a while to see its end.
        eventually("the server has time", || {
            let text = self.sh(&format!("{line} || true"));
            told = serde_json::from_str(&text).expect("json");
            let error = told["error"].as_str().unwrap_or_default();
            !error.contains("busy")
        });
        assert!(told["error"].is_null(), "{told}");
        let bytes = ["sum_received", "sum"].map(|key| told["end"][key]["bytes"].as_f64());
        bytes.into_iter().flatten().next().expect("a count")
    }
}

#[test]
fn bytes_flow_both_ways_and_in_many_streams() {
    let Some(world) = world_with(&["iperf3"]) else {
        return;
    };
    let flags = ["--user", "1000", "-p", "5201:5201", "-p", "5201:5201/udp"];
    world.serve("meter", &flags, &["/usr/bin/iperf3", "-s"]);
    world.answers("iperf3 -c 127.0.0.1 -n 1");
    for how in ["", "-R", "-P 4", "-P 4 -R", "-6"] {
        let host = if how == "-6" { "::1" } else { "127.0.0.1" };
        let bytes = world.measured(&format!("iperf3 -J -t 1 -c {host} {how}"));
        // A processor that is busy with other things moves that much, too.
        assert!(bytes > 10e6, "{how}: {bytes}");
    }
    for how in ["", "-R"] {
        let bytes = world.measured(&format!("iperf3 -J -u -b 10M -t 1 -c 127.0.0.1 {how}"));
        assert!(bytes > 100e3, "-u {how}: {bytes}");
    }
    eventually("from outside as well", || {
        let told = world.outside(&format!("iperf3 -t 1 -c {MACHINE} 2>&1 || true"));
        told.contains("receiver")
    });
    world.remove(&["meter"]);
}

#[test]
fn a_container_reaches_a_server_on_the_machine() {
    let Some(world) = world_with(&["iperf3"]) else {
        return;
    };
    let server = Command::new("iperf3")
        .args(["-s", "-p", "5300"])
        .stdout(Stdio::null())
        .spawn()
        .map(Server)
        .unwrap();
    world.says(&["network", "create", "shop"]);
    eventually("it listens", || {
        world.sh("ss -Hltn 'sport = :5300'").contains("5300")
    });
    for network in ["bridge", "shop"] {
        let line = "/usr/bin/iperf3 -t 1 -p 5300 -c host.rcon.internal";
        let told = world.client(&["--network", network], line);
        assert!(told.contains("receiver"), "{told}");
    }
    drop(server);
}
