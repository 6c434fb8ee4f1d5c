//! What goes in and what comes out, in quantity.

use crate::common::{Call, eventually};
use crate::place::Place;
use nix::sys::signal::Signal;
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// `rcon …` as part of a line of the host's shell, where it is `$RCON` and the
/// root file system is `$ROOT`.
fn shell(place: &Place, line: &str) -> Call {
    let mut bash = Command::new("bash");
    bash.args(["-c", line]);
    place
        .call(bash)
        .env("RCON", env!("CARGO_BIN_EXE_rcon"))
        .env("ROOT", &place.rootfs())
}

#[test]
fn what_is_piped_in_comes_out() {
    let Some(place) = Place::new() else { return };
    let out = shell(&place, "echo x | $RCON run -i --rm --rootfs $ROOT cat")
        .output()
        .ok();
    assert_eq!(out.stdout, "x\n");
    place.assert_empty();
}

#[test]
fn without_i_there_is_nothing_to_read() {
    let Some(place) = Place::new() else { return };
    let out = place
        .sh(&[], "cat; echo end")
        .stdin("not for you")
        .output()
        .ok();
    assert_eq!(out.text(), "end");
}

#[test]
fn fifty_megabytes_go_through() {
    let Some(place) = Place::new() else { return };
    let line = "head -c 50000000 /dev/urandom > big && sha256sum < big && \
        $RCON run -i --rm --rootfs $ROOT cat < big | sha256sum && \
        cat big | $RCON run -i --rm --rootfs $ROOT cat | sha256sum";
    let out = shell(&place, line).output().ok();
    let sums: Vec<&str> = out.text().lines().collect();
    assert_eq!(sums.len(), 3);
    assert!(sums.iter().all(|s| *s == sums[0]), "{out}");
    place.assert_empty();
}

#[test]
fn a_reader_that_has_enough_ends_the_container() {
    let Some(place) = Place::new() else { return };
    let line = "$RCON run --rm --name yes --rootfs $ROOT yes | head -1; echo ${PIPESTATUS[0]}";
    let start = Instant::now();
    let out = shell(&place, line).output().ok();
    assert!(out.stdout.starts_with("y\n"), "{out}");
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
    place.assert_empty();
}

#[test]
fn a_program_that_goes_on_without_a_reader_holds_nobody() {
    let Some(place) = Place::new() else { return };
    // The first process of a container is not ended by SIGPIPE.
    let line = "timeout -s KILL 60 $RCON run --name deaf --rootfs $ROOT \
        sh -c 'while :; do echo a; sleep 0.1; done' 2>said | head -1; echo ${PIPESTATUS[0]}";
    let out = shell(&place, line).output().ok();
    assert_eq!(out.text(), "a\n141");
    assert_eq!(place.status("deaf"), "running");
    let said = fs::read_to_string(place.path("said")).unwrap();
    assert!(said.contains("rcon stop deaf"), "{said}");
    place.ok(&["rm", "-f", "deaf"]);
    place.assert_empty();
}

#[test]
fn a_reader_that_has_enough_hangs_up_the_terminal_of_an_exec() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let exec = |program: &str| {
        let line = format!(
            "timeout -s KILL 60 $RCON exec -t box {program} 2>said | head -1; echo ${{PIPESTATUS[0]}}"
        );
        let out = shell(&place, &line).output().ok();
        let text = out.text().replace('\r', "");
        (text, fs::read_to_string(place.path("said")).unwrap())
    };
    let processes = || place.ok(&["top", "box", "-o", "args"]).stdout;
    assert_eq!(exec("yes"), ("y\n129".to_owned(), String::new()));
    eventually("it is gone", || !processes().contains("yes"));
    // What takes no notice is left alone.
    let deaf = "sh -c 'trap \"\" HUP; while :; do echo deaf; sleep 0.1; done'";
    let (text, said) = exec(deaf);
    assert_eq!(text, "deaf\n141");
    assert!(said.contains("it goes on in the container"), "{said}");
    assert!(processes().contains("deaf"));
    place.ok(&["rm", "-f", "box"]);
    place.assert_empty();
}

#[test]
fn a_terminal_of_an_exec_that_cannot_be_shown_is_hung_up_and_that_is_told() {
    let Some(place) = Place::new() else { return };
    place.sleeper("box");
    let exec = |program: &str| {
        let line = format!("timeout -s KILL 60 $RCON exec -t box {program} 2>&1 >/dev/full");
        shell(&place, &line).output()
    };
    for program in ["yes", "echo once"] {
        let out = exec(program).code(1);
        assert!(out.stdout.contains("standard output"), "{program}: {out}");
        assert!(out.stdout.contains("No space"), "{program}: {out}");
    }
    let processes = || place.ok(&["top", "box", "-o", "args"]).stdout;
    eventually("it is gone", || !processes().contains("yes"));
    place.ok(&["rm", "-f", "box"]);
    place.assert_empty();
}

#[test]
fn a_slow_reader_loses_nothing() {
    let Some(place) = Place::new() else { return };
    let line = "$RCON run --rm --rootfs $ROOT seq 1 600000 | (sleep 2; sha256sum); \
        seq 1 600000 | sha256sum";
    let out = shell(&place, line).output().ok();
    let sums: Vec<&str> = out.text().lines().collect();
    assert_eq!(sums[0], sums[1]);
    place.assert_empty();
}

#[test]
fn a_stopped_reader_does_not_hold_the_container() {
    let Some(place) = Place::new() else { return };
    let script = "echo begin; seq 1 200000; echo done > /tmp/done; sleep 600";
    let line = place.line("run", &["--name", "loud"], &["sh", "-c", script]);
    let running = place.rcon(&[]).args(line).spawn();
    eventually("it begins", || running.stdout().contains("begin"));
    running.signal(Signal::SIGSTOP);
    let done = place.dir_of("loud").join("fs/upper/tmp/done");
    eventually("the program has written all", || done.exists());
    // The last of it may be in the pipe still.
    eventually("the log has all", || {
        place.ok(&["logs", "--tail", "1", "loud"]).text() == "200000"
    });
    running.signal(Signal::SIGCONT);
    eventually("the reader has all", || {
        running.stdout().ends_with("\n200000\n")
    });
    place.ok(&["rm", "-f", "loud"]);
    running.wait().code(137);
}

#[test]
fn the_input_ends_when_the_one_who_typed_is_gone() {
    let Some(place) = Place::new() else { return };
    let line = place.line(
        "run",
        &["-i", "--name", "reader"],
        &["sh", "-c", "cat; echo over > /over; sleep 60"],
    );
    let call = place.rcon(&[]).args(line).with(|c| {
        c.stdin(Stdio::piped());
    });
    let running = call.spawn();
    eventually("it is there", || place.exists("reader"));
    place.becomes("reader", "running");
    running.signal(Signal::SIGKILL);
    let over = place.dir_of("reader").join("fs/upper/over");
    eventually("cat sees the end", || over.exists());
}

#[test]
fn a_program_that_reads_nothing_does_not_hang_the_command() {
    let Some(place) = Place::new() else { return };
    let line = "head -c 10000000 /dev/zero | $RCON run -i --rm --rootfs $ROOT sh -c 'echo ok; sleep 0.3; exit 4'; echo $?";
    let out = shell(&place, line).output().ok();
    assert_eq!(out.text(), "ok\n4");
    place.assert_empty();
}

#[test]
fn only_what_is_attached_is_shown() {
    let Some(place) = Place::new() else { return };
    let out = place
        .sh(&["-a", "stderr"], "echo out; echo err >&2; exit 6")
        .output()
        .code(6);
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", "err\n"));
}

#[test]
fn background_children_do_not_keep_the_command() {
    let Some(place) = Place::new() else { return };
    let start = Instant::now();
    let out = place.sh(&[], "sleep 100 & echo started").output().ok();
    assert_eq!(out.text(), "started");
    assert!(start.elapsed() < Duration::from_secs(60));
    place.assert_empty();
}

#[test]
fn nothing_of_the_callers_leaks_in() {
    let Some(place) = Place::new() else { return };
    let secret = place.file("secret", "s");
    // A descriptor of the shell's own, as a careless script leaves it open.
    let line =
        "exec 9< secret; $RCON run --rm --rootfs $ROOT sh -c 'ls /proc/self/fd | tr \"\\n\" \" \"'";
    let out = shell(&place, line).output().ok();
    assert!(!out.text().split(' ').any(|n| n == "9"), "{out}");
    let mut text = String::new();
    fs::File::open(secret)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "s");
}
