//! Moving, freezing and ending processes.

use super::*;

#[test]
fn joiner_and_attach_reach_every_hierarchy() {
    let Some(l) = layout() else { return };
    let mut guard = Guard::new(&l, "attach");
    let joined = guard.output("cat /proc/self/cgroup");
    let mut other = Command::new("sleep").arg("100").spawn().unwrap();
    guard.cgroup.attach(other.id().cast_signed(), None).unwrap();
    let attached = std::fs::read_to_string(format!("/proc/{}/cgroup", other.id())).unwrap();
    assert_eq!(guard.cgroup.pids().unwrap(), [other.id().cast_signed()]);
    let gone = {
        other.kill().unwrap();
        other.wait().unwrap();
        guard
            .cgroup
            .attach(other.id().cast_signed(), None)
            .unwrap_err()
            .to_string()
    };
    for text in [joined, attached] {
        assert_eq!(text.lines().count(), l.hierarchies.len());
        assert!(
            text.lines().all(|line| line.ends_with(&name("attach"))),
            "{text}"
        );
    }
    assert!(gone.contains("ESRCH"), "{gone}");
}

#[test]
fn sub_cgroup_can_be_joined_and_not_left() {
    let Some(l) = layout() else { return };
    let easy = |d: &CgroupDir| d.version == Version::V2 || !d.has("cpuset");
    let mut guard = Guard::on(&l, "sub", easy);
    for dir in &guard.cgroup.paths().dirs {
        std::fs::create_dir(dir.full().join("a")).unwrap();
    }
    let child = guard.shell("exec sleep 100").id().cast_signed();
    guard
        .cgroup
        .below("/a")
        .unwrap()
        .attach(child, None)
        .unwrap();
    let text = std::fs::read_to_string(format!("/proc/{child}/cgroup")).unwrap();
    assert!(
        text.lines()
            .all(|line| line.ends_with(&format!("{}/a", name("sub"))) || line.contains(":cpuset:")),
        "{text}"
    );
    assert_eq!(guard.cgroup.pids().unwrap(), [child], "also found below");
    assert!(guard.cgroup.below("b").is_err());
    assert!(
        guard
            .cgroup
            .below("a/../..")
            .unwrap_err()
            .to_string()
            .contains("climbs out")
    );
}

fn freezes(mut guard: Guard) {
    let pid = guard.shell("while :; do :; done").id();
    wait_until("it runs", || ticks(pid) > 3);
    assert!(!guard.cgroup.is_frozen().unwrap());
    guard.cgroup.freeze().unwrap();
    assert!(guard.cgroup.is_frozen().unwrap());
    let at = ticks(pid);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(ticks(pid), at, "a frozen process uses no time");
    guard.cgroup.thaw().unwrap();
    assert!(!guard.cgroup.is_frozen().unwrap());
    wait_until("it runs again", || ticks(pid) > at + 3);
    guard.cgroup.freeze().unwrap();
    guard.cgroup.kill(Signal::SIGKILL).unwrap();
    assert!(
        guard.cgroup.pids().unwrap().is_empty(),
        "a frozen container can be killed"
    );
}

#[test]
fn freeze_and_thaw_through_v1() {
    let Some(l) = hybrid() else { return };
    freezes(Guard::new(&l, "freeze-v1"));
}

#[test]
fn freeze_and_thaw_through_v2() {
    let Some(l) = layout() else { return };
    freezes(Guard::on(&l, "freeze-v2", |d| d.version == Version::V2));
}

/// As a container engine inside of the container does it.
#[test]
fn what_the_container_froze_itself_can_be_killed() {
    let Some(l) = layout() else { return };
    let freezer = match l.mode {
        Mode::Unified => |d: &CgroupDir| d.version == Version::V2,
        _ => |d: &CgroupDir| d.has("freezer"),
    };
    let mut guard = Guard::on(&l, "freeze-below", freezer);
    let top = guard.cgroup.paths().dirs[0].full();
    let below = top.join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    let pid = guard.shell("exec sleep 100").id().to_string();
    std::fs::write(below.join("cgroup.procs"), &pid).unwrap();
    let (file, frozen) = if below.join("freezer.state").exists() {
        ("freezer.state", "FROZEN")
    } else {
        ("cgroup.freeze", "1")
    };
    std::fs::write(below.join(file), frozen).unwrap();
    let killed = guard.cgroup.kill(Signal::SIGKILL);
    if killed.is_err() {
        // So that it does not stay behind.
        std::fs::write(below.join(file), if frozen == "1" { "0" } else { "THAWED" }).unwrap();
    }
    killed.unwrap();
    destroy(guard.cgroup.paths()).unwrap();
}

#[test]
fn freeze_holds_while_processes_keep_forking() {
    let Some(l) = layout() else { return };
    let mut guard = Guard::new(&l, "freeze-fork");
    guard.apply(&l, r#"{"pids":{"limit":100}}"#);
    guard.shell("while :; do sleep 0.01 & done");
    wait_until("it forks", || guard.cgroup.pids().unwrap().len() > 10);
    for _ in 0..5 {
        guard.cgroup.freeze().unwrap();
        let state = match l.mode {
            Mode::Unified => guard.read("pids", "cgroup.events"),
            _ => guard.read("freezer", "freezer.state"),
        };
        assert!(
            state.contains("frozen 1") || state.contains("FROZEN"),
            "{state}"
        );
        guard.cgroup.thaw().unwrap();
    }
}

/// Processes that fork as fast as they may, some of them deaf to signals.
fn kills_a_forking_tree(l: &Layout, test: &str, keep: impl Fn(&CgroupDir) -> bool) {
    let mut guard = Guard::on(l, test, keep);
    guard.apply(l, r#"{"pids":{"limit":300}}"#);
    guard.shell(
        "trap '' TERM INT HUP; while :; do (while :; do sleep 0.01 & done) & sleep 0.01; done",
    );
    wait_until("it forks", || guard.cgroup.pids().unwrap().len() > 50);
    guard.cgroup.kill(Signal::SIGKILL).unwrap();
    let left = guard.cgroup.pids().unwrap();
    assert!(left.is_empty(), "{left:?}");
    for dir in &guard.cgroup.paths().dirs {
        let procs = std::fs::read_to_string(dir.full().join("cgroup.procs")).unwrap();
        assert_eq!(procs, "", "{}", dir.full().display());
    }
    destroy(guard.cgroup.paths()).unwrap();
}

#[test]
fn kill_leaves_nothing_of_a_forking_tree() {
    let Some(l) = layout() else { return };
    kills_a_forking_tree(&l, "kill", |_| true);
}

#[test]
fn kill_leaves_nothing_without_the_v2_tree() {
    let Some(l) = hybrid() else { return };
    kills_a_forking_tree(&l, "kill-v1", |d| d.version == Version::V1);
}

#[test]
fn kill_works_without_any_freezer() {
    let Some(l) = layout() else { return };
    kills_a_forking_tree(&l, "kill-bare", |d| d.has("pids"));
}

#[test]
fn other_signals_reach_everyone_and_leave_a_pause_alone() {
    let Some(l) = layout() else { return };
    let mut guard = Guard::new(&l, "term");
    let ready = |g: &Guard, n| g.cgroup.pids().unwrap().len() == n;
    guard.shell("trap 'exit 0' TERM; sleep 100 & sleep 100 & wait");
    let sleeps = |pid: i32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| name == "sleep\n")
    };
    wait_until("all run", || {
        let pids = guard.cgroup.pids().unwrap();
        pids.len() == 3 && pids.into_iter().filter(|pid| sleeps(*pid)).count() == 2
    });
    guard.cgroup.freeze().unwrap();
    guard.cgroup.kill(Signal::SIGTERM).unwrap();
    // Version 2 lets a frozen process die of a signal that it has no trap for.
    let there = if l.mode == Mode::Unified { 1 } else { 3 };
    wait_until("still paused", || ready(&guard, there));
    assert!(guard.cgroup.is_frozen().unwrap(), "still paused");
    guard.cgroup.thaw().unwrap();
    wait_until("all gone", || ready(&guard, 0));
}
