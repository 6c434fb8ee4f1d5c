//! A dockerd of the benchmark's own: its data, its socket, its bridge.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::engine::{Engine, lacks};
use crate::house::Place;
use crate::room::wait_until;
use crate::tool::Tool;

const NEEDS: &[&str] = &["docker", "dockerd", "containerd", "runc", "iptables"];

pub(crate) fn start(place: &Place) -> Result<Engine, String> {
    lacks(NEEDS)?;
    let config = place.dir.join("daemon.json");
    fs::write(&config, configuration(place)).map_err(|why| why.to_string())?;
    let log = File::create(place.dir.join("dockerd.log")).map_err(|why| why.to_string())?;
    let mut daemon = Command::new("/usr/sbin/dockerd")
        .arg("--config-file")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(|why| why.to_string())?)
        .stderr(log)
        .spawn()
        .map_err(|why| format!("dockerd: {why}"))?;
    let docker = format!("/usr/bin/docker --host {}", address(place));
    let docker = Engine::new("docker", Tool::new(&docker, &place.dir), place);
    let up = wait_until(Duration::from_secs(30), || {
        docker.tool.run("version").is_ok() || daemon.try_wait().is_ok_and(|end| end.is_some())
    });
    if up && docker.tool.run("version").is_ok() {
        return Ok(docker);
    }
    let said = fs::read_to_string(place.dir.join("dockerd.log")).unwrap_or_default();
    let last = said.trim().lines().last().unwrap_or("");
    Err(format!("dockerd does not start: {last}"))
}

fn address(place: &Place) -> String {
    format!("unix://{}/docker.sock", place.dir.display())
}

/// Where dockerd keeps what it tells its containerd and its runtime. `/run` is
/// the benchmark's own, and in memory, as it is on most hosts.
pub(crate) const STATE: &str = "/run/docker";

fn configuration(place: &Place) -> String {
    let path = |name: &str| place.dir.join(name).display().to_string();
    let configuration = json!({
        "data-root": path("docker"),
        "exec-root": STATE,
        "pidfile": path("dockerd.pid"),
        "hosts": [address(place)],
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        // The default is a lower score, which asks for CAP_SYS_RESOURCE.
        "oom-score-adjust": 0,
        // What is pulled side by side, as by default with more processors.
        "max-concurrent-downloads": 3,
    });
    configuration.to_string()
}
