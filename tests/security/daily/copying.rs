//! `cp` in both directions while the container swaps what is on the way.

use super::Daily;
use crate::support::{Swapper, assert_same, tree};
use std::fs;
use std::time::{Duration, Instant};

/// How long each direction is tried.
const LENGTH: Duration = Duration::from_secs(2);

/// A directory of the container's and a link to the host's change places as
/// fast as they can, while `copy` is called again and again; how often it
/// was and how often it said that all went well.
fn while_swapped(daily: &Daily, target: &str, mut copy: impl FnMut() -> bool) -> (u32, u32) {
    let inside = format!(
        "mkdir -p /swap/dir && echo mine >/swap/dir/secret && ln -sfn {target} /swap/link && \
         exec sleep 600"
    );
    daily.start("box", &[], &["sh", "-c", &inside]);
    let at = format!("/proc/{}/root/swap", daily.pid("box"));
    let path = |name: &str| std::path::Path::new(&at).join(name);
    crate::common::eventually("both are there", || path("link").is_symlink());
    let swapper = Swapper::start(path("dir"), path("link"));
    let (end, mut tried, mut done) = (Instant::now() + LENGTH, 0, 0);
    while Instant::now() < end && tried < 400 {
        tried += 1;
        done += u32::from(copy());
    }
    drop(swapper);
    daily.bed.rcon(&["rm", "-f", "box"]).ok();
    (tried, done)
}

/// CVE-2018-15664, CVE-2019-10152: into the container.
#[test]
fn cve_2018_15664_copying_in_never_lands_on_the_host() {
    let Some(daily) = Daily::new() else { return };
    let host = daily.host();
    let before = tree(&host);
    fs::write(daily.bed.path("mine"), "mine\n").unwrap();
    let climbing = format!("../../../../../../../..{}", host.display());
    for target in [&*host.to_string_lossy(), &climbing] {
        let mut names = ["secret", "planted", "dir/key"].iter().cycle();
        let (tried, done) = while_swapped(&daily, target, || {
            let to = format!("box:/swap/dir/{}", names.next().unwrap());
            daily.bed.rcon(&["cp", "mine", &to]).status.success()
        });
        assert_same(&before, &tree(&host), "copies into a container");
        // Of a race that never ran nothing is learnt.
        assert!(done > 0 && done < tried, "{done} of {tried}");
    }
}

/// CVE-2019-18466, CVE-2023-0778, CVE-2026-41568, CVE-2026-42306: out of it.
#[test]
fn cve_2023_0778_copying_out_never_reads_the_host() {
    let Some(daily) = Daily::new() else { return };
    let host = daily.host();
    let before = tree(&host);
    let out = daily.bed.path("out");
    let mut sources = ["secret", "", "secret"].iter().cycle();
    let (tried, done) = while_swapped(&daily, &host.to_string_lossy(), || {
        let _ = fs::remove_dir_all(&out);
        fs::create_dir(&out).unwrap();
        let from = format!("box:/swap/dir/{}", sources.next().unwrap());
        let copied = daily.bed.rcon(&["cp", "-L", &from, "out"]);
        for (path, _) in tree(&out) {
            let text = fs::read_to_string(&path).unwrap_or_default();
            assert!(!text.contains("only the host"), "{copied}");
        }
        copied.status.success()
    });
    assert!(done > 0 && done < tried, "{done} of {tried}");
    assert_same(&before, &tree(&host), "copies out of a container");
}

/// What an early cure of these broke (moby#52653): an honest link of the
/// image on the way is followed, in the container.
#[test]
fn a_target_behind_an_honest_link_is_reached() {
    let Some(daily) = Daily::new() else { return };
    let link = daily.bed.rootfs("var/run");
    let _ = fs::remove_dir_all(&link);
    std::os::unix::fs::symlink("/run", &link).unwrap();
    daily.import(&[], super::HONEST).ok();
    fs::write(daily.bed.path("mine"), "mine\n").unwrap();
    daily.idle("box", &[]);
    daily.bed.rcon(&["cp", "mine", "box:/var/run/mine"]).ok();
    assert_eq!(
        daily.bed.says(&["exec", "box", "cat", "/run/mine"]),
        "mine\n"
    );
    daily.bed.rcon(&["cp", "box:/var/run/mine", "back"]).ok();
    assert_eq!(
        fs::read_to_string(daily.bed.path("back")).unwrap(),
        "mine\n"
    );
}
