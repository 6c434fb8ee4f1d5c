//! Too little memory: a command may end at any allocation. What is there stays
//! whole, and nobody else's container ends with it.

use crate::common::{Need, needs_met};
use crate::place::Place;
use crate::proc::{Room, as_before, commands, furnished};

/// Runs every command behind each of these lines, and looks whether all is as
/// it was; how many were done and how many were not.
fn each_behind(place: &Place, lines: &[String]) -> (u32, u32) {
    let (mut done, mut failed) = (0, 0);
    for line in lines {
        for (args, undo) in commands(place) {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let what = format!("{args:?} behind {line}");
            let begins = ["stop", "restart"].contains(&args[0]);
            let before = place.state("up")["keeper"].clone();
            let out = place.by_shell(line, &args).output();
            if out.status.success() {
                done += 1;
                if !undo.is_empty() {
                    place.ok(undo);
                }
            } else {
                failed += 1;
                assert!(!out.stderr.contains("panicked"), "{what}: {out}");
            }
            if begins {
                // Where it is started it lives, and there is too little.
                place.ok(&["restart", "-t", "0", "up"]);
            } else {
                assert_eq!(place.state("up")["keeper"], before, "{what}: {out}");
            }
            as_before(place, &what);
        }
        std::thread::sleep(crate::place::AGE);
        place.repair(line);
        place.assert_lists(line);
    }
    (done, failed)
}

#[test]
fn with_little_room_for_addresses() {
    let Some(place) = furnished() else { return };
    let kilobytes = [12_000, 26_000, 34_000, 80_000];
    let lines = kilobytes.map(|k| format!("ulimit -v {k}; exec \"$@\""));
    let (done, failed) = each_behind(&place, &lines);
    assert!(done > 10 && failed > 10, "{done} done, {failed} not");
    place.assert_goes();
}

#[test]
fn with_little_memory() {
    if !needs_met(&[Need::Root, Need::Controller("memory")]) {
        return;
    }
    let Some(place) = furnished() else { return };
    let room = Room::new("memory", "little");
    let (mut done, mut failed) = (0, 0);
    for kilobytes in [1_000, 3_000, 40_000] {
        let names = ["memory.limit_in_bytes", "memory.max"];
        room.limit(&names, &format!("{}", kilobytes << 10));
        let (d, f) = each_behind(&place, &[room.enter()]);
        (done, failed) = (done + d, failed + f);
    }
    // How many: that depends on whose the pages of the binary are already.
    assert!(done > 10 && failed > 5, "{done} done, {failed} not");
    place.assert_goes();
}
