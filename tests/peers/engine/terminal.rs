//! Terminals: size, keys, and the program's end.

use std::thread::sleep;
use std::time::Duration;

use super::{Engine, LISTEN, STAY, shell};
use crate::checks::{Check, checks};
use crate::pty::Terminal;
use crate::words::words;

pub(super) const CHECKS: &[Check<Engine>] = checks![
    size_of_run,
    size_of_exec,
    interrupt_from_the_keyboard,
    attach
];

/// Says where it is and when it has the right size, and ends at a key.
const SIZE: &str = "tty; test -w /dev/console && echo console; \
    until test \"$(stty size)\" = '33 99'; do sleep 0.1; done; echo sized; read _; exit 9";

fn size_of_run(engine: &Engine) {
    let args = engine.arguments("--rm -it", shell(SIZE));
    size_follows(Terminal::start(&engine.command(args)));
}

fn size_of_exec(engine: &Engine) {
    // /dev/console is there only if the container began with a terminal.
    engine.background("seated", "-t", STAY);
    let args = [words("exec -it seated"), shell(SIZE)].concat();
    size_follows(Terminal::start(&engine.command(args)));
}

fn size_follows(mut terminal: Terminal) {
    terminal.expect("/dev/pts/");
    terminal.expect("console");
    terminal.resize_until("sized");
    terminal.type_in("\n");
    terminal.exits(9);
}

fn interrupt_from_the_keyboard(engine: &Engine) {
    let script = format!("trap 'echo stopped; exit 4' INT; {LISTEN}");
    let args = engine.arguments("--rm -it", shell(&script));
    let mut terminal = Terminal::start(&engine.command(args));
    terminal.expect("up");
    terminal.type_in("\x03");
    terminal.expect("stopped");
    terminal.exits(4);
}

fn attach(engine: &Engine) {
    let script = "read name; echo hello $name; test -t 0 && exit 6";
    engine.background("attached", "-it", script);
    let mut terminal = Terminal::start(&engine.command(words("attach attached")));
    // Keys typed before the engine has attached would be lost.
    sleep(Duration::from_millis(500));
    terminal.type_in("rcon\n");
    terminal.expect("hello rcon");
    terminal.ends();
    assert_eq!(engine.wait("attached"), "6");
}
