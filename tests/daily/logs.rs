//! `logs`.

use crate::common::pty::under_pty;
use crate::common::{eventually, stat_of};
use crate::place::{Place, names_in};
use std::fs;
use std::path::Path;
use std::time::Duration;

#[test]
fn each_record_says_of_its_container_what_was_asked_for() {
    let Some(place) = Place::new() else { return };
    let options = ["--log-opt", "labels=stage", "--log-opt", "env=SIZE,NONE"];
    let rest = [
        "--log-opt",
        "tag={{.Name}}",
        "--label",
        "stage=a b",
        "-e",
        "SIZE=7",
    ];
    let flags = [&["--name", "web"], &options[..], &rest].concat();
    place.run(&flags, &["echo", "said"]).output().ok();
    let out = place.ok(&["logs", "--details", "web"]);
    assert_eq!(out.text(), "SIZE=7,stage=a+b,tag=web said");
    assert_eq!(place.ok(&["logs", "web"]).text(), "said");
    let file = place.dir_of("web").join("container.log");
    let file = std::fs::read_to_string(file).unwrap();
    let want = r#""attrs":{"SIZE":"7","stage":"a b","tag":"web"},"#;
    assert!(file.contains(want), "{file}");
    place
        .run(&["--log-opt", "tag={{.Nothing}}"], &["true"])
        .output()
        .fails_naming(&["Nothing"]);
}

#[test]
fn both_streams_and_the_last_lines() {
    let Some(place) = Place::new() else { return };
    place
        .run(
            &["--name", "said"],
            &["sh", "-c", "seq 1 100; echo bad >&2"],
        )
        .output()
        .ok();
    let all = place.ok(&["logs", "said"]);
    assert_eq!(
        (all.stdout.lines().count(), all.stderr.as_str()),
        (100, "bad\n")
    );
    let two = place.ok(&["logs", "--tail", "3", "said"]);
    assert_eq!(
        (two.stdout.as_str(), two.stderr.as_str()),
        ("99\n100\n", "bad\n")
    );
    assert_eq!(place.ok(&["logs", "--tail", "0", "said"]).stdout, "");
    assert_eq!(
        place
            .ok(&["logs", "-n", "all", "said"])
            .stdout
            .lines()
            .count(),
        100
    );
    place
        .rcon(&["logs", "--tail", "x", "said"])
        .output()
        .code(125)
        .fails_naming(&["--tail"]);
}

#[test]
fn by_time() {
    let Some(place) = Place::new() else { return };
    place
        .run(
            &["--name", "slow"],
            &["sh", "-c", "echo early; sleep 1; echo late"],
        )
        .output()
        .ok();
    let stamped = place.ok(&["logs", "-t", "slow"]);
    let lines: Vec<(&str, &str)> = stamped
        .stdout
        .lines()
        .filter_map(|l| l.split_once(' '))
        .collect();
    assert_eq!((lines[0].1, lines[1].1), ("early", "late"));
    assert!(
        lines[0].0 < lines[1].0 && lines[0].0.ends_with('Z'),
        "{lines:?}"
    );
    assert_eq!(
        place.ok(&["logs", "--since", lines[1].0, "slow"]).text(),
        "late"
    );
    assert_eq!(
        place.ok(&["logs", "--until", lines[0].0, "slow"]).text(),
        "early"
    );
    assert_eq!(
        place.ok(&["logs", "--since", "1h", "slow"]).text(),
        "early\nlate"
    );
    assert_eq!(place.ok(&["logs", "--until", "1h", "slow"]).text(), "");
    place
        .rcon(&["logs", "--since", "yesterdayish", "slow"])
        .output()
        .code(125)
        .fails_naming(&["--since"]);
}

#[test]
fn following_ends_with_the_container() {
    let Some(place) = Place::new() else { return };
    place.start(
        "talk",
        &[],
        "echo one; sleep 0.5; echo two; sleep 0.3; printf three",
    );
    let following = place.rcon(&["logs", "-f", "talk"]).spawn();
    eventually("the first is shown", || {
        following.stdout().starts_with("one\n")
    });
    assert_eq!(following.wait().ok().stdout, "one\ntwo\nthree");
}

/// Whether a process sleeps and is to be woken by a change of files.
fn waits_for_files(pid: i32) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    let mut links = open.flatten().filter_map(|e| fs::read_link(e.path()).ok());
    let watches = links.any(|l| l == Path::new("anon_inode:inotify"));
    watches && stat_of(pid, 3) == "S"
}

#[test]
fn following_from_the_end_begins_with_what_comes() {
    let Some(place) = Place::new() else { return };
    place.start(
        "on",
        &[],
        "echo early; until test -e /go; do sleep 0.05; done; echo late >&2",
    );
    place.says("on", "early");
    let following = place.rcon(&["logs", "-n", "0", "-f", "on"]).spawn();
    eventually("it waits for more", || waits_for_files(following.pid()));
    place.ok(&["exec", "on", "touch", "/go"]);
    let out = following.wait().ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", "late\n"));
}

#[test]
fn following_one_that_is_removed_at_its_end_misses_nothing() {
    let Some(place) = Place::new() else { return };
    place.start("brief", &["--rm"], "echo one; sleep 0.5; echo two");
    let out = place.rcon(&["logs", "-f", "brief"]).output().ok();
    assert_eq!(out.stdout, "one\ntwo\n");
    let gone = || !place.exists("brief");
    eventually("it is removed", gone);
}

#[test]
fn following_ends_without_a_word_from_a_keeper_that_was_killed() {
    let Some(place) = Place::new() else { return };
    place.start("orphan", &[], "echo one; sleep 100");
    let following = place.rcon(&["logs", "-f", "orphan"]).spawn();
    eventually("the first is shown", || {
        following.stdout().starts_with("one\n")
    });
    let keeper = nix::unistd::Pid::from_raw(place.number_of("orphan", "keeper"));
    nix::sys::signal::kill(keeper, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(following.wait().ok().stdout, "one\n");
}

#[test]
fn what_is_said_while_it_is_read_is_left_to_the_next() {
    let Some(place) = Place::new() else { return };
    place.start("fast", &[], "while :; do echo 0123456789; done");
    place.says("fast", "0");
    // Without an end of its own this would never come back.
    let out = place.ok(&["logs", "fast"]);
    assert!(out.stdout.ends_with("0123456789\n"));
}

#[test]
fn following_survives_rotation() {
    let Some(place) = Place::new() else { return };
    fs::create_dir(place.path("seen")).unwrap();
    let seen = format!("{}:/seen", place.text_path("seen"));
    let log = ["--log-opt", "max-size=4k", "--log-opt", "max-file=3"];
    // It waits for its reader: who is slower than three files misses some.
    let script = "for n in $(seq 1 1500); do echo line $n; \
        test $((n % 50)) = 0 && until test -e /seen/$n; do sleep 0.01; done; done";
    place.start("turning", &[&log[..], &["-v", &seen]].concat(), script);
    let following = place.rcon(&["logs", "-f", "turning"]).spawn();
    for n in (50..=1500).step_by(50) {
        let last = format!("line {n}\n");
        eventually("it is shown", || following.stdout().ends_with(&last));
        fs::write(place.path(&format!("seen/{n}")), "").unwrap();
    }
    let out = following.wait().ok();
    let wanted: Vec<String> = (1..=1500).map(|n| format!("line {n}")).collect();
    assert!(out.stdout.lines().eq(wanted), "a hole: {}", out.stdout);
    let files = names_in(&place.dir_of("turning"));
    let files = files
        .iter()
        .filter(|n| n.starts_with("container.log"))
        .count();
    assert_eq!(files, 3);
}

#[test]
fn without_a_log_there_is_nothing_to_read() {
    let Some(place) = Place::new() else { return };
    let out = place
        .run(&["--name", "mute", "--log-driver", "none"], &["echo", "x"])
        .output()
        .ok();
    assert_eq!(out.text(), "x");
    place
        .rcon(&["logs", "mute"])
        .output()
        .code(1)
        .fails_naming(&["logging driver"]);
    assert!(!place.dir_of("mute").join("container.log").exists());
    place
        .run(&["--log-driver", "smoke"], &["true"])
        .output()
        .code(125)
        .fails_naming(&["smoke"]);
    place
        .run(&["--log-opt", "max-size=0"], &["true"])
        .output()
        .code(125)
        .fails_naming(&["max-size"]);
}

#[test]
fn it_goes_on_after_a_restart() {
    let Some(place) = Place::new() else { return };
    place
        .run(&["--name", "again"], &["sh", "-c", "echo ran; printf half"])
        .output()
        .ok();
    place.ok(&["start", "-a", "again"]);
    assert_eq!(place.ok(&["logs", "again"]).stdout, "ran\nhalfran\nhalf");
}

#[test]
fn a_reader_that_leaves_ends_it() {
    let Some(place) = Place::new() else { return };
    place.start("endless", &[], "while :; do echo x; sleep 0.01; done");
    let mut bash = std::process::Command::new("bash");
    bash.args(["-c", "$RCON logs -f endless | head -2"]);
    let out = place
        .call(bash)
        .env("RCON", env!("CARGO_BIN_EXE_rcon"))
        .output()
        .ok();
    assert_eq!(out.stdout, "x\nx\n");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(place.status("endless"), "running");
}

#[test]
fn passthrough_goes_to_the_command_itself() {
    let Some(place) = Place::new() else { return };
    let flags = ["--name", "through", "--log-driver", "passthrough"];
    let out = place
        .run(&flags, &["sh", "-c", "echo out; echo err >&2"])
        .output()
        .ok();
    assert_eq!(
        (out.stdout.as_str(), out.stderr.as_str()),
        ("out\n", "err\n")
    );
    place
        .rcon(&["logs", "through"])
        .output()
        .code(1)
        .fails_naming(&["logging driver"]);
}

#[test]
fn a_long_line_comes_out_whole() {
    let Some(place) = Place::new() else { return };
    let script = "head -c 100000 /dev/zero | tr '\\0' x; echo; echo end";
    place
        .run(&["--name", "long"], &["sh", "-c", script])
        .output()
        .ok();
    let out = place.ok(&["logs", "long"]);
    assert_eq!(out.stdout, format!("{}\nend\n", "x".repeat(100_000)));
    assert_eq!(
        place.ok(&["logs", "--tail", "2", "long"]).stdout,
        out.stdout
    );
    let stamped = place.ok(&["logs", "-t", "long"]).stdout;
    assert_eq!(stamped.matches('Z').count(), 2, "one time for each line");
}

#[test]
fn passthrough_never_hands_a_terminal_in() {
    let Some(place) = Place::new() else { return };
    let driver = ["--log-driver", "passthrough"];
    for flags in [&["--rm"][..], &["-d"]] {
        let line = place.line("run", &[&driver, flags].concat(), &["echo", "got in"]);
        let mut p = under_pty(place.at_terminal(&[]).args(line), 24, 80);
        p.terminal.wait_for("passthrough would hand your terminal");
        p.running.wait().code(125);
    }
    let line = place.line(
        "create",
        &[&driver[..], &["--name", "later"]].concat(),
        &["true"],
    );
    place.rcon(&[]).args(line).output().ok();
    let mut p = under_pty(place.at_terminal(&["start", "later"]), 24, 80);
    p.terminal.wait_for("passthrough would hand your terminal");
    p.running.wait().code(1);
    assert_eq!(place.kept().len(), 1);
}
