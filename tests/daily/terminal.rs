//! A person at a terminal in front of a container.

use crate::common::host::proc_file;
use crate::common::pty::{UnderPty, becomes_cooked, echoes, resize, under_pty};
use crate::common::{eventually, stat_of};
use crate::place::{Place, shoot};
use nix::sys::signal::Signal;

const LEAVE: &str = "\x10\x11";

/// `rcon run -it` in a terminal of 33 rows and 101 columns.
#[track_caller]
fn person(place: &Place, flags: &[&str], program: &[&str]) -> UnderPty {
    let flags = [&["-it"], flags].concat();
    let line = place.line("run", &flags, program);
    under_pty(place.at_terminal(&[]).args(line), 33, 101)
}

/// Somebody who attaches in another terminal.
#[track_caller]
fn second(place: &Place, args: &[&str]) -> UnderPty {
    under_pty(place.at_terminal(args), 24, 80)
}

#[test]
fn the_size_is_right_in_the_very_first_output() {
    let Some(place) = Place::new() else { return };
    let mut p = person(&place, &["--rm"], &["stty", "size"]);
    assert_eq!(p.terminal.wait_for("\r\n"), "33 101\r\n");
    p.running.wait().ok();
    assert!(becomes_cooked(&p.slave));
    place.assert_empty();
}

#[test]
fn it_follows_the_window() {
    let Some(place) = Place::new() else { return };
    let script = "trap 'echo now $(stty size)' WINCH; echo ready; while :; do sleep 0.05; done";
    let mut p = person(&place, &["--rm", "--name", "win"], &["sh", "-c", script]);
    p.terminal.wait_for("ready");
    resize(&p.slave, 50, 132);
    p.terminal.wait_for("now 50 132");
    place.ok(&["rm", "-f", "win"]);
    p.running.wait().code(137);
    assert!(becomes_cooked(&p.slave));
}

#[test]
fn control_c_reaches_the_program() {
    let Some(place) = Place::new() else { return };
    let script = "trap 'echo got INT; exit 3' INT; echo ready; while :; do sleep 0.05; done";
    let mut p = person(&place, &["--rm"], &["sh", "-c", script]);
    p.terminal.wait_for("ready");
    p.terminal.type_in("\x03");
    p.terminal.wait_for("got INT");
    p.running.wait().code(3);
}

#[test]
fn control_z_is_for_the_shell_inside() {
    let Some(place) = Place::new() else { return };
    let mut p = person(&place, &["--rm"], &["sh", "-i"]);
    p.terminal.type_in("sleep 1234\n");
    p.terminal.wait_for("sleep 1234");
    std::thread::sleep(std::time::Duration::from_millis(300));
    p.terminal.type_in("\x1a");
    p.terminal.wait_for("Stopped");
    p.terminal.type_in("jobs; kill %1; fg; exit 8\n");
    p.running.wait().code(8);
}

#[test]
fn who_has_no_terminal_is_told_and_does_not_wait_for_ever() {
    let Some(place) = Place::new() else { return };
    place
        .run(&["-dit", "--name", "room"], &["sh"])
        .output()
        .ok();
    for text in ["", "exit 3\n"] {
        let out = place.rcon(&["attach", "room"]).stdin(text).output().code(1);
        out.fails_naming(&["the input device is not a TTY", "--no-stdin"]);
    }
    // Who only looks needs none.
    let looking = place.rcon(&["attach", "--no-stdin", "room"]).spawn();
    std::thread::sleep(std::time::Duration::from_millis(300));
    place.ok(&["kill", "room"]);
    looking.wait().code(137);
}

#[test]
fn leaving_and_coming_back() {
    let Some(place) = Place::new() else { return };
    let mut p = person(&place, &["--name", "room"], &["sh"]);
    p.terminal.type_in("V=kept; echo is $V\n");
    p.terminal.wait_for("is kept");
    p.terminal.type_in(LEAVE);
    p.running.wait().code(0);
    assert!(becomes_cooked(&p.slave));
    assert_eq!(place.status("room"), "running");
    let mut q = second(&place, &["attach", "room"]);
    eventually("it is raw", || !echoes(&q.slave));
    q.terminal.type_in("echo still $V; stty size\n");
    q.terminal.wait_for("still kept");
    q.terminal.wait_for("24 80");
    q.terminal.type_in("exit 6\n");
    q.running.wait().code(6);
    assert!(becomes_cooked(&q.slave));
}

#[test]
fn other_keys_to_leave() {
    let Some(place) = Place::new() else { return };
    let mut p = person(
        &place,
        &["--name", "keys", "--detach-keys", "ctrl-x,q"],
        &["cat"],
    );
    p.terminal.type_in(&format!("{LEAVE}hello\n"));
    p.terminal.wait_for("hello");
    p.terminal.type_in("\x18q");
    p.running.wait().code(0);
    let mut q = second(&place, &["attach", "--detach-keys", "ctrl-a", "keys"]);
    eventually("it is raw", || !echoes(&q.slave));
    q.terminal.type_in("again\n");
    q.terminal.wait_for("again");
    q.terminal.type_in("\x01");
    q.running.wait().code(0);
    assert_eq!(place.status("keys"), "running");
    place
        .rcon(&["attach", "--detach-keys", "ctrl-what", "keys"])
        .output()
        .fails_naming(&["ctrl-what"]);
}

#[test]
fn the_terminal_is_put_back_when_the_keeper_is_killed() {
    let Some(place) = Place::new() else { return };
    let mut p = person(
        &place,
        &["--name", "orphan"],
        &["sh", "-c", "echo ready; sleep 600"],
    );
    p.terminal.wait_for("ready");
    assert!(!echoes(&p.slave));
    shoot(place.number_of("orphan", "keeper"));
    let out = p.running.wait();
    assert_eq!(out.status.code(), Some(137), "{out}");
    assert!(becomes_cooked(&p.slave));
    assert_eq!(place.ok(&["wait", "orphan"]).text(), "137");
}

#[test]
fn the_terminal_is_put_back_after_a_signal() {
    let Some(place) = Place::new() else { return };
    let flags = ["--name", "deaf", "--sig-proxy=false"];
    let mut p = person(
        &place,
        &flags,
        &["sh", "-c", "trap '' TERM; echo ready; sleep 600"],
    );
    p.terminal.wait_for("ready");
    p.running.signal(Signal::SIGTERM);
    p.running.wait();
    assert!(becomes_cooked(&p.slave));
    assert_eq!(place.status("deaf"), "running");
    // Passed on, it is the program that ends.
    let mut q = person(
        &place,
        &["--rm"],
        &[
            "sh",
            "-c",
            "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done",
        ],
    );
    q.terminal.wait_for("ready");
    q.running.signal(Signal::SIGTERM);
    q.running.wait().code(5);
    assert!(becomes_cooked(&q.slave));
}

#[test]
fn a_closed_terminal_does_not_leave_the_command_behind() {
    let Some(place) = Place::new() else { return };
    let mut p = person(
        &place,
        &["--name", "hung"],
        &[
            "sh",
            "-c",
            "trap 'echo hup > /hup; exit' HUP; echo ready; while :; do sleep 0.05; done",
        ],
    );
    p.terminal.wait_for("ready");
    let upper = place.dir_of("hung").join("fs/upper/hup");
    drop(p.terminal);
    drop(p.slave);
    p.running.wait();
    eventually("the program is told", || upper.exists());
}

#[test]
fn a_full_screen_program() {
    let Some(place) = Place::new() else { return };
    let mut p = person(&place, &["--rm"], &["vi", "/tmp/new"]);
    p.terminal.wait_for("/tmp/new");
    p.terminal.type_in("ihello\x1b");
    // Together they would be one key with Alt.
    std::thread::sleep(std::time::Duration::from_millis(300));
    p.terminal.type_in(":q!\r");
    p.running.wait().ok();
    let mut q = person(&place, &["--rm"], &["top"]);
    q.terminal.wait_for("COMMAND");
    q.terminal.type_in("q");
    q.running.wait().ok();
    assert!(becomes_cooked(&q.slave));
    place.assert_empty();
}

#[test]
fn without_a_terminal_t_is_refused() {
    let Some(place) = Place::new() else { return };
    place
        .run(&["--rm", "-it"], &["true"])
        .output()
        .code(125)
        .fails_naming(&["TTY"]);
    place.assert_empty();
    // Without -i nobody types, and the output may go anywhere.
    let out = place.run(&["--rm", "-t"], &["echo", "x"]).output().ok();
    assert_eq!(out.stdout, "x\r\n");
}

#[test]
fn two_at_once_see_the_same() {
    let Some(place) = Place::new() else { return };
    let mut p = person(&place, &["--name", "both"], &["cat"]);
    p.terminal.type_in("one\n");
    p.terminal.wait_for("one\r\none");
    let mut q = second(&place, &["attach", "both"]);
    eventually("it is raw", || !echoes(&q.slave));
    q.terminal.type_in("two\n");
    q.terminal.wait_for("two\r\ntwo");
    p.terminal.wait_for("two\r\ntwo");
    p.terminal.type_in("\x04");
    p.running.wait().ok();
    q.running.wait().ok();
}

#[test]
fn attaching_to_one_that_ends_at_that_moment() {
    let Some(place) = Place::new() else { return };
    for n in 0..20 {
        let name = format!("brief{n}");
        place.start(&name, &[], &format!("sleep 0.0{}; exit 4", n % 10));
        let out = place.rcon(&["attach", &name]).output();
        // It was still there, or it was not any more: nothing else.
        match out.status.code() {
            Some(4) => {}
            Some(1) => drop(out.fails_naming(&["not running"])),
            _ => panic!("{out}"),
        }
    }
}

#[test]
fn attach_without_a_terminal_shows_and_passes_on() {
    let Some(place) = Place::new() else { return };
    place.start("plain", &["-i"], "read x; echo got $x; exit 2");
    let out = place
        .rcon(&["attach", "plain"])
        .stdin("words\n")
        .output()
        .code(2);
    assert_eq!(out.text(), "got words");
}

#[test]
fn suspending_is_the_shells_business() {
    let Some(place) = Place::new() else { return };
    // Without -t, Ctrl-Z stops the command and not the container.
    let line = place.line(
        "run",
        &["--rm", "--name", "going"],
        &["sh", "-c", "echo ready; sleep 600"],
    );
    let mut p = under_pty(place.at_terminal(&[]).args(line), 24, 80);
    p.terminal.wait_for("ready");
    p.running.signal(Signal::SIGTSTP);
    let pid = p.running.pid();
    // The only process of an orphaned group is not stopped by SIGTSTP, so
    // either it stopped or it was left alone; the container runs on.
    let _ = stat_of(pid, 3);
    assert_eq!(place.status("going"), "running");
    p.running.signal(Signal::SIGCONT);
    assert!(
        proc_file(place.number_of("going", "pid"), "status").contains("sleep")
            || place.status("going") == "running"
    );
    place.ok(&["rm", "-f", "going"]);
    p.running.wait().code(137);
}

#[test]
fn whoever_asks_three_times_is_let_go_and_told() {
    let Some(place) = Place::new() else { return };
    let script = [
        "sh",
        "-c",
        "trap '' TERM; echo ready; while :; do sleep 0.05; done",
    ];
    let running = place.run(&["--name", "deaf"], &script).spawn();
    eventually("it is ready", || running.stdout().contains("ready"));
    for _ in 0..3 {
        running.signal(Signal::SIGTERM);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    running
        .wait()
        .code(1)
        .fails_naming(&["goes on", "rcon stop deaf"]);
    assert_eq!(place.status("deaf"), "running");
    let alone = ["--name", "alone", "--sig-proxy=false"];
    let running = place.run(&alone, &script).spawn();
    eventually("it is ready", || running.stdout().contains("ready"));
    running.signal(Signal::SIGTERM);
    running.wait().code(143);
    assert_eq!(place.status("alone"), "running");
}

#[test]
fn a_full_screen_program_draws_for_whoever_attaches() {
    let Some(place) = Place::new() else { return };
    let script =
        "trap 'echo drawn for $(stty size)' WINCH; echo ready; while :; do sleep 0.05; done";
    let mut p = person(&place, &["--name", "screen"], &["sh", "-c", script]);
    p.terminal.wait_for("ready");
    p.terminal.type_in(LEAVE);
    p.running.wait().code(0);
    // In a terminal of the very same size.
    let mut q = under_pty(place.at_terminal(&["attach", "screen"]), 33, 101);
    q.terminal.wait_for("drawn for 33 101");
    q.terminal.type_in(LEAVE);
    q.running.wait().code(0);
}
