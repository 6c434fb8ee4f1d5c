//! rcon, Docker and podman in one room, each with the same image.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::answers::{Answers, Background};
use crate::outcome::Outcome;
use crate::podman_limits;
use crate::room::{self, Room};
use crate::words::words;
use crate::{Way, needs};

const NEEDS: &[&str] = &[
    "conmon",
    "containerd",
    "docker",
    "dockerd",
    "gcc",
    "iptables",
    "podman",
    "runc",
    "/usr/lib/podman/netavark",
];

const IMAGE: &str = "localhost/rcon-test:probe";

/// One of them: how each of its command lines begins.
pub(crate) struct Engine {
    start: String,
}

/// All of them.
pub(crate) struct Engines {
    pub(crate) rcon: Engine,
    pub(crate) docker: Engine,
    pub(crate) podman: Engine,
    room: Room,
    background: Background,
}

impl Engines {
    /// `None`, with the reason printed, on a machine that lacks one of them.
    pub(crate) fn start() -> Option<Self> {
        if !needs::met(&[room::NEEDS, NEEDS].concat()) {
            return None;
        }
        let room = Room::open();
        let engines = Self {
            rcon: rcon(&room),
            docker: docker(&room),
            podman: podman(&room),
            background: background(&room),
            room,
        };
        let layer = layer(&engines.room);
        for engine in [&engines.rcon, &engines.docker, &engines.podman] {
            engines
                .cli(engine, &format!("import {layer} {IMAGE}"))
                .code(0);
        }
        Some(engines)
    }

    fn cli(&self, engine: &Engine, line: &str) -> Outcome {
        let line = format!("{} {line}", engine.start);
        self.room.run_with_input(&words(&line), "")
    }

    /// What the probe says in a container of this engine's. Nothing, if that
    /// wants to give more than this machine's root has.
    pub(crate) fn answers(&self, engine: &Engine, way: &Way) -> Option<Answers> {
        let place = format!("--cgroup-parent /{} {}", self.room.name(), way.options);
        let said = if way.further {
            let name = "rcon-test-promises";
            let start = format!("run -d --name {name} {place} {IMAGE} /probe stay");
            self.cli(engine, &start).code(0);
            let said = self.cli(engine, &format!("exec {name} /probe"));
            self.cli(engine, &format!("rm -f {name}")).code(0);
            said
        } else {
            self.cli(engine, &format!("run --rm {place} {IMAGE} /probe"))
        };
        if said.code != 0 && said.stderr.contains("unable to apply caps") {
            return None;
        }
        Some(Answers::parse(&said.ok(), &self.background))
    }
}

fn background(room: &Room) -> Background {
    let links = room.run("sh -c 'cd /proc/self/ns && readlink *'").ok();
    Background {
        room: room.name().to_owned(),
        namespaces: links.lines().map(str::to_owned).collect(),
    }
}

/// The image: the probe, and what a root file system has.
fn layer(room: &Room) -> String {
    let tree = room.path("tree");
    for folder in ["dev", "etc", "home/worker", "proc", "root", "sys", "tmp"] {
        fs::create_dir_all(tree.join(folder)).expect("make a folder");
    }
    fs::set_permissions(tree.join("tmp"), fs::Permissions::from_mode(0o1777)).expect("chmod");
    let passwd = "root:x:0:0::/root:/bin/sh\nworker:x:1000:1000::/home/worker:/bin/sh\n";
    fs::write(tree.join("etc/passwd"), passwd).expect("write a file");
    let group = "root:x:0:\nworker:x:1000:\nextra:x:2000:worker\n";
    fs::write(tree.join("etc/group"), group).expect("write a file");
    compile(&tree.join("probe"));
    let tar = room.text("layer.tar");
    let mut pack = Command::new("tar");
    pack.args(["--numeric-owner", "--owner=0", "--group=0", "-C"]);
    pack.arg(tree).args(["-cf", &tar, "."]);
    Outcome::of(pack, "").code(0);
    tar
}

fn compile(to: &Path) {
    let mut gcc = Command::new("gcc");
    gcc.args(["-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]);
    gcc.arg(to);
    gcc.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/promises/probe.c"
    ));
    Outcome::of(gcc, "").code(0);
}

fn rcon(room: &Room) -> Engine {
    let start = format!(
        "{} --root {} --run-root /run/rcon",
        env!("CARGO_BIN_EXE_rcon"),
        room.text("rcon")
    );
    Engine { start }
}

/// A dockerd of its own, with its own containerd and Debian's runc.
fn docker(room: &Room) -> Engine {
    let socket = format!("unix://{}", room.text("docker.sock"));
    let configuration = json!({
        "data-root": room.text("docker"),
        "exec-root": "/run/docker",
        "pidfile": room.text("dockerd.pid"),
        "hosts": [socket],
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        // The default is a lower score, which asks for CAP_SYS_RESOURCE.
        "oom-score-adjust": 0,
    });
    let file = room.text("daemon.json");
    fs::write(&file, configuration.to_string()).expect("write a file");
    let start = format!("docker --host {socket}");
    let version = format!("{start} version");
    room.start_daemon(&format!("dockerd --config-file {file}"), |room| {
        room.path("docker.sock").exists() && room.run(&version).code == 0
    });
    Engine { start }
}

/// podman with all of its places in the room. A script, since it takes some
/// of them from the environment only.
fn podman(room: &Room) -> Engine {
    let here = room.text("podman");
    fs::create_dir(&here).expect("make a folder");
    let file = |name: &str, text: String| {
        let path = format!("{here}/{name}");
        fs::write(&path, text).expect("write a file");
        path
    };
    let storage = format!(
        "[storage]\ndriver = \"overlay\"\ngraphroot = \"{here}/storage\"\n\
         runroot = \"/run/containers/storage\"\n"
    );
    let storage = file("storage.conf", storage);
    let containers = file(
        "containers.conf",
        format!(
            "{}[engine]\nruntime = \"runc\"\n",
            podman_limits::containers()
        ),
    );
    let script = format!(
        "#!/bin/sh\n\
         export CONTAINERS_CONF={containers} CONTAINERS_STORAGE_CONF={storage}\n\
         exec podman --tmpdir /run/libpod --volumepath {here}/volumes \
         --network-config-dir {here}/networks --cgroup-manager cgroupfs \
         --events-backend file \"$@\"\n"
    );
    let start = file("podman-here", script);
    fs::set_permissions(&start, fs::Permissions::from_mode(0o755)).expect("chmod");
    Engine { start }
}
