//! Commands that are killed, and commands that meet.

use crate::common::host::becomes_true;
use crate::place::{PLAIN, Place};
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// An image with so many files at `/big` that a copy takes a while.
fn big(place: &Place) {
    let dir = place.bed.rootfs("big");
    for n in 0..40 {
        let sub = dir.join(format!("d{n}"));
        fs::create_dir_all(&sub).unwrap();
        for m in 0..25 {
            fs::write(sub.join(format!("f{m}")), format!("{n}.{m}")).unwrap();
        }
    }
    place.import(&["VOLUME /big"], "big:1");
}

const FILES: usize = 1000;

fn count(dir: &Path) -> usize {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    let all = entries.flatten().map(|e| match e.file_type() {
        Ok(kind) if kind.is_dir() => count(&e.path()),
        _ => 1,
    });
    all.sum()
}

/// A number that is different each time, without a generator.
fn chance() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::from(now.map_or(0, |d| d.subsec_nanos())) / 97
}

/// Everything that is left is swept within the time it takes to be sure.
#[track_caller]
fn is_swept(place: &Place) {
    let clean = || {
        place.rcon(&["ps", "-aq"]).ok();
        place.unfinished().is_empty()
    };
    assert!(
        becomes_true(Duration::from_secs(10), clean),
        "{:?}",
        place.unfinished()
    );
}

#[test]
fn a_killed_command_leaves_a_volume_empty_or_full() {
    let Some(place) = Place::new() else { return };
    big(&place);
    let started = Instant::now();
    place.run(&["-v", "probe:/big"], "big:1", "true").ok();
    let whole = started.elapsed().as_micros() as u64 + 1;
    let until = Instant::now() + Duration::from_secs(20);
    let mut rounds = 0;
    let (mut seen_empty, mut seen_full) = (0, 0);
    while Instant::now() < until && rounds < 60 {
        rounds += 1;
        let line = place.line(&["run", "--rm", "-v", "data:/big"], "big:1", "true");
        let running = line.spawn();
        std::thread::sleep(Duration::from_micros(chance() % whole));
        running.signal(Signal::SIGKILL);
        drop(running);
        // The next command takes up what is left, and only then one looks.
        place.rcon(&["volume", "ls"]).ok();
        match count(&place.data("data")) {
            0 => seen_empty += 1,
            FILES => seen_full += 1,
            other => panic!("{other} files after round {rounds}"),
        }
        let shown = place.prints(&["-v", "data:/big"], "big:1", "find /big -type f | wc -l");
        assert_eq!(shown, FILES.to_string());
        let gone = || place.says(&["ps", "-aq"]).is_empty();
        assert!(becomes_true(Duration::from_secs(10), gone));
        place.says(&["volume", "rm", "-f", "data"]);
    }
    println!("{rounds} rounds: {seen_empty} empty, {seen_full} full");
    is_swept(&place);
    assert_eq!(place.volumes(), ["probe"], "none without a name is left");
}

#[test]
fn what_was_half_moved_is_moved_to_the_end() {
    let Some(place) = Place::new() else { return };
    place.says(&["volume", "create", "data"]);
    place.says(&["volume", "create", "other"]);
    // As a kill between two moves leaves it.
    let filled = place.dir().join("data/filled");
    fs::create_dir(&filled).unwrap();
    for name in ["b", "c"] {
        fs::write(filled.join(name), name).unwrap();
    }
    fs::write(place.data("data").join("a"), "a").unwrap();
    // A container has made this one meanwhile; it is the newer.
    fs::write(place.data("data").join("c"), "own").unwrap();
    // And this never got so far.
    fs::create_dir(place.dir().join("other/filling")).unwrap();
    let out = place.rcon(&["system", "check"]).code(1);
    assert!(out.stdout.contains("volume data: half filled"), "{out}");
    assert!(out.stdout.contains("volume other: half filled"), "{out}");
    place.rcon(&["volume", "ls"]).ok();
    let read = |name: &str| fs::read_to_string(place.data("data").join(name)).unwrap();
    assert_eq!(
        (read("a"), read("b"), read("c")),
        ("a".into(), "b".into(), "own".into())
    );
    assert!(!place.dir().join("other/filling").exists());
    assert!(!place.dir().join("data/filled").exists());
}

#[test]
fn many_start_on_one_new_volume() {
    let Some(place) = Place::new() else { return };
    big(&place);
    for round in 0..4 {
        let volume = format!("data{round}:/big");
        let all: Vec<_> = (0..6)
            .map(|_| {
                let line = ["run", "--rm", "-v", &volume];
                place
                    .line(&line, "big:1", "find /big -type f | wc -l")
                    .spawn()
            })
            .collect();
        for one in all {
            assert_eq!(one.wait().ok().text(), FILES.to_string());
        }
    }
    assert_eq!(place.unfinished(), [""; 0]);
}

#[test]
fn removal_and_use_never_meet() {
    let Some(place) = Place::new() else { return };
    let until = Instant::now() + Duration::from_secs(8);
    while Instant::now() < until {
        let users: Vec<_> = (0..2)
            .map(|_| {
                let line = ["run", "--rm", "-v", "data:/data"];
                place
                    .line(&line, PLAIN, "cat /data/file; touch /data/x")
                    .spawn()
            })
            .collect();
        let removers: Vec<_> = (0..3)
            .map(|n| {
                let all = [&["volume", "rm", "data"][..], &["volume", "prune", "-af"]];
                place.bed.call(all[n % 2]).spawn()
            })
            .collect();
        for one in users {
            assert_eq!(one.wait().ok().text(), "image");
        }
        for one in removers {
            let out = one.wait();
            let fine = out.status.success()
                || out.stderr.contains("in use")
                || out.stderr.contains("No such volume");
            assert!(fine, "{out}");
        }
    }
    is_swept(&place);
}

#[test]
fn killed_commands_leave_nothing() {
    let Some(place) = Place::new() else { return };
    big(&place);
    let until = Instant::now() + Duration::from_secs(10);
    let mut n = 0;
    while Instant::now() < until {
        n += 1;
        let lines: [&[&str]; 4] = [
            &["volume", "create", "made"],
            &["volume", "prune", "-af"],
            &["create", "-v", "/own", "--network", "none", "big:1", "true"],
            &["volume", "rm", "made"],
        ];
        let running: Vec<_> = lines.iter().map(|l| place.bed.call(l).spawn()).collect();
        std::thread::sleep(Duration::from_micros(chance() % 60_000));
        for one in &running {
            one.signal(Signal::SIGKILL);
        }
        drop(running);
        if n % 5 == 0 {
            let ids = place.says(&["ps", "-aq"]);
            let ids: Vec<&str> = ids.lines().collect();
            if !ids.is_empty() {
                place.rcon(&[&["rm", "-v"][..], &ids].concat()).ok();
            }
        }
    }
    is_swept(&place);
    let ids = place.says(&["ps", "-aq"]);
    for id in ids.lines() {
        // What a record names is there, and whole.
        let mounts = place.mounts(id);
        let all = mounts.iter().filter(|m| m["Destination"] == "/big");
        for mount in all {
            let name = mount["Name"].as_str().unwrap();
            assert_eq!(count(&place.data(name)), FILES);
        }
        place.says(&["rm", "-v", id]);
    }
    let left = place.volumes();
    assert!(left.iter().all(|v| v == "made"), "{left:?}");
}
