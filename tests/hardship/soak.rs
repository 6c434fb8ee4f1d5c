//! Many starts: nothing of what one costs stays.

use crate::chance::asked;
use crate::common::eventually;
use crate::common::host::{PATIENCE, becomes_true, status_field};
use crate::place::{AGE, Place, links, names_in};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// How many containers are being started at a time.
const AT_A_TIME: usize = 8;
/// What may be more: pages of memory come and go, in kilobytes.
const SLACK: &[(&str, u64)] = &[("memory of the keeper", 512), ("memory of the worker", 512)];

/// A container that outlives all others, with everything that stays beside
/// one: a keeper and a worker.
fn long_living(place: &Place) -> (i32, i32) {
    let page = "while :; do echo page | nc -l -p 80; done";
    let flags = [
        "run",
        "-d",
        "--name",
        "keep",
        "-p",
        "127.0.0.1::80",
        "-v",
        "kept:/data",
    ];
    place.ok(&[
        &flags[..],
        &["--health-cmd", "true", "--health-interval", "1s"],
        &["base", "sh", "-c", page],
    ]
    .concat());
    knock(place);
    let keeper = place.state("keep")["keeper"].as_i64().unwrap_or_default() as i32;
    let mut worker = 0;
    eventually("there is a worker", || {
        worker = worker_of(keeper);
        worker != 0
    });
    (keeper, worker)
}

fn knock(place: &Place) {
    let at = place.ok(&["port", "keep", "80"]);
    let at = at.lines().next().expect("a port").to_owned();
    eventually("it answers", || {
        let Ok(mut stream) = TcpStream::connect(&at) else {
            return false;
        };
        let mut said = String::new();
        let _ = stream.write_all(b"x");
        let _ = stream.shutdown(std::net::Shutdown::Write);
        stream.read_to_string(&mut said).is_ok() && said.contains("page")
    });
}

/// The keeper's child that stays on this side.
fn worker_of(keeper: i32) -> i32 {
    let names = names_in(Path::new("/proc"));
    let mut pids = names.iter().filter_map(|name| name.parse::<i32>().ok());
    let stat = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let is_it = |pid: &i32| {
        let stat = stat(*pid);
        let rest = stat.split_once("(rcon:net) ").map(|(_, rest)| rest);
        rest.is_some_and(|rest| rest.split(' ').nth(1) == Some(&keeper.to_string()))
    };
    pids.find(is_it).unwrap_or(0)
}

/// Everything that could grow, counted.
fn counts(place: &Place, long_living: (i32, i32)) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    let mut count = |what: &str, n: usize| {
        all.insert(what.to_owned(), n as u64);
    };
    for (who, pid) in [("keeper", long_living.0), ("worker", long_living.1)] {
        let open = names_in(Path::new(&format!("/proc/{pid}/fd"))).len();
        count(&format!("descriptors of the {who}"), open);
        let size = status_field(pid, "RssAnon");
        let size = size.split(' ').next().and_then(|n| n.parse().ok());
        count(&format!("memory of the {who}"), size.unwrap_or(0));
    }
    let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
    let ours = place.text("");
    count(
        "mounts",
        mounts.lines().filter(|l| l.contains(&ours)).count(),
    );
    count("interfaces", links().len());
    count("processes", place.processes().len());
    count("cgroups", Place::cgroups(&place.ids()).len());
    let rules = std::process::Command::new("nft")
        .args(["list", "ruleset"])
        .output();
    let rules = rules.map(|o| o.stdout).unwrap_or_default();
    count("rules", String::from_utf8_lossy(&rules).lines().count());
    let files = place.files().into_iter();
    let files = files.filter(|f| !f.starts_with("run/events.jsonl"));
    count("files", files.count());
    let dir = place.bed.root().join("containers");
    count("containers", names_in(&dir).len());
    count("volumes", names_in(&place.bed.root().join("volumes")).len());
    count("layers", names_in(&place.bed.root().join("layers")).len());
    all
}

/// One start of a kind, as a command line.
fn start(number: u64) -> Vec<String> {
    let name = format!("soak{number}");
    let line: &[&str] = match number % 6 {
        0 => &["run", "--rm", "base", "true"],
        1 => &[
            "run",
            "--rm",
            "-v",
            "/unnamed",
            "base",
            "sh",
            "-c",
            "echo x > /unnamed/x",
        ],
        2 => &[
            "run",
            "--rm",
            "--network",
            "net",
            "-p",
            "127.0.0.1::80",
            "base",
            "true",
        ],
        3 => &[
            "run",
            "--rm",
            "--read-only",
            "--network",
            "none",
            "base",
            "sh",
            "-c",
            "exit 0",
        ],
        4 => &[
            "run",
            "-d",
            "--rm",
            "--name",
            &name,
            "-v",
            "kept:/data",
            "base",
            "sleep",
            "0.2",
        ],
        _ => &[
            "run",
            "--rm",
            "--init",
            "-m",
            "64m",
            "--health-cmd",
            "true",
            "base",
            "echo",
            "x",
        ],
    };
    line.iter().map(|w| (*w).to_owned()).collect()
}

/// Starts so many, with a command to the long-living one now and then.
fn soak(place: &Place, numbers: std::ops::Range<u64>) {
    let mut running = std::collections::VecDeque::new();
    for number in numbers {
        if running.len() == AT_A_TIME {
            let first: crate::common::Running = running.pop_front().expect("some run");
            first.wait().ok();
        }
        let words = start(number);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        running.push_back(place.bed.call(&words).spawn());
        if number % 25 == 0 {
            place.ok(&["exec", "keep", "true"]);
            place.rcon(&["logs", "--tail", "1", "keep"]).ok();
            knock(place);
        }
        if number % 200 == 0 {
            place.ok(&["stats", "--no-stream", "keep"]);
            tidy(place);
        }
    }
    for last in running {
        last.wait().ok();
    }
}

/// What this test itself has written.
fn tidy(place: &Place) {
    let age = std::time::Duration::from_secs(20);
    for entry in std::fs::read_dir(place.bed.path("io"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let changed = entry.metadata().and_then(|m| m.modified());
        if changed.is_ok_and(|t| t.elapsed().is_ok_and(|e| e > age)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// All that was started has come to its end, and what it left is taken away.
fn settled(place: &Place) {
    eventually("all have ended", || {
        place.ok(&["ps", "-q"]).lines().count() == 1
    });
    std::thread::sleep(AGE);
    place.repair("between two looks");
}

#[test]
fn many_starts_leave_nothing() {
    let Some(place) = Place::new() else { return };
    place.ok(&["network", "create", "net"]);
    let living = long_living(&place);
    soak(&place, 0..40);
    settled(&place);
    let before = counts(&place, living);
    soak(&place, 40..40 + asked("RCON_TEST_STARTS", 240));
    settled(&place);
    let grown = || {
        let after = counts(&place, living);
        let slack = |what: &str| SLACK.iter().find(|s| s.0 == what).map_or(0, |s| s.1);
        let mut grown: Vec<String> = Vec::new();
        for (what, n) in &after {
            if *n > before[what] + slack(what) {
                grown.push(format!("{what}: {} before, {n} after", before[what]));
            }
        }
        (grown, after)
    };
    // The last connections go within moments.
    becomes_true(PATIENCE, || grown().0.is_empty());
    let (grown, after) = grown();
    println!("before: {before:#?}\nafter: {after:#?}");
    assert!(grown.is_empty(), "{grown:#?}");
    place.ok(&["rm", "-f", "keep"]);
    place.assert_goes();
}
