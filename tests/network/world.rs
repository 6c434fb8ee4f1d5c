//! A machine with a store, and a world outside of it.

use crate::common::host::Helper;
use crate::common::store::StoreBed;
use crate::common::{Need, Output, Value, needs_met};
use std::process::Command;

/// The machine's address outside, and that of the world.
pub const MACHINE: &str = "198.51.100.1";
pub const OUTSIDE: &str = "198.51.100.2";

/// One test's machine and world.
pub struct World {
    pub bed: StoreBed,
    outside: Helper,
}

#[allow(
    clippy::unused_self,
    reason = "who has a world is in it: its machine is this thread's network"
)]
impl World {
    /// `None`, with the reason printed, where this machine cannot have one.
    pub fn new() -> Option<Self> {
        let tools = ["ip", "nft", "nsenter", "unshare"].map(Need::Tool);
        if !needs_met(&tools) {
            return None;
        }
        let bed = StoreBed::new()?;
        let outside = Helper::in_new_namespace("net");
        let world = Self { bed, outside };
        let pid = world.outside.pid().to_string();
        world.ip(&[
            "link", "add", "up0", "type", "veth", "peer", "name", "out0", "netns", &pid,
        ]);
        world.ip(&["address", "add", &format!("{MACHINE}/24"), "dev", "up0"]);
        world.ip(&[
            "-6",
            "address",
            "add",
            "2001:db8::1/64",
            "nodad",
            "dev",
            "up0",
        ]);
        world.ip(&["link", "set", "up0", "up"]);
        for line in [
            format!("ip address add {OUTSIDE}/24 dev out0"),
            "ip -6 address add 2001:db8::2/64 nodad dev out0".to_owned(),
            "ip link set out0 up".to_owned(),
            "ip link set lo up".to_owned(),
        ] {
            world.outside(&line);
        }
        world.ip(&["route", "add", "default", "via", OUTSIDE]);
        world.ip(&["-6", "route", "add", "default", "via", "2001:db8::2"]);
        Some(world)
    }

    /// Runs a command on the machine; it must succeed. What it printed.
    #[track_caller]
    pub fn sh(&self, line: &str) -> String {
        said(line, Command::new("sh").args(["-c", line]).output())
    }

    /// `ip` on the machine.
    #[track_caller]
    pub fn ip(&self, args: &[&str]) -> String {
        said(&args.join(" "), Command::new("ip").args(args).output())
    }

    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.outside.namespace("net")));
        command
    }

    /// Runs a command in the world; it must succeed.
    #[track_caller]
    pub fn outside(&self, line: &str) -> String {
        let mut command = self.enter();
        said(line, command.args(["sh", "-c", line]).output())
    }

    /// `rcon` with these arguments.
    #[track_caller]
    pub fn rcon(&self, args: &[&str]) -> Output {
        self.bed.rcon(args)
    }

    /// The same; it must succeed. What it printed.
    #[track_caller]
    pub fn says(&self, args: &[&str]) -> String {
        self.bed.says(args).trim_end().to_owned()
    }

    /// Runs a shell line in a container with these flags. What it printed.
    #[track_caller]
    pub fn run(&self, flags: &[&str], line: &str) -> Output {
        let root = format!("{}:O", self.bed.rootfs("").display());
        let args = [
            &["run", "--rm"],
            flags,
            &["--rootfs", &root, "sh", "-c", line],
        ]
        .concat();
        self.rcon(&args)
    }

    /// Starts a container that sleeps.
    #[track_caller]
    pub fn start(&self, name: &str, flags: &[&str]) -> String {
        let root = format!("{}:O", self.bed.rootfs("").display());
        let own = ["--stop-signal", "KILL", "--rootfs", &root, "sleep", "600"];
        self.says(&[&["run", "-d", "--name", name], flags, &own].concat())
    }

    /// Runs a shell line in a running container.
    #[track_caller]
    pub fn exec(&self, name: &str, line: &str) -> Output {
        self.rcon(&["exec", name, "sh", "-c", line])
    }

    /// A field of `inspect`, as a template names it.
    #[track_caller]
    pub fn field(&self, name: &str, template: &str) -> String {
        self.says(&["inspect", "--format", template, name])
    }

    /// What `network inspect` says of one.
    #[track_caller]
    pub fn network(&self, name: &str) -> Value {
        self.rcon(&["network", "inspect", name]).ok().json()[0].clone()
    }

    /// All bridges of rcon's that are there.
    pub fn bridges(&self) -> Vec<String> {
        let all = self.ip(&["-brief", "link", "show", "type", "bridge"]);
        let names = all.lines().filter_map(|l| l.split_whitespace().next());
        names.map(str::to_owned).collect()
    }

    /// All tables of rcon's that are there.
    pub fn tables(&self) -> String {
        self.sh("nft list tables")
    }
}

#[track_caller]
fn said(line: &str, output: std::io::Result<std::process::Output>) -> String {
    let output = output.expect("a command");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {complaint}{text}");
    text
}
