//! Builds that are cut short.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::common::{cgroups, eventually, host};
use crate::site::{Site, is_cached, names};

/// Two stages at work at once, and a third that needs them.
const TEXT: &str = "FROM base AS one\nRUN echo done >/a\nRUN echo begun-one; sleep 600\n\
                    FROM base AS two\nRUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t \
                    echo begun-two; sleep 600\n\
                    FROM base\nCOPY --from=one /a /b\nCOPY --from=two /etc /e\n";

fn containers(site: &Site) -> Vec<String> {
    names(&site.bed.root().join("containers"))
}

#[test]
fn a_person_who_stops_it_leaves_nothing_but_what_was_done() {
    let Some(site) = Site::new() else { return };
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let building = site.call(TEXT, &[]).spawn();
        eventually("both programs run", || {
            let said = building.stderr();
            said.contains("| begun-one") && said.contains("| begun-two")
        });
        building.signal(signal);
        let output = building.wait();
        assert_eq!(output.status.code(), Some(128 + signal as i32), "{output}");
        assert_eq!(containers(&site), [""; 0], "{output}");
        site.assert_whole();
    }
    let short = TEXT.replace("sleep 600", "true");
    assert!(is_cached(&site.build(&short, &[]), "echo done"));
}

#[test]
fn killed_at_any_instant_it_leaves_nothing() {
    let Some(site) = Site::new() else { return };
    let text = "FROM base\nCOPY . /ctx\nRUN echo 1 >/a\nWORKDIR /w\nRUN echo 2 >/b\n";
    for step in 0..25 {
        let building = site.call(text, &["--no-cache"]).spawn();
        std::thread::sleep(Duration::from_millis(step * 9));
        building.signal(Signal::SIGKILL);
        drop(building);
    }
    let ids: Vec<String> = containers(&site);
    let ended = || {
        ids.iter().all(|id| {
            let id = id.trim_start_matches('.');
            cgroups::named(id)
                .iter()
                .all(|group| cgroups::processes(group).is_empty())
        })
    };
    assert!(
        host::becomes_true(Duration::from_secs(10), ended),
        "programs outlived their build"
    );
    // Between two calls somebody could still be at it.
    std::thread::sleep(Duration::from_millis(2100));
    site.assert_whole();
    site.build(text, &[]);
    assert_eq!(site.sh("cat /a /b"), "1\n2\n");
}

#[test]
fn a_killed_build_takes_its_programs_along() {
    let Some(site) = Site::new() else { return };
    let building = site.call(TEXT, &[]).spawn();
    eventually("the program runs", || {
        building.stderr().contains("| begun-two")
    });
    let ids = containers(&site);
    assert!(!ids.is_empty());
    building.signal(Signal::SIGKILL);
    drop(building);
    // A step that was about to start is swept by whoever looks next.
    eventually("no container is left", || {
        site.bed.rcon(&["ps", "-a"]).ok();
        containers(&site).is_empty()
    });
    for id in ids {
        eventually("no cgroup is left", || cgroups::named(&id).is_empty());
    }
    std::thread::sleep(Duration::from_millis(2100));
    site.assert_whole();
}

/// The children of a process, and theirs.
fn descendants(pid: i32) -> Vec<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(path).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|n| n.parse().ok());
    children
        .flat_map(|child| [vec![child], descendants(child)].concat())
        .collect()
}

#[test]
fn a_step_whose_keeper_and_builder_were_killed_goes_with_the_next_command() {
    let Some(site) = Site::new() else { return };
    let text = "FROM base\nRUN echo begun; sleep 600\n";
    let building = site.call(text, &[]).spawn();
    eventually("the program runs", || building.stderr().contains("| begun"));
    let id = containers(&site).remove(0);
    // Nobody is to see another end and tidy up.
    building.signal(Signal::SIGSTOP);
    let all = descendants(building.pid());
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        for pid in &all {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), signal);
        }
    }
    building.signal(Signal::SIGKILL);
    drop(building);
    assert_eq!(containers(&site).len(), 1, "nobody has tidied up");
    eventually("the next command has", || {
        site.bed.rcon(&["volume", "ls"]).ok();
        containers(&site).is_empty()
    });
    eventually("no cgroup is left", || cgroups::named(&id).is_empty());
    assert!(!site.bed.root().join("run").join(&id).exists());
    assert!(!site.bed.root().join("build/steps").join(&id).exists());
}

#[test]
fn a_killed_keeper_fails_its_step() {
    let Some(site) = Site::new() else { return };
    let text = "FROM base\nRUN echo begun; sleep 600\n";
    let building = site.call(text, &[]).spawn();
    eventually("the program runs", || building.stderr().contains("| begun"));
    let id = containers(&site).remove(0);
    let state = site
        .bed
        .root()
        .join("containers")
        .join(&id)
        .join("state.json");
    let state = std::fs::read_to_string(state).unwrap();
    let state: crate::common::Value = serde_json::from_str(&state).unwrap();
    let keeper = state["keeper"].as_i64().unwrap() as i32;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(keeper), Signal::SIGKILL).unwrap();
    let output = building.wait();
    assert_eq!(output.status.code(), Some(1), "{output}");
    assert!(output.stderr.contains("keeper"), "{output}");
    site.assert_whole();
}
