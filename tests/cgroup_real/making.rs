//! Making and removing directories, and who may.

use std::path::PathBuf;

use super::*;

#[test]
fn directories_are_made_in_every_hierarchy_and_removed_but_for_parents() {
    let Some(l) = layout() else { return };
    let guard = Guard::new(&l, "make/inner");
    let paths = guard.cgroup.paths().clone();
    assert_eq!(paths.dirs.len(), l.hierarchies.len());
    assert!(paths.dirs.iter().all(|d| d.made && d.full().is_dir()));
    let saved = serde_json::to_string(&paths).unwrap();
    destroy(&serde_json::from_str(&saved).unwrap()).unwrap();
    let parents: Vec<PathBuf> = paths
        .dirs
        .iter()
        .map(|d| d.full().parent().unwrap().to_owned())
        .collect();
    let left: Vec<_> = parents
        .iter()
        .map(|p| std::fs::remove_dir(p).is_ok())
        .collect();
    assert!(paths.dirs.iter().all(|d| !d.full().exists()));
    assert!(
        left.iter().all(|removed| *removed),
        "parents stay for others"
    );
    destroy(&paths).unwrap();
}

#[test]
fn directory_that_was_there_is_used_but_not_removed() {
    let Some(l) = hybrid() else { return };
    let mut paths = plan(&l, "found");
    paths
        .dirs
        .retain(|d| d.has("pids") || d.version == Version::V2);
    let pids = paths.find("pids").unwrap().full();
    std::fs::create_dir(&pids).unwrap();
    let cgroup = Cgroup::create(paths, Permission::Required).unwrap();
    let made: Vec<_> = cgroup.paths().dirs.iter().map(|d| d.made).collect();
    let destroyed = destroy(cgroup.paths());
    let (kept, v2_kept) = (pids.is_dir(), cgroup.paths().v2().unwrap().full().is_dir());
    std::fs::remove_dir(&pids).unwrap();
    assert_eq!(made, [false, true]);
    destroyed.unwrap();
    assert!(kept && !v2_kept);
}

#[test]
fn cgroup_in_use_is_refused_and_what_was_made_is_taken_back() {
    let Some(l) = layout() else { return };
    let mut first = Guard::on(&l, "used", |d| d.has("pids"));
    first.shell("exec sleep 100");
    let e = Cgroup::create(plan(&l, "used"), Permission::Required)
        .unwrap_err()
        .to_string();
    assert!(e.contains("1 process(es) in it already"), "{e}");
    for dir in plan(&l, "used").dirs {
        assert_eq!(
            dir.full().exists(),
            dir.has("pids"),
            "{}",
            dir.full().display()
        );
    }
}

#[test]
fn destroy_removes_what_the_container_nested_inside() {
    use std::os::unix::ffi::OsStrExt;
    let Some(l) = layout() else { return };
    let guard = Guard::new(&l, "nested");
    for dir in &guard.cgroup.paths().dirs {
        let mut at = dir.full();
        for depth in 0..30 {
            at.push(format!("d{depth}"));
            std::fs::create_dir(&at).unwrap();
            std::fs::create_dir(at.join("beside")).unwrap();
        }
        let odd = std::ffi::OsStr::from_bytes(b"not \xff utf-8");
        std::fs::create_dir(dir.full().join(odd)).unwrap();
    }
    destroy(guard.cgroup.paths()).unwrap();
    assert!(guard.cgroup.paths().dirs.iter().all(|d| !d.full().exists()));
}

#[test]
fn destroy_carries_on_and_says_who_is_still_inside() {
    let Some(l) = hybrid() else { return };
    let mut guard = Guard::on(&l, "busy", |d| {
        d.has("pids") || d.has("cpu") || d.version == Version::V2
    });
    let child = guard.shell("exec sleep 100").id();
    let pids = guard.cgroup.paths().find("pids").unwrap().full();
    std::fs::write(
        pids.parent().unwrap().join("cgroup.procs"),
        child.to_string(),
    )
    .unwrap();
    let errors = destroy(guard.cgroup.paths()).unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
    let text = errors[0].to_string();
    assert!(
        text.contains("EBUSY") && text.contains(&format!("such as {child}")),
        "{text}"
    );
    assert!(!pids.exists(), "the empty one is gone all the same");
}

#[test]
fn nothing_is_written_outside_cgroupfs() {
    let Some(l) = hybrid() else { return };
    let scratch = std::env::temp_dir().join(&name("scratch")[1..]);
    std::fs::create_dir(&scratch).unwrap();
    let link = scratch.join("link");
    let pids = l.find("pids").unwrap().mount.clone();
    std::os::unix::fs::symlink(&pids, &link).unwrap();
    let mut refusals = Vec::new();
    for mount in [scratch.clone(), link, l.v2().unwrap().mount.clone()] {
        let mut paths = plan(&l, "astray");
        paths.dirs.retain(|d| d.has("pids"));
        paths.dirs[0].mount = mount;
        refusals.push(
            Cgroup::create(paths, Permission::Required)
                .unwrap_err()
                .to_string(),
        );
    }
    let untouched = std::fs::read_dir(&scratch).unwrap().count() == 1;
    std::fs::remove_dir_all(&scratch).unwrap();
    assert!(
        refusals[0].contains("did not lead to a cgroup V1"),
        "{}",
        refusals[0]
    );
    assert!(
        refusals[1].contains("ENOTDIR") || refusals[1].contains("ELOOP"),
        "{}",
        refusals[1]
    );
    assert!(
        refusals[2].contains("did not lead to a cgroup V1"),
        "v2 is not v1: {}",
        refusals[2]
    );
    assert!(untouched);
}

#[test]
fn without_permission_hierarchies_are_left_out_only_on_request() {
    let Some(l) = layout() else { return };
    // Only this thread becomes nobody, and only for file access.
    let nobody = nix::unistd::Uid::from_raw(65534);
    nix::unistd::setfsuid(nobody);
    let optional = Cgroup::create(plan(&l, "nobody"), Permission::Optional);
    let required = Cgroup::create(plan(&l, "nobody"), Permission::Required);
    nix::unistd::setfsuid(nix::unistd::Uid::from_raw(0));
    assert!(optional.unwrap().paths().dirs.is_empty());
    assert!(required.unwrap_err().to_string().contains("EACCES"));
}

#[test]
fn container_whose_cgroups_are_gone_can_still_be_asked() {
    let Some(l) = layout() else { return };
    let cgroup = Cgroup::open(&plan(&l, "never")).unwrap();
    assert!(cgroup.pids().unwrap().is_empty());
    assert!(!cgroup.is_frozen().unwrap());
    assert!(cgroup.v2_fd().is_none());
    cgroup.kill(Signal::SIGKILL).unwrap();
    assert!(cgroup.freeze().is_err());
}
