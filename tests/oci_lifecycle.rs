//! From create to delete: what each command does to a container's life, and
//! what `state` says in between.

mod common;
use common::*;
use nix::sys::signal::Signal;
use std::fs;

/// A container that waits until it is killed.
fn sleeper(bed: &Bed) -> Container<'_> {
    bed.container(|s| s["process"]["args"] = words("sleep 600"))
}

/// A container that ignores every signal it can.
fn deaf(bed: &Bed) -> Container<'_> {
    let script = "trap '' TERM INT HUP; echo ready; while :; do sleep 1; done";
    bed.container(|s| s["process"]["args"] = sh(script))
}

#[test]
fn a_container_goes_from_created_to_running_to_stopped_to_gone() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    assert_eq!(c.create().status(), "created");
    assert_eq!(c.start().status(), "running");
    c.kill("KILL").wait_for("stopped");
    c.delete();
    bed.assert_nothing_left();
}

#[test]
fn state_tells_everything_the_specification_asks_for() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["annotations"] = json!({ "org.example.key": "a value" });
    });
    c.create();
    let state = c.state();
    assert_eq!(state["id"], c.id.as_str());
    assert_eq!(state["status"], "created");
    assert_eq!(state["bundle"], c.bundle.to_str().unwrap());
    assert_eq!(state["annotations"]["org.example.key"], "a value");
    assert!(state["ociVersion"].as_str().unwrap().starts_with("1."));
    assert!(host::is_alive(c.pid()));
}

#[test]
fn state_has_the_fields_runc_adds() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.create();
    let state = c.state();
    assert_eq!(
        state["rootfs"],
        c.rootfs("").to_str().unwrap().trim_end_matches('/')
    );
    assert!(state["created"].as_str().unwrap().starts_with("20"));
    assert!(state.get("owner").is_some());
}

#[test]
fn a_stopped_container_has_no_pid() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.create().kill("KILL").wait_for("stopped");
    assert_eq!(c.pid(), 0);
}

#[test]
fn the_program_does_not_run_before_start() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = sh("echo it runs; sleep 600"));
    c.create();
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(c.stdout(), "");
    c.start().wait_for_output("it runs\n");
}

#[test]
fn a_change_to_config_json_after_create_changes_nothing() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("echo before"));
    c.create();
    c.write_spec(&{
        let mut other = default_spec(&c.id);
        other["process"]["args"] = words("echo after");
        other
    });
    c.start().wait_for("stopped");
    assert_eq!(c.stdout(), "before\n");
}

#[test]
fn a_bundle_is_found_in_the_current_directory() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("echo here"));
    let out = bed.call(&["run", &c.id]).cwd(&c.bundle).output().ok();
    assert_eq!(out.stdout, "here\n");
}

#[test]
fn run_ends_with_the_programs_exit_code() {
    let Some(bed) = Bed::new() else { return };
    for code in [0, 1, 42, 255] {
        let out = bed.run(|s| s["process"]["args"] = sh(&format!("exit {code}")));
        out.code(code);
    }
    bed.assert_nothing_left();
}

#[test]
fn run_ends_with_128_and_the_signal_that_killed_the_program() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let running = c.spawn_run();
    eventually("it runs", || !bed.leftovers().is_empty() && is_running(&c));
    c.kill("KILL");
    running.wait().code(128 + 9);
    bed.assert_nothing_left();
}

/// Like `status`, but the container may not exist yet.
fn is_running(c: &Container<'_>) -> bool {
    let out = c.call("state", &[], &[]).output();
    out.status.success() && out.json()["status"] == "running"
}

#[test]
fn run_passes_output_and_input_through() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = sh("cat; echo oops >&2"));
    let out = c.call_with_bundle("run", &[]).stdin("from outside\n");
    let out = out.output().ok();
    assert_eq!(out.stdout, "from outside\n");
    assert_eq!(out.stderr, "oops\n");
}

#[test]
fn run_leaves_nothing_behind() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| s["process"]["args"] = words("echo ran"));
    assert_eq!(out.ok().text(), "ran");
    bed.assert_nothing_left();
}

#[test]
fn run_with_keep_leaves_a_stopped_container() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|_| ());
    c.run_with(&["--keep"]).ok();
    assert_eq!(c.status(), "stopped");
    c.delete();
    bed.assert_nothing_left();
}

#[test]
fn a_detached_run_returns_while_the_program_runs() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let pid_file = bed.text_path("pid");
    c.run_with(&["--detach", "--pid-file", &pid_file]).ok();
    assert_eq!(c.status(), "running");
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), c.pid().to_string());
    c.finish();
    bed.assert_nothing_left();
}

#[test]
fn create_writes_the_pid_file() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let pid_file = bed.text_path("pid");
    c.call_with_bundle("create", &["--pid-file", &pid_file])
        .output()
        .ok();
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), c.pid().to_string());
}

#[test]
fn the_foreground_run_writes_the_pid_file_too() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    let pid_file = bed.text_path("pid");
    let flags = ["--pid-file", pid_file.as_str()];
    let running = c.call_with_bundle("run", &flags).spawn();
    eventually("a pid file with the pid", || {
        let pid = fs::read_to_string(&pid_file).unwrap_or_default();
        !pid.is_empty() && is_running(&c) && pid == c.pid().to_string()
    });
    c.kill("KILL");
    running.wait().code(137);
}

#[test]
fn kill_takes_names_and_numbers() {
    let Some(bed) = Bed::new() else { return };
    for signal in ["TERM", "SIGTERM", "15", "term"] {
        let script = "trap 'echo got TERM; exit' TERM; echo ready; while :; do sleep 0.05; done";
        let c = bed.container(|s| s["process"]["args"] = sh(script));
        c.run_detached().wait_for_output("ready");
        c.kill(signal).wait_for_output("got TERM");
    }
}

#[test]
fn kill_without_a_signal_sends_term() {
    let Some(bed) = Bed::new() else { return };
    let script = "trap 'echo got TERM; exit' TERM; echo ready; while :; do sleep 0.05; done";
    let c = bed.container(|s| s["process"]["args"] = sh(script));
    c.run_detached().wait_for_output("ready");
    c.call("kill", &[], &[]).output().ok();
    c.wait_for_output("got TERM");
}

#[test]
fn kill_works_on_a_created_container() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.create().kill("KILL").wait_for("stopped").delete();
    bed.assert_nothing_left();
}

#[test]
fn kill_all_reaches_every_process_of_a_shared_pid_namespace() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        drop_namespace(s, "pid");
        s["process"]["args"] = sh("sleep 600 & sleep 600 & echo ready; wait");
    });
    c.run_detached().wait_for_output("ready");
    assert_eq!(cgroups::processes(&cgroups::dir_of("pids", &c.id)).len(), 3);
    c.call("kill", &["--all"], &["KILL"]).output().ok();
    eventually("all are dead", || {
        cgroups::processes(&cgroups::dir_of("pids", &c.id)).is_empty()
    });
}

#[test]
fn kill_of_a_stopped_container_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.create().kill("KILL").wait_for("stopped");
    let out = c.call("kill", &[], &["TERM"]).output();
    out.fails_naming(&["not running"]);
}

#[test]
fn delete_refuses_a_running_container() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.run_detached();
    let out = c.call("delete", &[], &[]).output();
    out.fails_naming(&["running"]);
    assert_eq!(c.status(), "running");
}

#[test]
fn delete_force_ends_a_running_container() {
    let Some(bed) = Bed::new() else { return };
    let c = deaf(&bed);
    c.run_detached().wait_for_output("ready");
    c.call("delete", &["--force"], &[]).output().ok();
    bed.assert_nothing_left();
}

#[test]
fn delete_force_of_an_unknown_container_is_fine() {
    let Some(bed) = Bed::new() else { return };
    let id = bed.new_id();
    bed.call(&["delete", "--force", &id]).output().ok();
}

#[test]
fn delete_ends_a_container_that_was_never_started() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    assert_eq!(c.create().status(), "created");
    c.delete();
    bed.assert_nothing_left();
}

#[test]
fn delete_takes_the_processes_of_a_shared_pid_namespace_along() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| {
        drop_namespace(s, "pid");
        s["process"]["args"] = sh("sleep 600 & echo ready");
    });
    c.run_detached().wait_for_output("ready");
    c.wait_for("stopped");
    c.call("delete", &["--force"], &[]).output().ok();
    bed.assert_nothing_left();
}

#[test]
fn the_end_of_the_first_process_ends_the_pid_namespace() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| s["process"]["args"] = sh("sleep 600 & echo ran"));
    assert_eq!(out.ok().text(), "ran");
    bed.assert_nothing_left();
}

#[test]
fn an_id_can_be_used_again_after_delete() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    for _ in 0..2 {
        assert_eq!(c.create().status(), "created");
        c.delete();
    }
    bed.assert_nothing_left();
}

#[test]
fn a_second_start_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.create().start();
    c.call("start", &[], &[])
        .output()
        .fails_naming(&["running"]);
    assert_eq!(c.status(), "running");
}

#[test]
fn a_stopped_container_cannot_be_started() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed);
    c.create().kill("KILL").wait_for("stopped");
    c.call("start", &[], &[])
        .output()
        .fails_naming(&["stopped"]);
}

#[test]
fn pause_stops_the_clock_and_resume_lets_it_go_on() {
    let Some(bed) = Bed::needing(&[Need::Controller("freezer")]) else {
        return;
    };
    let c = bed.container(|s| s["process"]["args"] = sh("while :; do echo x; sleep 0.02; done"));
    c.run_detached().wait_for_output("x\nx\n");
    c.call("pause", &[], &[]).output().ok();
    assert_eq!(c.status(), "paused");
    let before = c.stdout().len();
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(
        c.stdout().len(),
        before,
        "a paused container wrote something"
    );
    c.call("resume", &[], &[]).output().ok();
    assert_eq!(c.status(), "running");
    eventually("it goes on", || c.stdout().len() > before);
}

#[test]
fn only_a_paused_container_can_be_resumed() {
    let Some(bed) = Bed::needing(&[Need::Controller("freezer")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    c.call("resume", &[], &[])
        .output()
        .fails_naming(&["not paused"]);
}

#[test]
fn delete_force_ends_a_paused_container() {
    let Some(bed) = Bed::needing(&[Need::Controller("freezer")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    c.call("pause", &[], &[]).output().ok();
    assert_eq!(c.status(), "paused");
    c.call("delete", &["--force"], &[]).output().ok();
    bed.assert_nothing_left();
}

#[test]
fn kill_reaches_a_paused_container() {
    let Some(bed) = Bed::needing(&[Need::Controller("freezer")]) else {
        return;
    };
    let c = sleeper(&bed);
    c.run_detached();
    c.call("pause", &[], &[]).output().ok();
    c.kill("KILL").wait_for("stopped").delete();
    bed.assert_nothing_left();
}

#[test]
fn a_foreground_run_passes_signals_on() {
    let Some(bed) = Bed::new() else { return };
    let script = "trap 'echo got USR1' USR1; trap 'echo got TERM; exit 3' TERM; \
        echo ready; while :; do sleep 0.05; done";
    let c = bed.container(|s| s["process"]["args"] = sh(script));
    let running = c.spawn_run();
    c.wait_for_output("ready");
    running.signal(Signal::SIGUSR1);
    c.wait_for_output("got USR1");
    running.signal(Signal::SIGTERM);
    c.wait_for_output("got TERM");
    running.wait().code(3);
}

#[test]
fn twenty_containers_run_side_by_side() {
    let Some(bed) = Bed::new() else { return };
    let containers: Vec<_> = (0..20)
        .map(|n| bed.container(|s| s["process"]["args"] = sh(&format!("echo {n}; exit {n}"))))
        .collect();
    let running: Vec<_> = containers.iter().map(Container::spawn_run).collect();
    for (n, r) in running.into_iter().enumerate() {
        assert_eq!(r.wait().code(n as i32).text(), n.to_string());
    }
    bed.assert_nothing_left();
}

#[test]
fn of_two_creates_with_one_id_exactly_one_wins() {
    let Some(bed) = Bed::needing(&[Need::Rcon("a create that no other can overtake")]) else {
        return;
    };
    let c = sleeper(&bed);
    let bundle = c.bundle.to_str().unwrap();
    let calls: Vec<_> = (0..8)
        .map(|_| bed.call(&["create", "--bundle", bundle, &c.id]).spawn())
        .collect();
    let won = calls.into_iter().map(Running::wait);
    assert_eq!(won.filter(|out| out.status.success()).count(), 1);
    assert_eq!(c.status(), "created");
    c.delete();
    bed.assert_nothing_left();
}
