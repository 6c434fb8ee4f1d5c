//! Terminals under Docker: size, keys, and what is left of them at the end.

use super::Docker;
use crate::checks::{Check, checks};
use crate::image;
use crate::pty::Terminal;

pub(super) const CHECKS: &[Check<Docker>] = checks![
    terminal_of_run,
    terminal_of_exec,
    interrupt_from_the_keyboard,
    attach_to_a_terminal,
];

fn run<'a>(options: &[&'a str], script: &'a str) -> Vec<&'a str> {
    let start = &["run", "--rm", "-it", "--network", "none"];
    [start, options, &[image::NAME, "sh", "-c", script]].concat()
}

/// Prints the window's size, then again after a key.
const SIZE_TWICE: &str = "tty; stty size; read _; stty size; exit 9";

fn terminal_of_run(docker: &Docker) {
    let mut terminal = Terminal::start(&docker.command(&run(&[], SIZE_TWICE)));
    terminal.expect("/dev/pts/0\r\n");
    size_follows(terminal);
}

fn terminal_of_exec(docker: &Docker) {
    docker.background("seated", &[], "sleep 1000");
    let exec = ["exec", "-it", "seated", "sh", "-c", SIZE_TWICE];
    size_follows(Terminal::start(&docker.command(&exec)));
}

fn size_follows(mut terminal: Terminal) {
    // The first size may arrive a moment after the program's start.
    terminal.expect("\r\n");
    terminal.resize(33, 99);
    std::thread::sleep(std::time::Duration::from_millis(300));
    terminal.type_in("\n");
    terminal.expect("33 99\r\n");
    terminal.exits(9);
}

fn interrupt_from_the_keyboard(docker: &Docker) {
    let script = "trap 'echo stopped; exit 4' INT; echo up; while :; do sleep 0.1; done";
    let mut terminal = Terminal::start(&docker.command(&run(&[], script)));
    terminal.expect("up\r\n");
    terminal.type_in("\x03");
    terminal.expect("stopped\r\n");
    terminal.exits(4);
}

fn attach_to_a_terminal(docker: &Docker) {
    let script = "read name; echo hello $name; test -t 0 && exit 6";
    docker.background("attached", &["-it"], script);
    let mut terminal = Terminal::start(&docker.command(&["attach", "attached"]));
    terminal.type_in("rcon\n");
    terminal.expect("hello rcon\r\n");
    terminal.exits(6);
}
