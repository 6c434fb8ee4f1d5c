//! Layouts as real machines have them.

use super::*;

const HYBRID_MOUNTS: &str = "\
23 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
";
const HYBRID_SELF: &str = "\
9:name=systemd:/init
4:memory:/process_api/7f44
2:cpu,cpuacct:/
1:perf_event:/
0::/
";

fn hybrid() -> Layout {
    Layout::parse(HYBRID_MOUNTS, HYBRID_SELF).with_v2_controllers("hugetlb\n")
}

#[test]
fn hybrid_machine_has_v1_controllers_and_a_v2_tree() {
    let l = hybrid();
    assert_eq!(l.mode, Mode::Hybrid);
    let cpu = l.find("cpuacct").unwrap();
    assert_eq!(cpu.mount, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
    assert_eq!(cpu.controllers, ["cpu", "cpuacct"]);
    assert_eq!(
        l.find("memory").unwrap().own_below_mount().unwrap(),
        "process_api/7f44"
    );
    assert_eq!(l.hierarchies.last().unwrap().version, Version::V2);
}

#[test]
fn controller_without_a_mount_is_not_found() {
    assert_eq!(hybrid().find("perf_event"), None, "listed but not mounted");
    assert_eq!(hybrid().find("rdma"), None);
}

#[test]
fn controller_left_to_v2_is_found_there() {
    let l = hybrid();
    assert_eq!(l.find("hugetlb").unwrap().version, Version::V2);
    assert_eq!(l.find("memory").unwrap().version, Version::V1);
}

#[test]
fn named_hierarchy_has_a_name_and_no_controllers() {
    let l = hybrid();
    let h = l
        .hierarchies
        .iter()
        .find(|h| h.name.as_deref() == Some("systemd"))
        .unwrap();
    assert!(h.controllers.is_empty());
    assert_eq!(h.own, "/init");
}

#[test]
fn pure_v2() {
    let mounts = "23 1 254:0 / / rw - ext4 /dev/vda rw\n30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let l = Layout::parse(mounts, "0::/user.slice/a.scope\n").with_v2_controllers("cpu memory");
    assert_eq!(l.mode, Mode::Unified);
    assert_eq!(l.find("memory").unwrap().own, "/user.slice/a.scope");
}

#[test]
fn pure_v1_and_nothing() {
    let mounts = "30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    assert_eq!(
        Layout::parse(mounts, "1:memory:/\n0::/\n").mode,
        Mode::Legacy
    );
    assert_eq!(Layout::parse("", "1:memory:/\n0::/\n").mode, Mode::Absent);
}

#[test]
fn mount_inside_a_container_shows_only_part_of_the_tree() {
    let mounts = "30 23 0:26 /docker/ab /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    let l = Layout::parse(mounts, "4:memory:/docker/ab/inner\n");
    assert_eq!(l.hierarchies[0].own_below_mount().unwrap(), "inner");
    let l = Layout::parse(mounts, "4:memory:/docker/ab\n");
    assert_eq!(l.hierarchies[0].own_below_mount().unwrap(), "");
    let l = Layout::parse(mounts, "4:memory:/docker/abc\n");
    let e = l.hierarchies[0].own_below_mount().unwrap_err();
    assert!(e.to_string().contains("/docker/abc is not below"), "{e}");
}

#[test]
fn mounts_that_something_covers_do_not_count() {
    let covered = format!("{HYBRID_MOUNTS}60 31 0:40 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    let l = Layout::parse(&covered, HYBRID_SELF);
    assert_eq!(l.mode, Mode::Unified);
    assert_eq!(l.hierarchies.len(), 1);
    assert_eq!(l.v2().unwrap().mount, Path::new("/sys/fs/cgroup"));
}

#[test]
fn usual_place_is_preferred_over_another_mount_of_the_same_tree() {
    let twice = format!("22 23 0:32 / /mnt/memory rw - cgroup cgroup rw,memory\n{HYBRID_MOUNTS}");
    let l = Layout::parse(&twice, HYBRID_SELF);
    assert_eq!(
        l.find("memory").unwrap().mount,
        Path::new("/sys/fs/cgroup/memory")
    );
}

#[test]
fn escaped_mount_points_are_read() {
    let mounts = "30 23 0:26 / /cg\\040mem\\134x rw - cgroup cgroup rw,memory\n";
    let l = Layout::parse(mounts, "4:memory:/\n");
    assert_eq!(l.hierarchies[0].mount, Path::new("/cg mem\\x"));
}

#[test]
fn nonsense_is_passed_over() {
    let l = Layout::parse(
        "x\n1 2 3\n - \n\\\\\n",
        "::\n4:memory\n:::::\n5:cpu:relative\n",
    );
    assert_eq!(l.mode, Mode::Absent);
}

#[test]
fn cgroup_outside_our_namespace_is_not_reached_by_dots() {
    let mounts = "30 23 0:26 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    let l = Layout::parse(mounts, "4:memory:/../other\n");
    assert!(l.hierarchies[0].own_below_mount().is_err());
}
