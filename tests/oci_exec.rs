//! A second program in a running container: it must be as confined as the
//! first, and differ only in what was asked for.

mod common;
use common::*;
use host::field;
use std::fs;

fn sleeper(bed: &Bed) -> Container<'_> {
    sleeper_with(bed, |_| ())
}

fn sleeper_with(bed: &Bed, patch: impl FnOnce(&mut Value)) -> Container<'_> {
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        patch(s);
    });
    c.run_detached();
    c
}

#[test]
fn exec_runs_a_program_and_ends_with_its_code() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    assert_eq!(c.exec(&["echo", "a  b", ""]).ok().stdout, "a  b \n");
    for code in [1, 42, 255] {
        c.exec(&["sh", "-c", &format!("exit {code}")]).code(code);
    }
}

#[test]
fn exec_ends_with_128_and_the_signal() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.exec(&["sh", "-c", "kill -9 $$"]).code(137);
    c.exec(&["sh", "-c", "kill -15 $$"]).code(143);
}

#[test]
fn exec_passes_streams_through() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let call = c.call("exec", &[], &["sh", "-c", "cat; echo oops >&2"]);
    let out = call.stdin("from outside\n").output().ok();
    assert_eq!(
        (out.stdout.as_str(), out.stderr.as_str()),
        ("from outside\n", "oops\n")
    );
}

#[test]
fn exec_shares_every_namespace() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let script = "for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done";
    let inside = c.shell(script);
    let names = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
    let pid = c.pid();
    let expected = names.map(|n| host::namespace_of(pid, n));
    assert_eq!(inside.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn exec_has_the_same_root() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.shell("echo x > /made-by-exec");
    assert!(c.rootfs("made-by-exec").is_file());
}

#[test]
fn exec_takes_environment_directory_and_user_from_the_first_process() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper_with(&bed, |s| {
        s["process"]["env"] = json!(["PATH=/bin", "KEY=value", "HOME=/h"]);
        s["process"]["cwd"] = json!("/home");
    });
    assert_eq!(
        c.exec(&["env"]).ok().stdout,
        "PATH=/bin\nKEY=value\nHOME=/h\n"
    );
    assert_eq!(c.shell("pwd"), "/home");
}

#[test]
fn env_flags_add_to_the_environment() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let out = c
        .exec_with(&["--env", "A=1", "--env", "B=x=y"], &["env"])
        .ok();
    let lines: Vec<&str> = out.stdout.lines().collect();
    assert!(lines.contains(&"A=1") && lines.contains(&"B=x=y"), "{out}");
    assert!(lines.contains(&"PATH=/bin"), "{out}");
}

#[test]
fn an_env_flag_replaces_a_variable() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper_with(&bed, |s| {
        s["process"]["env"] = json!(["PATH=/bin", "KEY=old"]);
    });
    let out = c
        .exec_with(&["-e", "KEY=new"], &["sh", "-c", "echo $KEY"])
        .ok();
    assert_eq!(out.text(), "new");
}

#[test]
fn cwd_is_set() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let out = c.exec_with(&["--cwd", "/home/user"], &["pwd"]).ok();
    assert_eq!(out.text(), "/home/user");
}

#[test]
fn user_is_set_as_numbers() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let ids = |user: &str| c.exec_with(&["--user", user], &["sh", "-c", "id -u; id -g"]);
    assert_eq!(ids("1000:50").ok().stdout, "1000\n50\n");
    assert_eq!(ids("1000").ok().stdout.lines().next(), Some("1000"));
}

#[test]
fn a_user_that_is_no_number_in_range_is_refused() {
    let Some(bed) = Bed::needing(&[Need::Rcon("a check of numbers")]) else {
        return;
    };
    let c = sleeper(&bed);
    let users = [
        "4294967296",
        "4294967295",
        "99999999999999999999",
        "-1",
        "user",
        "1:x",
        "",
        ":",
    ];
    for user in users {
        c.exec_with(&[&format!("--user={user}")], &["id"])
            .fails_naming(&["--user"]);
    }
}

#[test]
fn additional_groups_are_set() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let flags = ["-g", "5", "-g", "50"];
    let out = c.exec_with(&flags, &["cat", "/proc/self/status"]).ok();
    assert_eq!(field(&out.stdout, "Groups").unwrap(), "5 50");
}

#[test]
fn exec_has_the_capabilities_of_the_container() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper_with(&bed, |s| {
        let caps = json!(["CAP_CHOWN", "CAP_KILL"]);
        s["process"]["capabilities"] =
            json!({ "bounding": caps, "permitted": caps, "effective": caps });
    });
    let out = c.exec(&["cat", "/proc/self/status"]).ok();
    for name in ["CapBnd", "CapPrm", "CapEff"] {
        assert_eq!(
            field(&out.stdout, name).unwrap(),
            format!("{:016x}", 0x21),
            "{name}"
        );
    }
    for name in ["CapInh", "CapAmb"] {
        assert_eq!(
            field(&out.stdout, name).unwrap(),
            format!("{:016x}", 0),
            "{name}"
        );
    }
}

#[test]
fn a_cap_flag_adds_a_capability() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper_with(&bed, |s| {
        let caps = json!(["CAP_CHOWN"]);
        s["process"]["capabilities"] =
            json!({ "bounding": caps, "permitted": caps, "effective": caps });
    });
    let out = c.exec_with(&["--cap", "CAP_KILL"], &["cat", "/proc/self/status"]);
    assert_eq!(
        field(&out.ok().stdout, "CapEff").unwrap(),
        format!("{:016x}", 0x21)
    );
}

#[test]
fn exec_is_under_no_new_privileges_if_the_container_is() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper_with(&bed, |s| s["process"]["noNewPrivileges"] = json!(true));
    let out = c.exec(&["cat", "/proc/self/status"]).ok();
    assert_eq!(field(&out.stdout, "NoNewPrivs").unwrap(), "1");
}

#[test]
fn a_flag_puts_exec_under_no_new_privileges() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let out = c
        .exec_with(&["--no-new-privs"], &["cat", "/proc/self/status"])
        .ok();
    assert_eq!(field(&out.stdout, "NoNewPrivs").unwrap(), "1");
}

#[test]
fn exec_has_the_limits_of_the_container() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper_with(&bed, |s| {
        s["process"]["rlimits"] =
            json!([{ "type": "RLIMIT_STACK", "soft": 1_048_576, "hard": 2_097_152 }]);
    });
    assert_eq!(c.shell("ulimit -Ss; ulimit -Hs"), "1024\n2048");
}

#[test]
fn exec_has_only_the_standard_descriptors() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    // The shell opens the directory for the pattern itself, as descriptor 3.
    assert_eq!(
        c.shell("for f in /proc/self/fd/*; do echo ${f##*/}; done"),
        "0\n1\n2\n3"
    );
}

#[test]
fn a_process_file_says_everything() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let process = json!({
        "args": ["sh", "-c", "echo $KEY; pwd; id -u; id -G"],
        "env": ["PATH=/bin", "KEY=value"], "cwd": "/tmp",
        "user": { "uid": 7, "gid": 8, "additionalGids": [9] },
    });
    let file = bed.file("process.json", &process.to_string());
    let out = c.call("exec", &["--process", &file], &[]).output().ok();
    assert_eq!(out.stdout, "value\n/tmp\n7\n8 9\n");
}

#[test]
fn a_process_file_gives_its_own_umask() {
    let Some(bed) = Bed::needing(&[Need::Rcon("umask for exec")]) else {
        return;
    };
    let c = sleeper(&bed);
    let process = json!({
        "args": ["sh", "-c", "umask"], "env": ["PATH=/bin"], "cwd": "/",
        "user": { "uid": 0, "gid": 0, "umask": 0o077 },
    });
    let file = bed.file("process.json", &process.to_string());
    let out = c.call("exec", &["--process", &file], &[]).output().ok();
    assert_eq!(out.text(), "0077");
}

#[test]
fn a_process_file_gives_its_own_capabilities() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let caps = json!(["CAP_KILL"]);
    let process = json!({
        "args": ["cat", "/proc/self/status"], "env": ["PATH=/bin"], "cwd": "/",
        "user": { "uid": 0, "gid": 0 }, "noNewPrivileges": true, "oomScoreAdj": 77,
        "capabilities": { "bounding": caps, "permitted": caps, "effective": caps },
    });
    let file = bed.file("process.json", &process.to_string());
    let out = c.call("exec", &["--process", &file], &[]).output().ok();
    assert_eq!(
        field(&out.stdout, "CapEff").unwrap(),
        format!("{:016x}", 0x20)
    );
    assert_eq!(
        field(&out.stdout, "CapBnd").unwrap(),
        format!("{:016x}", 0x20)
    );
    assert_eq!(field(&out.stdout, "NoNewPrivs").unwrap(), "1");
}

#[test]
fn a_detached_exec_returns_at_once_and_writes_the_pid() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let pid_file = bed.text_path("exec.pid");
    let flags = ["--detach", "--pid-file", &pid_file];
    c.exec_with(&flags, &["sleep", "601"]).ok();
    let pid: i32 = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
    assert_eq!(host::proc_file(pid, "cmdline"), "sleep\x00601\0");
    assert_eq!(
        host::namespace_of(pid, "pid"),
        host::namespace_of(c.pid(), "pid")
    );
}

#[test]
fn exec_works_in_a_created_container() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.create();
    assert_eq!(c.exec(&["echo", "early"]).ok().text(), "early");
    assert_eq!(c.status(), "created");
}

#[test]
fn exec_in_a_stopped_container_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.kill("KILL").wait_for("stopped");
    c.exec(&["true"]).fails_naming(&["stopped"]);
}

#[test]
fn exec_in_a_paused_container_is_an_error_unless_asked_for() {
    let Some(bed) = Bed::needing(&[Need::Controller("freezer")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.call("pause", &[], &[]).output().ok();
    c.exec(&["true"]).fails_naming(&["paused"]);
    let call = c.call("exec", &["--ignore-paused"], &["true"]).spawn();
    c.call("resume", &[], &[]).output().ok();
    call.wait().ok();
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    for program in ["no-such-program", "/no/such/program"] {
        c.exec(&[program]).fails_naming(&[program]);
    }
}

#[test]
fn exec_without_a_program_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.exec(&[]).fails_naming(&[]);
}

#[test]
fn a_malformed_process_file_is_an_error_that_names_it() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let file = bed.file("process.json", r#"{"args": 7}"#);
    let out = c.call("exec", &["--process", &file], &[]).output();
    out.fails_naming(&["process.json", "args"]);
}

#[test]
fn exec_passes_signals_on() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let script = "trap 'echo got TERM; exit 6' TERM; echo ready; while :; do sleep 0.05; done";
    let exec = c.call("exec", &[], &["sh", "-c", script]).spawn();
    eventually("ready", || exec.stdout().contains("ready"));
    exec.signal(nix::sys::signal::Signal::SIGTERM);
    exec.wait().code(6);
    assert_eq!(c.status(), "running");
}

#[test]
fn exec_ends_with_the_container() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let exec = c
        .call("exec", &[], &["sh", "-c", "echo ready; sleep 600"])
        .spawn();
    eventually("ready", || exec.stdout().contains("ready"));
    c.kill("KILL");
    exec.wait().code(137);
}

#[test]
fn exec_in_a_user_namespace_is_mapped() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper_with(&bed, |s| {
        namespace(s, json!({ "type": "user" }));
        let mapping = json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }]);
        s["linux"]["uidMappings"] = mapping.clone();
        s["linux"]["gidMappings"] = mapping;
    });
    let exec = c.call("exec", &["-u", "3:4"], &["sleep", "602"]).spawn();
    let dir = cgroups::named(&c.id)[0].clone();
    let is_it = |pid: &i32| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline"));
        line.is_ok_and(|l| l == "sleep\x00602\0")
    };
    eventually("exec is there", || {
        cgroups::processes(&dir).iter().any(is_it)
    });
    let pid = cgroups::processes(&dir).into_iter().find(is_it).unwrap();
    assert_eq!(
        host::status_field(pid, "Uid"),
        "100003\t100003\t100003\t100003"
    );
    drop(exec);
}

#[test]
fn many_execs_at_once() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let calls: Vec<_> = (0..20)
        .map(|n| {
            c.call("exec", &[], &["sh", "-c", &format!("exit {n}")])
                .spawn()
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        call.wait().code(n as i32);
    }
}
