//! Hooks: when each kind runs, where, what it is told, and what its failure
//! does.

mod common;
use common::*;
use std::fs;

const BEFORE_START: [&str; 3] = ["prestart", "createRuntime", "createContainer"];

/// A hook that runs a line of shell with the host's shell.
fn hook(script: &str) -> Value {
    json!([{ "path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"] }])
}

/// A hook of the host that appends a line to a file in the bed.
fn note(bed: &Bed, line: &str) -> Value {
    hook(&format!("echo {line} >> {}", bed.text_path("notes")))
}

fn notes(bed: &Bed) -> String {
    fs::read_to_string(bed.path("notes")).unwrap_or_default()
}

/// runc runs poststart hooks before the program: it is driven without them.
const AFTER_START: Need = Need::Rcon("poststart hooks after the start of the program");

#[test]
fn hooks_of_the_host_run_in_order_at_their_moments() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        for name in ["prestart", "createRuntime", "poststop"] {
            s["hooks"][name] = note(&bed, name);
        }
    });
    c.create();
    assert_eq!(notes(&bed), "prestart\ncreateRuntime\n");
    c.start().kill("KILL").wait_for("stopped");
    assert_eq!(notes(&bed), "prestart\ncreateRuntime\n");
    c.delete();
    assert_eq!(notes(&bed), "prestart\ncreateRuntime\npoststop\n");
}

#[test]
fn poststart_hooks_have_run_when_start_returns() {
    let Some(bed) = Bed::needing(&[AFTER_START]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["hooks"]["poststart"] = note(&bed, "poststart");
    });
    c.create();
    assert_eq!(notes(&bed), "");
    c.start();
    assert_eq!(notes(&bed), "poststart\n");
}

/// These two run inside: createContainer with the host's files still in
/// reach, startContainer with the container's own.
#[test]
fn hooks_of_the_container_run_in_order_at_their_moments() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = words("cat /notes");
        let file = bed.text_path("bundle-1/rootfs/notes");
        s["hooks"]["createContainer"] = hook(&format!("echo createContainer >> {file}"));
        s["hooks"]["startContainer"] = hook("echo startContainer >> /notes");
    });
    c.create();
    assert_eq!(
        fs::read_to_string(c.rootfs("notes")).unwrap(),
        "createContainer\n"
    );
    c.start().wait_for("stopped");
    assert_eq!(c.stdout(), "createContainer\nstartContainer\n");
}

#[test]
fn all_kinds_run_in_the_order_of_the_specification() {
    let Some(bed) = Bed::needing(&[AFTER_START]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("true");
        let notes = bed.file("notes", "");
        let names = [
            "prestart",
            "createRuntime",
            "createContainer",
            "poststart",
            "poststop",
        ];
        for name in names {
            s["hooks"][name] = note(&bed, name);
        }
        s["hooks"]["startContainer"] = hook("echo startContainer >> /notes");
        let entry = mount("/notes", "bind", &notes, &["bind"]);
        s["mounts"].as_array_mut().unwrap().push(entry);
    });
    c.run().ok();
    let expected = "prestart createRuntime createContainer startContainer poststart poststop";
    assert_eq!(
        notes(&bed).split_whitespace().collect::<Vec<_>>().join(" "),
        expected
    );
}

#[test]
fn hooks_of_one_kind_run_in_the_order_listed() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        let lists = ["one", "two", "three"].map(|n| note(&bed, n)[0].clone());
        s["hooks"]["createRuntime"] = json!(lists);
    });
    out.ok();
    assert_eq!(notes(&bed), "one\ntwo\nthree\n");
}

/// The state a hook of this kind reads from its standard input, checked as far
/// as all kinds are told the same, and the pid of the container.
#[track_caller]
fn state_told_to(bed: &Bed, kind: &str) -> (Value, i32) {
    let inside = kind == "startContainer";
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["annotations"] = json!({ "org.example.key": "a value" });
        let file = if inside {
            "/told".into()
        } else {
            bed.text_path("told")
        };
        s["hooks"][kind] = hook(&format!("cat > {file}.new; mv {file}.new {file}"));
    });
    c.create();
    let pid = c.pid();
    c.start();
    let file = if inside {
        c.rootfs("told")
    } else {
        bed.path("told")
    };
    eventually("the hook has run", || file.exists());
    c.finish();
    let told: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(told["id"], c.id.as_str());
    assert_eq!(told["bundle"], c.bundle.to_str().unwrap());
    assert_eq!(told["annotations"]["org.example.key"], "a value");
    assert!(told["ociVersion"].is_string());
    (told, pid)
}

#[test]
fn hooks_before_start_are_told_that_it_is_being_created() {
    let Some(bed) = Bed::new() else { return };
    for kind in BEFORE_START {
        let (told, pid) = state_told_to(&bed, kind);
        assert!(
            ["creating", "created"].contains(&told["status"].as_str().unwrap()),
            "{told}"
        );
        // createContainer runs inside the pid namespace and may be told 1.
        let told = told["pid"].as_i64().unwrap();
        assert!(
            told == i64::from(pid) || kind == "createContainer",
            "{kind}: {told}"
        );
        fs::remove_file(bed.path("told")).unwrap();
    }
}

#[test]
fn a_start_container_hook_is_told_the_state() {
    let Some(bed) = Bed::new() else { return };
    assert_eq!(state_told_to(&bed, "startContainer").0["status"], "created");
}

#[test]
fn a_poststart_hook_is_told_that_it_runs() {
    let Some(bed) = Bed::needing(&[AFTER_START]) else {
        return;
    };
    let (told, pid) = state_told_to(&bed, "poststart");
    assert_eq!(told["status"], "running");
    assert_eq!(told["pid"], pid);
}

#[test]
fn a_poststop_hook_is_told_that_it_stopped() {
    let Some(bed) = Bed::new() else { return };
    let file = bed.text_path("told");
    let c = bed.container(|s| s["hooks"]["poststop"] = hook(&format!("cat > {file}")));
    c.run().ok();
    let told: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(told["status"], "stopped");
    assert_eq!(told["id"], c.id.as_str());
}

/// The namespace a hook of this kind runs in, and the container's.
#[track_caller]
fn namespaces_of(bed: &Bed, kind: &str, file: &str) -> (String, String) {
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["hooks"][kind] = hook(&format!(
            "readlink /proc/self/ns/{file} > {}",
            bed.text_path("ns")
        ));
    });
    c.create();
    let container = host::namespace_of(c.pid(), file);
    c.start();
    let read = || fs::read_to_string(bed.path("ns")).unwrap_or_default();
    eventually("the hook has run", || read().ends_with('\n'));
    c.finish();
    (read().trim().to_owned(), container)
}

#[test]
fn runtime_hooks_run_in_the_hosts_namespaces() {
    let Some(bed) = Bed::new() else { return };
    for kind in ["prestart", "createRuntime", "poststart"] {
        for file in ["mnt", "net", "uts"] {
            let (hook, _) = namespaces_of(&bed, kind, file);
            assert_eq!(hook, host::own_namespace(file), "{kind} {file}");
        }
    }
}

#[test]
fn container_hooks_run_in_the_containers_namespaces() {
    let Some(bed) = Bed::new() else { return };
    for file in ["mnt", "net", "uts"] {
        let (hook, container) = namespaces_of(&bed, "createContainer", file);
        assert_eq!(hook, container, "{file}");
    }
}

#[test]
fn a_runtime_hook_can_set_up_the_network_namespace() {
    let Some(bed) = Bed::needing(&[Need::Tool("ip"), Need::Tool("nsenter")]) else {
        return;
    };
    let script = "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/' | head -1); \
        nsenter -t $pid -n ip address add 192.0.2.7/32 dev lo";
    let out = bed.run(|s| {
        s["process"]["args"] = words("ip address show lo");
        s["hooks"]["createRuntime"] = json!([{
            "path": "/bin/sh", "args": ["sh", "-c", script],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
        }]);
    });
    assert!(out.clone().ok().stdout.contains("192.0.2.7/32"), "{out}");
}

#[test]
fn arguments_and_environment_of_a_hook_are_its_own() {
    let Some(bed) = Bed::new() else { return };
    let script = format!("(echo $0 $1; env) > {}", bed.text_path("seen"));
    let out = bed.run(|s| {
        s["hooks"]["createRuntime"] = json!([{
            "path": "/bin/sh", "args": ["sh", "-c", script, "zero", "one"], "env": ["ONLY=this"],
        }]);
    });
    out.ok();
    let seen = fs::read_to_string(bed.path("seen")).unwrap();
    assert!(seen.starts_with("zero one\n"), "{seen}");
    assert!(seen.contains("ONLY=this\n"), "{seen}");
    assert!(
        !seen.contains("RCON_TEST_BED"),
        "the runtime's environment leaked: {seen}"
    );
}

#[test]
fn a_hook_without_args_gets_its_path() {
    let Some(bed) = Bed::new() else { return };
    let script = bed.file("hook", "#!/bin/sh\necho $0 > ${0}.ran\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, mode).unwrap();
    bed.run(|s| s["hooks"]["createRuntime"] = json!([{ "path": script }]))
        .ok();
    assert_eq!(
        fs::read_to_string(bed.path("hook.ran")).unwrap().trim(),
        script
    );
}

#[test]
fn a_failing_hook_before_start_undoes_everything() {
    let Some(bed) = Bed::new() else { return };
    for kind in BEFORE_START {
        let c = bed.container(|s| s["hooks"][kind] = hook("echo no coffee >&2; exit 7"));
        c.try_create().fails_naming(&["hook", kind, "no coffee"]);
        bed.assert_nothing_left();
    }
}

#[test]
fn a_failing_create_runtime_hook_runs_the_poststop_hooks() {
    let Some(bed) = Bed::needing(&[Need::Rcon("poststop after a failed create")]) else {
        return;
    };
    let c = bed.container(|s| {
        s["hooks"]["createRuntime"] = hook("exit 7");
        s["hooks"]["poststop"] = note(&bed, "poststop");
    });
    c.try_create().fails_naming(&["createRuntime"]);
    assert_eq!(notes(&bed), "poststop\n");
}

#[test]
fn a_failing_start_container_hook_keeps_the_program_from_running() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = sh("echo it ran");
        s["hooks"]["startContainer"] = hook("echo x > /hook-ran; exit 7");
    });
    let out = c.run();
    assert!(!out.status.success(), "{out}");
    assert!(!out.stdout.contains("it ran"), "{out}");
    assert!(c.rootfs("hook-ran").exists(), "{out}");
    bed.assert_nothing_left();
}

/// Between the start and the program's execution there is an instant, which a
/// hook makes long enough to be met.
#[test]
fn one_that_is_killed_before_its_program_runs_was_killed_like_any_other() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        drop_namespace(s, "pid");
        s["process"]["args"] = sh("echo it ran");
        s["hooks"]["startContainer"] = hook("kill -9 $PPID");
    });
    let out = c.run().code(137);
    assert_eq!(out.stdout, "", "{out}");
    assert_eq!(out.stderr, "", "{out}");
    bed.assert_nothing_left();
}

/// The program is what the hook could not be had for.
#[test]
fn a_failing_poststart_hook_ends_the_container() {
    let Some(bed) = Bed::needing(&[AFTER_START]) else {
        return;
    };
    let with_hooks = || {
        bed.container(|s| {
            s["process"]["args"] = words("sleep 600");
            let bad = hook("echo no coffee >&2; exit 7")[0].clone();
            s["hooks"]["poststart"] = json!([bad, note(&bed, "second")[0]]);
            s["hooks"]["poststop"] = note(&bed, "poststop");
        })
    };
    let c = with_hooks();
    c.create();
    let out = c.call("start", &[], &[]).output().code(1);
    out.fails_naming(&["hook poststart[0]", "no coffee"]);
    assert_eq!(c.status(), "stopped");
    c.delete();
    assert_eq!(notes(&bed), "poststop\n");
    for flags in [&[][..], &["--detach"]] {
        let out = with_hooks().run_with(flags).code(1);
        out.fails_naming(&["hook poststart[0]"]);
        bed.assert_nothing_left();
    }
    assert_eq!(notes(&bed), "poststop\n".repeat(3));
    let kept = with_hooks();
    kept.run_with(&["--keep"]).code(1);
    assert_eq!(kept.status(), "stopped");
}

#[test]
fn a_failing_poststop_hook_is_told() {
    let Some(bed) = Bed::needing(&[Need::Rcon("a warning on standard error")]) else {
        return;
    };
    let c = bed.container(|s| s["hooks"]["poststop"] = hook("echo no coffee >&2; exit 7"));
    c.create();
    let out = c.call("delete", &[], &[]).output().ok();
    assert!(out.stderr.contains("warning: hook poststop[0]"), "{out}");
    assert!(out.stderr.contains("no coffee"), "{out}");
}

#[test]
fn without_an_environment_of_its_own_a_hook_has_the_runtimes() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        let line = format!("echo $PLACE >> {}", bed.text_path("notes"));
        s["hooks"]["createRuntime"] = json!([{ "path": "/bin/sh", "args": ["sh", "-c", line] }]);
    });
    let call = c.call_with_bundle("create", &[]).env("PLACE", "here");
    call.output().ok();
    assert_eq!(notes(&bed), "here\n");
}

#[test]
fn a_start_container_hook_has_the_programs_environment_and_a_home() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["env"] = json!(["PATH=/bin", "PLACE=inside"]);
        s["hooks"]["startContainer"] =
            json!([{ "path": "/bin/sh", "args": ["sh", "-c", "echo $PLACE $HOME > /seen"] }]);
    });
    c.run().ok();
    let seen = fs::read_to_string(c.rootfs("seen")).unwrap();
    assert!(seen.starts_with("inside /"), "{seen}");
}

#[test]
fn a_create_container_hook_stands_in_the_root() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["hooks"]["createContainer"] = hook("echo x > made-here"));
    c.run().ok();
    assert!(c.rootfs("made-here").exists());
}

#[test]
fn a_failing_poststop_hook_does_not_keep_the_container() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["hooks"]["poststop"] = hook("exit 7"));
    assert_eq!(c.create().status(), "created");
    c.delete();
    bed.assert_nothing_left();
}

#[test]
fn after_a_failing_poststop_hook_the_others_run() {
    let Some(bed) = Bed::needing(&[Need::Rcon("all poststop hooks, whatever fails")]) else {
        return;
    };
    let c = bed.container(|s| {
        let (bad, good) = (hook("exit 7")[0].clone(), note(&bed, "second")[0].clone());
        s["hooks"]["poststop"] = json!([bad, good]);
    });
    c.create().delete();
    assert_eq!(notes(&bed), "second\n");
}

#[test]
fn a_hook_that_takes_too_long_is_a_failure() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["hooks"]["createRuntime"] =
            json!([{ "path": "/bin/sleep", "args": ["sleep", "61"], "timeout": 1 }]);
    });
    c.try_create().fails_naming(&["createRuntime", "1 s"]);
    bed.assert_nothing_left();
}

#[test]
fn a_hook_that_is_not_there_is_named() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["hooks"]["createRuntime"] = json!([{ "path": "/no/such/hook" }]));
    c.try_create().fails_naming(&["/no/such/hook"]);
    bed.assert_nothing_left();
}

#[test]
fn a_hook_path_must_be_absolute() {
    let Some(bed) = Bed::needing(&[Need::Rcon("the specification's rule on hook paths")]) else {
        return;
    };
    let c = bed.container(|s| s["hooks"]["createRuntime"] = json!([{ "path": "bin/true" }]));
    c.try_create()
        .fails_naming(&["hooks.createRuntime", "bin/true"]);
    bed.assert_nothing_left();
}

#[test]
fn a_hook_may_have_more_time_than_a_clock_can_tell() {
    let Some(bed) = Bed::new() else { return };
    let forever = json!({ "path": "/bin/true", "timeout": i64::MAX });
    bed.run(|s| s["hooks"]["createRuntime"] = json!([forever]))
        .ok();
}
