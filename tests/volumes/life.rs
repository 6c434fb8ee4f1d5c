//! Which volumes stay and which go, and when.

use crate::common::host::becomes_true;
use crate::place::{PLAIN, Place, WITH};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;

#[test]
fn named_volumes_stay_and_unnamed_ones_go_when_that_is_said() {
    let Some(place) = Place::new() else { return };
    place.prints(
        &["-v", "kept:/kept", "-v", "/own"],
        WITH,
        "touch /kept/x /own/x",
    );
    assert_eq!(place.volumes(), ["kept"]);
    place.create("one", &["-v", "kept:/kept", "-v", "/own"], WITH, "true");
    place.create("two", &["-v", "/own"], PLAIN, "true");
    assert_eq!(place.volumes().len(), 4);
    place.says(&["rm", "-v", "one"]);
    let left = place.volumes();
    assert_eq!((left.len(), left.contains(&"kept".to_owned())), (2, true));
    place.says(&["rm", "two"]);
    assert_eq!(place.volumes().len(), 2, "without -v it stays");
    assert!(
        place
            .says(&["volume", "prune", "-f"])
            .contains("Deleted Volumes:")
    );
    assert_eq!(place.volumes(), ["kept"]);
}

#[test]
fn a_volume_survives_restarts_and_is_shared() {
    let Some(place) = Place::new() else { return };
    place.start("one", &["-v", "data:/data"], PLAIN);
    place.start("two", &["-v", "data:/data:ro"], PLAIN);
    place.exec("one", "echo hello >/data/x");
    assert_eq!(place.exec("two", "cat /data/x"), "hello");
    let out = place.rcon(&["exec", "two", "sh", "-c", "echo no >/data/x"]);
    assert!(out.stderr.contains("Read-only"), "{out}");
    place.says(&["restart", "one"]);
    assert_eq!(place.exec("one", "cat /data/x"), "hello");
}

#[test]
fn volumes_of_another_container() {
    let Some(place) = Place::new() else { return };
    let dir = place.host_dir("bound");
    let bind = format!("{dir}:/bound");
    let flags = [
        "-v",
        "data:/data",
        "-v",
        &bind,
        "-v",
        "/own",
        "--tmpfs",
        "/t",
    ];
    place.create("one", &flags, PLAIN, "true");
    let all = "cat /data/file /bound/theirs; touch /own/x; mount | grep -c ' /t '";
    let shown = place.run(&["--volumes-from", "one"], PLAIN, all);
    assert_eq!(shown.text(), "image\nhost\n0");
    let write = "for d in data bound own; do touch /$d/y && echo $d; done 2>/dev/null; true";
    let shown = place.prints(&["--volumes-from", "one:ro"], PLAIN, write);
    assert_eq!(shown, "", "all of them are read-only");
    // The unnamed one goes with the last container that has it.
    place.create("two", &["--volumes-from", "one"], PLAIN, "ls /own");
    place.says(&["rm", "-v", "one"]);
    assert_eq!(place.volumes().len(), 2);
    assert_eq!(place.says(&["start", "-a", "two"]), "x");
    place.says(&["rm", "-v", "two"]);
    assert_eq!(place.volumes(), ["data"]);
}

#[test]
fn a_container_that_fails_to_start_leaves_no_volume() {
    let Some(place) = Place::new() else { return };
    place.create("taken", &[], PLAIN, "true");
    let out = place.run(&["--name", "taken", "-v", "/own"], WITH, "true");
    out.code(125).fails_naming(&["taken"]);
    assert_eq!(place.volumes(), [""; 0]);
    let out = place.bed.rcon(&[
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        "/own",
        WITH,
        "/none",
    ]);
    out.code(127);
    assert_eq!(place.volumes(), [""; 0]);
    let file = place.bed.path("io").join("x");
    let file = file.to_string_lossy();
    let out = place.bed.rcon(&[
        "create",
        "--cidfile",
        &format!("{file}/no/such"),
        "-v",
        "/own",
        PLAIN,
        "true",
    ]);
    out.code(125);
    assert_eq!(place.volumes(), [""; 0]);
}

#[test]
fn a_killed_keeper_takes_its_unnamed_volumes_along() {
    let Some(place) = Place::new() else { return };
    place.start("one", &["--rm", "-v", "kept:/kept"], WITH);
    assert_eq!(place.volumes().len(), 2);
    let id = place.says(&["inspect", "--format", "{{.Id}}", "one"]);
    let state = place
        .bed
        .root()
        .join("containers")
        .join(&id)
        .join("state.json");
    let state: serde_json::Value = serde_json::from_slice(&std::fs::read(state).unwrap()).unwrap();
    let keeper = state["keeper"].as_i64().unwrap() as i32;
    kill(Pid::from_raw(keeper), Signal::SIGKILL).unwrap();
    let gone = || place.says(&["ps", "-aq"]).is_empty();
    assert!(becomes_true(Duration::from_secs(5), gone));
    assert_eq!(place.volumes(), ["kept"]);
}

#[test]
fn a_volume_that_was_taken_away_by_hand_is_made_again() {
    let Some(place) = Place::new() else { return };
    place.create(
        "one",
        &["-v", "data:/data", "-v", "/own"],
        PLAIN,
        "ls /data /own",
    );
    for volume in place.volumes() {
        std::fs::remove_dir_all(place.dir().join(volume)).unwrap();
    }
    let out = place.says(&["start", "-a", "one"]);
    assert_eq!(out, "/data:\n\n/own:");
    place.says(&["rm", "-v", "one"]);
    assert_eq!(place.volumes(), ["data"]);
}
