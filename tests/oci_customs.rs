//! Customs of the field that no text prescribes, or that our types once had
//! wrong: what the other runtimes' suites expect of each other.

mod common;
use common::*;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Runs the runtime as a shell would after this line.
fn after(call: Call, line: &str) -> Output {
    let script = format!("{line}\nexec \"$@\"");
    call.with(|command| {
        let mut shell = Command::new("/bin/bash");
        shell.args(["-c", &script, "sh"]).arg(command.get_program());
        shell.args(command.get_args());
        for (name, value) in command.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        if let Some(dir) = command.get_current_dir() {
            shell.current_dir(dir);
        }
        shell.arg0("bash");
        *command = shell;
    })
    .output()
}

#[test]
fn flags_of_the_scheduler_are_spelled_as_in_the_specification() {
    let Some(bed) = Bed::needing(&[Need::Rcon("the specification's names")]) else {
        return;
    };
    let out = bed.run(|s| {
        s["process"]["args"] = sh("cat /proc/self/stat; true");
        s["process"]["scheduler"] = json!({
            "policy": "SCHED_BATCH", "nice": -5, "flags": ["SCHED_FLAG_RESET_ON_FORK"],
        });
    });
    // A fork begins at nice 0 again; without the flag it would be -5.
    assert_eq!(out.ok().text().split(' ').nth(18), Some("0"));
}

#[test]
fn an_unknown_capability_is_left_out_with_a_warning() {
    let Some(bed) = Bed::needing(&[Need::Rcon("warnings in the log")]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("grep CapBnd /proc/self/status");
        let caps = json!(["CAP_COFFEE", "CAP_KILL"]);
        s["process"]["capabilities"] = json!({ "bounding": caps, "permitted": caps });
    });
    let log = bed.text_path("log");
    let bundle = c.bundle.to_string_lossy();
    let out = bed.call(&["--log", &log, "run", "--bundle", &bundle, &c.id]);
    let out = out.output().ok();
    assert!(out.stdout.contains("0000000000000020"), "{out}");
    let log = fs::read_to_string(log).unwrap();
    assert!(
        log.contains("warning") && log.contains("CAP_COFFEE"),
        "{log}"
    );
    assert_eq!(log.matches("CAP_COFFEE").count(), 1, "{log}");
}

#[test]
fn processors_the_caller_was_confined_to_do_not_confine_the_container() {
    let Some(bed) = Bed::needing(&[Need::Tool("taskset"), Need::Rcon("a fresh affinity")]) else {
        return;
    };
    let all = host::status_field(std::process::id() as i32, "Cpus_allowed_list");
    if all == "0" {
        return;
    }
    let c = bed.container(|s| {
        let show = "grep Cpus_allowed_list /proc/self/status; sleep 600";
        s["process"]["args"] = sh(show);
    });
    after(
        c.call_with_bundle("create", &[]),
        "taskset -pc 0 $$ >/dev/null",
    )
    .ok();
    c.start();
    let seen = c.wait_for_output("Cpus_allowed_list");
    assert!(seen.contains(&format!("\t{all}\n")), "{seen}");
    let exec = c.call(
        "exec",
        &[],
        &["grep", "Cpus_allowed_list", "/proc/self/status"],
    );
    let seen = after(exec, "taskset -pc 0 $$ >/dev/null").ok();
    assert!(seen.stdout.contains(&format!("\t{all}\n")), "{seen}");
}

#[test]
fn a_process_file_may_be_a_pipe_and_name_no_user() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.run_detached();
    let process = r#"{"args":["id","-u"],"cwd":"/","env":["PATH=/bin"]}"#;
    let file = bed.file("process.json", process);
    let call = c.call("exec", &["--process", "/dev/fd/9"], &[]);
    let out = after(call, &format!("exec 9< <(cat {file})"));
    assert_eq!(out.ok().text(), "0");
    let out = c.call("exec", &["--process", "/dev/null"], &[]).output();
    out.fails_naming(&["/dev/null", "neither a regular file nor a pipe"]);
}

/// It once tried for ten seconds to remove the cgroups of the running
/// container, and did remove those that the container had made below.
#[test]
fn a_failed_exec_leaves_the_containers_cgroups_alone() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.run_detached();
    let own = cgroups::dir_of("pids", &c.id).join("own");
    fs::create_dir(&own).unwrap();
    let start = std::time::Instant::now();
    c.exec(&["/no/such/program"]).fails_naming(&["/no/such"]);
    assert!(start.elapsed().as_secs() < 9, "{:?}", start.elapsed());
    assert!(own.is_dir());
}

#[test]
fn an_added_capability_that_may_be_inherited_is_passed_on() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["process"]["capabilities"] = json!({
            "bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL"],
            "effective": ["CAP_KILL"], "inheritable": ["CAP_CHOWN"],
        });
    });
    c.run_detached();
    let ambient = |flags: &[&str]| {
        let out = c.exec_with(flags, &["grep", "CapAmb", "/proc/self/status"]);
        out.ok().text().to_owned()
    };
    assert!(ambient(&[]).ends_with("0000000000000000"));
    assert!(ambient(&["--cap", "CAP_CHOWN"]).ends_with("0000000000000001"));
}

#[test]
fn a_signal_to_all_of_nobody_is_no_failure() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.run_detached().kill("KILL").wait_for("stopped");
    for signal in ["0", "KILL"] {
        c.call("kill", &["--all"], &[signal]).output().ok();
    }
    let one = c.call("kill", &[], &["KILL"]).output();
    one.fails_naming(&["container not running"]);
}

#[test]
fn killing_reaches_those_who_outlive_the_first_process() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        drop_namespace(s, "pid");
        s["process"]["args"] = sh("sleep 601 & sleep 600");
    });
    c.run_detached();
    let dir = cgroups::dir_of("pids", &c.id);
    eventually("two sleep", || cgroups::processes(&dir).len() >= 2);
    let first = nix::unistd::Pid::from_raw(c.pid());
    nix::sys::signal::kill(first, nix::sys::signal::Signal::SIGKILL).unwrap();
    c.wait_for("stopped");
    assert!(!cgroups::processes(&dir).is_empty());
    c.kill("KILL");
    eventually("none left", || cgroups::processes(&dir).is_empty());
}

#[test]
fn a_list_as_json_is_one_line_in_the_customary_order() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.create();
    let out = bed.call(&["list", "--format", "json"]).output().ok();
    assert_eq!(out.text().lines().count(), 1);
    let at = |key: &str| out.stdout.find(&format!("\"{key}\":")).expect(key);
    let keys = [
        "ociVersion",
        "id",
        "pid",
        "status",
        "bundle",
        "rootfs",
        "created",
        "owner",
    ];
    assert!(keys.is_sorted_by_key(|key| at(key)), "{out}");
}

#[test]
fn a_root_that_was_named_and_is_not_there_cannot_be_listed() {
    let Some(bed) = Bed::new() else { return };
    fs::remove_dir(bed.root()).unwrap();
    let out = bed.call(&["list"]).output();
    fs::create_dir(bed.root()).unwrap();
    out.fails_naming(&["root"]);
}

#[test]
fn lines_from_a_terminal_end_in_a_file_as_they_were_written() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["terminal"] = json!(true);
        s["process"]["args"] = sh("test -t 1 && echo one && echo two");
    });
    assert_eq!(c.run().ok().stdout, "one\ntwo\n");
}

#[test]
fn paths_to_protect_and_mask_count_from_the_root() {
    let Some(bed) = Bed::new() else { return };
    let script = "touch etc/new || echo kept; cat bin/secret; echo end";
    let c = bed.container(|s| {
        s["process"]["args"] = sh(script);
        s["linux"]["readonlyPaths"] = json!(["etc", "no/such"]);
        s["linux"]["maskedPaths"] = json!(["bin/secret"]);
    });
    fs::write(c.rootfs("bin/secret"), "told").unwrap();
    assert_eq!(c.run().ok().text(), "kept\nend");
}

#[test]
fn a_path_masked_twice_has_one_cover() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = words("cat /proc/self/mountinfo");
        s["linux"]["maskedPaths"] = json!(["/etc/passwd", "/etc/./passwd"]);
    });
    assert_eq!(out.ok().stdout.matches(" /etc/passwd ").count(), 1);
}

#[test]
fn a_read_only_dev_is_filled_first() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = sh("test -c /dev/null -a -d /dev/pts && ! touch /dev/x");
        let mounts = s["mounts"].as_array_mut().unwrap();
        let dev = mounts.iter_mut().find(|m| m["destination"] == "/dev");
        let options = dev.unwrap()["options"].as_array_mut().unwrap();
        options.push(json!("ro"));
    });
    assert!(out.ok().stderr.contains("Read-only"));
}

/// A shared mount of the host, for as long as the test runs.
struct Shared(String);

impl Shared {
    fn new(bed: &Bed) -> Self {
        let dir = bed.directory("shared");
        for args in [&["-t", "tmpfs", "none"][..], &["--make-shared"]] {
            let status = Command::new("mount").args(args).arg(&dir).status();
            assert!(status.unwrap().success());
        }
        fs::create_dir(format!("{dir}/below")).unwrap();
        Self(dir)
    }

    fn mounts_below(&self) -> usize {
        let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
        text.matches(&format!(" {}/", self.0)).count()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-R", &self.0]).status();
    }
}

/// The copy of a shared mount is its peer, and would show on the host what
/// the container mounts there.
#[test]
fn a_mount_of_the_containers_below_a_shared_bind_stays_inside() {
    let Some(bed) = Bed::needing(&[Need::Tool("mount")]) else {
        return;
    };
    let shared = Shared::new(&bed);
    for options in [&["rbind"][..], &["bind", "rslave"], &["rbind", "rshared"]] {
        let c = bed.container(|s| {
            s["process"]["args"] = words("sleep 600");
            let mounts = s["mounts"].as_array_mut().unwrap();
            mounts.push(mount("/mnt", "bind", &shared.0, options));
            mounts.push(mount("/mnt/below", "tmpfs", "tmpfs", &["size=64k"]));
        });
        c.run_detached();
        assert_eq!(shared.mounts_below(), 0, "{options:?}");
        c.finish();
    }
}

#[test]
fn a_root_that_shares_hands_its_mounts_to_the_host() {
    let Some(bed) = Bed::needing(&[Need::Tool("mount")]) else {
        return;
    };
    let shared = Shared::new(&bed);
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["linux"]["rootfsPropagation"] = json!("shared");
        let mounts = s["mounts"].as_array_mut().unwrap();
        mounts.push(mount("/mnt", "bind", &shared.0, &["rbind", "rshared"]));
        mounts.push(mount("/mnt/below", "tmpfs", "tmpfs", &["size=64k"]));
    });
    c.run_detached();
    assert_eq!(shared.mounts_below(), 1);
}

/// A kernel before 5.12, as far as these covers are concerned.
#[test]
fn covers_have_their_flags_where_they_can_only_be_remounted() {
    let Some(bed) = Bed::needing(&[Need::Tool("strace"), Need::Rcon("flags of its covers")]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("cat /proc/self/mountinfo");
        s["linux"]["maskedPaths"] = json!(["/etc/secret"]);
        s["linux"]["readonlyPaths"] = json!(["/etc/kept"]);
    });
    for name in ["etc/secret", "etc/kept"] {
        fs::write(c.rootfs(name), "").unwrap();
    }
    let call = c.call_with_bundle("run", &[]).with(|command| {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=mount_setattr"]);
        strace.args(["-e", "inject=mount_setattr:error=ENOSYS"]);
        strace.arg(command.get_program()).args(command.get_args());
        strace.envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
        *command = strace;
    });
    let text = call.output().ok().stdout;
    let mounts = host::parse_mountinfo(&text);
    let at = |point: &str| mounts.iter().find(|m| m.point == point).expect(point);
    for flag in ["ro", "nosuid", "noexec"] {
        assert!(at("/etc/secret").has(flag), "{flag} in {text}");
    }
    assert!(at("/etc/kept").has("ro"), "{text}");
}

/// Calls a failed exec would be told with.
fn mute(names: &[&str]) -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": names, "action": "SCMP_ACT_ERRNO" }],
    })
}

/// A program that is found and cannot be executed.
fn broken<'b>(bed: &'b Bed, seccomp: &Value, args: &str) -> Container<'b> {
    let c = bed.container(|s| {
        s["process"]["args"] = words(args);
        s["linux"]["seccomp"] = seccomp.clone();
    });
    rootfs_script(&c);
    c
}

fn rootfs_script(c: &Container<'_>) {
    use std::os::unix::fs::PermissionsExt;
    let path = c.rootfs("broken");
    fs::write(&path, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

const EXECUTED: Need = Need::Rcon("a start that tells of a failed exec");

#[test]
fn a_failed_exec_is_told_although_the_filter_forbids_to_send() {
    let Some(bed) = Bed::needing(&[EXECUTED]) else {
        return;
    };
    let c = broken(&bed, &mute(&["sendmsg", "sendto"]), "/broken");
    c.run().fails_naming(&["/broken", "interpreter"]);
}

#[test]
fn a_failed_exec_is_seen_although_the_filter_forbids_to_tell() {
    let Some(bed) = Bed::needing(&[EXECUTED]) else {
        return;
    };
    let silent = mute(&["sendmsg", "sendto", "write"]);
    let c = broken(&bed, &silent, "/broken");
    c.run().fails_naming(&["not executed", "linux.seccomp"]);
    let c = broken(&bed, &silent, "/broken");
    c.create();
    let out = c.call("start", &[], &[]).output();
    out.fails_naming(&["not executed"]);
    c.wait_for("stopped");
    let c = broken(&bed, &silent, "sleep 600");
    c.run_detached();
    c.exec(&["/broken"])
        .code(255)
        .fails_naming(&["not executed"]);
    c.exec(&["true"]).ok();
}

#[test]
fn a_filter_that_kills_the_exec_is_seen() {
    let Some(bed) = Bed::needing(&[EXECUTED]) else {
        return;
    };
    let mut deadly = mute(&["execve"]);
    deadly["syscalls"][0]["action"] = json!("SCMP_ACT_KILL_PROCESS");
    let c = broken(&bed, &deadly, "true");
    c.run().fails_naming(&["not executed"]);
}
