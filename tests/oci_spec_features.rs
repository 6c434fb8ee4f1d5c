//! The container that `spec` describes, as it finds itself when it runs, and
//! what `features` says about this runtime and kernel.

mod common;
use common::*;
use std::fs;
use std::os::unix::fs::symlink;

/// A bundle whose configuration `spec` wrote, changed as little as a test can.
#[track_caller]
fn starter<'b>(bed: &'b Bed, flags: &[&str], script: &str) -> Container<'b> {
    let c = bed.container(|_| ());
    let config = c.bundle.join("config.json");
    fs::remove_file(&config).unwrap();
    let bundle = c.bundle.to_str().unwrap();
    bed.call(&[&["spec", "-b", bundle], flags].concat())
        .output()
        .ok();
    let mut spec: Value = serde_json::from_str(&fs::read_to_string(config).unwrap()).unwrap();
    spec["process"]["args"] = sh(script);
    spec["process"]["terminal"] = json!(false);
    spec["linux"]["cgroupsPath"] = json!(format!("/{}", c.id));
    c.write_spec(&spec);
    c
}

#[test]
fn the_spec_that_spec_writes_runs_on_a_terminal_unchanged() {
    let Some(bed) = Bed::needing(&[Need::Rcon("its own spec")]) else {
        return;
    };
    let c = bed.container(|_| ());
    fs::remove_file(c.bundle.join("config.json")).unwrap();
    bed.call(&["spec"]).cwd(&c.bundle).output().ok();
    let mut under = pty::under_pty(c.call_with_bundle("run", &[]), 24, 80);
    under.terminal.wait_for("# ");
    under
        .terminal
        .type_in("tty && hostname && exit $((6 * 7))\n");
    under.running.wait().code(42);
    let seen = under.terminal.wait_for("rcon\r\n");
    assert!(seen.contains("/dev/"), "{seen}");
}

#[test]
fn the_starter_has_little_power_and_hides_what_it_should() {
    let Some(bed) = Bed::needing(&[Need::Rcon("its own spec")]) else {
        return;
    };
    let script = "grep -E '^(Cap|NoNew)' /proc/self/status; echo nofile $(ulimit -n); \
        wc -c </proc/interrupts; touch /file 2>&1; head -c 1 /dev/urandom | wc -c";
    let out = starter(&bed, &[], script).run().ok();
    let some = "0000000020000420";
    for line in [
        "CapInh:\t0000000000000000".to_owned(),
        format!("CapPrm:\t{some}"),
        format!("CapEff:\t{some}"),
        format!("CapBnd:\t{some}"),
        "CapAmb:\t0000000000000000".to_owned(),
        "NoNewPrivs:\t1".to_owned(),
        "nofile 1024".to_owned(),
        "touch: /file: Read-only file system".to_owned(),
    ] {
        assert!(out.stdout.lines().any(|l| l == line), "{line:?}: {out}");
    }
    let numbers: Vec<&str> = out
        .stdout
        .lines()
        .filter(|l| l.parse::<u32>().is_ok())
        .collect();
    assert_eq!(numbers, ["0", "1"], "{out}");
}

#[test]
fn the_rootless_starter_runs_in_a_user_namespace() {
    let Some(bed) = Bed::needing(&[Need::Rcon("its own spec")]) else {
        return;
    };
    let c = starter(&bed, &["--rootless"], "id -u; cat /proc/self/uid_map");
    let out = c.run().ok();
    let words: Vec<&str> = out.stdout.split_whitespace().collect();
    assert_eq!(words, ["0", "0", "0", "1"], "{out}");
}

#[test]
fn spec_writes_through_no_link() {
    let Some(bed) = Bed::new() else { return };
    let dir = bed.directory("linked");
    let target = bed.path("target");
    symlink(&target, bed.path("linked/config.json")).unwrap();
    let out = bed.call(&["spec", "-b", &dir]).output();
    out.fails_naming(&["File config.json exists. Remove it first"]);
    assert!(!target.exists());
    let nowhere = bed.text_path("nowhere");
    let out = bed.call(&["spec", "-b", &nowhere]).output();
    out.fails_naming(&["nowhere/config.json"]);
}

fn has(list: &Value, word: &str) -> bool {
    list.as_array().unwrap().contains(&json!(word))
}

#[test]
fn features_and_version_speak_of_the_same_specification() {
    let Some(bed) = Bed::new() else { return };
    let features = bed.call(&["features"]).output().ok().json();
    let version = bed.call(&["--version"]).output().ok().stdout;
    let line = format!("spec: {}", features["ociVersionMax"].as_str().unwrap());
    assert!(version.lines().any(|l| l == line), "{version}");
    assert_eq!(features["ociVersionMin"], "1.0.0");
}

#[test]
fn features_promises_nothing_that_is_refused() {
    let Some(bed) = Bed::needing(&[Need::Rcon("what it cannot do")]) else {
        return;
    };
    let linux = &bed.call(&["features"]).output().ok().json()["linux"];
    assert_eq!(linux["cgroup"]["systemd"], false);
    assert_eq!(linux["intelRdt"]["enabled"], false);
    assert_eq!(linux["netDevices"]["enabled"], false);
    let (known, supported) = (
        &linux["seccomp"]["knownFlags"],
        &linux["seccomp"]["supportedFlags"],
    );
    let supported = supported.as_array().unwrap();
    // In every kernel that has cgroup v2's device filter.
    assert!(supported.contains(&json!("SECCOMP_FILTER_FLAG_TSYNC")));
    let all_known = supported.iter().all(|f| has(known, f.as_str().unwrap()));
    assert!(all_known, "{linux}");
}

#[test]
fn features_knows_every_capability_of_this_kernel() {
    let Some(bed) = Bed::needing(&[Need::Rcon("new capabilities")]) else {
        return;
    };
    let features = bed.call(&["features"]).output().ok().json();
    let count = features["linux"]["capabilities"].as_array().unwrap().len();
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap();
    assert!(count > last.trim().parse().unwrap(), "{count}");
}
