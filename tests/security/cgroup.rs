//! The container's view of cgroups is for reading. A writable one is a way to
//! lift limits and, through `release_agent`, to run a program on the host.

use super::common::{Container, Value, drop_namespace, json};
use super::support::{as_other_user, bed, lines, plant, probing, push};
use std::path::Path;

/// Tries to write to everything below `/sys/fs/cgroup`, and returns the paths
/// where it was allowed.
#[track_caller]
fn writable(container: &Container<'_>) -> Vec<String> {
    let all = container.shell("find /sys/fs/cgroup | wc -l");
    assert!(
        all.parse::<u32>().unwrap() > 5,
        "nothing to write to: {all}"
    );
    let answers = container.shell("find /sys/fs/cgroup | xargs /probe try-write");
    let allowed = answers.lines().filter_map(|l| l.strip_suffix(" ok"));
    allowed.map(str::to_owned).collect()
}

/// In version 1 the hierarchies lie in a tmpfs of the container's own, which
/// leads nowhere; that it too is read-only is another test's matter.
#[track_caller]
fn assert_read_only(container: &Container<'_>) {
    let mut found = writable(container);
    found.retain(|path| {
        path != "/sys/fs/cgroup" || Path::new("/sys/fs/cgroup/cgroup.procs").exists()
    });
    assert!(found.is_empty(), "writable: {found:#?}");
}

#[test]
fn a_read_only_cgroup_mount_is_read_only_from_its_top() {
    let Some(bed) = bed() else { return };
    let container = probing(&bed, &["idle", "600000"], |_| ());
    container.run_detached();
    assert_eq!(writable(&container), [""; 0]);
}

fn check(patch: impl FnOnce(&mut Value)) {
    let Some(bed) = bed() else { return };
    let container = probing(&bed, &["idle", "600000"], patch);
    container.run_detached();
    assert_read_only(&container);
}

#[test]
fn cve_2023_25809_the_cgroup_view_is_read_only() {
    check(|_| ());
}

#[test]
fn cve_2023_25809_also_without_a_cgroup_namespace() {
    check(|spec| drop_namespace(spec, "cgroup"));
}

#[test]
fn cve_2023_25809_also_for_the_owner_of_a_user_namespace() {
    check(as_other_user);
}

#[test]
fn cve_2023_25809_also_there_without_a_cgroup_namespace() {
    check(|spec| {
        as_other_user(spec);
        drop_namespace(spec, "cgroup");
    });
}

#[test]
fn the_cgroup_namespace_hides_where_the_container_is() {
    let Some(bed) = bed() else { return };
    let container = probing(&bed, &["idle", "600000"], |_| ());
    container.run_detached();
    for file in ["/proc/self/cgroup", "/proc/1/cgroup"] {
        let text = container.exec(&["cat", file]).ok();
        assert!(text.stdout.contains(":/"), "{file} tells nothing");
        for line in text.stdout.lines() {
            assert!(line.ends_with(":/"), "{file} tells {line}");
        }
    }
}

#[test]
fn cve_2022_0492_no_cgroup_mount_of_ones_own() {
    let Some(bed) = bed() else { return };
    let free = probing(&bed, &["own-cgroup"], |_| ()).run().ok();
    // Without a profile the kernel grants it: the profile is what is tested.
    assert_eq!(
        lines(&free.stdout, "unshare-all"),
        ["unshare-all ok"],
        "{free}"
    );

    let container = probing(&bed, &["own-cgroup"], |spec| {
        spec["linux"]["seccomp"] = super::seccomp::docker_like();
    });
    let out = container.run().ok();
    assert!(out.stdout.lines().count() >= 8, "{out}");
    assert!(!out.stdout.contains(" ok"), "granted: {out}");
}

#[test]
fn cve_2022_0492_nor_for_a_process_that_joins() {
    let Some(bed) = bed() else { return };
    let container = bed.container(|spec| {
        spec["process"]["args"] = json!(["sleep", "600"]);
        spec["linux"]["seccomp"] = super::seccomp::docker_like();
        push(&mut spec["process"]["env"], json!("A=b"));
    });
    plant(&container, "probe");
    container.run_detached();
    let out = container.exec(&["/probe", "own-cgroup"]).ok();
    assert!(out.stdout.lines().count() >= 8, "{out}");
    assert!(!out.stdout.contains(" ok"), "granted: {out}");
}
