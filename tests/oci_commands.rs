//! The commands that tell or change something about containers without being
//! steps of their life: list, ps, events, update, spec, features, the log.

mod common;
use common::*;
use std::fs;

fn sleeper(bed: &Bed) -> Container<'_> {
    bed.container(|s| s["process"]["args"] = words("sleep 600"))
}

#[test]
fn list_is_a_table_with_a_line_for_each_container() {
    let Some(bed) = Bed::new() else { return };
    let (a, b) = (sleeper(&bed), sleeper(&bed));
    a.create();
    b.run_detached();
    let out = bed.call(&["list"]).output().ok();
    let lines: Vec<Vec<&str>> = out
        .stdout
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    );
    let pid = a.pid().to_string();
    let bundle = a.bundle.to_str().unwrap();
    assert_eq!(lines[1][..4], [&a.id, pid.as_str(), "created", bundle]);
    assert_eq!(lines[2][..3], [&b.id, &b.pid().to_string(), "running"]);
    assert_eq!(lines.len(), 3);
}

#[test]
fn list_as_json_has_the_same_fields_as_state() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.create();
    let out = bed.call(&["list", "--format", "json"]).output().ok();
    let state = c.state();
    assert_eq!(out.json().as_array().unwrap().len(), 1);
    for name in ["id", "pid", "status", "bundle", "rootfs", "created"] {
        assert_eq!(out.json()[0][name], state[name], "{name}");
    }
    assert_eq!(out.json()[0]["owner"], "root");
}

#[test]
fn quiet_list_is_nothing_but_ids() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.create();
    let out = bed.call(&["list", "-q"]).output().ok();
    assert_eq!(out.stdout, format!("{}\n", c.id));
}

#[test]
fn list_without_containers_is_no_error() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.call(&["list", "-f", "json"]).output().ok();
    assert!(matches!(out.text(), "null" | "[]"), "{out}");
    assert_eq!(bed.call(&["list", "-q"]).output().ok().stdout, "");
}

#[test]
fn list_shows_a_container_whose_process_died_as_stopped() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.create().kill("KILL").wait_for("stopped");
    let out = bed.call(&["list", "-f", "json"]).output().ok();
    assert_eq!(out.json()[0]["status"], "stopped");
    assert_eq!(out.json()[0]["pid"], 0);
}

#[test]
fn ps_as_json_is_every_pid_in_the_container() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = sh("sleep 600 & echo ready; wait"));
    c.run_detached().wait_for_output("ready");
    let out = c.call("ps", &["--format", "json"], &[]).output().ok();
    let mut pids: Vec<i64> = serde_json::from_value(out.json()).unwrap();
    pids.sort_unstable();
    let mut expected = cgroups::processes(&cgroups::dir_of("pids", &c.id));
    expected.sort_unstable();
    assert_eq!(
        pids,
        expected.iter().map(|p| i64::from(*p)).collect::<Vec<_>>()
    );
    assert_eq!(pids.len(), 2);
}

#[test]
fn ps_as_a_table_shows_only_the_containers_processes() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.run_detached();
    // No program of that name is there to be run.
    let ps = |options: &[&str]| {
        c.call("ps", &[], options)
            .env("PATH", "/nowhere")
            .output()
            .ok()
    };
    let out = ps(&[]);
    let lines: Vec<&str> = out.stdout.lines().collect();
    assert!(
        lines[0].contains("PID") && lines[0].contains("CMD"),
        "{out}"
    );
    assert!(lines[1].contains("sleep 600"), "{out}");
    assert!(lines[1].contains(&c.pid().to_string()), "{out}");
    assert_eq!(lines.len(), 2, "{out}");
    let out = ps(&["-o", "pid,comm"]);
    let lines: Vec<&str> = out.stdout.lines().collect();
    let fields: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(fields, [c.pid().to_string().as_str(), "sleep"], "{out}");
    let out = c.call("ps", &[], &["--forest"]).output();
    assert!(out.stderr.contains("unknown option of ps"), "{out}");
}

#[test]
fn events_stats_reports_memory_and_pids() {
    let Some(bed) = Bed::needing(&[Need::Controller("memory"), Need::Controller("pids")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    let stats = c.call("events", &["--stats"], &[]).output().ok().json();
    assert_eq!(stats["type"], "stats");
    assert_eq!(stats["id"], c.id.as_str());
    assert_eq!(stats["data"]["pids"]["current"], 1);
    let usage = &stats["data"]["memory"]["usage"]["usage"];
    assert!(usage.as_u64().unwrap() > 0, "{stats}");
    let cpu = &stats["data"]["cpu"]["usage"]["total"];
    assert!(cpu.as_u64().unwrap() > 0, "{stats}");
}

#[test]
fn events_writes_a_line_of_stats_at_every_interval() {
    let Some(bed) = Bed::needing(&[Need::Controller("pids")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    let events = c.call("events", &["--interval", "100ms"], &[]).spawn();
    eventually("two lines", || events.stdout().lines().count() >= 2);
    let line = events.stdout().lines().next().unwrap().to_owned();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["type"], "stats");
}

#[test]
fn update_takes_limits_as_flags() {
    let Some(bed) = Bed::needing(&[Need::Controller("memory"), Need::Controller("pids")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    let flags = ["--memory", "33554432", "--pids-limit", "20"];
    c.call("update", &flags, &[]).output().ok();
    let memory = cgroups::read("memory", &c.id, "memory.limit_in_bytes", "memory.max");
    assert_eq!(memory, "33554432");
    assert_eq!(cgroups::read("pids", &c.id, "pids.max", "pids.max"), "20");
}

#[test]
fn update_takes_cpu_limits() {
    let Some(bed) = Bed::needing(&[Need::CgroupV1("cpu")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    let flags = [
        "--cpu-period",
        "50000",
        "--cpu-quota",
        "25000",
        "--cpu-share",
        "512",
    ];
    c.call("update", &flags, &[]).output().ok();
    let read = |name| cgroups::read("cpu", &c.id, name, name);
    assert_eq!(read("cpu.cfs_period_us"), "50000");
    assert_eq!(read("cpu.cfs_quota_us"), "25000");
    assert_eq!(read("cpu.shares"), "512");
}

#[test]
fn update_reads_resources_from_standard_input() {
    let Some(bed) = Bed::needing(&[Need::Controller("pids")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    let resources = json!({ "pids": { "limit": 30 } }).to_string();
    let call = c.call("update", &["--resources", "-"], &[]);
    call.stdin(&resources).output().ok();
    assert_eq!(cgroups::read("pids", &c.id, "pids.max", "pids.max"), "30");
}

#[test]
fn update_reads_resources_from_a_file() {
    let Some(bed) = Bed::needing(&[Need::Controller("memory")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    let file = bed.file("resources.json", r#"{"memory":{"limit":41943040}}"#);
    c.call("update", &["-r", &file], &[]).output().ok();
    let memory = cgroups::read("memory", &c.id, "memory.limit_in_bytes", "memory.max");
    assert_eq!(memory, "41943040");
}

#[test]
fn update_leaves_what_was_not_mentioned() {
    let Some(bed) = Bed::needing(&[Need::Controller("memory"), Need::Controller("pids")]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["linux"]["resources"]["pids"] = json!({ "limit": 44 });
    });
    c.run_detached();
    c.call("update", &["--memory", "33554432"], &[])
        .output()
        .ok();
    assert_eq!(cgroups::read("pids", &c.id, "pids.max", "pids.max"), "44");
}

#[test]
fn the_spec_that_spec_writes_runs() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|_| ());
    fs::remove_file(c.bundle.join("config.json")).unwrap();
    let bundle = c.bundle.to_str().unwrap();
    bed.call(&["spec", "--bundle", bundle]).output().ok();
    let mut spec = read_spec(&c);
    assert_eq!(spec["process"]["args"], json!(["sh"]));
    assert_eq!(spec["process"]["terminal"], true);
    spec["process"]["args"] = words("echo it runs");
    spec["process"]["terminal"] = json!(false);
    spec["process"]["env"] = json!(["PATH=/bin"]);
    spec["linux"]["cgroupsPath"] = json!(c.id);
    c.write_spec(&spec);
    assert_eq!(c.run().ok().stdout, "it runs\n");
}

fn read_spec(c: &Container<'_>) -> Value {
    let text = fs::read_to_string(c.bundle.join("config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn spec_writes_into_the_current_directory() {
    let Some(bed) = Bed::new() else { return };
    let dir = bed.directory("elsewhere");
    bed.call(&["spec"]).cwd(dir.as_ref()).output().ok();
    assert!(bed.path("elsewhere/config.json").is_file());
}

#[test]
fn spec_does_not_overwrite_a_config() {
    let Some(bed) = Bed::new() else { return };
    let dir = bed.directory("elsewhere");
    let file = bed.file("elsewhere/config.json", "mine");
    let out = bed.call(&["spec", "--bundle", &dir]).output();
    out.fails_naming(&["config.json"]);
    assert_eq!(fs::read_to_string(file).unwrap(), "mine");
}

#[test]
fn a_rootless_spec_maps_the_caller_to_root() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|_| ());
    fs::remove_file(c.bundle.join("config.json")).unwrap();
    let bundle = c.bundle.to_str().unwrap();
    bed.call(&["spec", "--rootless", "--bundle", bundle])
        .output()
        .ok();
    let spec = read_spec(&c);
    let kinds: Vec<&Value> = spec["linux"]["namespaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| &n["type"])
        .collect();
    assert!(kinds.contains(&&json!("user")), "{kinds:?}");
    assert!(!kinds.contains(&&json!("network")), "{kinds:?}");
    let mapping = json!({ "containerID": 0, "hostID": 0, "size": 1 });
    assert_eq!(spec["linux"]["uidMappings"], json!([mapping]));
    assert_eq!(spec["linux"]["gidMappings"], json!([mapping]));
    assert!(spec["linux"].get("resources").is_none());
}

#[test]
fn features_is_json_that_names_what_is_supported() {
    let Some(bed) = Bed::new() else { return };
    let features = bed.call(&["features"]).output().ok().json();
    assert!(features["ociVersionMin"].is_string());
    assert!(features["ociVersionMax"].is_string());
    let has = |list: &Value, word: &str| list.as_array().unwrap().contains(&json!(word));
    assert!(has(&features["hooks"], "createRuntime"));
    assert!(has(&features["hooks"], "poststop"));
    assert!(has(&features["mountOptions"], "rbind"));
    assert!(has(&features["linux"]["namespaces"], "cgroup"));
    assert!(has(&features["linux"]["capabilities"], "CAP_SYS_ADMIN"));
    assert_eq!(features["linux"]["cgroup"]["v1"], true);
    assert_eq!(features["linux"]["cgroup"]["v2"], true);
    assert_eq!(features["linux"]["seccomp"]["enabled"], true);
}

#[test]
fn features_names_what_came_with_version_1_2() {
    let Some(bed) = Bed::needing(&[Need::Rcon("runtime-spec 1.2 features")]) else {
        return;
    };
    let features = bed.call(&["features"]).output().ok().json();
    assert_eq!(
        features["linux"]["mountExtensions"]["idmap"]["enabled"],
        true
    );
    let has = |list: &Value, word: &str| list.as_array().unwrap().contains(&json!(word));
    assert!(has(&features["linux"]["namespaces"], "time"));
    assert!(has(&features["mountOptions"], "rro"));
    assert!(has(
        &features["linux"]["seccomp"]["actions"],
        "SCMP_ACT_NOTIFY"
    ));
}

#[test]
fn the_version_names_the_specification() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.call(&["--version"]).output().ok();
    assert!(
        out.stdout.lines().any(|l| l.starts_with("spec: 1.")),
        "{out}"
    );
}

#[test]
fn a_json_log_holds_the_error() {
    let Some(bed) = Bed::new() else { return };
    let log = bed.text_path("log");
    let args = [
        "--log",
        &log,
        "--log-format",
        "json",
        "state",
        "rcon-test-nobody",
    ];
    let out = bed.call(&args).output();
    let out = out.fails_naming(&["rcon-test-nobody"]);
    assert!(out.stderr.contains("does not exist"), "{out}");
    let log = fs::read_to_string(log).unwrap();
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(last["level"], "error");
    assert!(last["msg"].as_str().unwrap().contains("does not exist"));
    assert!(last["time"].is_string());
}

#[test]
fn a_text_log_holds_the_error() {
    let Some(bed) = Bed::new() else { return };
    let log = bed.text_path("log");
    let out = bed
        .call(&["--log", &log, "state", "rcon-test-nobody"])
        .output();
    out.fails_naming(&["rcon-test-nobody"]);
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("level=error"), "{log}");
    assert!(log.contains("does not exist"), "{log}");
}

#[test]
fn the_error_of_a_program_that_is_not_there_reaches_the_log() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("no-such-program"));
    let log = bed.text_path("log");
    let bundle = c.bundle.to_str().unwrap();
    let flags = [
        "--log",
        &log,
        "--log-format=json",
        "create",
        "--bundle",
        bundle,
        &c.id,
    ];
    assert!(!bed.call(&flags).output().status.success());
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("no-such-program"), "{log}");
}

#[test]
fn a_global_flag_may_be_written_with_an_equals_sign() {
    let Some(bed) = Bed::new() else { return };
    let log = bed.text_path("log");
    let flags = [
        &format!("--log={log}"),
        "--log-format=json",
        "--systemd-cgroup=false",
    ];
    let out = bed.call(&[&flags[..], &["state", "rcon-test-nobody"]].concat());
    out.output().fails_naming(&["rcon-test-nobody"]);
    assert!(fs::read_to_string(log).unwrap().starts_with('{'));
}

/// An engine adds its own flags after those its user configured.
#[test]
fn of_a_flag_given_twice_the_last_one_counts() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.create();
    let (elsewhere, root) = (bed.directory("elsewhere"), bed.root());
    let root = root.to_str().unwrap();
    let out = bed.call(&["--root", &elsewhere, "--root", root, "state", &c.id]);
    assert_eq!(out.output().ok().json()["status"], "created");
}

/// Engines are told the path of a runtime, not a path and a word.
#[test]
fn under_the_name_rcon_oci_the_word_oci_is_not_needed() {
    let Some(bed) = Bed::needing(&[Need::Rcon("its second name")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.create();
    let link = bed.path("rcon-oci");
    std::os::unix::fs::symlink(runtime().0, &link).unwrap();
    let root = bed.root();
    let out = std::process::Command::new(link)
        .args([
            "--root".as_ref(),
            root.as_os_str(),
            "list".as_ref(),
            "-q".as_ref(),
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout), format!("{}\n", c.id));
}
