//! What scripts and people who come from Docker take for granted.

mod common;
use common::store::StoreBed;
use common::*;

use std::fs;
use std::process::Command;

/// `run --rm` with these flags on the bed's root.
#[track_caller]
fn run(bed: &StoreBed, flags: &[&str], program: &[&str]) -> Output {
    let root = format!("{}:O", bed.rootfs("").display());
    bed.rcon(&[&["run", "--rm"], flags, &["--rootfs", &root], program].concat())
}

#[test]
fn a_directory_that_v_names_is_made_and_one_of_mount_is_not() {
    let Some(bed) = StoreBed::new() else { return };
    let place = bed.path("new/dir");
    let volume = format!("{}:/data", place.display());
    run(&bed, &["-v", &volume], &["touch", "/data/x"]).ok();
    assert!(place.join("x").exists());
    let other = bed.path("other");
    let mount = format!("type=bind,source={},target=/data", other.display());
    run(&bed, &["--mount", &mount], &["true"]).fails_naming(&["other"]);
    assert!(!other.exists());
    // A link that leads nowhere is somebody's, and stays one.
    let link = bed.path("link");
    std::os::unix::fs::symlink("/nonexistent/place", &link).unwrap();
    let volume = format!("{}:/data", link.display());
    run(&bed, &["-v", &volume], &["true"]).fails_naming(&["link"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn the_hosts_ipc_is_shared_with_or_without_message_queues() {
    let Some(bed) = StoreBed::new() else { return };
    run(&bed, &["--ipc", "host"], &["true"]).ok();
}

#[test]
fn who_shares_a_network_has_its_name() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper(
        "web",
        &["--hostname", "the-web", "--add-host", "db:192.0.2.9"],
    );
    let flags = ["--network", "container:web"];
    let out = run(&bed, &flags, &["cat", "/etc/hostname", "/etc/hosts"])
        .ok()
        .stdout;
    assert!(
        out.starts_with("the-web\n") && out.contains("192.0.2.9\tdb"),
        "{out}"
    );
}

#[test]
fn exit_codes_of_a_wrong_command_line() {
    let Some(bed) = StoreBed::new() else { return };
    for (args, code) in [
        (&["run", "--nope"][..], 125),
        (&["container", "create", "--nope"], 125),
        (&["--root", "run", "exec", "--nope"], 125),
        (&["nope"], 1),
        (&["stop"], 1),
        (&["ps", "extra"], 1),
        // Docker's code for a wrong flag of any command.
        (&["--root", "run", "ps", "--nope"], 125),
        (&["build", "--nope", "."], 125),
        (&["image", "build", "--nope", "."], 125),
        (&["network", "ls", "--nope"], 125),
        (&["network", "--nope"], 125),
        (&["--nope", "ps"], 125),
        (&["ps", "--last", "x"], 125),
        (&["ps", "--all=maybe"], 125),
        (&["logs", "--tail"], 125),
        (&["logs", "--tail", "abc", "x"], 125),
        (&["logs", "--since", "abc", "x"], 125),
        (&["events", "--until", "abc"], 125),
        (&["ps", "--filter", "foo=1"], 125),
        (&["ps", "--filter", "status=foo"], 125),
        (&["images", "--filter", "dangling=perhaps"], 125),
        (&["system", "prune", "-f", "--filter", "until=abc"], 125),
        (&["build", "-t", "Bad Name", "."], 125),
        (&["build", "-t", "x", "a", "b"], 1),
        (&["kill", "-s", "FOO", "x"], 125),
        (&["stop", "-t", "abc", "x"], 125),
        (&["start", "--detach-keys", "abc-", "-a", "x"], 125),
        (&["create", "--explain", "x"], 125),
        (&["exec"], 1),
        (&["exec", "nobody", "true"], 1),
        (&["df"], 1),
        (&["network", "nope"], 1),
    ] {
        let out = bed.rcon(args).code(code);
        assert_eq!(out.stderr.lines().count(), 1, "{out}");
    }
    let out = bed.rcon(&["rm"]).code(1);
    assert!(out.stderr.contains("Usage: rcon rm"), "{out}");
    for args in [&[][..], &["system"], &["container"]] {
        let out = bed.rcon(args).code(0);
        let all = out.stdout.clone() + &out.stderr;
        assert!(
            all.contains("Usage: rcon") && !all.contains("error"),
            "{out}"
        );
    }
    let root = bed.rootfs("");
    bed.rcon(&["run", "--rootfs", root.to_str().unwrap()])
        .code(125);
}

#[test]
fn what_exec_could_not_do_has_dockers_code() {
    let Some(bed) = StoreBed::new() else { return };
    bed.make_container(&["create", "--name", "new"], &["true"]);
    bed.sleeper("web", &[]);
    for (args, told) in [
        (&["new", "true"][..], "not running"),
        (&["-it", "web", "sh"], "not a TTY"),
        (&["-u", "nobody-there", "web", "true"], "nobody-there"),
        (&["--env-file", "no-file", "web", "true"], "no-file"),
    ] {
        let out = bed.rcon(&[&["exec"], args].concat());
        out.code(1).fails_naming(&[told]);
    }
    bed.rcon(&["pause", "web"]).ok();
    let out = bed.rcon(&["exec", "web", "true"]);
    out.code(1).fails_naming(&["paused"]);
}

#[test]
fn mistakes_are_told_with_the_way_out() {
    let Some(bed) = StoreBed::new() else { return };
    for (args, told) in [
        (&["df"][..], "rcon system df"),
        (&["prune"], "rcon system prune"),
        (&["create", "--explain", "x"], "`start`"),
        (&["stop", "-t", "abc", "x"], "\"abc\" is not a whole number"),
        (&["stop", "-t", "99999999999999999999", "x"], "is too large"),
    ] {
        bed.rcon(args).fails_naming(&[told]);
    }
    for (flags, told) in [
        (&["--device", "/dev/nosuch"], "no such file"),
        (&["--device", "/etc/passwd"], "not a device node"),
        (&["--cap-add", "NET_ADMN"], "--cap-add: unknown"),
        (&["--log-opt", "foo=1"], "known are max-size, max-file, l"),
    ] {
        run(&bed, flags, &["true"]).code(125).fails_naming(&[told]);
    }
    let out = run(&bed, &["--security-opt", "foo=1"], &["true"]).code(125);
    assert_eq!(out.stderr.matches("--security-opt").count(), 1, "{out}");
}

#[test]
fn the_steps_of_a_start_are_told() {
    let Some(bed) = StoreBed::new() else { return };
    bed.make_container(
        &["create", "--name", "new", "--network", "none"],
        &["echo", "hi"],
    );
    for args in [
        &["start", "--explain", "new"][..],
        &["start", "--explain", "-a", "new"],
    ] {
        let told = bed.rcon(args).ok().stderr;
        assert!(
            told.contains(" launcher ") && told.contains(" init "),
            "{told}"
        );
        // Nobody has given a bundle.
        assert!(!told.contains("the bundle"), "{told}");
        bed.rcon(&["wait", "new"]).ok();
    }
}

#[test]
fn rm_force_tells_what_was_not_there_and_is_content() {
    let Some(bed) = StoreBed::new() else { return };
    bed.make_container(&["create", "--name", "there"], &["true"]);
    let out = bed.rcon(&["rm", "-f", "nobody", "there"]).code(0);
    assert_eq!(out.stdout, "there\n");
    assert!(out.stderr.contains("nobody"), "{out}");
}

#[test]
fn logs_take_a_negative_number_for_all() {
    let Some(bed) = StoreBed::new() else { return };
    bed.make_container(&["run", "--name", "talk"], &["echo", "hi"]);
    assert_eq!(bed.says(&["logs", "--tail", "-1", "talk"]), "hi\n");
}

#[test]
fn files_that_the_kernel_makes_up_are_copied_with_their_content() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper("web", &[]);
    bed.rcon(&["cp", "web:/proc/version", "version"]).ok();
    let own = fs::read_to_string("/proc/version").unwrap();
    assert_eq!(fs::read_to_string(bed.path("version")).unwrap(), own);
    bed.rcon(&[
        "cp",
        "web:/sys/kernel/mm/transparent_hugepage/enabled",
        "thp",
    ])
    .ok();
    let thp = fs::read_to_string(bed.path("thp")).unwrap();
    assert!(!thp.contains('\0') && thp.ends_with('\n'), "{thp:?}");
}

#[test]
fn a_script_that_asks_for_a_server_gets_a_version() {
    let Some(bed) = StoreBed::new() else { return };
    let said = bed.says(&["version", "-f", "{{.Server.Version}}"]);
    assert_eq!(said.trim(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn events_name_what_a_container_is_made_of() {
    let Some(bed) = StoreBed::new() else { return };
    bed.make_container(&["create", "--name", "made"], &["true"]);
    let said = bed.says(&[
        "events",
        "--since",
        "1m",
        "--until",
        "0s",
        "--format",
        "{{.Actor.Attributes.image}}",
    ]);
    let root = bed.rootfs("");
    assert!(
        said.contains(root.to_str().unwrap().trim_end_matches('/')),
        "{said}"
    );
}

/// What is done twice at each start is done by as little as can be.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
#[test]
fn rcon_is_executed_again_before_the_c_library_is_made_ready() {
    let Some(bed) = StoreBed::new() else { return };
    if !needs_met(&[Need::Tool("strace")]) {
        return;
    }
    let trace = bed.path("trace");
    let call = bed.call(&["exec", "nobody", "true"]).with(|command| {
        let mut strace = Command::new("strace");
        strace.arg("-o").arg(&trace);
        strace.arg(command.get_program()).args(command.get_args());
        strace.envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
        *command = strace;
    });
    call.output().fails_naming(&["nobody"]);
    let text = fs::read_to_string(trace).unwrap();
    let first_life = text
        .lines()
        .take_while(|call| !call.starts_with("execveat("));
    let first_life: Vec<&str> = first_life.collect();
    // One to be executed, and seven for the view of its binary.
    assert_eq!(first_life.len(), 8, "{first_life:#?}");
}
