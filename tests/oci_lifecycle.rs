//! From create to delete: what each command does to a container's life, and
//! what `state` says in between.

mod common;
use common::*;

#[test]
fn a_container_goes_from_created_to_running_to_stopped_to_gone() {
    let Some(bed) = Bed::new() else { return };
    let c = bed.container(|s| s["process"]["args"] = words("sleep 60"));
    assert_eq!(c.create().status(), "created");
    assert_eq!(c.start().status(), "running");
    c.kill("KILL").wait_for("stopped");
    c.delete();
    bed.assert_nothing_left();
}
