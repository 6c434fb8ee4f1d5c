//! Nothing stays: not after an end, not after `kill -9`, not after a failure.

use crate::common::eventually;
use crate::common::host::is_alive;
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
    let keeper = pid(&world, "one", "keeper");
    kill(keeper, Signal::SIGKILL).unwrap();
    eventually("its keeper is gone", || !is_alive(keeper.as_raw()));
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

/// As `kill -9` leaves them: the next command takes them away, whichever.
#[test]
fn what_a_killed_command_has_left_goes_with_the_next() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "web"]);
    let networks = world.bed.root().join("networks");
    for name in [".new-1", ".gone-2"] {
        fs::create_dir(networks.join(name)).unwrap();
        fs::write(networks.join(name).join("config.json"), "{").unwrap();
    }
    let age = format!(
        "touch -d '1 minute ago' {0}/.new-1 {0}/.gone-2",
        networks.display()
    );
    world.sh(&age);
    // Not while somebody is at it.
    let held = fs::File::create(networks.join(".gone-2/lock")).unwrap();
    let whole = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: nix::libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    nix::fcntl::fcntl(&held, nix::fcntl::FcntlArg::F_OFD_SETLK(&whole)).unwrap();
    world.sh(&age);
    world.says(&["ps"]);
    assert!(!networks.join(".new-1").exists());
    assert!(networks.join(".gone-2").exists());
    drop(held);
    world.says(&["ps"]);
    assert!(!networks.join(".gone-2").exists());
}

/// Makes a network and spoils its record, as a power failure does. Its id.
fn spoil(world: &World, name: &str) -> String {
    let id = world.says(&["network", "create", name]);
    let record = world.bed.root().join("networks").join(&id);
    fs::write(record.join("config.json"), "").unwrap();
    id
}

#[test]
fn a_network_that_cannot_be_read_is_in_nobody_s_way() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "good"]);
    world.start("asks", &["--network", "good"]);
    let first = spoil(&world, "bad");
    let listed = world.rcon(&["network", "ls"]).ok();
    assert!(listed.stdout.contains("good"), "{listed}");
    assert!(
        listed.stderr.contains("network bad cannot be read"),
        "{listed}"
    );
    // Others come, and are found.
    world.start("web", &["--network", "good"]);
    let told = world.exec("asks", "nslookup web 127.0.0.11").ok().stdout;
    assert!(told.contains("Name:\tweb"), "{told}");
    world.says(&["network", "create", "more"]);
    world
        .rcon(&["network", "create", "bad"])
        .fails_naming(&["cannot be read"]);
    let out = world.run(&["--network", "bad"], "true").code(125);
    let help = "`rcon network rm bad` takes it away";
    assert!(out.stderr.contains(help), "{out}");
    let found = world.rcon(&["system", "check"]).code(1).stdout;
    assert_eq!(found.lines().count(), 1, "{found}");
    assert_eq!(world.says(&["network", "rm", "bad"]), "bad");
    let second = spoil(&world, "bad");
    assert_eq!(world.says(&["network", "rm", &second]), second);
    let third = spoil(&world, "bad");
    world.rcon(&["system", "check", "--repair"]).ok();
    let left = world.says(&["network", "ls", "--format", "{{.Name}}"]);
    assert_eq!(left, "bridge\ngood\nhost\nmore\nnone");
    for id in [first, second, third] {
        assert!(!world.bed.root().join("networks").join(id).exists());
    }
    world.says(&["network", "create", "bad"]);
    world.rcon(&["rm", "-f", "asks", "web"]).ok();
}

#[test]
fn one_that_cannot_be_read_is_not_taken_from_who_is_in_it() {
    let Some(world) = World::new() else { return };
    let id = world.says(&["network", "create", "bad"]);
    world.start("one", &["--network", "bad"]);
    let record = world
        .bed
        .root()
        .join("networks")
        .join(&id)
        .join("config.json");
    fs::write(&record, "{").unwrap();
    world
        .rcon(&["network", "rm", "bad"])
        .fails_naming(&["network bad is in use by container one"]);
    let told = world.rcon(&["system", "check", "--repair"]).code(1).stdout;
    assert!(told.contains("cannot be mended"), "{told}");
    world.rcon(&["rm", "-f", "one"]).ok();
    // What another rcon could read is only thrown away when somebody says so.
    fs::write(&record, "{\"version\": 99}").unwrap();
    world.rcon(&["system", "check", "--repair"]).code(1);
    assert_eq!(world.bridges().len(), 1);
    world.says(&["network", "rm", "bad"]);
    assert!(world.bridges().is_empty() && world.tables().is_empty());
    assert_eq!(world.says(&["system", "check"]), "");
}

/// What others take away of a network is told while containers are in it, and
/// brought back.
#[test]
fn what_is_lost_of_a_network_is_told_and_mended() {
    let Some(world) = World::new() else { return };
    world.says(&["network", "create", "web"]);
    world.start("one", &["--network", "web"]);
    world.start("two", &["--network", "web"]);
    let field = "{{.NetworkSettings.Networks.web.IPAddress}}";
    let two = world.field("two", field);
    let gateway = two.rsplit_once('.').unwrap().0.to_owned() + ".1";
    let bridge = world.bridges().remove(0);
    let rules = || world.sh("nft list ruleset");
    let whole = rules();
    let ping = |to: &str| format!("ping -c 1 -W 2 {to} > /dev/null");
    for (line, word) in [
        ("nft flush ruleset".to_owned(), "table inet rcon-"),
        (
            "nft flush table inet $(nft list tables | cut -d ' ' -f 3)".to_owned(),
            "table inet rcon-",
        ),
        (
            format!("ip address flush dev {bridge}"),
            "has lost the address",
        ),
        (format!("ip link set {bridge} down"), "is switched off"),
        (
            format!("ip link delete {bridge}"),
            "container one is at no bridge",
        ),
    ] {
        for mend in ["check", "start"] {
            assert_eq!(world.says(&["system", "check"]), "", "{line}");
            world.sh(&line);
            let told = world.rcon(&["system", "check"]).code(1).stdout;
            assert!(
                told.contains("network web: ") && told.contains(word),
                "{told}"
            );
            let told = world.rcon(&["network", "doctor"]).code(1).stdout;
            assert!(told.contains(word) && told.contains("--repair"), "{told}");
            if mend == "check" {
                world.rcon(&["system", "check", "--repair"]).ok();
            } else {
                world.run(&["--network", "web"], &ping(&gateway)).ok();
            }
            world.exec("one", &ping(&gateway)).ok();
            world.exec("one", &ping(&two)).ok();
            assert_eq!(rules(), whole, "{line}");
        }
    }
    world.rcon(&["rm", "-f", "one", "two"]).ok();
}
