//! What Docker asks of a runtime, taken from a private dockerd: it is given a
//! "runtime" that keeps the specification it was handed and then fails.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::image;
use crate::needs;
use crate::room::Room;

/// The specification of `docker run IMAGE true`.
pub(crate) fn settings(room: &Room) -> Result<Value, String> {
    for program in ["dockerd", "docker", "containerd"] {
        needs::find(program).ok_or_else(|| format!("`{program}` is not installed"))?;
    }
    let kept = room.path("docker-spec.json");
    if !kept.exists() {
        start(room);
        ask(room);
    }
    let text = fs::read_to_string(&kept).map_err(|why| format!("dockerd asked nothing: {why}"))?;
    serde_json::from_str(&text).map_err(|why| format!("not a specification: {why}"))
}

fn start(room: &Room) {
    let data = format!(
        "--data-root {} --exec-root {} --pidfile {} --config-file {}",
        room.text("docker"),
        room.text("docker-exec"),
        room.text("dockerd.pid"),
        empty_configuration(room),
    );
    let network = "--bridge none --iptables=false --ip6tables=false --ip-forward=false";
    let runtime = format!("--add-runtime keep={} --default-runtime keep", keeper(room));
    let rest = "--exec-opt native.cgroupdriver=cgroupfs --oom-score-adjust 0";
    let address = address(room);
    let line = format!("dockerd --host {address} {data} {network} {runtime} {rest}");
    room.start_daemon(&line, |room| {
        room.run(&format!("docker --host {address} version")).code == 0
    });
}

fn address(room: &Room) -> String {
    format!("unix://{}", room.text("docker.sock"))
}

fn empty_configuration(room: &Room) -> String {
    fs::write(room.path("daemon.json"), "{}").expect("write daemon.json");
    room.text("daemon.json")
}

/// The "runtime": the word after `--bundle` is where the specification is.
fn keeper(room: &Room) -> String {
    let script = format!(
        "#!/bin/sh\nwhile [ $# -gt 0 ]; do\n\
         [ \"$1\" = --bundle ] && cp \"$2/config.json\" {}\nshift\ndone\nexit 1\n",
        room.text("docker-spec.json")
    );
    let file = room.path("keeper");
    fs::write(&file, script).expect("write the keeper");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("chmod");
    room.text("keeper")
}

fn ask(room: &Room) {
    let docker = format!("docker --host {}", address(room));
    let layer = image::layer(room).display().to_string();
    room.run(&format!("{docker} import {layer} {}", image::NAME))
        .code(0);
    // It fails, as it should: the keeper keeps and does not run.
    let run = format!("{docker} run --network none {} /bin/true", image::NAME);
    let _ = room.run(&run);
}
