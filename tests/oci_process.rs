//! What the program finds when it starts: arguments, environment, user,
//! capabilities, limits, descriptors, and nothing that was not asked for.

mod common;
use common::*;
use host::field;

/// Runs `cat /proc/self/status` in a container and reads one field.
#[track_caller]
fn status_in(bed: &Bed, name: &str, patch: impl FnOnce(&mut Value)) -> String {
    let out = bed.run(|s| {
        s["process"]["args"] = words("cat /proc/self/status");
        patch(s);
    });
    let out = out.ok();
    field(&out.stdout, name).unwrap_or_else(|| panic!("no {name} in {out}"))
}

#[test]
fn arguments_arrive_as_they_are() {
    let Some(bed) = Bed::new() else { return };
    let odd = [
        "printf", "[%s]", "", "a b", "*", "$HOME", "üñ", "--", "a\nb",
    ];
    let out = bed.run(|s| s["process"]["args"] = json!(odd)).ok();
    assert_eq!(out.stdout, "[][a b][*][$HOME][üñ][--][a\nb]");
}

#[test]
fn the_environment_is_exactly_what_was_given() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = words("/bin/env");
        s["process"]["env"] = json!(["A=1", "EMPTY=", "B=x=y z", "HOME=/somewhere"]);
    });
    assert_eq!(out.ok().stdout, "A=1\nEMPTY=\nB=x=y z\nHOME=/somewhere\n");
}

#[test]
fn home_comes_from_the_containers_passwd_when_it_is_not_given() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = sh("echo $HOME");
        s["process"]["user"] = json!({ "uid": 1000, "gid": 1000 });
    });
    assert_eq!(out.ok().text(), "/home/user");
}

#[test]
fn a_program_is_looked_up_in_the_containers_path() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = words("hello");
        s["process"]["env"] = json!(["PATH=/nowhere:/opt/tools:/bin"]);
    });
    std::fs::create_dir_all(c.rootfs("opt/tools")).unwrap();
    std::os::unix::fs::symlink("/bin/busybox", c.rootfs("opt/tools/hello")).unwrap();
    // busybox does not know this applet and says so: it was found and run.
    assert!(c.run().code(127).stderr.contains("applet not found"));
}

#[test]
fn the_working_directory_is_the_one_asked_for() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = words("pwd");
        s["process"]["cwd"] = json!("/home/user");
    });
    assert_eq!(out.ok().text(), "/home/user");
}

#[test]
fn a_missing_working_directory_is_made() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = words("pwd");
        s["process"]["cwd"] = json!("/new/deep/dir");
    });
    assert_eq!(c.run().ok().text(), "/new/deep/dir");
    assert!(c.rootfs("new/deep/dir").is_dir());
}

#[test]
fn a_working_directory_the_user_may_not_enter_works_for_root_who_makes_it() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = words("id -u");
        s["process"]["user"] = json!({ "uid": 1000, "gid": 1000 });
        s["process"]["cwd"] = json!("/root");
    });
    assert_eq!(out.ok().text(), "1000");
}

#[test]
fn umask_is_set() {
    let Some(bed) = Bed::new() else { return };
    let umask = status_in(&bed, "Umask", |s| {
        s["process"]["user"]["umask"] = json!(0o027);
    });
    assert_eq!(umask, "0027");
}

#[test]
fn without_umask_the_customary_one_holds() {
    let Some(bed) = Bed::new() else { return };
    assert_eq!(status_in(&bed, "Umask", |_| ()), "0022");
}

#[test]
fn user_and_groups_are_numbers_and_nothing_is_added() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = words("cat /proc/self/status");
        s["process"]["user"] = json!({ "uid": 1000, "gid": 1001, "additionalGids": [5, 50] });
    });
    let out = out.ok().stdout;
    assert_eq!(field(&out, "Uid").unwrap(), "1000\t1000\t1000\t1000");
    assert_eq!(field(&out, "Gid").unwrap(), "1001\t1001\t1001\t1001");
    assert_eq!(field(&out, "Groups").unwrap(), "5 50");
}

#[test]
fn root_has_no_supplementary_groups_unless_asked_for() {
    let Some(bed) = Bed::new() else { return };
    assert_eq!(status_in(&bed, "Groups", |_| ()), "");
}

#[test]
fn standard_streams_belong_to_the_user() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = sh("echo again > /proc/self/fd/1");
        s["process"]["user"] = json!({ "uid": 1000, "gid": 1000 });
    });
    let piped = |command: &mut std::process::Command| {
        command.stdout(std::process::Stdio::piped());
    };
    let call = c.call_with_bundle("run", &[]).with(piped);
    call.spawn_as_is().wait().ok();
}

#[test]
fn a_file_of_the_callers_stays_the_callers() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = words("true");
        s["process"]["user"] = json!({ "uid": 1000, "gid": 1000 });
    });
    let path = bed.file("standard-output", "");
    let call = c.call_with_bundle("run", &[]).with(|command| {
        command.stdout(std::fs::File::create(&path).unwrap());
    });
    call.spawn_as_is().wait().ok();
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&path).unwrap());
    assert_eq!(owner, 0, "the host's file was given away");
}

/// The mask `/proc/self/status` shows for some capabilities.
fn mask(bits: &[u32]) -> String {
    format!("{:016x}", bits.iter().fold(0_u64, |m, bit| m | 1 << bit))
}

const CHOWN: u32 = 0;
const KILL: u32 = 5;
const NET_BIND: u32 = 10;
const NET_RAW: u32 = 13;

#[test]
fn every_capability_set_is_the_one_given() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = words("cat /proc/self/status");
        s["process"]["user"] = json!({ "uid": 1000, "gid": 1000 });
        s["process"]["capabilities"] = json!({
            "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW"],
            "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
            "effective": ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
            "inheritable": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"],
            "ambient": ["CAP_NET_BIND_SERVICE"],
        });
    });
    // execve has been through the sets: an ordinary user keeps the ambient
    // ones as permitted and effective.
    let out = out.ok().stdout;
    let set = |name| field(&out, name).unwrap();
    assert_eq!(set("CapBnd"), mask(&[CHOWN, KILL, NET_BIND, NET_RAW]));
    assert_eq!(set("CapInh"), mask(&[CHOWN, NET_BIND]));
    assert_eq!(set("CapPrm"), mask(&[NET_BIND]));
    assert_eq!(set("CapEff"), mask(&[NET_BIND]));
    assert_eq!(set("CapAmb"), mask(&[NET_BIND]));
}

#[test]
fn root_gets_the_bounding_set_and_nothing_more() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = words("cat /proc/self/status");
        let caps = json!(["CAP_CHOWN", "CAP_KILL"]);
        s["process"]["capabilities"] =
            json!({ "bounding": caps, "permitted": caps, "effective": caps });
    });
    let out = out.ok().stdout;
    for name in ["CapBnd", "CapPrm", "CapEff"] {
        assert_eq!(field(&out, name).unwrap(), mask(&[CHOWN, KILL]), "{name}");
    }
    for name in ["CapInh", "CapAmb"] {
        assert_eq!(field(&out, name).unwrap(), mask(&[]), "{name}");
    }
}

#[test]
fn no_capabilities_in_the_spec_means_none_in_the_container() {
    let Some(bed) = Bed::new() else { return };
    for caps in [json!({}), json!(null)] {
        let out = bed.run(|s| {
            s["process"]["args"] = words("cat /proc/self/status");
            s["process"]["capabilities"] = caps;
        });
        let out = out.ok().stdout;
        for name in ["CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"] {
            assert_eq!(field(&out, name).unwrap(), mask(&[]), "{name}");
        }
    }
}

#[test]
fn no_new_privileges_is_off_unless_asked_for() {
    let Some(bed) = Bed::new() else { return };
    assert_eq!(status_in(&bed, "NoNewPrivs", |_| ()), "0");
    let on = status_in(&bed, "NoNewPrivs", |s| {
        s["process"]["noNewPrivileges"] = json!(true);
    });
    assert_eq!(on, "1");
}

#[test]
fn limits_are_set() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = words("cat /proc/self/limits");
        s["process"]["rlimits"] = json!([
            { "type": "RLIMIT_NOFILE", "soft": 321, "hard": 654 },
            { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 },
            { "type": "RLIMIT_STACK", "soft": 1_048_576, "hard": 2_097_152 },
        ]);
    });
    let out = out.ok().stdout;
    let of = |name: &str| {
        let line = out.lines().find(|l| l.starts_with(name)).unwrap();
        let numbers = line[name.len()..].split_whitespace().take(2);
        numbers.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of("Max open files"), ["321", "654"]);
    assert_eq!(of("Max core file size"), ["0", "0"]);
    assert_eq!(of("Max stack size"), ["1048576", "2097152"]);
}

#[test]
fn a_limit_named_twice_is_refused() {
    let Some(bed) = Bed::needing(&[Need::Rcon("the specification's rule on rlimits")]) else {
        return;
    };
    let limit = json!({ "type": "RLIMIT_NOFILE", "soft": 10, "hard": 10 });
    let out = bed.run(|s| s["process"]["rlimits"] = json!([limit, limit]));
    out.fails_naming(&["RLIMIT_NOFILE"]);
}

#[test]
fn an_unknown_limit_is_refused() {
    let Some(bed) = Bed::new() else { return };
    let limit = json!({ "type": "RLIMIT_COFFEE", "soft": 10, "hard": 10 });
    let out = bed.run(|s| s["process"]["rlimits"] = json!([limit]));
    out.fails_naming(&["RLIMIT_COFFEE"]);
    bed.assert_nothing_left();
}

#[test]
fn the_oom_score_is_adjusted() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = words("cat /proc/self/oom_score_adj");
        s["process"]["oomScoreAdj"] = json!(321);
    });
    assert_eq!(out.ok().text(), "321");
}

#[test]
fn the_oom_score_is_inherited_when_not_given() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| s["process"]["args"] = words("cat /proc/self/oom_score_adj"));
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    assert_eq!(out.ok().text(), own.trim());
}

#[test]
fn only_the_standard_descriptors_are_open() {
    let Some(bed) = Bed::new() else { return };
    // The shell opens the directory for the pattern itself, as descriptor 3.
    let script = "for f in /proc/self/fd/*; do echo ${f##*/}; done";
    let out = bed.run(|s| s["process"]["args"] = sh(script)).ok();
    assert_eq!(out.stdout, "0\n1\n2\n3\n");
}

#[test]
fn descriptors_of_a_created_container_are_the_standard_ones() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.run_detached();
    // Before execve, descriptors that close on it are still there.
    eventually("sleep has begun", || {
        host::proc_file(c.pid(), "comm") == "sleep\n"
    });
    assert_eq!(descriptors_of(c.pid()), ["0", "1", "2"]);
}

#[test]
fn preserved_descriptors_stay_open_and_no_others() {
    let Some(bed) = Bed::new() else { return };
    let script = "cat <&3; cat <&4; echo ready; exec sleep 600";
    let c = bed.container(|s| s["process"]["args"] = sh(script));
    let (three, four) = (bed.file("three", "3rd\n"), bed.file("four", "4th\n"));
    let call = c.call_with_bundle("run", &["--detach", "--preserve-fds", "2"]);
    let open = format!("exec 3<{three} 4<{four} 5</dev/null");
    call.with(|c| through_shell(c, &open)).output().ok();
    assert_eq!(c.wait_for_output("ready"), "3rd\n4th\nready\n");
    eventually("sleep has begun", || {
        host::proc_file(c.pid(), "comm") == "sleep\n"
    });
    assert_eq!(descriptors_of(c.pid()), ["0", "1", "2", "3", "4"]);
}

/// The numbers of a process's open descriptors.
fn descriptors_of(pid: i32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Puts `sh -c 'prelude; exec "$@"' sh` before a command.
fn through_shell(command: &mut std::process::Command, prelude: &str) {
    let mut sh = std::process::Command::new("/bin/sh");
    sh.arg("-c")
        .arg(format!("{prelude}; exec \"$@\""))
        .arg("sh");
    sh.arg(command.get_program()).args(command.get_args());
    sh.env_clear();
    for (name, value) in command.get_envs() {
        sh.env(name, value.unwrap_or_default());
    }
    *command = sh;
}

#[test]
fn descriptors_of_the_caller_do_not_reach_the_program() {
    let Some(bed) = Bed::new() else { return };
    let script = "for f in /proc/self/fd/*; do echo ${f##*/}; done";
    let c = bed.container(|s| s["process"]["args"] = sh(script));
    let out = c.call_with_bundle("run", &[]);
    let out = out.with(|c| through_shell(c, "exec 3</etc 4</etc/passwd 9>/dev/null"));
    assert_eq!(out.output().ok().stdout, "0\n1\n2\n3\n");
}

#[test]
fn a_personality_makes_uname_say_32_bits() {
    let needs = [Need::Rcon("process personality")];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    let out = bed.run(|s| {
        s["process"]["args"] = words("cat /proc/self/personality");
        s["linux"]["personality"] = json!({ "domain": "LINUX32" });
    });
    assert_eq!(out.ok().text(), "00000008");
}

#[test]
fn no_signal_is_blocked_and_the_runtime_ignores_none_on_the_programs_behalf() {
    let Some(bed) = Bed::new() else { return };
    let out = bed
        .run(|s| s["process"]["args"] = words("cat /proc/self/status"))
        .ok();
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let set = |text: &str, name| u64::from_str_radix(&field(text, name).unwrap(), 16).unwrap();
    assert_eq!(set(&out.stdout, "SigBlk"), 0);
    // What the test's own caller ignores may be inherited.
    let added = set(&out.stdout, "SigIgn") & !set(&own, "SigIgn");
    assert_eq!(added, 0, "{added:x}");
}

#[test]
fn the_program_is_process_one_and_a_session_leader() {
    let Some(bed) = Bed::new() else { return };
    // pid, name, state, parent, group, session
    let out = bed
        .run(|s| s["process"]["args"] = words("cat /proc/self/stat"))
        .ok();
    let fields: Vec<&str> = out.stdout.split(' ').collect();
    assert_eq!(fields[0], "1");
    assert_eq!(fields[3..6], ["0", "1", "1"]);
}

#[test]
fn a_session_keyring_with_the_containers_name_is_joined_unless_asked_not_to() {
    let Some(bed) = Bed::needing(&[Need::Kernel("/proc/keys")]) else {
        return;
    };
    for (flags, expected) in [(&[][..], 1), (&["--no-new-keyring"][..], 0)] {
        let c = bed.container(|s| {
            s["process"]["args"] = words("cat /proc/keys");
            s["linux"]["maskedPaths"] = json!([]);
        });
        let keys = c.run_with(flags).ok().stdout;
        let ours = keys.lines().filter(|l| l.contains(&c.id)).count();
        assert_eq!(ours, expected, "with {flags:?}:\n{keys}");
    }
}

#[test]
fn the_scheduler_policy_is_set() {
    let Some(bed) = Bed::needing(&[Need::Rcon("process.scheduler")]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["process"]["scheduler"] = json!({ "policy": "SCHED_BATCH", "nice": 7 });
    });
    c.run_detached();
    // proc(5): field 19 is the nice value, 41 the policy, and 3 means batch.
    assert_eq!(stat_of(c.pid(), 41), "3");
    assert_eq!(stat_of(c.pid(), 19), "7");
}

#[test]
fn the_io_priority_is_set() {
    let Some(bed) = Bed::needing(&[Need::Rcon("process.ioPriority"), Need::Tool("ionice")]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["process"]["ioPriority"] = json!({ "class": "IOPRIO_CLASS_BE", "priority": 6 });
    });
    c.run_detached();
    let out = std::process::Command::new("ionice")
        .args(["-p", &c.pid().to_string()])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&out.stdout).trim(),
        "best-effort: prio 6"
    );
}

#[test]
fn exec_runs_on_the_cpus_asked_for() {
    let Some(bed) = Bed::needing(&[Need::Rcon("process.execCPUAffinity")]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["process"]["execCPUAffinity"] = json!({ "initial": "0", "final": "0" });
    });
    c.run_detached();
    assert_eq!(
        c.shell("grep Cpus_allowed_list /proc/self/status | cut -f2"),
        "0"
    );
}

#[test]
fn a_shell_script_runs_by_its_first_line() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("/script one"));
    std::fs::write(c.rootfs("script"), "#!/bin/sh\necho $0 $1\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(c.rootfs("script"), mode).unwrap();
    assert_eq!(c.run().ok().text(), "/script one");
}

/// Neither the program nor what is made for it may be shut to others because
/// the caller likes his own files private.
#[test]
fn the_umask_of_the_caller_stays_outside() {
    let Some(bed) = Bed::needing(&[Need::Rcon("mount points everybody can enter")]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = sh("umask; stat -c %a /new /new/work; while :; do sleep 1; done");
        s["process"]["cwd"] = json!("/new/work");
        s["root"]["readonly"] = json!(false);
    });
    let private = |call: Call| with_umask(call, 0o777);
    private(c.call_with_bundle("run", &["--detach"]))
        .output()
        .ok();
    let seen = c.wait_for_output("755\n755\n");
    assert_eq!(seen.lines().next(), Some("0022"));
    let exec = c.call("exec", &[], &["sh", "-c", "umask"]);
    assert_eq!(private(exec).output().ok().text(), "0022");
}

/// The command as started by somebody with this umask.
fn with_umask(call: Call, mask: libc::mode_t) -> Call {
    use std::os::unix::process::CommandExt;
    call.with(|command| {
        // SAFETY: umask takes an integer, cannot fail and touches no memory.
        unsafe {
            command.pre_exec(move || {
                libc::umask(mask);
                Ok(())
            });
        }
    })
}
