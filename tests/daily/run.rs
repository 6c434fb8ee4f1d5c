//! `run` and `create`: output, exit codes, and what is said when it fails.

use crate::common::eventually;
use crate::place::Place;
use nix::sys::signal::Signal;
use std::fs;

#[test]
fn both_streams_come_out_apart() {
    let Some(place) = Place::new() else { return };
    let out = place.sh(&[], "echo good; echo bad >&2").output().ok();
    assert_eq!(
        (out.stdout.as_str(), out.stderr.as_str()),
        ("good\n", "bad\n")
    );
    place.assert_empty();
}

#[test]
fn the_exit_code_is_the_programs() {
    let Some(place) = Place::new() else { return };
    for code in [0, 1, 7, 255] {
        place.sh(&[], &format!("exit {code}")).output().code(code);
    }
    for (signal, code) in [("KILL", 137), ("TERM", 143), ("SEGV", 139)] {
        let inner = format!("sh -c 'kill -{signal} $$'; exit $?");
        place.sh(&[], &inner).output().code(code);
    }
    place.assert_empty();
}

#[test]
fn a_program_that_cannot_run_is_named_with_the_cause() {
    let Some(place) = Place::new() else { return };
    place.program("bin/script", "#!/no/such/interpreter\n", 0o755);
    place.program("bin/data", "just text\n", 0o644);
    place.program("bin/nonsense", "\u{7f}ELF", 0o755);
    let cases: [(&[&str], i32, &[&str]); 6] = [
        (&["no-such-program"], 127, &["no-such-program", "not found"]),
        (&["/no/such/file"], 127, &["/no/such/file"]),
        (
            &["/bin/script"],
            127,
            &["/bin/script", "/no/such/interpreter"],
        ),
        (&["/bin/data"], 126, &["/bin/data", "ermission denied"]),
        (&["/etc"], 126, &["/etc"]),
        (&["/bin/nonsense"], 126, &["/bin/nonsense"]),
    ];
    for (program, code, words) in cases {
        for flags in [&["--rm"][..], &["--rm", "-d"]] {
            let out = place.run(flags, program).output().code(code);
            assert_eq!(out.stdout, "", "{program:?} {flags:?}");
            out.fails_naming(words);
        }
    }
    place.assert_empty();
}

#[test]
fn a_wrong_command_line_is_125_and_leaves_nothing() {
    let Some(place) = Place::new() else { return };
    place.file("taken", "x");
    let taken = place.text_path("taken");
    let cases: [(&[&str], &str); 12] = [
        (&["--no-such-flag"], "--no-such-flag"),
        (&["--memory", "12x"], "--memory"),
        (&["--memory", "1k"], "6"),
        (&["-v", "relative:/x:what"], "what"),
        (&["--name", "bad/name"], "bad/name"),
        (&["--env-file", "/no/such/file"], "/no/such/file"),
        (&["--rm", "--restart", "always"], "--rm"),
        (&["-u", "nobody-of-that-name"], "nobody-of-that-name"),
        (&["-w", "relative"], "relative"),
        (&["--network", "container:none"], "none"),
        (&["--cidfile", &taken], "taken"),
        (
            &[
                "-v",
                "/no/such/dir/at/all:/x",
                "--mount",
                "type=bind,src=/no/src,dst=/y",
            ],
            "/no/src",
        ),
    ];
    for (flags, word) in cases {
        let rootfs = place.rootfs();
        let args = [&["run"], flags, &["--rootfs", &rootfs, "true"]].concat();
        place.rcon(&args).output().code(125).fails_naming(&[word]);
    }
    let left = place.kept();
    // Whoever wants to look at a failed start finds it unless it has --rm.
    for id in left {
        place.ok(&["rm", &id]);
    }
    place.assert_empty();
    let _ = fs::remove_dir("/no/such/dir/at/all");
}

#[test]
fn a_root_that_is_none_is_told() {
    let Some(place) = Place::new() else { return };
    let no = place
        .rcon(&["run", "--rootfs", "/no/such/root", "true"])
        .output();
    no.code(125).fails_naming(&["/no/such/root"]);
    let host = place
        .rcon(&["run", "--rm", "--rootfs", "/", "true"])
        .output();
    host.code(125).fails_naming(&["host"]);
    place
        .rcon(&["run", "--pull", "never", "no-image", "true"])
        .output()
        .code(125)
        .fails_naming(&["no-image"]);
    place.assert_empty();
}

#[test]
fn without_rm_it_stays_and_a_failed_start_too() {
    let Some(place) = Place::new() else { return };
    place
        .run(&["--name", "kept"], &["sh", "-c", "exit 3"])
        .output()
        .code(3);
    assert_eq!(place.status("kept"), "exited");
    assert_eq!(place.number_of("kept", "exit_code"), 3);
    place
        .run(&["--name", "failed"], &["no-such"])
        .output()
        .code(127);
    assert_eq!(place.status("failed"), "created");
    assert_eq!(place.number_of("failed", "exit_code"), 127);
}

#[test]
fn detached_it_prints_the_id_and_lives_on() {
    let Some(place) = Place::new() else { return };
    let id = place.sleeper("back");
    assert_eq!((id.len(), place.status("back").as_str()), (64, "running"));
    assert!(id.bytes().all(|b| b.is_ascii_hexdigit()));
    assert!(place.dir_of("back").ends_with(&id));
}

#[test]
fn detached_with_rm_it_goes_when_it_ends() {
    let Some(place) = Place::new() else { return };
    place.run(&["-d", "--rm"], &["sleep", "0.2"]).output().ok();
    eventually("it is removed", || place.kept().is_empty());
    place.assert_empty();
}

#[test]
fn a_name_is_somebodys_until_he_goes() {
    let Some(place) = Place::new() else { return };
    let id = place.sleeper("mine");
    let second = place.run(&["--rm", "--name", "mine"], &["true"]).output();
    second
        .code(125)
        .fails_naming(&["mine", "in use", &id[..12]]);
    assert_eq!(place.kept(), [id]);
    place.ok(&["rm", "-f", "mine"]);
    place
        .run(&["--rm", "--name", "mine"], &["true"])
        .output()
        .ok();
    place.assert_empty();
}

#[test]
fn the_cidfile_holds_the_id() {
    let Some(place) = Place::new() else { return };
    let file = place.text_path("cid");
    let rootfs = place.rootfs();
    let args = [
        "run",
        "-d",
        "--cidfile",
        &file,
        "--rootfs",
        &rootfs,
        "sleep",
        "60",
    ];
    let id = place.ok(&args).text().to_owned();
    assert_eq!(fs::read_to_string(&file).unwrap(), id);
    place.rcon(&args).output().code(125).fails_naming(&["cid"]);
    assert_eq!(place.kept(), [id]);
}

#[test]
fn a_cidfile_that_cannot_be_written_leaves_nothing() {
    let Some(place) = Place::new() else { return };
    let rootfs = place.rootfs();
    let args = [
        "run",
        "--cidfile",
        "/no/such/dir/cid",
        "--rootfs",
        &rootfs,
        "true",
    ];
    place
        .rcon(&args)
        .output()
        .code(125)
        .fails_naming(&["/no/such/dir/cid"]);
    place.assert_empty();
}

#[test]
fn create_makes_and_start_starts() {
    let Some(place) = Place::new() else { return };
    let line = place.line(
        "create",
        &["--name", "later"],
        &["sh", "-c", "echo ran; exit 5"],
    );
    let id = place.rcon(&[]).args(line).output().ok().text().to_owned();
    assert_eq!(place.status("later"), "created");
    assert_eq!(place.ok(&["start", "later"]).text(), "later");
    assert_eq!(place.ok(&["wait", &id]).text(), "5");
    assert_eq!(place.ok(&["logs", "later"]).text(), "ran");
    // Attached, the code is the program's.
    let out = place.rcon(&["start", "-a", "later"]).output().code(5);
    assert_eq!(out.text(), "ran");
}

#[test]
fn signals_to_the_command_reach_the_program() {
    let Some(place) = Place::new() else { return };
    let script = "trap 'echo got it; exit 9' USR1; echo ready; while :; do sleep 0.05; done";
    let running = place.sh(&[], script).spawn();
    eventually("it is ready", || running.stdout().contains("ready"));
    running.signal(Signal::SIGUSR1);
    let out = running.wait().code(9);
    assert!(out.stdout.contains("got it"), "{out}");
    place.assert_empty();
}

#[test]
fn without_the_proxy_signals_are_the_commands_own() {
    let Some(place) = Place::new() else { return };
    let script = "trap 'echo got it; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let flags = ["--sig-proxy=false", "--name", "on"];
    let line = place.line("run", &flags, &["sh", "-c", script]);
    let running = place.rcon(&[]).args(line).spawn();
    eventually("it is ready", || running.stdout().contains("ready"));
    running.signal(Signal::SIGTERM);
    let out = running.wait();
    assert!(!out.stdout.contains("got it"), "{out}");
    assert_eq!(place.status("on"), "running");
}

#[test]
fn changes_stay_in_the_overlay_and_outlive_a_stop() {
    let Some(place) = Place::new() else { return };
    let script = "test -e /mine && cat /mine; echo kept > /mine";
    place
        .run(&["--name", "files"], &["sh", "-c", script])
        .output()
        .ok();
    assert!(!place.path("rootfs/mine").exists());
    assert_eq!(place.ok(&["start", "-a", "files"]).text(), "kept");
    // Without an overlay the directory itself is the root.
    let dir = place.text_path("rootfs");
    place.ok(&["run", "--rm", "--rootfs", &dir, "touch", "/mine"]);
    assert!(place.path("rootfs/mine").exists());
}

#[test]
fn rcon_container_is_the_same() {
    let Some(place) = Place::new() else { return };
    let line = place.line("run", &["--name", "long"], &["echo", "hello"]);
    let out = place.rcon(&["container"]).args(line).output().ok();
    assert_eq!(out.text(), "hello");
    place.ok(&["container", "rm", "long"]);
    place.assert_empty();
}

#[test]
fn ended_as_soon_as_started_it_leaves_nothing() {
    let Some(place) = Place::new() else { return };
    let all: Vec<_> = (0..60u64)
        .map(|n| {
            let running = place.run(&["--rm"], &["sleep", "0.2"]).spawn();
            std::thread::sleep(std::time::Duration::from_micros(400 + n * 100));
            running.signal(nix::sys::signal::Signal::SIGTERM);
            running
        })
        .collect();
    for running in all {
        running.wait();
    }
    place.assert_empty();
}

#[test]
fn flags_that_only_docker_has_are_answered_with_what_to_do_instead() {
    let Some(place) = Place::new() else { return };
    for (flag, instead) in [
        ("--runtime=runc", "leave it out"),
        ("--link=db", "--network NET"),
        ("--storage-opt=size=1G", "--tmpfs"),
        ("--isolation=hyperv", "leave it out"),
        ("--volume-driver=nfs", "the driver local"),
    ] {
        let out = place.rcon(&["run", flag, "busybox"]).output().code(125);
        let (name, _) = flag.split_once('=').unwrap();
        assert!(
            !out.stderr.contains("unexpected argument"),
            "{}",
            out.stderr
        );
        out.fails_naming(&[name, instead]);
    }
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let Some(place) = Place::new() else { return };
    let cases: [(&[&str], &[&str], &[&str]); 2] = [
        (
            &["-w", "/bin/sh"],
            &["true"],
            &["/bin/sh", "the image has a file there"],
        ),
        (
            &["-v", "/etc/passwd:/bin"],
            &["true"],
            &["/etc/passwd", "cannot be bound over a folder"],
        ),
    ];
    for (flags, program, words) in cases {
        let flags = [&["--rm"], flags].concat();
        let out = place.run(&flags, program).output().code(125);
        for call in ["openat", "move_mount(", "mkdirat", " = E"] {
            assert!(!out.stderr.contains(call), "{}", out.stderr);
        }
        out.fails_naming(words);
    }
    // A file as large as nobody may write is an error, and no sudden death.
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "(ulimit -f 0; exec \"$0\" \"$@\") 2>&1 | cat"]);
    shell.arg(env!("CARGO_BIN_EXE_rcon"));
    let line = place.line("create", &[], &["true"]);
    let out = place.call(shell).args(line).output();
    assert!(out.stdout.contains("ulimit -f"), "{}", out.stdout);
}

/// What was measured, in milliseconds, with its words.
fn rows(said: &str) -> Vec<(f64, &str)> {
    let parse = |line: &str| line.trim().split(" ms").next()?.parse().ok();
    said.lines()
        .filter_map(|line| Some((parse(line)?, line)))
        .collect()
}

#[test]
fn where_the_time_went_is_told_and_adds_up() {
    let Some(place) = Place::new() else { return };
    let out = place.run(&["--rm", "--timings"], &["echo", "hi"]).output();
    let out = out.ok();
    assert_eq!(out.stdout, "hi\n");
    let rows = rows(&out.stderr);
    assert!(rows[0].1.ends_with("until here:"), "{out}");
    let sum: f64 = rows[1..].iter().map(|row| row.0).sum();
    assert!((sum - rows[0].0).abs() < 0.1, "{sum} of {out}");
    let mut words = rows[1..].iter();
    for part in [
        "executed",
        "record",
        "keeper",
        "layers",
        "plan",
        "record",
        "cgroups",
        "forked",
        "namespaces",
        "root",
        "power",
        "start",
        "filter",
        "program",
        "cgroups",
        "files",
        "hears",
    ] {
        let row = words.next();
        assert!(row.is_some_and(|row| row.1.contains(part)), "{part}: {out}");
    }
    place.assert_empty();
}

#[test]
fn where_the_time_went_is_told_of_one_that_goes_on() {
    let Some(place) = Place::new() else { return };
    let out = place.run(&["-d", "--timings", "--name", "box"], &["sleep", "60"]);
    let out = out.output().ok();
    assert_eq!(out.stdout.trim().len(), 64, "{out}");
    assert!(out.stderr.contains("program executed"), "{out}");
    assert!(!out.stderr.contains("are removed"), "{out}");
    let out = place.run(&["--rm", "--timings"], &["nosuch"]).output();
    let out = out.code(127);
    assert!(out.stderr.contains("until here"), "{out}");
    place.ok(&["rm", "-f", "box"]);
    place.assert_empty();
}
