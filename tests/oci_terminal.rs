//! Containers with a terminal: handed out over a socket, or bridged to the
//! caller's own by a foreground run.

mod common;
use common::*;
use pty::{DescriptorSocket, Terminal, under_pty};

/// A container whose first process has a terminal.
fn with_terminal<'b>(bed: &'b Bed, script: &str) -> Container<'b> {
    bed.container(|s| {
        s["process"]["args"] = sh(script);
        s["process"]["terminal"] = json!(true);
    })
}

/// Creates it, and takes the terminal from the socket.
#[track_caller]
fn create_with_socket(bed: &Bed, c: &Container<'_>) -> Terminal {
    let socket = DescriptorSocket::listen(bed, "console.sock");
    let flags = ["--console-socket", socket.path()];
    let creating = c.call_with_bundle("create", &flags).spawn();
    let terminal = socket.terminal();
    creating.wait().ok();
    terminal
}

#[test]
fn the_terminal_comes_over_the_socket() {
    let Some(bed) = Bed::new() else { return };
    let c = with_terminal(&bed, "tty; read line; echo got $line");
    let mut terminal = create_with_socket(&bed, &c);
    c.start();
    terminal.wait_for("/dev/pts/0");
    terminal.type_in("hello\n");
    terminal.wait_for("got hello");
    c.wait_for("stopped");
}

#[test]
fn all_three_streams_are_the_terminal() {
    let Some(bed) = Bed::new() else { return };
    let c = with_terminal(
        &bed,
        "for n in 0 1 2; do test -t $n && echo $n is; done; echo end",
    );
    let mut terminal = create_with_socket(&bed, &c);
    c.start();
    let seen = terminal.wait_for("end\r\n");
    assert!(seen.contains("0 is\r\n1 is\r\n2 is\r\n"), "{seen:?}");
}

#[test]
fn the_terminal_is_the_controlling_one() {
    let Some(bed) = Bed::new() else { return };
    let c = with_terminal(
        &bed,
        "trap 'echo got INT; exit' INT; echo ready; while :; do sleep 0.05; done",
    );
    let mut terminal = create_with_socket(&bed, &c);
    c.start();
    terminal.wait_for("ready");
    terminal.type_in("\x03");
    terminal.wait_for("got INT");
}

#[test]
fn dev_tty_opens_and_dev_console_is_the_same_terminal() {
    let Some(bed) = Bed::new() else { return };
    let script = "echo to-tty > /dev/tty; echo to-console > /dev/console; \
        stat -c '%t:%T' /dev/console; sleep 600";
    let c = with_terminal(&bed, script);
    let mut terminal = create_with_socket(&bed, &c);
    c.start();
    terminal.wait_for("to-tty");
    terminal.wait_for("to-console");
    // 136 is the major number of pty slaves: 88 in hexadecimal.
    terminal.wait_for("88:0");
    let console = host::mount_at(&host::proc_file(c.pid(), "mountinfo"), "/dev/console");
    assert_eq!(console.fs, "devpts");
}

#[test]
fn without_a_terminal_there_is_no_console() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| s["process"]["args"] = sh("test -e /dev/console || echo none"));
    assert_eq!(out.ok().text(), "none");
}

#[test]
fn the_terminal_has_the_size_asked_for() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = words("stty size");
        s["process"]["terminal"] = json!(true);
        s["process"]["consoleSize"] = json!({ "height": 33, "width": 111 });
    });
    let mut terminal = create_with_socket(&bed, &c);
    c.start();
    terminal.wait_for("33 111");
}

#[test]
fn the_terminal_belongs_to_the_user() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = sh("stat -c '%u %a' $(tty); echo again > /dev/tty; echo end");
        s["process"]["terminal"] = json!(true);
        s["process"]["user"] = json!({ "uid": 1000, "gid": 1000 });
    });
    let mut terminal = create_with_socket(&bed, &c);
    c.start();
    let seen = terminal.wait_for("end\r\n");
    assert!(
        seen.contains("1000 6") && seen.contains("again"),
        "{seen:?}"
    );
}

#[test]
fn a_detached_terminal_without_a_socket_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let c = with_terminal(&bed, "true");
    c.try_create().fails_naming(&["--console-socket"]);
    bed.assert_nothing_left();
}

#[test]
fn a_socket_without_a_terminal_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let socket = DescriptorSocket::listen(&bed, "console.sock");
    let c = bed.container(|_| ());
    let out = c.call_with_bundle("create", &["--console-socket", socket.path()]);
    out.output().fails_naming(&["terminal"]);
    bed.assert_nothing_left();
}

#[test]
fn a_socket_that_is_not_there_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let c = with_terminal(&bed, "true");
    let path = bed.text_path("nobody.sock");
    let out = c.call_with_bundle("create", &["--console-socket", &path]);
    out.output().fails_naming(&["nobody.sock"]);
    bed.assert_nothing_left();
}

#[test]
fn a_foreground_run_bridges_the_callers_terminal() {
    let Some(bed) = Bed::new() else { return };
    let c = with_terminal(&bed, "tty; read line; echo got $line; exit 4");
    let mut pty = under_pty(c.call_with_bundle("run", &[]), 24, 80);
    pty.terminal.wait_for("/dev/pts/0");
    pty.terminal.type_in("hello\n");
    pty.terminal.wait_for("got hello");
    pty.running.wait().code(4);
    bed.assert_nothing_left();
}

#[test]
fn the_callers_terminal_is_raw_meanwhile_and_as_before_afterwards() {
    let Some(bed) = Bed::new() else { return };
    let c = with_terminal(&bed, "echo ready; read line");
    let mut pty = under_pty(c.call_with_bundle("run", &[]), 24, 80);
    pty.terminal.wait_for("ready");
    assert!(!pty::echoes(&pty.slave));
    pty.terminal.type_in("\n");
    pty.running.wait();
    assert!(pty::becomes_cooked(&pty.slave));
}

#[test]
fn a_killed_container_gives_the_terminal_back_too() {
    let Some(bed) = Bed::new() else { return };
    let c = with_terminal(&bed, "echo ready; sleep 600");
    let mut pty = under_pty(c.call_with_bundle("run", &[]), 24, 80);
    pty.terminal.wait_for("ready");
    c.kill("KILL");
    pty.running.wait().code(137);
    assert!(pty::becomes_cooked(&pty.slave));
}

#[test]
fn keys_that_make_signals_go_to_the_container() {
    let Some(bed) = Bed::new() else { return };
    let c = with_terminal(
        &bed,
        "trap 'echo got INT; exit 5' INT; echo ready; while :; do sleep 0.05; done",
    );
    let mut pty = under_pty(c.call_with_bundle("run", &[]), 24, 80);
    pty.terminal.wait_for("ready");
    pty.terminal.type_in("\x03");
    pty.terminal.wait_for("got INT");
    pty.running.wait().code(5);
}

#[test]
fn the_size_of_the_callers_terminal_is_taken_over_and_followed() {
    let Some(bed) = Bed::needing(&[Need::Tool("stty")]) else {
        return;
    };
    let c = with_terminal(
        &bed,
        "trap 'echo now $(stty size)' WINCH; echo first $(stty size); \
        while :; do sleep 0.05; done",
    );
    let mut pty = under_pty(c.call_with_bundle("run", &[]), 31, 97);
    // The size may arrive a moment after the program has begun.
    pty.terminal.wait_for("first");
    pty::resize(&pty.slave, 42, 123);
    pty.running.signal(nix::sys::signal::Signal::SIGWINCH);
    pty.terminal.wait_for("now 42 123");
    c.kill("KILL");
    pty.running.wait();
}

#[test]
fn a_lot_of_output_arrives_complete() {
    let Some(bed) = Bed::new() else { return };
    let c = with_terminal(&bed, "seq 1 20000; echo end");
    let mut pty = under_pty(c.call_with_bundle("run", &[]), 24, 80);
    let seen = pty.terminal.wait_for("end\r\n").to_owned();
    let numbers: Vec<usize> = seen.lines().filter_map(|l| l.parse().ok()).collect();
    assert!(
        numbers.iter().copied().eq(1..=20000),
        "{} lines",
        numbers.len()
    );
    pty.running.wait().ok();
}

/// The last words must not be lost when the program ends at once.
#[test]
fn output_just_before_the_end_arrives() {
    let Some(bed) = Bed::new() else { return };
    for _ in 0..10 {
        let c = with_terminal(&bed, "echo last words");
        let mut pty = under_pty(c.call_with_bundle("run", &[]), 24, 80);
        pty.terminal.wait_for("last words\r\n");
        pty.running.wait().ok();
    }
}

#[test]
fn exec_has_a_terminal_of_its_own_over_a_socket() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.run_detached();
    let socket = DescriptorSocket::listen(&bed, "exec.sock");
    let flags = ["--tty", "--detach", "--console-socket", socket.path()];
    let args = ["sh", "-c", "tty; read line; echo got $line"];
    let exec = c.call("exec", &flags, &args).spawn();
    let mut terminal = socket.terminal();
    exec.wait().ok();
    terminal.wait_for("/dev/pts/0");
    terminal.type_in("hello\n");
    terminal.wait_for("got hello");
}

#[test]
fn exec_in_the_foreground_bridges_the_terminal() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.run_detached();
    let call = c.call(
        "exec",
        &["--tty"],
        &["sh", "-c", "tty; read line; exit $line"],
    );
    let mut pty = under_pty(call, 24, 80);
    pty.terminal.wait_for("/dev/pts/0");
    pty.terminal.type_in("9\n");
    pty.running.wait().code(9);
    assert!(pty::becomes_cooked(&pty.slave));
}

/// Without `--tty` a program must not get the caller's terminal to control.
#[test]
fn exec_without_tty_on_a_terminal_has_no_controlling_terminal() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 600"));
    c.run_detached();
    let args = ["sh", "-c", "(: < /dev/tty) || echo none"];
    let mut pty = under_pty(c.call("exec", &[], &args), 24, 80);
    pty.terminal.wait_for("none");
    pty.running.wait().ok();
}

/// A terminal that nobody in the container has open any more is reported as
/// hung up again and again.
#[test]
fn a_program_without_its_terminal_costs_the_bridge_nothing() {
    let Some(bed) = Bed::needing(&[Need::Rcon("a bridge that sleeps")]) else {
        return;
    };
    let script = "echo ready; exec <&- >&- 2>&-; sleep 2; echo back >/dev/console; exit 5";
    let c = with_terminal(&bed, script);
    let mut pty = under_pty(c.call_with_bundle("run", &[]), 24, 80);
    pty.terminal.wait_for("ready");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let used = |n| host::stat_of(pty.running.pid(), n).parse::<u32>().unwrap();
    // User and system time, in hundredths of a second.
    let ticks = used(14) + used(15);
    assert!(ticks < 20, "{ticks} ticks for waiting");
    pty.terminal.wait_for("back");
    pty.running.wait().code(5);
}
