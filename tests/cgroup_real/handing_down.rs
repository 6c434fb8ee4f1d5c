//! Controllers of the v2 tree, handed down from cgroup to cgroup.
//!
//! On a hybrid machine v2 may have one left, hugetlb. These tests need the
//! root of the tree to hand it down already: to switch that on is the host's
//! business, not a test's, so without it they are passed over in any case.

use rcon::cgroup::limits::limits;

use super::*;

const HUGE: &str = r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#;

/// The layout, if hugetlb is there and handed down by the root.
fn with_hugetlb() -> Option<Layout> {
    let l = layout()?;
    let given = std::fs::read_to_string(l.v2()?.mount.join("cgroup.subtree_control")).unwrap();
    if l.find("hugetlb").is_some_and(|h| h.version == Version::V2) && given.contains("hugetlb") {
        return Some(l);
    }
    eprintln!("skipped: the root of the v2 tree does not hand hugetlb down");
    None
}

fn v2_only(d: &CgroupDir) -> bool {
    d.version == Version::V2
}

/// A guard whose parent directory is removed, too.
struct Nested(Option<Guard>);

impl Nested {
    fn new(l: &Layout, test: &str) -> Self {
        Self(Some(Guard::on(l, &format!("{test}/inner"), v2_only)))
    }

    fn guard(&self) -> &Guard {
        self.0.as_ref().unwrap()
    }

    fn parent(&self) -> std::path::PathBuf {
        let dir = self.guard().cgroup.paths().dirs[0].full();
        dir.parent().unwrap().to_owned()
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        let parent = self.parent();
        drop(self.0.take());
        let _ = std::fs::remove_dir(parent);
    }
}

#[test]
fn limit_brings_its_controller_down_to_the_container() {
    let Some(l) = with_hugetlb() else { return };
    let nested = Nested::new(&l, "down");
    nested.guard().apply(&l, HUGE);
    assert_eq!(nested.guard().read("hugetlb", "hugetlb.2MB.max"), "4194304");
    assert_eq!(
        nested.guard().read("hugetlb", "hugetlb.2MB.rsvd.max"),
        "4194304"
    );
    assert!(
        nested
            .guard()
            .cgroup
            .stats()
            .unwrap()
            .hugetlb
            .contains_key("2MB")
    );
}

#[test]
fn parent_with_processes_is_named_as_what_stands_in_the_way() {
    let Some(l) = with_hugetlb() else { return };
    if l.mode == Mode::Unified {
        return eprintln!("skipped: here all is handed down before anybody can come");
    }
    let nested = Nested::new(&l, "busy-parent");
    let mut child = Command::new("sleep").arg("100").spawn().unwrap();
    std::fs::write(nested.parent().join("cgroup.procs"), child.id().to_string()).unwrap();
    let writes = limits(&serde_json::from_str(HUGE).unwrap(), &l).unwrap();
    let e = nested
        .guard()
        .cgroup
        .apply(&writes)
        .unwrap_err()
        .to_string();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        e.contains("hugepageLimits[0]") && e.contains("has processes of its own"),
        "{e}"
    );
}

#[test]
fn pure_v2_hands_everything_down_at_once() {
    let Some(l) = with_hugetlb() else { return };
    let mount = l.v2().unwrap().mount.display().to_string();
    let unified = Layout::parse(&format!("1 0 0:1 / {mount} rw - cgroup2 c rw\n"), "0::/\n")
        .with_v2_controllers("hugetlb");
    assert_eq!(unified.mode, Mode::Unified);
    let nested = Nested::new(&unified, "unified");
    let given = std::fs::read_to_string(nested.parent().join("cgroup.subtree_control")).unwrap();
    assert!(given.contains("hugetlb"), "{given}");
    assert_eq!(nested.guard().read("hugetlb", "cgroup.subtree_control"), "");
}

#[test]
fn newcomer_goes_beside_init_where_the_container_took_its_cgroup_over() {
    let Some(l) = with_hugetlb() else { return };
    let mut guard = Guard::on(&l, "beside", v2_only);
    let init = guard.shell("exec sleep 100").id().cast_signed();
    let own = guard.cgroup.paths().dirs[0].full();
    std::fs::create_dir(own.join("init")).unwrap();
    std::fs::write(own.join("init/cgroup.procs"), init.to_string()).unwrap();
    std::fs::write(own.join("cgroup.subtree_control"), "+hugetlb").unwrap();
    let mut child = Command::new("sleep").arg("100").spawn().unwrap();
    let pid = child.id().cast_signed();
    let alone = guard.cgroup.attach(pid, None);
    let beside = guard.cgroup.attach(pid, Some(init));
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let refused = alone.unwrap_err().to_string();
    assert!(
        refused.contains("EBUSY") && refused.contains("hands controllers down"),
        "{refused}"
    );
    beside.unwrap();
    assert!(
        text.trim()
            .ends_with(&format!("0::{}/init", name("beside"))),
        "{text}"
    );
}
