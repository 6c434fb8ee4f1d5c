//! Every command in every state, and what is said about it.

use crate::common::{Need, eventually};
use crate::place::Place;
use std::time::{Duration, Instant};

/// A container in each state, made anew.
fn in_state(place: &Place, name: &str, state: &str) {
    if state == "created" {
        let line = place.line("create", &["--name", name], &["sleep", "600"]);
        place.rcon(&[]).args(line).output().ok();
        return;
    }
    place.sleeper(name);
    match state {
        "exited" => drop(place.ok(&["stop", name])),
        "paused" => drop(place.ok(&["pause", name])),
        _ => {}
    }
    assert_eq!(place.status(name), state);
}

/// What a command does to a container in some state: it works and leads to
/// another state, or is refused with these words and changes nothing.
enum Does {
    Lead(&'static str),
    Refuse(&'static str),
}
use Does::{Lead, Refuse};

/// What becomes of one that is created, running, paused or exited.
fn table() -> [(&'static [&'static str], [Does; 4]); 9] {
    [
        (
            &["start"],
            [
                Lead("running"),
                Lead("running"),
                Refuse("paused"),
                Lead("running"),
            ],
        ),
        (
            &["stop", "-t", "0"],
            [
                Lead("created"),
                Lead("exited"),
                Lead("exited"),
                Lead("exited"),
            ],
        ),
        (
            &["kill"],
            [
                Refuse("not running"),
                Lead("exited"),
                Lead("exited"),
                Refuse("not running"),
            ],
        ),
        (
            &["restart", "-t", "0"],
            [
                Lead("running"),
                Lead("running"),
                Lead("running"),
                Lead("running"),
            ],
        ),
        (
            &["pause"],
            [
                Refuse("not running"),
                Lead("paused"),
                Refuse("already paused"),
                Refuse("not running"),
            ],
        ),
        (
            &["unpause"],
            [
                Refuse("not"),
                Refuse("not paused"),
                Lead("running"),
                Refuse("not"),
            ],
        ),
        (
            &["rm"],
            [Lead(""), Refuse("running"), Refuse("paused"), Lead("")],
        ),
        (&["rm", "-f"], [Lead(""), Lead(""), Lead(""), Lead("")]),
        (
            &["attach"],
            [
                Refuse("not running"),
                Lead("skip"),
                Refuse("paused"),
                Refuse("not running"),
            ],
        ),
    ]
}

#[test]
fn every_command_in_every_state() {
    let Some(place) = Place::needing(&[Need::Controller("freezer")]) else {
        return;
    };
    let mut count = 0;
    for (command, row) in &table() {
        for (state, does) in ["created", "running", "paused", "exited"].iter().zip(row) {
            count += 1;
            let name = format!("case{count}");
            if matches!(does, Lead("skip")) {
                continue;
            }
            in_state(&place, &name, state);
            let out = place.rcon(command).args([&name]).output();
            match does {
                Lead(next) => {
                    assert_eq!(out.ok().text(), name, "{command:?} of {state}");
                    if next.is_empty() {
                        place
                            .rcon(&["wait", &name])
                            .output()
                            .code(1)
                            .fails_naming(&["No such container"]);
                    } else {
                        place.becomes(&name, next);
                    }
                }
                Refuse(word) => {
                    assert_eq!(out.stdout, "");
                    out.code(1).fails_naming(&[word]);
                    assert_eq!(place.status(&name), *state, "{command:?} of {state}");
                }
            }
            place.rcon(&["rm", "-f", &name]).output().ok();
        }
    }
}

#[test]
fn one_that_is_not_there() {
    let Some(place) = Place::new() else { return };
    for command in [
        "start", "stop", "kill", "restart", "pause", "unpause", "rm", "wait", "attach", "logs",
    ] {
        let out = place.rcon(&[command, "nobody"]).output();
        out.code(1).fails_naming(&["No such container", "nobody"]);
    }
    for args in [
        &["exec", "nobody", "true"][..],
        &["rename", "nobody", "new"],
        &["update", "--memory", "9m", "nobody"],
    ] {
        place
            .rcon(args)
            .output()
            .fails_naming(&["No such container", "nobody"]);
    }
    place.rcon(&["rm", "-f", "nobody"]).output().code(0);
}

#[test]
fn stop_asks_waits_and_kills() {
    let Some(place) = Place::new() else { return };
    place.start(
        "deaf",
        &[],
        "trap 'echo asked' TERM; echo ready; while :; do sleep 0.05; done",
    );
    place.says("deaf", "ready");
    let start = Instant::now();
    place.ok(&["stop", "-t", "1", "deaf"]);
    let took = start.elapsed();
    assert!(
        took > Duration::from_millis(950) && took < Duration::from_secs(9),
        "{took:?}"
    );
    assert_eq!(place.number_of("deaf", "exit_code"), 137);
    assert!(place.ok(&["logs", "deaf"]).stdout.contains("asked"));
    assert_eq!(place.state("deaf")["stopped_by_hand"], true);
}

#[test]
fn stop_uses_the_containers_own_signal_and_time() {
    let Some(place) = Place::new() else { return };
    let script =
        "trap 'exit 21' USR1; trap 'exit 22' INT; echo ready; while :; do sleep 0.05; done";
    let flags = ["--stop-signal", "USR1", "--stop-timeout", "1"];
    place.start("own", &flags, script);
    place.says("own", "ready");
    place.ok(&["stop", "own"]);
    assert_eq!(place.number_of("own", "exit_code"), 21);
    place.ok(&["start", "own"]);
    eventually("it is ready again", || {
        place.ok(&["logs", "own"]).stdout.matches("ready").count() == 2
    });
    place.ok(&["stop", "-s", "INT", "own"]);
    assert_eq!(place.number_of("own", "exit_code"), 22);
}

#[test]
fn a_paused_one_can_be_stopped_and_killed() {
    let Some(place) = Place::needing(&[Need::Controller("freezer")]) else {
        return;
    };
    for (name, command) in [("one", "stop"), ("two", "kill")] {
        place.sleeper(name);
        place.ok(&["pause", name]);
        place.ok(&[command, name]);
        place.becomes(name, "exited");
    }
    assert_eq!(
        place.number_of("one", "exit_code"),
        0,
        "it was asked, not killed"
    );
    assert_eq!(place.number_of("two", "exit_code"), 137);
}

#[test]
fn what_is_paused_does_nothing() {
    let Some(place) = Place::needing(&[Need::Controller("freezer")]) else {
        return;
    };
    place.start("busy", &[], "while :; do echo tick; sleep 0.02; done");
    place.says("busy", "tick");
    place.ok(&["pause", "busy"]);
    let count = || place.ok(&["logs", "busy"]).stdout.len();
    std::thread::sleep(Duration::from_millis(100));
    let before = count();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(count(), before);
    place.ok(&["unpause", "busy"]);
    eventually("it goes on", || count() > before);
}

#[test]
fn signals_by_name_and_number() {
    let Some(place) = Place::new() else { return };
    let script =
        "trap 'echo usr' USR1; trap 'echo hup' HUP; echo ready; while :; do sleep 0.05; done";
    place.start("ears", &[], script);
    place.says("ears", "ready");
    place.ok(&["kill", "-s", "USR1", "ears"]);
    place.says("ears", "usr");
    place.ok(&["kill", "--signal", "1", "ears"]);
    place.says("ears", "hup");
    place
        .rcon(&["kill", "-s", "NOSUCH", "ears"])
        .output()
        .code(125)
        .fails_naming(&["NOSUCH"]);
    assert_eq!(place.status("ears"), "running");
}

#[test]
fn several_names_and_one_of_them_wrong() {
    let Some(place) = Place::new() else { return };
    place.sleeper("first");
    place.sleeper("last");
    let out = place
        .rcon(&["stop", "-t", "2", "first", "wrong", "last"])
        .output()
        .code(1);
    assert_eq!(out.stdout, "first\nlast\n");
    out.fails_naming(&["wrong"]);
    assert_eq!(
        (place.status("first"), place.status("last")),
        ("exited".into(), "exited".into())
    );
    let out = place
        .rcon(&["rm", "first", "wrong", "last"])
        .output()
        .code(1);
    assert_eq!(out.stdout, "first\nlast\n");
    assert!(place.kept().is_empty());
}

#[test]
fn the_beginning_of_an_id_is_enough() {
    let Some(place) = Place::new() else { return };
    let mut ids = Vec::new();
    // Seventeen ids: two of them begin with the same digit.
    for n in 0..17 {
        let line = place.line("create", &["--name", &format!("made{n}")], &["true"]);
        ids.push(place.rcon(&[]).args(line).output().ok().text().to_owned());
    }
    let twice = ids
        .iter()
        .find(|a| ids.iter().filter(|b| a[..1] == b[..1]).count() > 1);
    let twice = &twice.expect("there are sixteen digits")[..1];
    place
        .rcon(&["start", twice])
        .output()
        .code(1)
        .fails_naming(&["several", twice]);
    place.ok(&["start", &ids[3][..12]]);
    place.ok(&["wait", &ids[3]]);
    assert_eq!(place.status("made3"), "exited");
    // A name that looks like the beginning of an id is still a name.
    place.ok(&["rename", "made4", &ids[5][..12]]);
    place.ok(&["rm", &ids[5][..12]]);
    assert!(!place.kept().contains(&ids[4]));
    assert!(place.kept().contains(&ids[5]));
}

#[test]
fn another_name() {
    let Some(place) = Place::new() else { return };
    let id = place.sleeper("before");
    place.sleeper("other");
    place.ok(&["rename", "before", "after"]);
    assert!(place.dir_of("after").ends_with(&id));
    place.rcon(&["stop", "before"]).output().code(1);
    place
        .rcon(&["rename", "after", "other"])
        .output()
        .code(1)
        .fails_naming(&["other", "in use"]);
    place
        .rcon(&["rename", "after", "bad/name"])
        .output()
        .code(1)
        .fails_naming(&["bad/name"]);
    place
        .rcon(&["rename", "after", "after"])
        .output()
        .code(1)
        .fails_naming(&["after"]);
    assert!(place.dir_of("after").ends_with(&id));
    place.sleeper("before");
}

#[test]
fn wait_tells_the_codes() {
    let Some(place) = Place::new() else { return };
    place.start("first", &[], "sleep 0.3; exit 3");
    place.start("second", &[], "exit 4");
    let out = place.ok(&["wait", "first", "second"]);
    assert_eq!(out.stdout, "3\n4\n");
    let line = place.line("create", &["--name", "never"], &["true"]);
    place.rcon(&[]).args(line).output().ok();
    assert_eq!(place.ok(&["wait", "never"]).text(), "0");
}

#[test]
fn who_comes_at_the_very_end_is_told_how_it_was() {
    let Some(place) = Place::new() else { return };
    for (verb, code) in [("wait", 0), ("attach", 137)] {
        place.start("brief", &["--rm"], "exec sleep 600");
        let state = place.state("brief");
        let number = |field: &str| state[field].as_i64().unwrap().to_string();
        let signal = |name: &str, pid: &str| {
            let sent = std::process::Command::new("kill")
                .args([name, pid])
                .status();
            assert!(sent.unwrap().success());
        };
        // The keeper finds both at once: the program has ended, and somebody
        // has come.
        signal("-STOP", &number("keeper"));
        signal("-KILL", &number("pid"));
        let late = place.rcon(&[verb, "brief"]).spawn();
        std::thread::sleep(Duration::from_millis(200));
        signal("-CONT", &number("keeper"));
        let out = late.wait().code(code);
        if verb == "wait" {
            assert_eq!(out.text(), "137");
        } else {
            assert_eq!(out.stderr, "");
        }
        assert!(!place.exists("brief"));
    }
}

#[test]
fn many_wait_for_one() {
    let Some(place) = Place::new() else { return };
    place.start("one", &[], "sleep 0.5; exit 9");
    let all: Vec<_> = (0..20)
        .map(|_| place.rcon(&["wait", "one"]).spawn())
        .collect();
    for waiting in all {
        assert_eq!(waiting.wait().ok().text(), "9");
    }
}

#[test]
fn a_restart_is_a_new_life() {
    let Some(place) = Place::new() else { return };
    place.sleeper("phoenix");
    let before = place.state("phoenix");
    place.ok(&["restart", "phoenix"]);
    let after = place.state("phoenix");
    assert_ne!(before["pid"], after["pid"]);
    assert_ne!(before["started"], after["started"]);
    assert_eq!(
        (&after["restarts"], after["status"].as_str()),
        (&0.into(), Some("running"))
    );
}

#[test]
fn a_crowd_does_not_lock_out_who_wants_to_stop_a_container() {
    let Some(place) = Place::new() else { return };
    let few = |command: &mut std::process::Command| {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    };
    let line = place.line(
        "run",
        &["-d", "--name", "full"],
        &[
            "sh",
            "-c",
            "trap 'exit 7' TERM; while :; do sleep 0.05; done",
        ],
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -n 100; exec \"$0\" \"$@\""]);
    shell.arg(env!("CARGO_BIN_EXE_rcon"));
    place.call(shell).args(line).output().ok();
    let crowd: Vec<_> = (0..70)
        .map(|_| place.rcon(&["attach", "full"]).with(few).spawn())
        .collect();
    let refused = |r: &crate::common::Running| r.stderr().contains("too many");
    eventually("some are refused", || crowd.iter().any(refused));
    assert!(!crowd.iter().all(refused));
    // It does not run in circles meanwhile.
    let keeper = place.number_of("full", "keeper");
    let before = ticks(keeper);
    std::thread::sleep(Duration::from_millis(500));
    let used = ticks(keeper) - before;
    assert!(used < 15, "{used} ticks in half a second");
    place.ok(&["stop", "full"]);
    assert_eq!(place.number_of("full", "exit_code"), 7);
}

#[test]
fn one_whose_keeper_is_stopped_is_told_so() {
    let Some(place) = Place::new() else { return };
    for (command, name) in [
        (&["pause"][..], "one"),
        (&["stop", "-t", "1"], "two"),
        (&["kill"], "three"),
        (&["rm", "-f"], "four"),
    ] {
        place.sleeper(name);
        let keeper = nix::unistd::Pid::from_raw(place.number_of(name, "keeper"));
        nix::sys::signal::kill(keeper, nix::sys::signal::Signal::SIGSTOP).unwrap();
        let out = place.rcon(command).args([name]).output();
        if command[0] == "rm" {
            out.ok();
            continue;
        }
        out.code(1)
            .fails_naming(&["keeper", "stopped", "kill -CONT"]);
        nix::sys::signal::kill(keeper, nix::sys::signal::Signal::SIGCONT).unwrap();
        place.ok(&["rm", "-f", name]);
    }
    place.assert_empty();
}

/// Processor time used, in hundredths of a second.
fn ticks(pid: i32) -> u64 {
    let field = |n| crate::common::stat_of(pid, n).parse().unwrap_or(0u64);
    field(14) + field(15)
}

/// Resident memory of a process, in kilobytes.
fn resident(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("it is there");
    let line = text.lines().find(|line| line.starts_with("Rss:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|n| n.parse().ok()).expect("a number")
}

#[test]
fn a_keeper_that_waits_holds_little_memory() {
    let Some(place) = Place::new() else { return };
    place.start("box", &[], "echo one; sleep 600");
    let keeper = place.number_of("box", "keeper");
    // To have started a program took several times as much.
    eventually("it has given back what it needed", || {
        resident(keeper) < 4096
    });
    // It gets back what it needs then, and gives it back once more.
    place.ok(&["exec", "box", "true"]);
    place.ok(&["pause", "box"]);
    place.ok(&["unpause", "box"]);
    assert_eq!(place.ok(&["logs", "box"]).text(), "one");
    eventually("it is small again", || resident(keeper) < 4096);
    place.ok(&["stop", "-t", "0", "box"]);
    assert_eq!(place.status("box"), "exited");
}
