//! What the defaults promise, beside what Docker and podman give.
//!
//! The same program runs in a container of rcon, of Docker and of podman, and
//! tells what it sees and may do (`probe.c`): capabilities, every system call
//! of three tables, what of `/proc`, `/sys` and `/dev` is there and can be
//! opened, mounts, limits, environment. What rcon gives must be what one of
//! the two gives, and of system calls no more than Docker; each exception stands
//! in `differences.rs` with its reason.
//!
//! What lives here: the engines side by side, and the comparison. What may
//! not: how rcon does it.
//!
//! `RCON_TEST_ONLY=privileged` compares in one way of starting only, and with
//! `RCON_TEST_KEEP=DIR` everybody's answers, and the differences that
//! are meant, are written into that directory.

mod answers;
mod compare;
mod differences;
mod engines;

#[allow(dead_code, reason = "the peer tests use what these do not")]
#[path = "../peers/cgroups.rs"]
mod cgroups;
#[allow(dead_code, reason = "the peer tests use what these do not")]
#[path = "../peers/needs.rs"]
mod needs;
#[allow(dead_code, reason = "the peer tests use what these do not")]
#[path = "../peers/outcome.rs"]
mod outcome;
#[path = "../peers/podman_limits.rs"]
mod podman_limits;
#[allow(dead_code, reason = "the peer tests use what these do not")]
#[path = "../peers/room.rs"]
mod room;
#[path = "../peers/words.rs"]
mod words;

use std::path::Path;

use answers::Answers;
use compare::Four;
use engines::Engines;

/// A way to start a container; all three understand the same options.
struct Way {
    name: &'static str,
    options: &'static str,
    /// The program is a further one in a container that is up.
    further: bool,
}

const fn way(name: &'static str, options: &'static str) -> Way {
    Way {
        name,
        options,
        further: false,
    }
}

/// Every capability that brings calls with it. "ALL" would be more than some
/// machines' root has, and Docker gives what is asked for or nothing; Debian's
/// does not know BPF and PERFMON.
const CAPABLE: &str = "--cap-add DAC_READ_SEARCH --cap-add NET_ADMIN --cap-add SYSLOG \
    --cap-add SYS_ADMIN --cap-add SYS_BOOT --cap-add SYS_MODULE --cap-add SYS_NICE --cap-add SYS_PACCT --cap-add SYS_PTRACE \
    --cap-add SYS_RAWIO --cap-add SYS_TIME --cap-add SYS_TTY_CONFIG";

const WAYS: &[Way] = &[
    way("default", ""),
    way("terminal", "-t"),
    way("user", "--user 1000:1000"),
    way(
        "powerless",
        "--cap-drop ALL --security-opt no-new-privileges",
    ),
    way("capable", CAPABLE),
    way("read-only", "--read-only"),
    way("privileged", "--privileged"),
    Way {
        name: "exec",
        options: "",
        further: true,
    },
];

#[test]
fn a_container_is_given_what_docker_and_podman_give() {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("skipped: the probe knows the three tables of x86-64 only");
        return;
    }
    let Some(engines) = Engines::start() else {
        return;
    };
    let only = std::env::var("RCON_TEST_ONLY").unwrap_or_default();
    let mut news = Vec::new();
    for way in WAYS.iter().filter(|way| way.name.contains(&only)) {
        let four = ask(&engines, way);
        let found = compare::differences(way.name, &four);
        keep(way, &four, &found.known);
        news.extend(found.news);
    }
    let list = news.join("\n");
    assert!(
        news.is_empty(),
        "{} differences that tests/promises/differences.rs does not explain:\n{list}",
        news.len()
    );
}

/// rcon is asked before and after the others: what changes by itself is not
/// the same both times.
fn ask(engines: &Engines, way: &Way) -> Four {
    let answers = |engine| engines.answers(engine, way);
    let own = || answers(&engines.rcon).expect("rcon gives what there is");
    let before = own();
    let docker = answers(&engines.docker);
    let podman = answers(&engines.podman).expect("podman gives what there is");
    if docker.is_none() {
        println!("{}: Docker cannot, podman stands for both", way.name);
    }
    Four {
        before,
        docker,
        podman,
        after: own(),
    }
}

fn keep(way: &Way, four: &Four, known: &[String]) {
    let Some(dir) = std::env::var_os("RCON_TEST_KEEP") else {
        return;
    };
    let write = |who: &str, answers: &Answers| {
        let file = Path::new(&dir).join(format!("{}.{who}", way.name));
        std::fs::write(file, answers.to_string()).expect("write what was answered");
    };
    write("rcon", &four.before);
    if let Some(docker) = &four.docker {
        write("docker", docker);
    }
    write("podman", &four.podman);
    let file = Path::new(&dir).join(format!("{}.known", way.name));
    std::fs::write(file, known.join("\n")).expect("write what is known");
}
