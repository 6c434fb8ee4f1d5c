//! The machine restarts: everything that ran is gone at an instant, with all
//! that a kernel has of it, and only the disk is as it was.
//!
//! A test has mounts and a network of its own. Both are left for new ones,
//! where nothing of rcon's is.

use crate::chance::{Chance, asked};
use crate::common::netns::leave_the_hosts_network;
use crate::common::{Need, Running, cgroups, needs_met};
use crate::deeds::{furnish, three_at_work};
use crate::place::{Mounted, Place, leave_the_hosts_mounts};
use nix::mount::{MntFlags, umount2};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What a kernel says it is called for as long as it runs.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// A machine that can be restarted.
struct Machine {
    /// The present one's name, which goes with it.
    boot: Option<Mounted>,
    boots: u32,
    place: Place,
}

impl Machine {
    fn new() -> Option<Self> {
        if !needs_met(&[Need::Root]) {
            return None;
        }
        leave_the_hosts_mounts();
        let mut machine = Self {
            boot: None,
            boots: 0,
            place: Place::empty()?,
        };
        machine.boot();
        machine.place.import_base();
        Some(machine)
    }

    fn boot(&mut self) {
        self.boot = None;
        self.boots += 1;
        let file = self.place.bed.path("boot_id");
        let name = format!("00000000-0000-4000-8000-{:012}\n", self.boots);
        fs::remove_file(&file).ok();
        fs::write(&file, name).expect("our directory");
        self.boot = Some(Mounted::bind(&file, BOOT.into()));
    }

    /// Everything ends at once, those who are at work first, and the kernel is
    /// another.
    fn restart(&mut self, at_work: Vec<Running>) {
        let place = &self.place;
        // One that is just being executed cannot be told from others.
        drop(at_work);
        let ids = place.ids();
        place.shoot_all(&ids);
        for at in place.mounts() {
            umount2(Path::new(&at), MntFlags::MNT_DETACH).expect("a mount of ours");
        }
        for dir in Place::cgroups(&ids) {
            cgroups::remove(&dir);
        }
        fs::remove_dir_all(place.bed.root().join("run")).ok();
        leave_the_hosts_network();
        self.boot();
    }
}

/// Containers of every kind, and what they have on the disk.
fn settle_in(place: &Place) {
    place.ok(&["network", "create", "--subnet", "10.7.0.0/24", "net"]);
    place.ok(&["volume", "create", "disk"]);
    let tmpfs = ["--opt", "type=tmpfs", "--opt", "device=tmpfs"];
    place.ok(&[&["volume", "create"], &tmpfs[..], &["memory"]].concat());
    let web = [
        "--network",
        "net",
        "--ip",
        "10.7.0.9",
        "-p",
        "127.0.0.1:8099:80",
        "-v",
        "disk:/disk",
        "-v",
        "memory:/memory",
        "--restart",
        "always",
    ];
    place.sleeper("web", &web);
    place.sleeper("pause", &["--network", "net"]);
    let write = "echo kept > /disk/word; echo gone > /memory/word; echo own > /root/word; sync";
    place.ok(&["exec", "web", "sh", "-c", write]);
    place.ok(&["create", "--name", "new", "base", "true"]);
    place
        .rcon(&["run", "--name", "seven", "base", "sh", "-c", "exit 7"])
        .code(7);
    place.sleeper("passing", &["--rm", "-v", "/unnamed"]);
}

/// Everything is as the disk has it, and everything works.
#[track_caller]
fn assert_well(place: &Place, when: &str) {
    let status = |name: &str| {
        let format = "{{.State.Status}} {{.State.ExitCode}}";
        place.ok(&["inspect", "-f", format, name])
    };
    assert_eq!(status("web"), "exited 137", "{when}");
    assert_eq!(status("pause"), "exited 137", "{when}");
    assert_eq!(status("new"), "created 0", "{when}");
    assert_eq!(status("seven"), "exited 7", "{when}");
    let why = place.state("web")["error"].to_string();
    assert!(why.contains("restarted"), "{when}: {why}");
    place.rcon(&["inspect", "passing"]).code(1);
    place.repair(when);
    place.assert_lists(when);
    // An address and a port are free, whoever had them.
    let other = ["run", "--rm", "--network", "net", "--ip", "10.7.0.9"];
    let port = ["-p", "127.0.0.1:8099:80", "base", "true"];
    place.ok(&[&other[..], &port].concat());
    place.ok(&["start", "web", "pause"]);
    let shown = place.ok(&["exec", "web", "cat", "/disk/word", "/root/word"]);
    assert_eq!(shown, "kept\nown", "{when}");
    place
        .rcon(&["exec", "web", "test", "-e", "/memory/word"])
        .code(1);
    assert_eq!(place.ok(&["start", "-a", "new"]), "", "{when}");
    place.rcon(&["start", "-a", "seven"]).code(7);
    place.assert_runs(when);
}

#[test]
fn after_a_restart_all_is_as_the_disk_has_it() {
    let Some(mut machine) = Machine::new() else {
        return;
    };
    settle_in(&machine.place);
    machine.place.ok(&["pause", "pause"]);
    machine.restart(Vec::new());
    assert_well(&machine.place, "after a restart");
    // And again, with what the first has left.
    let place = &machine.place;
    place.ok(&["exec", "web", "sh", "-c", "echo gone > /memory/word"]);
    place.ok(&["rm", "new"]);
    place.ok(&["create", "--name", "new", "base", "true"]);
    place.sleeper("passing", &["--rm", "-v", "/unnamed"]);
    machine.restart(Vec::new());
    assert_well(&machine.place, "after another");
    machine.place.assert_goes();
}

#[test]
fn whatever_was_going_on_when_the_machine_restarted() {
    let Some(mut machine) = Machine::new() else {
        return;
    };
    furnish(&machine.place);
    machine.place.ok(&["network", "create", "keepers"]);
    let mut chance = Chance::new(9);
    for round in 0..asked("RCON_TEST_ROUNDS", 150) / 10 {
        let place = &machine.place;
        let (deeds, running) = three_at_work(place, &mut chance);
        let when = format!("round {round}, after {deeds:?}");
        std::thread::sleep(chance.instant(Duration::from_millis(200)));
        machine.restart(running);
        let place = &machine.place;
        place.repair(&when);
        place.assert_lists(&when);
        place.assert_runs(&when);
        assert_eq!(place.ok(&["ps", "-q"]), "", "{when}");
    }
    machine.place.assert_goes();
}
