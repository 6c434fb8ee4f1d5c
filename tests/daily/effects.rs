//! What flags of `run` do, each seen from inside.

use crate::common::host::{namespace_of, own_filters, own_namespace};
use crate::common::{Need, cgroups};
use crate::place::Place;
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// For each: flags, what to ask inside, and the answer.
#[track_caller]
fn each(place: &Place, cases: &[(&[&str], &str, &str)]) {
    for (flags, script, answer) in cases {
        assert_eq!(place.prints(flags, script), *answer, "{flags:?} {script}");
    }
}

/// Everybody on the machine can read the line of a process.
#[test]
fn what_was_typed_is_not_shown_by_those_who_stay() {
    let Some(place) = Place::new() else { return };
    place.start("box", &["-e", "PASSWORD=sesame"], "sleep 60");
    place.ok(&["exec", "-d", "-e", "TOKEN=sesame", "box", "sleep", "61"]);
    let keeper = place.state("box")["keeper"].as_i64().expect("a number");
    let line = fs::read_to_string(format!("/proc/{keeper}/cmdline")).unwrap();
    assert!(line.starts_with("rcon:keeper "), "{line:?}");
    let all = fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|p| fs::read_to_string(p.path().join("cmdline")).ok());
    let ours = lines.filter(|l| l.contains("rcon") && l.contains("sesame"));
    assert_eq!(ours.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn variables_directory_and_user() {
    let Some(place) = Place::new() else { return };
    let file = place.file("vars", "# a comment\n\nONE=1\nTWO=two words\n");
    each(
        &place,
        &[
            (&["-e", "A=b=c"], "echo $A", "b=c"),
            (&["--env-file", &file], "echo $ONE $TWO", "1 two words"),
            (&["--env-file", &file, "-e", "ONE=9"], "echo $ONE", "9"),
            (&["-w", "/tmp"], "pwd", "/tmp"),
            (&["-w", "/made/for/it"], "pwd", "/made/for/it"),
            (&[], "id -u; id -g; echo $HOME", "0\n0\n/root"),
            (
                &["-u", "user"],
                "id -u; id -G; echo $HOME",
                "1000\n1000 50\n/home/user",
            ),
            (&["-u", "12:34"], "id -u; id -G", "12\n34"),
            (&["-u", "user", "--group-add", "tty"], "id -G", "1000 5 50"),
        ],
    );
    let line = place.run(&["--rm", "--entrypoint", "echo"], &["one", "two"]);
    assert_eq!(line.output().ok().text(), "one two");
}

#[test]
fn a_variable_without_a_value_is_the_callers() {
    let Some(place) = Place::new() else { return };
    let call = place.sh(
        &["-e", "MINE", "-e", "NOBODYS"],
        "echo ${MINE-none} ${NOBODYS-none}",
    );
    assert_eq!(call.env("MINE", "here").output().ok().text(), "here none");
}

#[test]
fn names_of_hosts() {
    let Some(place) = Place::new() else { return };
    each(
        &place,
        &[
            (
                &["--hostname", "nest"],
                "hostname; cat /etc/hostname",
                "nest\nnest",
            ),
            (&["--hostname", "nest"], "grep -c nest /etc/hosts", "1"),
            (
                &["--add-host", "far:10.1.2.3"],
                "grep far /etc/hosts | tr -s '\\t ' ' '",
                "10.1.2.3 far",
            ),
            (
                &["--dns", "10.9.8.7", "--network", "none"],
                "grep nameserver /etc/resolv.conf",
                "nameserver 10.9.8.7",
            ),
            (&["--uts", "host"], "hostname", &host_name()),
            (&["--network", "host"], "hostname", &host_name()),
        ],
    );
    let id = place.start("own", &[], "hostname; sleep 60");
    place.says("own", &id[..12]);
}

fn host_name() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    text.trim().to_owned()
}

#[test]
fn the_root_and_what_is_mounted() {
    let Some(place) = Place::new() else { return };
    fs::create_dir(place.path("shared")).unwrap();
    place.file("shared/file", "from outside");
    let dir = place.text_path("shared");
    let rw = format!("{dir}:/mnt");
    let ro = format!("{dir}:/mnt:ro");
    let new = format!("{dir}:/not/there/yet");
    each(
        &place,
        &[
            (
                &["--read-only"],
                "touch /x 2>/dev/null || echo refused",
                "refused",
            ),
            (
                &["--read-only", "--tmpfs", "/tmp"],
                "touch /tmp/x && echo made",
                "made",
            ),
            (
                &["--tmpfs", "/t:size=1m"],
                "df -k /t | tail -1 | awk '{print $2}'",
                "1024",
            ),
            (
                &["-v", &rw],
                "cat /mnt/file; echo in > /mnt/made",
                "from outside",
            ),
            (
                &["-v", &ro],
                "cat /mnt/made; touch /mnt/x 2>/dev/null || echo refused",
                "in\nrefused",
            ),
            (&["-v", &new], "cat /not/there/yet/made", "in"),
            (
                &["--shm-size", "2m"],
                "df -k /dev/shm | tail -1 | awk '{print $2}'",
                "2048",
            ),
        ],
    );
    assert_eq!(
        fs::read_to_string(place.path("shared/made")).unwrap(),
        "in\n"
    );
    assert!(!place.path("shared/x").exists());
}

#[test]
fn devices_and_powers() {
    let Some(place) = Place::new() else { return };
    let caps = "grep CapEff /proc/self/status | tr -d '\\t' | cut -d: -f2";
    let unfiltered = format!("Seccomp_filters:{}", own_filters());
    each(
        &place,
        &[
            (
                &["--device", "/dev/null:/dev/mine"],
                "echo x > /dev/mine && echo wrote",
                "wrote",
            ),
            (
                &["--device", "/dev/zero:/dev/mine:r"],
                "head -c 2 /dev/mine | wc -c",
                "2",
            ),
            (&[], "test -e /dev/mine || echo none", "none"),
            (&["--cap-drop", "ALL"], caps, "0000000000000000"),
            (
                &["--cap-drop", "ALL", "--cap-add", "NET_RAW"],
                caps,
                "0000000000002000",
            ),
            (
                &["--cap-drop", "CHOWN"],
                "chown 1 /tmp 2>/dev/null || echo refused",
                "refused",
            ),
            (
                &[],
                "grep NoNewPrivs /proc/self/status | tr -d '\\t'",
                "NoNewPrivs:0",
            ),
            (
                &["--security-opt", "no-new-privileges"],
                "grep NoNewPrivs /proc/self/status | tr -d '\\t'",
                "NoNewPrivs:1",
            ),
            (
                &[],
                "grep Seccomp: /proc/self/status | tr -d '\\t'",
                "Seccomp:2",
            ),
            (
                &["--security-opt", "seccomp=unconfined"],
                "grep Seccomp_filters /proc/self/status | tr -d '\\t'",
                &unfiltered,
            ),
            (
                &["--privileged"],
                "mount -t tmpfs none /mnt && echo mounted",
                "mounted",
            ),
            (
                &[],
                "mount -t tmpfs none /mnt 2>/dev/null || echo refused",
                "refused",
            ),
        ],
    );
}

#[test]
fn limits_of_processes_and_the_kernel() {
    let Some(place) = Place::new() else { return };
    each(
        &place,
        &[
            (
                &["--ulimit", "nofile=100:200"],
                "ulimit -Sn; ulimit -Hn",
                "100\n200",
            ),
            (
                &["--sysctl", "net.ipv4.ip_forward=1"],
                "cat /proc/sys/net/ipv4/ip_forward",
                "1",
            ),
            (
                &["--sysctl", "kernel.msgmax=1234"],
                "cat /proc/sys/kernel/msgmax",
                "1234",
            ),
            (
                &["--oom-score-adj", "500"],
                "cat /proc/self/oom_score_adj",
                "500",
            ),
        ],
    );
}

#[test]
fn limits_of_cgroups() {
    let needs = [
        Need::Controller("memory"),
        Need::Controller("pids"),
        Need::Controller("cpu"),
    ];
    let Some(place) = Place::needing(&needs) else {
        return;
    };
    let flags = [
        "--memory",
        "64m",
        "--pids-limit",
        "17",
        "--cpu-shares",
        "512",
    ];
    let id = place.start("limited", &flags, "sleep 60");
    let path = format!("/rcon-{id}");
    let read = |c, v1, v2| cgroups::read(c, &path, v1, v2);
    assert_eq!(
        read("memory", "memory.limit_in_bytes", "memory.max"),
        (64 << 20).to_string()
    );
    assert_eq!(read("pids", "pids.max", "pids.max"), "17");
    if !cgroups::controller("cpu").is_some_and(|h| h.v2) {
        assert_eq!(read("cpu", "cpu.shares", ""), "512");
    }
}

#[test]
fn too_much_memory_is_noted() {
    let Some(place) = Place::needing(&[Need::Controller("memory")]) else {
        return;
    };
    let flags = [
        "--name",
        "greedy",
        "--memory",
        "16m",
        "--memory-swap",
        "16m",
    ];
    let script = "head -c 100m /dev/zero | tail -c 100m | wc -c; exit 0";
    place.run(&flags, &["sh", "-c", script]).output();
    assert_eq!(
        place.state("greedy")["oom_killed"],
        true,
        "{}",
        place.state("greedy")
    );
}

#[test]
fn with_init_orphans_are_reaped_and_signals_arrive() {
    let Some(place) = Place::new() else { return };
    let script =
        "echo $$ ; (sleep 0.01 &) ; sleep 0.3; ps | grep -c '[Z]' ; tr '\\0' ' ' < /proc/1/cmdline";
    let said = place.prints(&["--init"], script);
    let lines: Vec<&str> = said.lines().collect();
    assert_ne!(lines[0], "1", "{said}");
    assert!(lines[2].contains("init"), "{said}");
    place.sh(&["--init"], "exit 42").output().code(42);
    place.start("quick", &["--init"], "sleep 600");
    place.ok(&["stop", "-t", "9", "quick"]);
    assert_eq!(place.number_of("quick", "exit_code"), 143);
}

#[test]
fn a_signal_before_the_first_process_listens_waits_for_it() {
    let Some(place) = Place::new() else { return };
    // What is in the first process's place says with what it begins.
    let line = place.line(
        "create",
        &["--init", "--name", "early"],
        &["/proc/self/status"],
    );
    place.rcon(&[]).args(line).output().ok();
    let files = place.dir_of("early").join("files");
    fs::create_dir_all(&files).unwrap();
    let stand_in = files.join("rcon-init");
    fs::write(&stand_in, "#!/bin/grep SigBlk\n").unwrap();
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
    let held = |said: &str| {
        let mask = said.trim().rsplit(['\t', ' ']).next().unwrap_or_default();
        u64::from_str_radix(mask, 16).unwrap_or_else(|e| panic!("{e}: {said}"))
    };
    let mask = held(place.ok(&["start", "-a", "early"]).text());
    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGUSR1,
    ] {
        assert_eq!(mask >> (signal as u32 - 1) & 1, 1, "{signal}: {mask:x}");
    }
    // Nothing of that is left to the program.
    let said = place.prints(&["--init"], "grep SigBlk /proc/self/status");
    assert_eq!(held(&said), 0, "{said}");
}

#[test]
fn networks_none_host_and_anothers() {
    let Some(place) = Place::new() else { return };
    let names = "ls /sys/class/net | tr '\\n' ' '";
    assert_eq!(place.prints(&["--network", "none"], names), "lo");
    assert_eq!(
        place.prints(&["--network", "host"], "readlink /proc/self/ns/net"),
        own_namespace("net")
    );
    place.sleeper("other");
    let theirs = namespace_of(place.number_of("other", "pid"), "net");
    assert_ne!(theirs, own_namespace("net"));
    let joined = place.prints(
        &["--network", "container:other"],
        "readlink /proc/self/ns/net",
    );
    assert_eq!(joined, theirs);
}

#[test]
fn processes_of_the_host_and_of_another() {
    let Some(place) = Place::new() else { return };
    assert_eq!(place.prints(&[], "echo $$"), "1");
    assert_eq!(
        place.prints(&["--pid", "host"], "readlink /proc/self/ns/pid"),
        own_namespace("pid")
    );
    place.start("other", &[], "sleep 4242");
    assert_eq!(
        place.prints(
            &["--pid", "container:other"],
            "ps | grep '[s]leep 4242' | awk '{print $1}'"
        ),
        "1"
    );
    let ipc = namespace_of(place.number_of("other", "pid"), "ipc");
    assert_eq!(
        place.prints(&["--ipc", "container:other"], "readlink /proc/self/ns/ipc"),
        ipc
    );
    let out = place
        .run(&["--rm", "--pid", "container:nobody"], &["true"])
        .output();
    out.code(125).fails_naming(&["nobody"]);
    place.ok(&["stop", "-t", "0", "other"]);
    let out = place
        .run(&["--rm", "--pid", "container:other"], &["true"])
        .output();
    out.code(125).fails_naming(&["other", "not running"]);
}

#[test]
fn a_cgroup_parent_goes_with_the_last_below_it_if_rcon_made_it() {
    let Some(place) = Place::needing(&[crate::common::Need::Controller("pids")]) else {
        return;
    };
    let hierarchies = crate::common::cgroups::hierarchies();
    let name = format!("rcon-test-parent-{}", std::process::id());
    let there = |path: &str| hierarchies.iter().any(|h| h.at.join(path).exists());
    let below = format!("{name}/deep");
    for container in ["one", "two"] {
        place.start(container, &["--cgroup-parent", &below], "sleep 600");
    }
    assert!(there(&below));
    place.ok(&["rm", "-f", "one"]);
    assert!(there(&below), "the other one is still in it");
    place.ok(&["rm", "-f", "two"]);
    assert!(!there(&name), "nobody else needs it");
    // One that somebody has made is that one's.
    for h in &hierarchies {
        std::fs::create_dir(h.at.join(&name)).unwrap();
    }
    place.start("three", &["--cgroup-parent", &below], "sleep 600");
    place.ok(&["rm", "-f", "three"]);
    let (stays, went) = (there(&name), !there(&below));
    for h in &hierarchies {
        let _ = std::fs::remove_dir(h.at.join(&name));
    }
    assert!(stays && went);
}

#[test]
fn devices_by_their_vendors_names() {
    let Some(place) = Place::new() else { return };
    let library = place.file("library", "code");
    let hooked = place.path("hooked");
    let vendor = serde_json::json!({
        "cdiVersion": "0.6.0",
        "kind": "example.com/thing",
        "containerEdits": { "env": ["THING=some"] },
        "devices": [
            { "name": "0", "containerEdits": {
                "env": ["THING=0"],
                "deviceNodes": [{ "path": "/dev/thing", "hostPath": "/dev/zero" }],
                "mounts": [{ "hostPath": library, "containerPath": "/lib/thing",
                             "options": ["ro"] }],
                "hooks": [{ "hookName": "createRuntime", "path": "/usr/bin/touch",
                            "args": ["touch", hooked.to_str()] }],
                "additionalGids": [4321],
            }},
            { "name": "sour", "containerEdits": {
                "deviceNodes": [{ "path": "/dev/nothing-of-the-kind" }],
            }},
        ],
    });
    let dir = place.path("cdi");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("vendor.json"), vendor.to_string()).unwrap();
    let yaml = "---\ncdiVersion: 0.5.0\nkind: example.org/thing\ndevices:\n- name: \"0\"\n  \
                containerEdits:\n    env:\n    - THING=yaml\n";
    fs::write(dir.join("other.yaml"), yaml).unwrap();
    let list = format!("/nowhere:{}", dir.display());
    let run = |flags: &[&str], program: &[&str]| {
        let call = place.run(&[&["--rm"], flags].concat(), program);
        call.env("RCON_CDI_DIRS", &list).output()
    };
    let look = "echo $THING; head -c 3 /dev/thing | wc -c; cat /lib/thing; id -G; \
                echo x 2>/dev/null >>/lib/thing || echo ' held'";
    let out = run(&["--device", "example.com/thing=0"], &["sh", "-c", look]).ok();
    assert_eq!(out.text(), "0\n3\ncode0 4321\n held");
    assert!(hooked.exists(), "the hook was not called");
    let out = run(
        &["--device", "example.org/thing=0"],
        &["sh", "-c", "echo $THING"],
    )
    .ok();
    assert_eq!(out.text(), "yaml");
    for (name, word) in [
        ("example.com/thing=7", "example.com/thing=0"),
        ("other.com/thing=0", "other.com/thing=0"),
        ("example.com/thing=sour", "/dev/nothing-of-the-kind"),
    ] {
        run(&["--device", name], &["true"])
            .code(125)
            .fails_naming(&[word]);
    }
    run(&["--gpus", "1"], &["true"])
        .code(125)
        .fails_naming(&["nvidia.com/gpu=0"]);
    assert_eq!(place.rcon(&["ps", "-aq"]).output().ok().text(), "");
}
