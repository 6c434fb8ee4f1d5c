//! What was asked for is wrong: every command says so in one line that names
//! the culprit, ends with an error code, and leaves nothing behind.

mod common;
use common::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Creates a container from a bundle whose `config.json` is this text.
#[track_caller]
fn create_from(bed: &Bed, config: &str) -> Output {
    let c = bed.container(|_| ());
    fs::write(c.bundle.join("config.json"), config).unwrap();
    let out = c.try_create();
    bed.assert_nothing_left();
    out
}

/// Creates a container with a changed spec; nothing may be left of it.
#[track_caller]
fn create_with(bed: &Bed, patch: impl FnOnce(&mut Value)) -> Output {
    let out = bed.container(patch).try_create();
    bed.assert_nothing_left();
    out
}

/// Needed where a stand-in accepts what rcon checks.
const CHECKS: Need = Need::Rcon("its own check of the spec");

#[test]
fn a_bundle_that_is_not_there_is_named() {
    let Some(bed) = Bed::new() else { return };
    let id = bed.new_id();
    let out = bed.call(&["create", "--bundle", "/no/such/bundle", &id]);
    out.output().fails_naming(&["/no/such/bundle"]);
    bed.assert_nothing_left();
}

#[test]
fn a_bundle_without_a_config_is_named() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|_| ());
    fs::remove_file(c.bundle.join("config.json")).unwrap();
    c.try_create()
        .fails_naming(&["config.json", "No such file"]);
    bed.assert_nothing_left();
}

#[test]
fn a_config_that_is_no_json_is_an_error_with_a_place() {
    let Some(bed) = Bed::new() else { return };
    create_from(&bed, "").fails_naming(&["config.json"]);
    create_from(&bed, "{\"ociVersion\": \"1.0.2\",\n oops }")
        .fails_naming(&["config.json", "line 2"]);
    create_from(&bed, "[1, 2]").fails_naming(&["config.json"]);
    create_from(&bed, "\u{0}\u{1b}[31m").fails_naming(&["config.json"]);
}

#[test]
fn a_field_of_the_wrong_type_is_named() {
    let Some(bed) = Bed::new() else { return };
    let cases = [
        ("/process/args", json!("sh")),
        ("/process/cwd", json!(7)),
        ("/process/user/uid", json!("root")),
        ("/process/env", json!({ "A": "1" })),
        ("/root/path", json!(["rootfs"])),
        ("/mounts/1/options", json!("ro")),
        ("/linux/namespaces", json!("pid")),
        ("/linux/cgroupsPath", json!(false)),
    ];
    for (pointer, value) in cases {
        let field = pointer[1..].replace("/1/", "[1].").replace('/', ".");
        let out = create_with(&bed, |s| *s.pointer_mut(pointer).unwrap() = value);
        out.fails_naming(&["config.json", &field]);
    }
    let out = create_with(&bed, |s| {
        s["linux"]["resources"]["memory"] = json!({ "limit": "1g" });
    });
    out.fails_naming(&["config.json", "linux.resources.memory.limit"]);
}

#[test]
fn a_number_that_does_not_fit_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    for uid in [json!(-1), json!(4_294_967_296_u64), json!(1.5)] {
        let out = create_with(&bed, |s| s["process"]["user"]["uid"] = uid);
        out.fails_naming(&["config.json", "process.user.uid"]);
    }
}

#[test]
fn a_field_nobody_knows_is_ignored() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = words("echo fine");
        s["somethingNew"] = json!({ "a": 1 });
        s["linux"]["somethingNew"] = json!([1]);
    });
    assert_eq!(out.ok().text(), "fine");
}

#[test]
fn an_unknown_version_is_an_error() {
    let Some(bed) = Bed::needing(&[CHECKS]) else {
        return;
    };
    for version in ["2.0.0", "0.9.0", "banana", ""] {
        let out = create_with(&bed, |s| s["ociVersion"] = json!(version));
        out.fails_naming(&["ociVersion", version]);
    }
}

#[test]
fn every_version_one_is_accepted() {
    let Some(bed) = Bed::new() else { return };
    for version in ["1.0.0", "1.0.2-dev", "1.1.0", "1.2.0", "1.2.1"] {
        let out = bed.run(|s| {
            s["process"]["args"] = words("echo ran");
            s["ociVersion"] = json!(version);
        });
        assert_eq!(out.ok().text(), "ran", "{version}");
    }
}

#[test]
fn a_missing_part_is_named() {
    let Some(bed) = Bed::new() else { return };
    for part in ["root", "process", "linux"] {
        let out = create_with(&bed, |s| {
            s.as_object_mut().unwrap().remove(part);
        });
        out.fails_naming(&["config.json", part]);
    }
}

#[test]
fn a_missing_field_is_named() {
    let Some(bed) = Bed::needing(&[CHECKS]) else {
        return;
    };
    let cases = [("process", "args"), ("process", "cwd"), ("root", "path")];
    for (part, field) in cases {
        let out = create_with(&bed, |s| {
            s[part].as_object_mut().unwrap().remove(field);
        });
        out.fails_naming(&["config.json", part, field]);
    }
    let out = create_with(&bed, |s| {
        s.as_object_mut().unwrap().remove("ociVersion");
    });
    out.fails_naming(&["config.json", "ociVersion"]);
}

#[test]
fn empty_args_are_an_error() {
    let Some(bed) = Bed::new() else { return };
    let out = create_with(&bed, |s| s["process"]["args"] = json!([]));
    out.fails_naming(&["process.args"]);
}

#[test]
fn a_working_directory_must_be_absolute() {
    let Some(bed) = Bed::new() else { return };
    for cwd in ["tmp", "", "./tmp"] {
        let out = create_with(&bed, |s| s["process"]["cwd"] = json!(cwd));
        out.fails_naming(&["process.cwd"]);
    }
}

#[test]
fn a_nul_in_a_string_is_an_error() {
    let Some(bed) = Bed::needing(&[CHECKS]) else {
        return;
    };
    let out = create_with(&bed, |s| s["process"]["args"] = json!(["echo", "a\0b"]));
    out.fails_naming(&["process.args[1]"]);
    let out = create_with(&bed, |s| s["process"]["env"] = json!(["PATH=/bin", "A=\0"]));
    out.fails_naming(&["process.env[1]"]);
}

#[test]
fn a_root_that_is_missing_or_a_file_is_named() {
    let Some(bed) = Bed::new() else { return };
    let file = bed.file("plain-file", "x");
    for path in ["/no/such/root", "no-such-root", file.as_str()] {
        let out = create_with(&bed, |s| s["root"]["path"] = json!(path));
        out.fails_naming(&[path]);
    }
}

#[test]
fn an_unknown_namespace_is_named() {
    let Some(bed) = Bed::new() else { return };
    let out = create_with(&bed, |s| namespace(s, json!({ "type": "coffee" })));
    out.fails_naming(&["coffee"]);
}

#[test]
fn an_unknown_propagation_is_named() {
    let Some(bed) = Bed::new() else { return };
    let out = create_with(&bed, |s| s["linux"]["rootfsPropagation"] = json!("coffee"));
    out.fails_naming(&["rootfsPropagation", "coffee"]);
}

#[test]
fn an_id_with_bad_characters_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|_| ());
    let bundle = c.bundle.to_str().unwrap();
    for id in ["", ".", "..", "a/b", "../x", "a b", "ü", "a\nb", "a:b", "/"] {
        let out = bed.call(&["create", "--bundle", bundle, id]).output();
        out.fails_naming(&["id"]);
        let out = bed.call(&["state", id]).output();
        out.fails_naming(&["id"]);
        let out = bed.call(&["delete", "--force", id]).output();
        assert!(!out.stderr.contains("panicked"), "{out}");
    }
    bed.assert_nothing_left();
    assert!(bed.root().is_dir(), "delete of .. removed the root");
}

#[test]
fn the_allowed_characters_of_an_id_work() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("echo ran"));
    let id = format!("{}_A.b+c-9", bed.new_id());
    let bundle = c.bundle.to_str().unwrap();
    let out = bed.call(&["run", "--bundle", bundle, &id]).output();
    assert_eq!(out.ok().text(), "ran");
}

#[test]
fn a_very_long_id_is_an_error_or_works() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|_| ());
    let bundle = c.bundle.to_str().unwrap();
    let id = format!("{}{}", bed.new_id(), "x".repeat(5000));
    let out = bed.call(&["run", "--bundle", bundle, &id]).output();
    out.fails_naming(&["id"]);
    bed.assert_nothing_left();
}

#[test]
fn an_id_in_use_is_an_error_and_the_container_lives_on() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.run_detached();
    for command in ["create", "run"] {
        let out = c.call_with_bundle(command, &[]).output();
        out.fails_naming(&[&c.id, "exist"]);
    }
    assert_eq!(c.status(), "running");
    assert!(host::is_alive(c.pid()));
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let Some(bed) = Bed::new() else { return };
    for program in ["no-such-program", "/no/such/program"] {
        let c = bed.container(|s| s["process"]["args"] = words(program));
        c.run().fails_naming(&[program]);
        bed.assert_nothing_left();
        create_with(&bed, |s| s["process"]["args"] = words(program)).fails_naming(&[program]);
    }
}

#[test]
fn a_program_that_may_not_be_run_is_named() {
    let Some(bed) = Bed::new() else { return };
    for program in ["/etc/passwd", "/etc"] {
        let out = bed.run(|s| s["process"]["args"] = words(program));
        out.fails_naming(&[program]);
    }
    bed.assert_nothing_left();
}

#[test]
fn a_program_of_another_format_is_named() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("/garbage"));
    fs::write(c.rootfs("garbage"), [0x7f, b'E', b'L', b'F', 0, 0]).unwrap();
    fs::set_permissions(c.rootfs("garbage"), fs::Permissions::from_mode(0o755)).unwrap();
    c.run().fails_naming(&["/garbage"]);
    bed.assert_nothing_left();
}

#[test]
fn a_missing_interpreter_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("/script"));
    fs::write(c.rootfs("script"), "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(c.rootfs("script"), fs::Permissions::from_mode(0o755)).unwrap();
    c.run().fails_naming(&["/script"]);
    bed.assert_nothing_left();
}

#[test]
fn an_unknown_signal_is_named() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.run_detached();
    for signal in ["COFFEE", "SIGCOFFEE", "999", "-1", "9x"] {
        let out = c.call("kill", &[], &["--", signal]).output();
        out.fails_naming(&[signal]);
    }
    assert_eq!(c.status(), "running");
}

#[test]
fn every_command_names_a_container_it_does_not_know() {
    let Some(bed) = Bed::new() else { return };
    let id = "rcon-test-nobody";
    let calls: [&[&str]; 12] = [
        &["start", id],
        &["state", id],
        &["kill", id, "TERM"],
        &["delete", id],
        &["pause", id],
        &["resume", id],
        &["ps", id],
        &["events", "--stats", id],
        &["update", "--pids-limit", "5", id],
        &["exec", id, "true"],
        &["exec", "--detach", id, "true"],
        &["kill", "--all", id, "KILL"],
    ];
    for call in calls {
        let out = bed.call(call).output().fails_naming(&[id]);
        // podman and containerd look for these words.
        assert!(out.stderr.contains("does not exist"), "{out}");
    }
}

#[test]
fn a_missing_argument_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let commands = [
        "create", "start", "state", "kill", "delete", "pause", "resume", "ps", "events", "update",
        "exec", "run",
    ];
    for command in commands {
        let out = bed.call(&[command]).output();
        let code = out.status.code();
        assert!(code.is_some_and(|c| c != 0), "{out}");
        assert!(
            !out.stderr.is_empty() && !out.stderr.contains("panicked"),
            "{out}"
        );
    }
}

#[test]
fn an_unknown_flag_or_command_is_named() {
    let Some(bed) = Bed::new() else { return };
    for args in [
        &["--coffee", "list"][..],
        &["list", "--coffee"],
        &["coffee"],
    ] {
        let out = bed.call(args).output();
        assert!(out.status.code().is_some_and(|c| c != 0), "{out}");
        let all = format!("{}{}", out.stdout, out.stderr);
        assert!(all.contains("coffee"), "{out}");
    }
}

#[test]
fn an_unknown_list_format_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    bed.call(&["list", "--format", "coffee"])
        .output()
        .fails_naming(&["coffee"]);
    bed.call(&["--log-format", "coffee", "list"])
        .output()
        .fails_naming(&["coffee"]);
}

#[test]
fn update_of_a_malformed_file_changes_nothing() {
    let Some(bed) = Bed::needing(&[Need::Controller("pids")]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["linux"]["resources"]["pids"] = json!({ "limit": 44 });
    });
    c.run_detached();
    for text in ["", "{", r#"{"pids":{"limit":"x"}}"#, "[]"] {
        let call = c.call("update", &["-r", "-"], &[]).stdin(text);
        call.output().fails_naming(&[]);
    }
    assert_eq!(cgroups::read("pids", &c.id, "pids.max", "pids.max"), "44");
}

#[test]
fn a_pid_file_that_cannot_be_written_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|_| ());
    let out = c.call_with_bundle("create", &["--pid-file", "/no/such/dir/pid"]);
    out.output().fails_naming(&["/no/such/dir/pid"]);
    bed.assert_nothing_left();
}

#[test]
fn a_damaged_state_is_an_error_and_can_be_deleted() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.create();
    let pid = c.pid();
    let dir = bed.root().join(&c.id);
    for entry in fs::read_dir(&dir).unwrap().flatten() {
        if entry.path().extension().is_some_and(|e| e == "json") {
            fs::write(entry.path(), "{ damaged").unwrap();
        }
    }
    c.call("state", &[], &[]).output().fails_naming(&[&c.id]);
    bed.call(&["list"]).output();
    assert!(host::is_alive(pid));
    // Either it is cleared away, or the command says that it could not.
    let out = c.call("delete", &["--force"], &[]).output();
    if out.status.success() && !is_foreign() {
        return bed.assert_nothing_left();
    }
    bed.forgive();
}

#[test]
fn preserved_descriptors_that_are_not_open_are_none() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("ls /proc/self/fd"));
    let call = c.call_with_bundle("run", &["--preserve-fds", "50"]);
    // What this process was itself given to pass on, as far as the range
    // goes, and nothing of rcon's.
    let passed = std::process::Command::new("busybox")
        .args(["ls", "/proc/self/fd"])
        .output()
        .unwrap();
    let passed = String::from_utf8(passed.stdout).unwrap();
    let in_range = |fd: &&str| fd.parse::<u32>().is_ok_and(|fd| fd < 53);
    let passed: Vec<&str> = passed.lines().filter(in_range).collect();
    let out = call.output().ok();
    assert_eq!(out.stdout.lines().collect::<Vec<_>>(), passed);
    bed.assert_nothing_left();
}

#[test]
fn a_pid_file_that_cannot_take_its_place_leaves_no_other() {
    let Some(bed) = Bed::needing(&[CHECKS]) else {
        return;
    };
    let c = bed.container(|_| ());
    let taken = bed.directory("pids/taken");
    let out = c.call_with_bundle("create", &["--pid-file", &taken]);
    out.output().fails_naming(&["pids/taken"]);
    let there = fs::read_dir(bed.path("pids")).unwrap().count();
    assert_eq!(there, 1, "only what was there before");
}

/// Nobody reads what it says: it still ends with its code, and not by a panic.
#[test]
fn an_output_that_cannot_be_written_changes_no_exit_code() {
    let Some(bed) = Bed::needing(&[Need::Rcon("the exit codes of rcon")]) else {
        return;
    };
    let cases: [(&[&str], i32); 6] = [
        (&["state", "nobody"], 1),
        (&["no-such-command"], 1),
        (&["--log", "/no/such/log", "list"], 1),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["list"], 0),
    ];
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    for (args, code) in cases {
        let call = bed.call(args).with(|command| {
            command.stdout(full()).stderr(full());
        });
        call.spawn_as_is().wait().code(code);
    }
}
