//! `exec`: a further program in a running container.

use crate::common::host::own_filters;
use crate::common::pty::{becomes_cooked, under_pty};
use crate::common::{Need, eventually};
use crate::place::Place;
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn the_exit_code_and_both_streams() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let out = place
        .rcon(&["exec", "box", "sh", "-c", "echo o; echo e >&2; exit 7"])
        .output()
        .code(7);
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("o\n", "e\n"));
    place
        .rcon(&["exec", "box", "sh", "-c", "sh -c 'kill -9 $$'; exit $?"])
        .output()
        .code(137);
    place
        .rcon(&["exec", "box", "no-such"])
        .output()
        .code(127)
        .fails_naming(&["no-such"]);
    place
        .rcon(&["exec", "box", "/etc"])
        .output()
        .code(126)
        .fails_naming(&["/etc"]);
    assert_eq!(place.status("box"), "running");
}

#[test]
fn a_missing_directory_is_told_and_not_made() {
    let Some(place) = Place::new() else { return };
    place.start("box", &[], "sleep 600");
    place
        .rcon(&["exec", "-w", "/nosuch/dir", "box", "pwd"])
        .output()
        .code(126)
        .fails_naming(&["/nosuch/dir", "no such file or directory"]);
    assert_eq!(place.ok(&["exec", "box", "ls", "-d", "/"]).text(), "/");
    assert!(!place.dir_of("box").join("fs/upper/nosuch").exists());
}

#[test]
fn what_it_is_given() {
    let Some(place) = Place::new() else { return };
    place.start("box", &["-e", "OURS=1", "-w", "/tmp"], "sleep 600");
    let file = place.file("vars", "FILE=f\n");
    let unfiltered = format!("Seccomp_filters:{}", own_filters());
    let cases: [(&[&str], &str, &str); 8] = [
        (&[], "pwd; echo $OURS", "/tmp\n1"),
        (&["-w", "/etc"], "pwd", "/etc"),
        (&["-e", "A=b", "-e", "OURS=2"], "echo $A $OURS", "b 2"),
        (&["--env-file", &file], "echo $FILE", "f"),
        (&["-u", "user"], "id -u; id -G", "1000\n1000 50"),
        (&["-u", "7:8"], "id -u; id -g", "7\n8"),
        (
            &["--privileged"],
            "grep Seccomp_filters /proc/self/status | tr -d '\\t'",
            &unfiltered,
        ),
        (
            &[],
            "grep Seccomp: /proc/self/status | tr -d '\\t'",
            "Seccomp:2",
        ),
    ];
    for (flags, script, answer) in cases {
        let args = [&["exec"], flags, &["box", "sh", "-c", script]].concat();
        assert_eq!(place.ok(&args).text(), answer, "{args:?}");
    }
    let power = "mount -t tmpfs none /mnt 2>/dev/null && echo can || echo cannot";
    assert_eq!(
        place.ok(&["exec", "box", "sh", "-c", power]).text(),
        "cannot"
    );
    assert_eq!(
        place
            .ok(&["exec", "--privileged", "box", "sh", "-c", power])
            .text(),
        "can"
    );
}

#[test]
fn input_only_with_i() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let with = place
        .rcon(&["exec", "-i", "box", "cat"])
        .stdin("words")
        .output()
        .ok();
    assert_eq!(with.stdout, "words");
    let without = place
        .rcon(&["exec", "box", "cat"])
        .stdin("words")
        .output()
        .ok();
    assert_eq!(without.stdout, "");
}

#[test]
fn with_a_terminal() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let call = place.at_terminal(&[
        "exec",
        "-it",
        "box",
        "sh",
        "-c",
        "stty size; tty; read x; exit $x",
    ]);
    let mut p = under_pty(call, 31, 99);
    p.terminal.wait_for("31 99\r\n/dev/pts/");
    p.terminal.type_in("6\n");
    p.running.wait().code(6);
    assert!(becomes_cooked(&p.slave));
    let refused = place.rcon(&["exec", "-it", "box", "true"]).output();
    refused.code(1).fails_naming(&["TTY"]);
    let out = place
        .rcon(&["exec", "-t", "box", "echo", "x"])
        .output()
        .ok();
    assert_eq!(out.stdout, "x\r\n");
}

#[test]
fn leaving_by_keys_lets_it_run() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let call = place.at_terminal(&[
        "exec",
        "-it",
        "box",
        "sh",
        "-c",
        "echo ready; sleep 1; touch /after; sleep 60",
    ]);
    let mut p = under_pty(call, 24, 80);
    p.terminal.wait_for("ready");
    p.terminal.type_in("\x10\x11");
    p.running.wait().code(0);
    assert!(becomes_cooked(&p.slave));
    let after = place.dir_of("box").join("fs/upper/after");
    eventually("it runs on", || after.exists());
}

#[test]
fn detached_it_runs_on() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    // It ends only when the command that started it has returned.
    let script = "while [ ! -e /go ]; do sleep 0.05; done; touch /after; sleep 100";
    place.ok(&["exec", "-d", "box", "sh", "-c", script]);
    place.ok(&["exec", "box", "touch", "/go"]);
    let after = place.dir_of("box").join("fs/upper/after");
    eventually("it runs on", || after.exists());
    // What cannot be run is told even so.
    place
        .rcon(&["exec", "-d", "box", "no-such"])
        .output()
        .code(127)
        .fails_naming(&["no-such"]);
}

#[test]
fn where_nothing_runs() {
    let Some(place) = Place::needing(&[Need::Controller("freezer")]) else {
        return;
    };
    place.sleeper("box");
    place.ok(&["pause", "box"]);
    place
        .rcon(&["exec", "box", "true"])
        .output()
        .code(1)
        .fails_naming(&["box", "paused"]);
    place.ok(&["unpause", "box"]);
    place.ok(&["exec", "box", "true"]);
    place.ok(&["stop", "box"]);
    place
        .rcon(&["exec", "box", "true"])
        .output()
        .code(1)
        .fails_naming(&["box", "not running"]);
    place
        .rcon(&["exec", "nobody", "true"])
        .output()
        .code(1)
        .fails_naming(&["nobody"]);
    place
        .rcon(&["exec", "box"])
        .output()
        .fails_naming(&["exec"]);
}

#[test]
fn a_signal_reaches_the_process() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let script = "trap 'echo got; exit 12' TERM; echo ready; while :; do sleep 0.05; done";
    let running = place.rcon(&["exec", "box", "sh", "-c", script]).spawn();
    eventually("it is ready", || running.stdout().contains("ready"));
    running.signal(Signal::SIGTERM);
    assert!(running.wait().code(12).stdout.contains("got"));
}

#[test]
fn a_closed_terminal_reaches_the_process() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let script = "trap 'touch /hup; exit' HUP; echo ready; while :; do sleep 0.05; done";
    let mut p = under_pty(
        place.at_terminal(&["exec", "-it", "box", "sh", "-c", script]),
        24,
        80,
    );
    p.terminal.wait_for("ready");
    drop(p.terminal);
    drop(p.slave);
    let hup = place.dir_of("box").join("fs/upper/hup");
    eventually("it is told", || hup.exists());
    p.running.wait();
}

#[test]
fn the_container_ends_meanwhile() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let running = place
        .rcon(&["exec", "box", "sh", "-c", "echo ready; sleep 600"])
        .spawn();
    eventually("it is ready", || running.stdout().contains("ready"));
    place.ok(&["rm", "-f", "box"]);
    running.wait().code(137);
    place.assert_empty();
}

#[test]
fn many_at_once() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let all: Vec<_> = (0..30)
        .map(|n| {
            (
                n,
                place
                    .rcon(&["exec", "box", "sh", "-c", &format!("echo {n}; exit {n}")])
                    .spawn(),
            )
        })
        .collect();
    for (n, running) in all {
        assert_eq!(running.wait().code(n).text(), n.to_string());
    }
}

#[test]
fn it_is_limited_as_its_container() {
    let Some(place) = Place::needing(&[Need::Controller("pids")]) else {
        return;
    };
    let id = place.sleeper("box");
    let groups = place
        .ok(&["exec", "box", "cat", "/proc/self/cgroup"])
        .stdout;
    let own = place.ok(&["exec", "box", "cat", "/proc/1/cgroup"]).stdout;
    assert_eq!(groups, own, "of {id}");
}

#[test]
fn nothing_of_the_callers_gets_in() {
    let Some(place) = Place::new() else { return };
    place.start("box", &["-v", &mount_of(&place)], "sleep 600");
    let file = place.file("input", "precious\n");
    let own = fs::metadata(&file).expect("just written").len();
    // A file that is read could be opened anew through procfs, for writing.
    let script = "cat; : >/proc/self/fd/0; true";
    let call = place.rcon(&["exec", "-i", "box", "sh", "-c", script]);
    let call = call.with(|c| {
        c.stdin(File::open(&file).expect("just written"));
    });
    assert!(call.output().stdout.starts_with("precious\n"));
    assert_eq!(fs::metadata(&file).expect("it is there").len(), own);
    for flags in [&[][..], &["-i"], &["-d"]] {
        let args = [&["exec"], flags, &["box", "sh", "-c"], &[LOOK_INTO]].concat();
        let mut p = under_pty(place.at_terminal(&args), 24, 80);
        let seen = || fs::read_to_string(place.path("shared/seen")).unwrap_or_default();
        eventually("it has looked", || seen().lines().count() == 3);
        p.running.wait().ok();
        assert!(
            !seen().contains("pts") && !seen().contains("tty"),
            "{flags:?}: {}",
            seen()
        );
        fs::remove_file(place.path("shared/seen")).expect("it is there");
        p.terminal.forget();
    }
}

/// The same into a file, for one that is detached.
const LOOK_INTO: &str =
    "for n in 0 1 2; do readlink /proc/$$/fd/$n; done > /shared/part; mv /shared/part /shared/seen";

fn mount_of(place: &Place) -> String {
    fs::create_dir_all(place.path("shared")).expect("our directory");
    format!("{}:/shared", place.text_path("shared"))
}

#[test]
fn what_stays_behind_does_not_read_what_is_typed_next() {
    let Some(place) = Place::new() else { return };
    place.start("box", &["-v", &mount_of(&place)], "sleep 600");
    let script = "(read x; echo got $x > /shared/stolen) <&0 & echo away";
    let args = ["exec", "-i", "box", "sh", "-c", script];
    let mut p = under_pty(place.at_terminal(&args), 24, 80);
    p.terminal.wait_for("away");
    p.running.wait().ok();
    p.terminal.type_in("secret\n");
    std::thread::sleep(Duration::from_millis(300));
    let stolen = fs::read_to_string(place.path("shared/stolen")).unwrap_or_default();
    assert!(!stolen.contains("secret"), "{stolen}");
}

#[test]
fn much_gets_through_unchanged() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let bytes: Vec<u8> = (0..40_000_000u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    fs::write(place.path("big"), &bytes).expect("our directory");
    let call = place.rcon(&["exec", "-i", "box", "cat"]).with(|c| {
        c.stdin(File::open(place.path("big")).expect("just written"));
        c.stdout(File::create(place.path("back")).expect("our directory"));
        c.stderr(Stdio::inherit());
    });
    call.spawn_as_is().wait().ok();
    assert!(fs::read(place.path("back")).expect("it is there") == bytes);
}

#[test]
fn a_reader_that_goes_ends_the_program() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let line = "\"$0\" exec box yes | head -n 1; \"$0\" exec -i box head -n 1 </dev/zero | head -c 2 | wc -c";
    let mut sh = std::process::Command::new("sh");
    sh.args(["-c", line, env!("CARGO_BIN_EXE_rcon")]);
    assert_eq!(place.call(sh).output().ok().text(), "y\n2");
}

#[test]
fn a_program_that_goes_on_without_a_reader_holds_nobody() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let line = "timeout -s KILL 60 \"$0\" exec box sh -c 'while :; do ls -d /; sleep 0.1; done' \
                2>said | head -n 1; echo ${PIPESTATUS[0]}";
    let mut bash = std::process::Command::new("bash");
    bash.args(["-c", line, env!("CARGO_BIN_EXE_rcon")]);
    assert_eq!(place.call(bash).output().ok().text(), "/\n141");
    let said = fs::read_to_string(place.path("said")).unwrap();
    assert!(said.contains("it goes on"), "{said}");
}

#[test]
fn who_keeps_the_pipe_open_is_not_waited_for() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let start = Instant::now();
    let script = "(sleep 60; echo late) & head -c 60000 /dev/zero | tr '\\0' x; exit 4";
    let out = place.rcon(&["exec", "box", "sh", "-c", script]).output();
    assert_eq!(out.code(4).text().len(), 60_000);
    assert!(start.elapsed() < Duration::from_secs(50));
}

#[test]
fn another_user_may_open_its_streams_by_name() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let script = "echo o >/proc/self/fd/1; echo e >/proc/self/fd/2; cat /proc/self/fd/0";
    let call = place.rcon(&["exec", "-i", "-u", "user", "box", "sh", "-c", script]);
    let out = call.stdin("i\n").output().ok();
    assert_eq!(
        (out.stdout.as_str(), out.stderr.as_str()),
        ("o\ni\n", "e\n")
    );
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let call = place.rcon(&["exec", "box", "echo", "x"]);
    let out = crate::place::to_full(call);
    out.code(1).fails_naming(&["standard output", "No space"]);
}

#[test]
fn a_failed_exec_takes_no_time_and_leaves_the_containers_cgroups() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let start = Instant::now();
    place.rcon(&["exec", "box", "no-such"]).output().code(127);
    place.rcon(&["exec", "box", "/etc"]).output().code(126);
    assert!(
        start.elapsed() < Duration::from_secs(9),
        "{:?}",
        start.elapsed()
    );
    place.ok(&["exec", "box", "true"]);
}

#[test]
fn a_container_that_is_just_killed_has_ended() {
    let Some(place) = Place::new() else { return };
    for n in 0..6u64 {
        let name = format!("box{n}");
        place.sleeper(&name);
        let pid = place.number_of(&name, "pid");
        let all: Vec<_> = (0..4)
            .map(|_| place.rcon(&["exec", &name, "true"]).spawn())
            .collect();
        std::thread::sleep(Duration::from_millis(2 + n * 2));
        crate::place::shoot(pid);
        for running in all {
            let out = running.wait();
            let fine = matches!(out.status.code(), Some(0 | 137))
                || out.stderr.contains("has ended")
                || out.stderr.contains("is not running");
            assert!(fine, "{out}");
        }
    }
}
