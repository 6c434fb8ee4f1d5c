//! Nothing stays: not after an end, not after `kill -9`, not after a failure.

use crate::common::eventually;
use crate::world::World;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::time::Duration;

/// All files below the directory where it is noted who is in which network.
fn noted(world: &World) -> Vec<String> {
    let dir = world.bed.root().join("run/networks");
    let text = world.sh(&format!(
        "find {} ! -type d 2> /dev/null || true",
        dir.display()
    ));
    text.lines().map(str::to_owned).collect()
}

fn ports(world: &World) -> usize {
    world
        .ip(&["-o", "link"])
        .lines()
        .filter(|l| l.contains(" rv"))
        .count()
}

fn pid(world: &World, name: &str, field: &str) -> Pid {
    let id = world.field(name, "{{.Id}}");
    let state = world
        .bed
        .root()
        .join("containers")
        .join(id)
        .join("state.json");
    let state: serde_json::Value = serde_json::from_slice(&fs::read(state).unwrap()).unwrap();
    Pid::from_raw(state[field].as_i64().unwrap() as i32)
}

#[test]
fn an_end_leaves_only_the_bridge() {
    let Some(world) = World::new() else { return };
    world.start("one", &[]);
    world.start("two", &[]);
    assert_eq!((ports(&world), noted(&world).len()), (2, 4));
    world.rcon(&["stop", "-t", "0", "one"]).ok();
    assert_eq!(noted(&world).len(), 2);
    assert_eq!(world.field("one", "{{.NetworkSettings.IPAddress}}"), "");
    world.rcon(&["rm", "-f", "one", "two"]).ok();
    assert!(noted(&world).is_empty());
    eventually("the interfaces are gone", || ports(&world) == 0);
    assert_eq!(world.says(&["system", "check"]), "");
}

#[test]
fn a_killed_keeper_holds_no_address() {
    let Some(world) = World::new() else { return };
    world.start("one", &["--ip", "172.17.0.9"]);
    kill(pid(&world, "one", "keeper"), Signal::SIGKILL).unwrap();
    eventually("its interface is gone", || ports(&world) == 0);
    assert_eq!(noted(&world).len(), 2);
    // Nobody has looked at it yet, and the address is free all the same.
    world.start("two", &["--ip", "172.17.0.9"]);
    assert_eq!(world.field("one", "{{.State.Status}}"), "exited");
    assert_eq!(noted(&world).len(), 2);
    world
        .rcon(&["start", "one"])
        .fails_naming(&["172.17.0.9", "in use"]);
    world.rcon(&["rm", "-f", "one", "two"]).ok();
    assert!(noted(&world).is_empty());
}

#[test]
fn check_finds_and_mends() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "web"]);
    world.start("one", &["--network", "web"]);
    kill(pid(&world, "one", "keeper"), Signal::SIGKILL).unwrap();
    let root = world.bed.root();
    fs::create_dir(root.join("networks/.new-x")).unwrap();
    // Whoever is just making one has not locked it yet.
    assert!(
        !world
            .rcon(&["system", "check"])
            .code(1)
            .stdout
            .contains("half made")
    );
    world.sh(&format!(
        "touch -d '1 minute ago' {}/networks/.new-x",
        root.display()
    ));
    let found = world.rcon(&["system", "check"]).code(1).stdout;
    assert!(found.contains("is noted there, and is not up"), "{found}");
    assert!(found.contains("a network half made"), "{found}");
    world.rcon(&["system", "check", "--repair"]).ok();
    assert!(noted(&world).is_empty());
    // The record is gone, and what was made by it is not.
    let id = world.network("web")["Id"].as_str().unwrap().to_owned();
    fs::remove_dir_all(root.join("networks").join(&id)).unwrap();
    world.sh("ip link add rc-000000000000 type bridge; nft add table inet rcon-000000000000");
    let found = world.rcon(&["system", "check"]).code(1).stdout;
    for part in [
        format!("bridge rc-{}", &id[..12]),
        format!("table inet rcon-{}", &id[..12]),
    ] {
        assert!(found.contains(&part), "{part} is not in {found}");
    }
    assert!(!found.contains("000000"), "somebody else's: {found}");
    world.rcon(&["system", "check", "--repair"]).ok();
    assert_eq!(world.bridges(), ["rc-000000000000"]);
    assert_eq!(world.tables().trim(), "table inet rcon-000000000000");
    assert_eq!(world.says(&["system", "check"]), "");
    world.rcon(&["rm", "-f", "one"]).ok();
}

#[test]
fn a_program_that_is_not_there_leaves_nothing() {
    let Some(world) = World::new() else { return };
    let root = world.bed.rootfs("").display().to_string();
    world
        .rcon(&["run", "--rm", "--rootfs", &root, "nonsense"])
        .code(127);
    assert!(noted(&world).is_empty());
    eventually("the interface is gone", || ports(&world) == 0);
}

/// Ends every process that works in this store.
fn shoot_keepers(world: &World) {
    let store = format!("RCON_ROOT={}\0", world.bed.root().display());
    let all = fs::read_dir("/proc").unwrap().flatten();
    for pid in all.filter_map(|e| e.file_name().to_str()?.parse().ok()) {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environ).contains(&store) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Whatever was shot when: no address is lost, and nothing keeps the next from
/// starting.
#[test]
fn shot_at_any_instant() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "--subnet", "10.6.0.0/29", "small"]);
    let root = format!("{}:O", world.bed.rootfs("").display());
    for round in 0..30u64 {
        let line = [
            "run",
            "-d",
            "--name",
            "box",
            "--network",
            "small",
            "--rootfs",
            &root,
            "sleep",
            "600",
        ];
        let running = world.bed.call(&line).spawn();
        std::thread::sleep(Duration::from_micros(round * 1_700));
        running.signal(Signal::SIGKILL);
        running.wait();
        shoot_keepers(&world);
        world.rcon(&["rm", "-f", "box"]);
    }
    // Five addresses for thirty containers.
    let seen = world
        .run(&["--network", "small"], "ip -4 -o address show eth0")
        .ok()
        .stdout;
    assert!(seen.contains("10.6.0."), "{seen}");
    world.rcon(&["system", "check", "--repair"]);
    assert!(noted(&world).is_empty(), "{:?}", noted(&world));
    eventually("the interfaces are gone", || ports(&world) == 0);
}
