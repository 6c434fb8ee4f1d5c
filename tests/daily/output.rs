//! What a command has to say, where it cannot be written or must not be.

use crate::common::pty::under_pty;
use crate::common::{Call, Output};
use crate::place::{Place, to_full};
use std::fs::File;
use std::process::Command;

/// A line of shell in which `$0` is rcon.
fn shell(place: &Place, line: &str) -> Call {
    let mut sh = Command::new("sh");
    sh.args(["-c", line, env!("CARGO_BIN_EXE_rcon")]);
    place.call(sh)
}

fn errors_to_full(call: Call) -> Output {
    let full = File::options().write(true).open("/dev/full");
    let full = full.expect("the device is there");
    let running = call.spawn_with(|c| {
        c.stderr(full);
    });
    running.wait()
}

#[track_caller]
fn create(place: &Place, name: &str) {
    let line = place.line("create", &["--name", name], &["sleep", "600"]);
    place.rcon(&[]).args(line).output().ok();
}

#[test]
fn the_work_is_done_for_all_when_nobody_reads() {
    let Some(place) = Place::new() else { return };
    for name in ["aa", "bb", "cc"] {
        create(&place, name);
    }
    // The reader is gone before the first word.
    let out = shell(
        &place,
        "{ sleep 0.3; \"$0\" start aa bb cc nosuch; } | true",
    );
    let out = out.output();
    assert!(!out.stderr.contains("panicked"), "{out}");
    for name in ["aa", "bb", "cc"] {
        assert_eq!(place.status(name), "running", "{name}");
    }
    shell(&place, "{ sleep 0.3; \"$0\" rm -f aa bb cc; } | true")
        .output()
        .ok();
    assert!(place.kept().is_empty(), "{:?}", place.kept());
}

#[test]
fn a_full_disk_is_told_once_and_stops_nothing() {
    let Some(place) = Place::new() else { return };
    let line = place.line("run", &["-d", "--name", "box"], &["sleep", "600"]);
    let run = to_full(place.rcon(&[]).args(line));
    run.code(1).fails_naming(&["standard output", "No space"]);
    assert_eq!(place.status("box"), "running");
    create(&place, "other");
    let stop = to_full(place.rcon(&["kill", "box"]));
    stop.code(1).fails_naming(&["standard output"]);
    place.becomes("box", "exited");
    to_full(place.rcon(&["start", "box", "other"])).code(1);
    assert_eq!(place.status("other"), "running");
    to_full(place.rcon(&["wait", "nobody"])).code(1);
    errors_to_full(place.rcon(&["rm", "nobody"])).code(1);
    errors_to_full(place.rcon(&["inspect", "nobody"])).code(1);
    shell(&place, "\"$0\" rm nobody 2>&-").output().code(1);
}

#[test]
fn what_a_container_says_into_a_full_disk_is_an_error() {
    let Some(place) = Place::new() else { return };
    let line = place.line("run", &["--rm"], &["echo", "hi"]);
    let out = to_full(place.rcon(&[]).args(line));
    out.code(1).fails_naming(&["standard output", "No space"]);
    let line = place.line("run", &["--rm"], &["sh", "-c", "echo hi >&2"]);
    errors_to_full(place.rcon(&[]).args(line)).code(1);
    place.assert_empty();
}

#[test]
fn what_an_image_says_of_itself_does_not_speak_to_the_terminal() {
    let Some(place) = Place::new() else { return };
    let label = "evil=\u{1b}[31mred\u{9b}2J\u{202e}";
    let line = place.line("create", &["--name", "box", "--label", label], &["true"]);
    place.rcon(&[]).args(line).output().ok();
    let template = ["inspect", "-f", "{{.Config.Labels.evil}}end", "box"];
    let mut p = under_pty(place.at_terminal(&template), 24, 80);
    let seen = p.terminal.wait_for("end\r\n").to_owned();
    assert!(
        !seen.contains(|c: char| c.is_control() && !"\r\n".contains(c)),
        "{seen:?}"
    );
    assert!(!seen.contains('\u{202e}'), "{seen:?}");
    p.running.wait().ok();
    // A script gets the bytes.
    let raw = place.ok(&template).stdout;
    assert_eq!(raw, format!("{}end\n", &label[5..]));
    let json = place.ok(&["inspect", "box"]);
    assert!(!json.stdout.contains(['\u{1b}', '\u{9b}', '\u{202e}']));
    assert_eq!(json.json()[0]["Config"]["Labels"]["evil"], label[5..]);
}
