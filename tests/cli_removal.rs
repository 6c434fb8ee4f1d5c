//! Ending and removing containers while somebody else is at them, or nobody
//! answers.

mod common;
use common::store::StoreBed;
use common::*;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;

fn number(bed: &StoreBed, name: &str, field: &str) -> i32 {
    let format = format!("{{{{{field}}}}}");
    let said = bed.says(&["inspect", "-f", &format, name]);
    said.trim().parse().unwrap()
}

#[test]
fn a_container_that_comes_up_meanwhile_is_not_removed() {
    let Some(bed) = StoreBed::new() else { return };
    for round in 0..8 {
        let name = format!("racer{round}");
        bed.make_container(&["create", "--name", &name], &["sleep", "600"]);
        let start = bed.call(&["start", &name]).spawn();
        let rm = bed.call(&["rm", &name]).spawn();
        let (start, rm) = (start.wait(), rm.wait());
        // One of the two came first, and the other was told.
        assert_ne!(start.status.success(), rm.status.success(), "{start}\n{rm}");
        if start.status.success() {
            let status = bed.says(&["inspect", "-f", "{{.State.Status}}", &name]);
            assert_eq!(status.trim(), "running");
            bed.rcon(&["rm", "-f", &name]).ok();
        }
    }
}

#[test]
fn a_forced_removal_ends_one_that_comes_up_meanwhile() {
    let Some(bed) = StoreBed::new() else { return };
    for round in 0..8 {
        let name = format!("racer{round}");
        bed.make_container(&["create", "--name", &name], &["sleep", "600"]);
        let start = bed.call(&["start", &name]).spawn();
        let rm = bed.call(&["rm", "-f", &name]).spawn();
        start.wait();
        rm.wait().ok();
        assert_eq!(bed.says(&["ps", "-aq"]), "");
    }
}

#[test]
fn what_is_killed_can_be_removed_and_its_name_taken() {
    let Some(bed) = StoreBed::new() else { return };
    for _ in 0..8 {
        bed.sleeper("web", &[]);
        bed.rcon(&["kill", "web"]).ok();
        bed.rcon(&["rm", "web"]).ok();
        bed.sleeper("web", &["--rm"]);
        bed.rcon(&["kill", "web"]).ok();
    }
    bed.sleeper("web", &[]);
}

#[test]
fn one_that_is_paused_during_a_health_check_goes_on_and_is_removed() {
    let Some(bed) = StoreBed::new() else { return };
    let checks = ["--health-cmd", "sleep 100", "--health-interval", "200ms"];
    let flags = [&checks[..], &["--health-timeout", "1s"]].concat();
    for end in [&["unpause", "web"][..], &["rm", "-f", "web"]] {
        bed.sleeper("web", &flags);
        std::thread::sleep(Duration::from_millis(500));
        bed.rcon(&["pause", "web"]).ok();
        std::thread::sleep(Duration::from_millis(1500));
        bed.rcon(end).ok();
        bed.rcon(&["rm", "-f", "web"]).ok();
    }
}

#[test]
fn a_keeper_that_does_not_answer_is_killed_by_force() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper("web", &[]);
    let state = std::fs::read_dir(bed.root().join("containers")).unwrap();
    let dir = state.flatten().next().unwrap().path();
    let state: Value =
        serde_json::from_slice(&std::fs::read(dir.join("state.json")).unwrap()).unwrap();
    let keeper = Pid::from_raw(state["keeper"].as_i64().unwrap() as i32);
    let init = number(&bed, "web", ".State.Pid");
    kill(keeper, Signal::SIGSTOP).unwrap();
    let out = bed.rcon(&["rm", "-f", "web"]).code(0);
    assert!(out.stderr.contains("does not answer"), "{out}");
    eventually("its program is gone", || !host::is_alive(init));
    assert_eq!(bed.says(&["ps", "-aq"]), "");
}

#[test]
fn a_running_container_whose_record_is_spoilt_can_be_removed() {
    let Some(bed) = StoreBed::new() else { return };
    let id = bed.sleeper("web", &[]);
    let init = number(&bed, "web", ".State.Pid");
    let path = bed
        .root()
        .join("containers")
        .join(id.trim())
        .join("state.json");
    std::fs::write(path, "{").unwrap();
    bed.rcon(&["rm", "web"]).code(1);
    bed.rcon(&["rm", "-f", "web"]).ok();
    eventually("its program is gone", || !host::is_alive(init));
    assert_eq!(bed.says(&["ps", "-aq"]), "");
}

#[test]
fn directories_deeper_than_there_are_descriptors_are_removed() {
    let Some(bed) = StoreBed::new() else { return };
    let root = format!("{}:O", bed.rootfs("").display());
    let deep = "i=0; while [ $i -lt 1500 ]; do mkdir d && cd d; i=$((i+1)); done; echo $i";
    let args = ["run", "--name", "deep", "--rootfs", &root, "sh", "-c", deep];
    assert_eq!(bed.says(&args), "1500\n");
    let rm = bed.call(&["rm", "deep"]).with(|command| {
        use std::os::unix::process::CommandExt;
        let few = || {
            let limit = nix::sys::resource::Resource::RLIMIT_NOFILE;
            nix::sys::resource::setrlimit(limit, 256, 256).map_err(std::io::Error::from)
        };
        // SAFETY: setting a limit is all that is done in the child.
        unsafe { command.pre_exec(few) };
    });
    rm.output().ok();
    let left = std::fs::read_dir(bed.root().join("containers")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn who_shares_what_is_gone_is_told_what_that_was() {
    let Some(bed) = StoreBed::new() else { return };
    let id = bed.sleeper("owner", &[]);
    bed.sleeper("guest", &["--network", "container:owner"]);
    bed.rcon(&["rm", "-f", "owner"]).ok();
    let out = bed.rcon(&["restart", "-t", "0", "guest"]).code(1);
    let want = format!(
        "container guest shares the network of container {}, which has been removed",
        &id.trim()[..12]
    );
    assert!(out.stderr.contains(&want), "{out}");
    assert_eq!(out.stderr.lines().count(), 1, "{out}");
}
