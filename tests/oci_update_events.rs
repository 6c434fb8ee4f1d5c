//! `update` beyond the plain case: limits that move both ways, what the record
//! remembers, what is refused; and `events` up to the container's end.

mod common;
use common::*;
use std::fs;
use std::time::Duration;

fn sleeper(bed: &Bed) -> Container<'_> {
    bed.container(|s| s["process"]["args"] = words("sleep 600"))
}

fn update(c: &Container<'_>, flags: &[&str]) -> Output {
    c.call("update", flags, &[]).output()
}

/// The limit of memory, and of memory with swap.
fn memory_v1(c: &Container<'_>) -> (String, String) {
    let read = |name| cgroups::read("memory", &c.id, name, name);
    (
        read("memory.limit_in_bytes"),
        read("memory.memsw.limit_in_bytes"),
    )
}

/// What the runtime has saved of the configuration.
fn recorded(bed: &Bed, c: &Container<'_>) -> Value {
    let path = bed.root().join(&c.id).join("config.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn memory_with_swap_goes_up_and_down() {
    let Some(bed) = Bed::needing(&[Need::CgroupV1("memory")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    for size in ["64M", "32m", "128MiB", "33554432"] {
        update(&c, &["--memory", size, "--memory-swap", size]).ok();
        let (limit, total) = memory_v1(&c);
        assert_eq!(limit, total, "{size}");
    }
    assert_eq!(memory_v1(&c).0, (32 << 20).to_string());
}

#[test]
fn minus_one_lifts_the_limit_of_memory_and_swap() {
    let Some(bed) = Bed::needing(&[Need::CgroupV1("memory")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    let before = memory_v1(&c);
    update(&c, &["--memory", "32M", "--memory-swap", "64M"]).ok();
    assert_ne!(memory_v1(&c), before);
    update(&c, &["--memory", "-1"]).ok();
    assert_eq!(memory_v1(&c), before);
    update(&c, &["--memory", "32M", "--memory-swap=-1"]).ok();
    assert_eq!(memory_v1(&c), ((32 << 20).to_string(), before.1));
}

#[test]
fn a_limit_the_kernel_refuses_names_its_flag() {
    let Some(bed) = Bed::needing(&[Need::CgroupV1("memory"), Need::Rcon("flag names")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    update(&c, &["--memory", "32M", "--memory-swap", "64M"]).ok();
    update(&c, &["--memory", "128M"]).fails_naming(&["--memory:", "memory.swap"]);
    update(&c, &["--memory", "64M", "--memory-swap", "32M"])
        .fails_naming(&["--memory-swap: linux.resources.memory.swap"]);
    assert_eq!(memory_v1(&c).0, (32 << 20).to_string());
}

#[test]
fn nonsense_is_refused_with_its_flag() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.run_detached();
    let all = [
        ("--memory", "many"),
        ("--memory-swap", "-2"),
        ("--pids-limit", "x"),
        ("--cpu-share", "-5"),
        ("--blkio-weight", "99999"),
        ("--l3-cache-schema", "L3:0=f"),
        ("--mem-bw-schema", "MB:0=20"),
    ];
    for (flag, value) in all {
        update(&c, &[&format!("{flag}={value}")]).fails_naming(&[flag]);
    }
    let bad = bed.file("bad.json", r#"{"pids":{"limit":"many"}}"#);
    update(&c, &["-r", &bad]).fails_naming(&["bad.json", "pids.limit"]);
    update(&c, &["-r", "no-such-file"]).fails_naming(&["no-such-file"]);
}

#[test]
fn kernel_memory_is_taken_with_a_warning() {
    let Some(bed) = Bed::needing(&[Need::Controller("pids"), Need::Rcon("the warning")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    let log = bed.text_path("log");
    let flags = ["--kernel-memory", "32M", "--pids-limit", "21"];
    let all = [&["--log", &log, "update"], &flags[..], &[c.id.as_str()]].concat();
    bed.call(&all).output().ok();
    let said = fs::read_to_string(log).unwrap();
    assert!(said.contains("--kernel-memory is ignored"), "{said}");
    assert_eq!(cgroups::read("pids", &c.id, "pids.max", "pids.max"), "21");
}

#[test]
fn a_created_and_a_paused_container_can_be_updated_but_no_stopped_one() {
    let needs = [Need::Controller("pids"), Need::Controller("freezer")];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    let pids = |c: &Container<'_>| cgroups::read("pids", &c.id, "pids.max", "pids.max");
    let c = sleeper(&bed);
    c.create();
    update(&c, &["--pids-limit", "31"]).ok();
    assert_eq!(pids(&c), "31");
    c.start();
    c.call("pause", &[], &[]).output().ok();
    update(&c, &["--pids-limit", "-1"]).ok();
    assert_eq!(pids(&c), "max");
    assert_eq!(c.status(), "paused");
    c.call("resume", &[], &[]).output().ok();
    c.kill("KILL").wait_for("stopped");
    update(&c, &["--pids-limit", "33"]).fails_naming(&["stopped"]);
    bed.call(&["update", "no-such-container"])
        .output()
        .fails_naming(&["no-such-container"]);
}

#[test]
fn the_record_remembers_what_was_changed_and_what_was_not() {
    let Some(bed) = Bed::needing(&[Need::Controller("pids"), Need::Rcon("its record")]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["linux"]["resources"]["pids"] = json!({ "limit": 44 });
        s["linux"]["resources"]["cpu"] = json!({ "shares": 512 });
        s["unknownToAnyone"] = json!([1, 2]);
    });
    c.run_detached();
    update(&c, &["--pids-limit", "45"]).ok();
    let zero = bed.file("zero.json", r#"{"cpu":{"shares":0},"pids":{"limit":0}}"#);
    update(&c, &["-r", &zero]).ok();
    let config = recorded(&bed, &c);
    let resources = &config["linux"]["resources"];
    assert_eq!(resources["pids"]["limit"], 45);
    assert_eq!(resources["cpu"]["shares"], 512);
    assert_eq!(config["unknownToAnyone"], json!([1, 2]));
    assert_eq!(c.exec(&["true"]).ok().stderr, "");
}

#[test]
fn a_failed_update_takes_back_its_first_half() {
    let needs = [
        Need::CgroupV1("cpu"),
        Need::CgroupV1("cpuset"),
        Need::Rcon("taking back"),
    ];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["linux"]["resources"]["cpu"] = json!({ "shares": 600 });
    });
    c.run_detached();
    update(&c, &["--cpu-share", "700", "--cpuset-cpus", "4000"])
        .fails_naming(&["--cpuset-cpus: linux.resources.cpu.cpus"]);
    assert_eq!(
        cgroups::read("cpu", &c.id, "cpu.shares", "cpu.shares"),
        "600"
    );
    assert_eq!(
        recorded(&bed, &c)["linux"]["resources"]["cpu"],
        json!({ "shares": 600 })
    );
}

#[test]
fn the_cpuset_changes() {
    let Some(bed) = Bed::needing(&[Need::Controller("cpuset")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    update(&c, &["--cpuset-cpus", "0", "--cpuset-mems", "0"]).ok();
    assert_eq!(c.status_field("Cpus_allowed_list"), "0");
}

#[test]
fn device_rules_change_and_the_usual_devices_stay() {
    let needs = [Need::Kernel("/dev/fuse"), Need::Rcon("device rules")];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    c.shell("mknod /dev/other c 10 229");
    let opens = || c.exec(&["sh", "-c", ": <>/dev/other"]).status.success();
    assert!(!opens());
    let allow = r#"{"devices":[{"allow":false,"access":"rwm"},
        {"allow":true,"type":"c","major":10,"minor":229,"access":"rw"}]}"#;
    update(&c, &["-r", &bed.file("allow.json", allow)]).ok();
    assert!(opens());
    let deny = r#"{"devices":[{"allow":false,"access":"rwm"}]}"#;
    update(&c, &["-r", &bed.file("deny.json", deny)]).ok();
    assert!(!opens());
    assert_eq!(c.shell("head -c 1 /dev/zero | wc -c; : >/dev/null"), "1");
}

#[test]
fn a_time_that_is_none_is_refused_with_its_flag() {
    let Some(bed) = Bed::new() else { return };
    for time in ["0", "0s", "5", "soon"] {
        bed.call(&["events", "--interval", time, "x"])
            .output()
            .fails_naming(&["--interval"]);
    }
}

#[test]
fn a_stopped_container_has_no_events() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.run_detached().kill("KILL").wait_for("stopped");
    for flags in [&["--stats"][..], &[]] {
        let out = c.call("events", flags, &[]).output();
        out.fails_naming(&[&c.id, "not running"]);
    }
}

#[test]
fn events_end_when_the_container_stops() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.run_detached();
    let mut events = c.call("events", &["--interval", "50ms"], &[]).spawn();
    eventually("a line", || events.stdout().lines().count() >= 1);
    assert!(!events.has_ended());
    c.kill("KILL").wait_for("stopped");
    let out = events.wait().ok();
    for line in out.stdout.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["id"], c.id.as_str());
    }
}

#[test]
fn events_end_when_nobody_reads_them() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.run_detached();
    let (reader, writer) = std::io::pipe().unwrap();
    let call = c.call("events", &["--interval", "1h"], &[]);
    let call = call.with(|command| {
        command.stdout(writer).stderr(std::process::Stdio::null());
    });
    let mut events = call.spawn_as_is();
    std::thread::sleep(Duration::from_millis(200));
    assert!(!events.has_ended());
    drop(reader);
    // Not with the next line, which comes in an hour, but now.
    eventually("events ends", || events.has_ended());
}

/// Doubles a text until there is no memory for it.
const HOG: &str = "awk 'BEGIN { x = \"x\"; while (1) x = x x }'";

#[test]
fn running_out_of_memory_is_an_event_and_waiting_costs_nothing() {
    let Some(bed) = Bed::needing(&[Need::Controller("memory")]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["linux"]["resources"]["memory"] = json!({ "limit": 32 << 20, "swap": 32 << 20 });
    });
    c.run_detached();
    let mut events = c.call("events", &["--interval", "1h"], &[]).spawn();
    let pid = events.pid();
    eventually("it waits", || stat_of(pid, 3) == "S");
    // Killed itself it cannot tell how it ended, so a shell around it does.
    let out = c.exec(&["sh", "-c", &format!("{HOG}; echo $?")]).ok();
    assert_eq!(out.text(), "137", "{out}");
    eventually("an oom line", || !events.stdout().is_empty());
    let line = events.stdout().lines().next().unwrap().to_owned();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line, json!({ "type": "oom", "id": c.id }));
    let ticks =
        || stat_of(pid, 14).parse::<u64>().unwrap() + stat_of(pid, 15).parse::<u64>().unwrap();
    let before = ticks();
    std::thread::sleep(Duration::from_millis(500));
    assert!(ticks() - before <= 5, "it spins");
    assert!(!events.has_ended());
    c.kill("KILL").wait_for("stopped");
    events.wait().ok();
}
