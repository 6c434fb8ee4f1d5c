//! What a person reads: words about what went wrong, what was passed over, and
//! what is being done.

mod common;
use common::host::{proc_file, status_field};
use common::*;
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;

/// Needed where a stand-in words or does it its own way.
const WORDS: Need = Need::Rcon("its own words");

/// Anybody but root.
const SOMEBODY: u32 = 65534;

fn sleeper(bed: &Bed) -> Container<'_> {
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.run_detached();
    c
}

/// The runtime's call, by an ordinary user.
fn as_somebody(call: Call) -> Output {
    let call = call.with(|c| {
        c.uid(SOMEBODY).gid(SOMEBODY);
    });
    call.output()
}

/// A copy of the binary that every user can execute.
fn reachable(bed: &Bed) -> String {
    let copy = bed.text_path("rcon");
    fs::copy(env!("CARGO_BIN_EXE_rcon"), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

fn call_by_somebody(bed: &Bed, binary: &str, args: &[&str]) -> Output {
    let mut command = std::process::Command::new(binary);
    command.args(["oci", "--root"]).arg(bed.root()).args(args);
    command.current_dir("/").env_clear();
    let name = format!("io/somebody-{}", args.join("-").replace('/', "_"));
    as_somebody(Call::new(command, bed.path(&name)))
}

#[test]
fn another_users_records_are_an_error_and_not_absent() {
    let Some(bed) = Bed::needing(&[WORDS]) else {
        return;
    };
    let c = sleeper(&bed);
    let binary = reachable(&bed);
    // With a root that nobody else may enter, and with one that only shows
    // that there is a directory.
    for mode in [0o700, 0o755] {
        fs::set_permissions(bed.root(), fs::Permissions::from_mode(mode)).unwrap();
        let calls: [&[&str]; 6] = [
            &["delete", "--force", &c.id],
            &["state", &c.id],
            &["kill", &c.id],
            &["list"],
            &["exec", &c.id, "true"],
            &["update", "--memory", "1G", &c.id],
        ];
        for call in calls {
            let out = call_by_somebody(&bed, &binary, call);
            let out = out.fails_naming(&["Permission denied", "run as root", "--root"]);
            assert!(!out.stderr.contains("os error"), "{out}");
        }
    }
    assert_eq!(c.status(), "running");
}

#[test]
fn a_very_long_value_is_not_told_whole() {
    let Some(bed) = Bed::needing(&[WORDS]) else {
        return;
    };
    let c = sleeper(&bed);
    let long = "y".repeat(60_000);
    let id = c.id.as_str();
    for args in [
        &["exec", id, &long][..],
        &["exec", id, &format!("/{long}")],
        &["exec", "--user", &long, id, "true"],
        &["exec", "--env", &long, id, "true"],
        &["exec", "--cwd", &long, id, "true"],
        &["exec", "--cwd", &format!("/{long}"), id, "true"],
        &["exec", "--cap", &long, id, "true"],
        &["exec", "--process", &long, id],
        &["exec", &long, "true"],
        &["kill", id, &long],
        &["ps", id, &long],
        &["update", "--memory", &long, id],
        &["run", "--bundle", &long, "other"],
    ] {
        let out = bed.call(args).output();
        let shown = &out.stderr[..out.stderr.len().min(3000)];
        assert!(!out.status.success(), "{}: {shown}", args[0]);
        assert!(shown.len() < 1000, "{}: {shown}", args[0]);
        assert!(shown.contains("yyyy"), "{}: {shown}", args[0]);
    }
    let other = bed.container(|s| s["process"]["args"] = json!([long]));
    let out = other.call_with_bundle("run", &[]).output();
    assert!(
        out.stderr.contains("executable file not found in $PATH"),
        "{out}"
    );
    assert!(out.stderr.len() < 1000, "{out}");
}

#[test]
fn the_list_tells_whose_a_container_is() {
    let Some(bed) = Bed::needing(&[WORDS]) else {
        return;
    };
    let c = sleeper(&bed);
    assert_eq!(c.state()["owner"], "root");
    chown(bed.root().join(&c.id), Some(4_000_000), None).unwrap();
    assert_eq!(c.state()["owner"], "#4000000");
    let table = bed.call(&["list"]).output().ok();
    assert!(table.text().ends_with("#4000000"), "{table}");
    let json = bed.call(&["list", "--format", "json"]).output().ok().json();
    assert_eq!(json[0]["owner"], "#4000000");
}

#[test]
fn a_bind_mount_with_an_unknown_option_does_not_start() {
    let Some(bed) = Bed::needing(&[WORDS]) else {
        return;
    };
    let source = bed.directory("source");
    let c = bed.container(|s| {
        let mount =
            json!({ "destination": "/mnt", "source": source, "options": ["bind", "readonly"] });
        s["mounts"].as_array_mut().unwrap().push(mount);
    });
    let out = c.try_create();
    out.fails_naming(&[
        "config.json: mounts[",
        "\"readonly\"",
        "did you mean \"ro\"?",
    ]);
    bed.assert_nothing_left();
}

#[test]
fn unknown_fields_are_told_in_the_log_and_in_the_plan() {
    let Some(bed) = Bed::needing(&[WORDS]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("true");
        s["linux"]["resources"]["memory"] = json!({ "limti": 1 });
        s["process"]["user"] = json!({ "username": "www" });
    });
    let log = bed.text_path("log");
    let bundle = c.bundle.to_str().unwrap();
    let out = bed
        .call(&["--log", &log, "run", "--bundle", bundle, &c.id])
        .output();
    // Callers take any word there for a failure.
    assert_eq!(out.ok().stderr, "");
    let told = fs::read_to_string(&log).unwrap();
    let plan = bed.call(&["plan", "--bundle", bundle]).output().ok();
    for text in [told, plan.stdout] {
        for part in [
            "config.json: linux.resources.memory.limti: unknown, ignored",
            "config.json: process.user.username: ignored on Linux",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn an_update_tells_the_fields_it_does_not_know() {
    let Some(bed) = Bed::needing(&[WORDS, Need::Controller("pids")]) else {
        return;
    };
    let c = sleeper(&bed);
    let log = bed.text_path("log");
    let call = bed.call(&["--log", &log, "update", "-r", "-", &c.id]);
    let call = call.stdin(r#"{"pids": {"limit": 9, "lmt": 3}}"#);
    call.output().ok();
    let told = fs::read_to_string(&log).unwrap();
    assert!(told.contains("standard input: pids.lmt: unknown"), "{told}");
    assert_eq!(cgroups::read("pids", &c.id, "pids.max", "pids.max"), "9");
}

#[test]
fn an_update_of_nothing_is_an_error_and_of_no_tasks_the_least() {
    let Some(bed) = Bed::needing(&[WORDS, Need::Controller("pids")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.call("update", &[], &[])
        .output()
        .fails_naming(&["nothing to update", "--memory"]);
    c.call("update", &["--pids-limit", "0"], &[]).output().ok();
    assert_eq!(cgroups::read("pids", &c.id, "pids.max", "pids.max"), "1");
}

#[test]
fn cpus_that_are_not_there_are_answered_with_those_that_are() {
    let Some(bed) = Bed::needing(&[WORDS, Need::CgroupV1("cpuset")]) else {
        return;
    };
    let c = sleeper(&bed);
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    let has = format!("this machine has the CPUs {}", online.trim());
    let out = c.call("update", &["--cpuset-cpus", "0-1023"], &[]).output();
    out.fails_naming(&["--cpuset-cpus", &has]);
}

#[test]
fn a_variable_without_a_value_is_an_error() {
    let Some(bed) = Bed::needing(&[WORDS]) else {
        return;
    };
    let c = sleeper(&bed);
    let out = c.exec_with(&["-e", "LANG"], &["true"]);
    out.fails_naming(&["--env", "LANG", "NAME=VALUE"]);
}

#[test]
fn a_place_of_the_wrong_kind_is_told_in_words() {
    let Some(bed) = Bed::needing(&[WORDS]) else {
        return;
    };
    let file = bed.file("file", "");
    let folder = bed.directory("folder");
    for (source, at, words) in [
        (folder, "/etc/passwd", "the image has a file there"),
        (file, "/tmp", "cannot be bound over a folder"),
    ] {
        let c = bed.container(|s| {
            let mount = json!({ "destination": at, "source": source, "options": ["bind"] });
            s["mounts"].as_array_mut().unwrap().push(mount);
        });
        c.try_create().fails_naming(&[words]);
    }
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["root"]["readonly"] = json!(true);
    });
    c.run_detached();
    let out = c.exec_with(&["--cwd", "/nosuch"], &["true"]);
    out.fails_naming(&["working directory \"/nosuch\"", "no such file or directory"]);
}

#[test]
fn the_name_is_looked_at_before_anything_else() {
    let Some(bed) = Bed::needing(&[WORDS]) else {
        return;
    };
    for call in [
        &["create", "--bundle", "/no/such", "a/b"][..],
        &["run", "--bundle", "/no/such", "a/b"],
        &["plan", "--bundle", "/no/such", "--id", "a/b"],
    ] {
        let out = bed.call(call).output();
        out.fails_naming(&["invalid container id", "a/b"]);
    }
}

#[test]
fn a_bundle_that_is_not_there_comes_with_advice() {
    let Some(bed) = Bed::needing(&[WORDS]) else {
        return;
    };
    let empty = bed.directory("empty");
    let file = bed.file("file", "");
    for (bundle, part) in [
        ("/no/such", "does not exist"),
        (file.as_str(), "is not a folder"),
        (empty.as_str(), "config.json"),
    ] {
        let out = bed.call(&["run", "--bundle", bundle, "x"]).output();
        out.fails_naming(&[bundle, part, "--bundle DIR", "rcon oci spec"]);
    }
}

#[test]
fn a_wrong_flag_is_one_line_that_begins_like_every_error() {
    let Some(bed) = Bed::needing(&[WORDS]) else {
        return;
    };
    let out = bed.call(&["exec", "-it", "x", "sh"]).output();
    let out = out.fails_naming(&["unexpected argument '-i'", "--help"]);
    assert!(out.stderr.starts_with("rcon: error: "), "{out}");
}

#[test]
fn after_a_failed_start_container_hook_the_last_hooks_run() {
    let Some(bed) = Bed::new() else { return };
    let note = bed.text_path("note");
    let c = bed.container(|s| {
        s["process"]["args"] = words("echo not run");
        s["hooks"]["startContainer"] = json!([{ "path": "/bin/false" }]);
        s["hooks"]["poststop"] =
            json!([{ "path": "/bin/sh", "args": ["sh", "-c", format!("echo ran > {note}")] }]);
    });
    let out = c.run().fails_naming(&["startContainer"]);
    assert_eq!(out.stdout, "");
    assert_eq!(fs::read_to_string(&note).unwrap(), "ran\n");
    bed.assert_nothing_left();
}

#[test]
fn every_step_of_a_start_is_told_by_its_number() {
    let Some(bed) = Bed::needing(&[WORDS]) else {
        return;
    };
    let c = bed.container(|s| s["process"]["args"] = words("true"));
    let plan = bed.call(&["plan", "--bundle", c.bundle.to_str().unwrap()]);
    let plan = plan.output().ok().stdout;
    let count: usize = plan.split(' ').next().unwrap().parse().unwrap();
    let told = c.run_with(&["--explain"]).ok().stderr;
    let number = |line: &str| -> usize {
        let (_, rest) = line.split_once("ms] ").unwrap();
        rest.split_once('.').unwrap().0.trim().parse().unwrap()
    };
    let mut numbers: Vec<usize> = told.lines().map(number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "{told}");
}

#[test]
fn the_third_interrupt_that_nobody_handles_ends_a_program() {
    let Some(bed) = Bed::needing(&[WORDS]) else {
        return;
    };
    // No shell: while it ran, it would have a handler.
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    let mut run = c.spawn_run();
    // Before it has a state, and while it is being made, it has no process.
    let state = || c.call("state", &[], &[]).output();
    eventually("it runs", || {
        let state = state();
        state.status.success() && state.json()["status"] == "running"
    });
    let pid = c.pid();
    eventually("the program runs", || {
        proc_file(pid, "cmdline") == "sleep\x00600\x00"
    });
    for _ in 0..2 {
        run.signal(Signal::SIGINT);
        // Two that wait to be read are one to the kernel.
        eventually("it is read", || {
            status_field(run.pid(), "ShdPnd")
                .trim_matches('0')
                .is_empty()
        });
        assert!(!run.has_ended());
    }
    run.signal(Signal::SIGINT);
    run.wait().code(137);
}

#[test]
fn a_program_that_handles_interrupts_gets_any_number_of_them() {
    let Some(bed) = Bed::new() else { return };
    let script =
        "n=0; trap 'n=$((n+1)); echo $n' INT; echo go; while [ $n -lt 5 ]; do sleep 0.05; done";
    let c = bed.container(|s| s["process"]["args"] = sh(script));
    let run = c.spawn_run();
    c.wait_for_output("go");
    for n in 1..=5 {
        run.signal(Signal::SIGINT);
        c.wait_for_output(&format!("{n}\n"));
    }
    run.wait().code(0);
}

#[test]
fn an_ordinary_users_plan_promises_no_more_than_there_will_be() {
    let Some(bed) = Bed::needing(&[WORDS, Need::Controller("pids")]) else {
        return;
    };
    let c = bed.container(|s| {
        namespace(s, json!({ "type": "user" }));
        let own = json!([{ "containerID": 0, "hostID": SOMEBODY, "size": 1 }]);
        s["linux"]["uidMappings"] = own.clone();
        s["linux"]["gidMappings"] = own;
        s["linux"]["resources"] = json!({});
    });
    let args = ["plan", "--bundle", c.bundle.to_str().unwrap()];
    let plan = call_by_somebody(&bed, &reachable(&bed), &args).ok().stdout;
    for part in [
        ", as far as this user may\n",
        ", as far as they were made\n",
        "bind the host's character device /dev/null (1:3) there",
    ] {
        assert!(plan.contains(part), "{part:?}: {plan}");
    }
    assert!(!plan.contains("make the character device"), "{plan}");
    let plan = bed.call(&args).output().ok().stdout;
    assert!(!plan.contains("as far as"), "{plan}");
}
