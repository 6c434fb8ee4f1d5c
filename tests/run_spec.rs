//! What the desired container becomes in the kernel: the specification that
//! `rcon run` would write, run by `rcon oci run`.

mod common;
use common::*;

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use host::field;
use rcon::container::Config;
use rcon::spec::{Files, HostFacts, Inputs, Joined, runtime_spec, users};

/// A container as it is asked for with no option at all.
fn plain(args: &Value) -> Value {
    json!({
        "version": 1, "id": "0123456789abcdef".repeat(4),
        "created": "2026-01-01T00:00:00.000000000Z", "image": null,
        "root": { "kind": "layers", "layers": [] },
        "program": { "command": args }, "isolation": {}, "mounts": [], "resources": {},
        "network": {}, "restart": "no", "health": null,
        "log": { "driver": "none", "options": {} },
        "auto_remove": false, "labels": {}, "annotations": {},
    })
}

/// The bundle of a desired container; its cgroup is the test's own.
fn container<'b>(bed: &'b Bed, args: &Value, change: impl FnOnce(&mut Value)) -> Container<'b> {
    let mut config = plain(args);
    change(&mut config);
    let config: Config = serde_json::from_value(config).expect("a configuration");
    let mut cgroup = Value::Null;
    let container = bed.container(|spec| cgroup = spec["linux"]["cgroupsPath"].clone());
    let root = std::fs::File::open(container.rootfs("")).expect("the root");
    let program = &config.program;
    let user = users::resolve(root.as_fd(), &program.user, &program.groups).expect("a user");
    let facts = rcon::facts::observe().expect("facts");
    let init = PathBuf::from(env!("CARGO_BIN_EXE_rcon"));
    let spec = runtime_spec(&Inputs {
        config: &config,
        name: "test",
        rootfs: Path::new("rootfs"),
        files: &Files::default(),
        user: &user,
        namespaces: &Joined::default(),
        volumes: &BTreeMap::new(),
        images: &BTreeMap::new(),
        host: &HostFacts::observe(&config, &facts, init).expect("facts of the host"),
    });
    let mut spec = serde_json::to_value(spec.expect("a specification")).unwrap();
    spec["linux"]["cgroupsPath"] = cgroup;
    container.write_spec(&spec);
    container
}

fn run(bed: &Bed, script: &str, change: impl FnOnce(&mut Value)) -> Output {
    container(bed, &json!(sh(script)), change).run()
}

#[test]
fn the_default_is_confined() {
    let Some(bed) = Bed::new() else { return };
    let out = run(&bed, "cat /proc/self/status", |_| {}).ok();
    let get = |name: &str| field(&out.stdout, name).unwrap_or_default();
    for (name, want) in [
        ("CapEff", "00000000a80425fb"),
        ("CapPrm", "00000000a80425fb"),
        ("CapBnd", "00000000a80425fb"),
        ("CapInh", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("Seccomp", "2"),
        ("NoNewPrivs", "0"),
    ] {
        assert_eq!(get(name), want, "{name}");
    }
    bed.assert_nothing_left();
}

#[test]
fn the_default_hides_and_protects() {
    let Some(bed) = Bed::new() else { return };
    let script = "for f in kcore keys interrupts timer_list sched_debug; do \
            test -e /proc/$f && test -n \"$(head -c1 /proc/$f)\" && echo shown $f; done; \
        ls /sys/firmware /proc/acpi /proc/scsi 2>/dev/null | grep -v : | grep . ; \
        for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/x /sys/fs/cgroup/x; do \
            (echo 1 >$f) 2>/dev/null && echo written $f; done; \
        unshare -r true 2>/dev/null && echo unshared; \
        mount -t tmpfs none /mnt 2>/dev/null && echo mounted; \
        echo $PATH $HOME $HOSTNAME $(hostname) $(pwd) $$; \
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start";
    let out = run(&bed, script, |_| {}).ok();
    let path = rcon::spec::DEFAULT_PATH;
    assert_eq!(
        out.text(),
        format!("{path} /root 0123456789ab 0123456789ab / 1\n0")
    );
}

#[test]
fn users_of_the_image_and_their_groups() {
    let Some(bed) = Bed::new() else { return };
    let id = |user: &str, groups: Value| {
        let script = "echo $(id -u) $(id -g) $(id -G) $HOME; grep CapEff /proc/self/status";
        let out = run(&bed, script, |c| {
            c["program"]["user"] = json!(user);
            c["program"]["groups"] = groups;
        });
        out.ok().text().replace("CapEff:\t", "")
    };
    let none = "0000000000000000";
    assert_eq!(
        id("user", json!([])),
        format!("1000 1000 1000 50 /home/user\n{none}")
    );
    assert_eq!(
        id("1000:7", json!(["tty"])),
        format!("1000 7 7 5 /home/user\n{none}")
    );
    assert_eq!(id("4000", json!(["60"])), format!("4000 0 0 60 /\n{none}"));
}

#[test]
fn privileged_is_not_confined() {
    let Some(bed) = Bed::new() else { return };
    let script = "grep -E 'CapEff|Seccomp_filters' /proc/self/status; \
        test -d /sys/firmware && ls /proc/acpi /sys/firmware | grep -c .; \
        mount -t tmpfs none /mnt && echo mounted";
    let out = run(&bed, script, |c| c["isolation"]["privileged"] = json!(true)).ok();
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let caps = field(&own, "CapEff").unwrap();
    assert!(out.stdout.contains(&caps), "{out}");
    let filters = field(&out.stdout, "Seccomp_filters");
    assert_eq!(filters, Some(host::own_filters()), "{out}");
    assert!(out.stdout.contains("mounted"), "{out}");
}

#[test]
fn users_of_its_own() {
    let Some(bed) = Bed::new() else { return };
    let script = "cat /proc/self/uid_map; id -u; ls /sys/class/net; touch /tmp/x && echo made";
    let out = run(&bed, script, |c| {
        c["isolation"]["userns"] = json!([0x0010_0000, 65536]);
    });
    let out = out.ok();
    let words: Vec<&str> = out.stdout.split_whitespace().collect();
    assert_eq!(words, ["0", "1048576", "65536", "0", "lo", "made"], "{out}");
}

fn with_init(config: &mut Value) {
    config["program"]["init"] = json!(true);
}

#[test]
fn the_first_process_is_seen_and_tells_how_the_program_ended() {
    let Some(bed) = Bed::new() else { return };
    let out = run(&bed, "cat /proc/1/comm; echo $$ $PPID; exit 42", with_init).code(42);
    assert_eq!(out.text(), "rcon-init\n2 1");
    run(&bed, "kill -KILL $$", with_init).code(128 + 9);
    let missing = |args: Value, code: i32| {
        let out = container(&bed, &args, with_init).run().code(code);
        assert!(out.stderr.contains("rcon-init: exec: "), "{out}");
    };
    missing(json!(["/no/such"]), 127);
    missing(json!(["no-such-program"]), 127);
    missing(json!(["/etc/passwd"]), 126);
}

#[test]
fn the_first_process_reaps_orphans() {
    let Some(bed) = Bed::new() else { return };
    // The middle shell ends before the sleeper, who is then process 1's child.
    let script = "sh -c 'sleep 0.2 & echo $! >/tmp/pid'; sleep 1; \
        test -d /proc/$(cat /tmp/pid) && cat /proc/$(cat /tmp/pid)/status; echo done";
    assert_eq!(run(&bed, script, with_init).ok().text(), "done");
}

#[test]
fn the_first_process_hands_signals_on() {
    let Some(bed) = Bed::new() else { return };
    for (signal, name) in [("TERM", "TERM"), ("USR1", "USR1"), ("35", "35")] {
        let script = format!("trap 'exit 7' {name}; echo ready; while :; do sleep 0.05; done");
        let c = container(&bed, &json!(sh(&script)), with_init);
        let running = c.spawn_run();
        eventually("it is ready", || running.stdout().contains("ready"));
        c.kill(signal);
        running.wait().code(7);
    }
    bed.assert_nothing_left();
}

/// A terminal sends its signals to a whole group of processes. If the first
/// one were in it and handed them on, the program would have each twice.
#[test]
fn the_program_has_the_terminal_and_each_interrupt_once() {
    let Some(bed) = Bed::new() else { return };
    let script = "n=0; trap 'n=$((n+1))' INT; read line; \
        set -- $(cat /proc/$$/stat); echo line=$line group=$5 foreground=$8; \
        i=0; while test $n = 0 || test $i -lt 5; do sleep 0.05; i=$((i+1)); done; echo n=$n";
    let c = container(&bed, &json!(sh(script)), |config| {
        config["program"]["init"] = json!(true);
        config["program"]["tty"] = json!(true);
    });
    let mut running = pty::under_pty(c.call_with_bundle("run", &[]), 24, 80);
    running.terminal.type_in("hello\n");
    running.terminal.wait_for("line=hello group=2 foreground=2");
    running.terminal.type_in("\u{3}");
    running.terminal.wait_for("n=1");
    running.running.wait().ok();
}
