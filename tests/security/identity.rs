//! Who the program is: user, groups, capabilities, environment. The runtime
//! takes numbers from its caller and gives exactly those to the program;
//! nothing of the caller's own identity comes along.

use super::common::host::field;
use super::common::{Bed, Container, Need, json, sh, words};
use super::support::{HostTree, bed, called_by, orderly, peak_memory};
use nix::sys::stat::Mode;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

fn idle(bed: &Bed) -> Container<'_> {
    bed.container(|spec| spec["process"]["args"] = words("sleep 600"))
}

#[test]
fn cve_2016_3697_a_numeric_user_is_not_looked_up() {
    let Some(bed) = bed() else { return };
    let container = idle(&bed);
    let passwd = "1000:x:0:0:root:/root:/bin/sh\nroot:x:0:0:root:/root:/bin/sh\n";
    fs::write(container.rootfs("etc/passwd"), passwd).unwrap();
    container.run_detached();
    let who = |user: &str| container.exec_with(&["--user", user], &["id", "-u"]).ok();
    assert_eq!(who("1000").text(), "1000");
    assert_eq!(who("1000:1000").text(), "1000");
}

#[test]
fn cve_2024_40635_an_overflowing_user_is_refused_by_exec() {
    let Some(bed) = bed() else { return };
    let container = idle(&bed);
    container.run_detached();
    for user in [
        "4294967296",
        "4294967295",
        "18446744073709551616",
        "99999999999999999999999999",
        "1000:4294967296",
        "1000:4294967295",
    ] {
        let out = container.exec_with(&["--user", user], &["id"]);
        out.fails_naming(&[user]);
    }
    for user in ["-1", "1000:-1", "-1:-1"] {
        let flag = format!("--user={user}");
        container.exec_with(&[&flag], &["id"]).fails_naming(&[user]);
    }
}

#[test]
fn cve_2024_40635_an_overflowing_user_is_refused_in_the_config() {
    let Some(bed) = bed() else { return };
    for number in [
        json!(4_294_967_296_u64),
        json!(-1),
        json!(4_294_967_295_u64),
    ] {
        for key in ["uid", "gid"] {
            let out = bed.run(|spec| {
                spec["process"]["args"] = words("id");
                spec["process"]["user"][key] = number.clone();
            });
            out.fails_naming(&[&number.to_string()]);
        }
        let out = bed.run(|spec| {
            spec["process"]["args"] = words("id");
            spec["process"]["user"]["additionalGids"] = json!([number]);
        });
        out.fails_naming(&[&number.to_string()]);
    }
}

#[test]
fn cve_2026_30892_exec_runs_as_the_numbers_that_were_typed() {
    let Some(bed) = bed() else { return };
    let container = idle(&bed);
    container.run_detached();
    for (uid, gid) in [(0, 0), (1, 1), (1, 0), (0, 1), (10, 50), (65_535, 65_536)] {
        let user = format!("{uid}:{gid}");
        let out = container.exec_with(&["--user", &user], &["sh", "-c", "id -u; id -g"]);
        assert_eq!(out.ok().text(), format!("{uid}\n{gid}"), "as {user}");
    }
    for uid in ["1", "10", "999", "2147483647"] {
        let out = container.exec_with(&["--user", uid], &["id", "-u"]);
        assert_eq!(out.ok().text(), uid);
    }
    let last = "4294967294";
    for (odd, uid) in [
        ("01", "1"),
        ("+1", "1"),
        ("010", "10"),
        ("1:", "1"),
        (last, last),
    ] {
        let out = container.exec_with(&["--user", odd], &["id", "-u"]);
        let sound = !out.status.success() || out.text() == uid;
        assert!(sound, "{odd:?} became {out}");
    }
}

#[test]
fn cve_2026_46680_a_user_that_is_not_a_number_is_refused() {
    let Some(bed) = bed() else { return };
    let container = idle(&bed);
    container.run_detached();
    for user in [
        "root",
        "user",
        "user:user",
        "1000:user",
        "user:1000",
        ":",
        ":1000",
        "0x3e8",
        "1e3",
        "1.0",
        "1000:50:50",
        "1000,50",
        " 1000",
        "1000\n",
        "１０００",
    ] {
        let out = container.exec_with(&["--user", user], &["id"]);
        out.fails_naming(&[user.trim()]);
    }
}

#[test]
fn cve_2024_9676_a_passwd_that_blocks_or_leads_out() {
    let Some(bed) = bed() else { return };
    let host = HostTree::make(&bed);
    let container = bed.container(|spec| spec["process"]["args"] = sh("echo $HOME; sleep 600"));
    for name in ["etc/passwd", "etc/group"] {
        fs::remove_file(container.rootfs(name)).unwrap();
        nix::unistd::mkfifo(&container.rootfs(name), Mode::S_IRWXU).unwrap();
    }
    container.run_detached();
    container.exec_with(&["--user", "1000"], &["true"]).ok();
    container.finish();

    bed.file("host/target", "root:x:0:0:root:/from-the-host:/bin/sh\n");
    fs::remove_file(container.rootfs("etc/passwd")).unwrap();
    symlink(host.path("target"), container.rootfs("etc/passwd")).unwrap();
    container.run_detached();
    let home = container.exec(&["sh", "-c", "echo $HOME"]).ok();
    assert!(!home.stdout.contains("from-the-host"), "{home}");
    assert!(!container.stdout().contains("from-the-host"));
}

/// What the image calls its users may be longer than memory. Refusing it is
/// as good as reading past it; growing with it is not.
#[test]
fn cve_2026_47262_a_giant_passwd_and_group() {
    let Some(bed) = bed() else { return };
    let zeros = |file: fs::File| file.set_len(8 << 30);
    let lines = |mut file: fs::File| {
        let block = "a:x:7:7:a:/a:/bin/sh\n".repeat(50_000);
        (0..120).try_for_each(|_| file.write_all(block.as_bytes()))
    };
    let fills: [&dyn Fn(fs::File) -> std::io::Result<()>; 2] = [&zeros, &lines];
    for fill in fills {
        let container = idle(&bed);
        container.run_detached();
        for name in ["etc/passwd", "etc/group"] {
            fill(fs::File::create(container.rootfs(name)).unwrap()).unwrap();
        }
        let second = bed.container(|spec| spec["process"]["args"] = words("true"));
        for name in ["etc/passwd", "etc/group"] {
            fs::rename(container.rootfs(name), second.rootfs(name)).unwrap();
            fs::hard_link(second.rootfs(name), container.rootfs(name)).unwrap();
        }
        for call in [
            container.call("exec", &["--user", "1000"], &["true"]),
            second.call_with_bundle("run", &[]),
        ] {
            let (out, peak) = peak_memory(call);
            assert!(peak < 64 << 10, "took {peak} KiB: {out}");
            orderly(out);
        }
    }
}

const CAPABILITY_SETS: &str = "grep ^Cap /proc/self/status";
const NONE: &str = "0000000000000000";

#[test]
fn cve_2022_24769_inheritable_capabilities_stay_empty() {
    let Some(bed) = super::support::bed_with(&[Need::Tool("setpriv")]) else {
        return;
    };
    let caller = ["setpriv", "--inh-caps", "+net_raw,+chown,+sys_admin"];
    let container = bed.container(|spec| {
        spec["process"]["args"] = sh(&format!("{CAPABILITY_SETS}; sleep 600"));
    });
    called_by(container.call_with_bundle("run", &["--detach"]), &caller)
        .output()
        .ok();
    let text = container.wait_for_output("CapAmb");
    let mut seen = vec![("run", text)];
    for (how, flags) in [
        ("exec", &[][..]),
        ("exec --cap", &["--cap", "CAP_NET_RAW"]),
        ("exec --user", &["--user", "1000"]),
    ] {
        let call = container.call("exec", flags, &["sh", "-c", CAPABILITY_SETS]);
        seen.push((how, called_by(call, &caller).output().ok().stdout));
    }
    for (how, text) in seen {
        assert_eq!(
            field(&text, "CapInh").as_deref(),
            Some(NONE),
            "{how}: {text}"
        );
        assert_eq!(
            field(&text, "CapAmb").as_deref(),
            Some(NONE),
            "{how}: {text}"
        );
        let bounding = field(&text, "CapBnd");
        assert_eq!(bounding.as_deref(), Some("00000000a80425fb"), "{how}");
    }
}

fn groups(text: &str) -> BTreeSet<String> {
    let list = field(text, "Groups").expect("a line of groups");
    list.split_whitespace().map(str::to_owned).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[test]
fn cve_2022_36109_supplementary_groups_are_the_ones_asked_for() {
    let Some(bed) = super::support::bed_with(&[Need::Tool("setpriv")]) else {
        return;
    };
    let caller = ["setpriv", "--groups", "0,4242,4343"];
    for asked in [&[][..], &["50", "60"]] {
        let container = bed.container(|spec| {
            spec["process"]["args"] = sh("cat /proc/self/status; sleep 600");
            spec["process"]["user"] = json!({ "uid": 1000, "gid": 1000 });
            if !asked.is_empty() {
                spec["process"]["user"]["additionalGids"] = json!([50, 60]);
            }
        });
        let run = container.call_with_bundle("run", &["--detach"]);
        called_by(run, &caller).output().ok();
        let text = container.wait_for_output("Groups:");
        assert_eq!(groups(&text), set(asked), "run");
        let exec = |flags: &[&str]| {
            let call = container.call("exec", flags, &["cat", "/proc/self/status"]);
            groups(&called_by(call, &caller).output().ok().stdout)
        };
        assert_eq!(exec(&[]), set(asked), "exec");
        let more = exec(&["--additional-gids", "77"]);
        assert!(more.contains("77"), "{more:?}");
        assert!(more.is_subset(&set(&["50", "60", "77"])), "{more:?}");
    }
}

/// The names in an environment as `/proc/<pid>/environ` has it.
fn variables(text: &str) -> BTreeSet<String> {
    let all = text.split('\0').filter(|entry| !entry.is_empty());
    all.map(str::to_owned).collect()
}

#[test]
fn the_environment_of_the_caller_stays_outside() {
    let Some(bed) = bed() else { return };
    let container = bed.container(|spec| {
        spec["process"]["args"] = words("sleep 600");
        spec["process"]["env"] = json!(["PATH=/bin", "GIVEN=1"]);
    });
    let secret = ("RCON_TEST_SECRET", "of the caller");
    let run = container.call_with_bundle("run", &["--detach"]);
    run.env(secret.0, secret.1).output().ok();
    let call = container.call("exec", &["--env", "MORE=2"], &["cat", "/proc/self/environ"]);
    let exec = call.env(secret.0, secret.1).output().ok();
    let first = container.exec(&["cat", "/proc/1/environ"]).ok();
    for (text, given) in [
        (&first.stdout, set(&["PATH=/bin", "GIVEN=1"])),
        (&exec.stdout, set(&["PATH=/bin", "GIVEN=1", "MORE=2"])),
    ] {
        let mut seen = variables(text);
        // The one variable a runtime is expected to fill in, from the image.
        seen.retain(|v| v != "HOME=/root");
        assert_eq!(seen, given);
    }
}
