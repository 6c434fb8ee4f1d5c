//! The script that `rcon oci plan --format shell` prints makes the same
//! container as `rcon oci run`: both run the same program, which looks around.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use common::{Bed, Container, Need, Value, json, namespace, sh};

/// What a program can see of its container, in parts with a heading each.
const LOOK_AROUND: &str = r#"
part() { echo; echo "== $1"; }
part mounts; cat /proc/self/mountinfo
part dev; for f in /dev/* /dev/pts/ptmx; do stat -c '%n %F %a %u:%g %t:%T' "$f"; readlink "$f"; done
part namespaces; for n in cgroup ipc mnt net pid time user uts; do readlink "/proc/self/ns/$n"; done
part names; hostname; cat /proc/sys/kernel/domainname
part identity; id; umask; pwd; grep -E '^(Cap|NoNewPrivs|Groups)' /proc/self/status
part environment; env | grep -v '^SHLVL=' | sort
part limits; ulimit -n; ulimit -c; cat /proc/self/oom_score_adj
part masked; wc -c < /proc/keys; ls -A /proc/acpi /sys/firmware
part readonly; for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /made; do ( : >> "$f" ) 2>&1; done
part cgroup; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max \
  /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/devices/devices.list 2> /dev/null
part cgroups; cat /proc/self/cgroup
part extra; cat /extra/* 2> /dev/null; cat /proc/sys/kernel/msgmax; echo "$(( $(cut -d. -f1 /proc/uptime) / 1000000 ))"
part arguments; printf '[%s]\n' "$@"
"#;

fn bed() -> Option<Bed> {
    let tools = ["capsh", "unshare", "setpriv", "prlimit", "findmnt"];
    Bed::needing(&tools.map(Need::Tool))
}

/// The program's output when its container is made by the printed script.
#[track_caller]
fn by_hand(bed: &Bed, container: &Container<'_>) -> String {
    let bundle = container.bundle.to_string_lossy().into_owned();
    let args = [
        "plan",
        "--bundle",
        &bundle,
        "--id",
        &container.id,
        "--format",
        "shell",
    ];
    let script = bed.call(&args).output().ok().text().to_owned();
    let file = bed.file("by-hand.sh", &script);
    let out = Command::new("sh")
        .arg(file)
        .current_dir(&container.bundle)
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let complaint = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "the script failed: {complaint}");
    assert_eq!(complaint, "", "the script complained");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// The parts of a report, made comparable: what must differ between any two
/// containers is taken out.
fn parts(report: &str) -> Vec<(String, Vec<String>)> {
    let mut parts: Vec<(String, Vec<String>)> = Vec::new();
    for line in report.lines().filter(|l| !l.is_empty()) {
        if let Some(name) = line.strip_prefix("== ") {
            parts.push((name.to_owned(), Vec::new()));
        } else if let Some((name, lines)) = parts.last_mut() {
            lines.push(match name.as_str() {
                "mounts" => mount(line),
                "namespaces" => whose(line),
                _ => line.to_owned(),
            });
        }
    }
    // The order in which mounts are listed is that of making them, and a
    // shell cannot make some of them as early.
    for (_, lines) in parts.iter_mut().filter(|(name, _)| name == "mounts") {
        lines.sort_unstable();
    }
    parts
}

/// A line of mountinfo without numbers: where, what of it, the options of the
/// mount, how it travels, and the kind of file system.
fn mount(line: &str) -> String {
    let (mount, fs) = line.split_once(" - ").expect("a line of mountinfo");
    let fields: Vec<&str> = mount.split(' ').collect();
    let travel = fields[6..]
        .iter()
        .map(|t| t.split(':').next().unwrap_or_default());
    let travel: Vec<_> = travel.collect();
    let kind = fs.split(' ').next().unwrap_or_default();
    format!(
        "{} {} {} {travel:?} {kind}",
        fields[4], fields[3], fields[5]
    )
}

/// A namespace as the host's or not.
fn whose(link: &str) -> String {
    let kind = link.split(':').next().unwrap_or_default();
    let host = fs::read_link(format!("/proc/self/ns/{kind}"));
    let host = host.is_ok_and(|h| h.to_string_lossy() == link);
    format!("{kind} {}", if host { "of the host" } else { "of its own" })
}

/// Runs it both ways and compares. The report of the native run.
#[track_caller]
fn same(bed: &Bed, patch: impl FnOnce(&mut Value)) -> String {
    let container = bed.container(|spec| {
        spec["process"]["args"] = json!(["sh", "-c", LOOK_AROUND, "sh", "it's", "two\nlines", ""]);
        patch(spec);
    });
    let native = container.run().ok().text().to_owned();
    let hand = by_hand(bed, &container);
    let (native_parts, hand_parts) = (parts(&native), parts(&hand));
    assert!(native_parts.len() > 10, "the program saw nothing: {native}");
    for (ours, theirs) in native_parts.iter().zip(&hand_parts) {
        let missing = |a: &[String], b: &[String]| -> Vec<String> {
            a.iter().filter(|l| !b.contains(l)).cloned().collect()
        };
        assert!(
            ours == theirs,
            "{}: natively only {:#?}, by hand only {:#?}",
            ours.0,
            missing(&ours.1, &theirs.1),
            missing(&theirs.1, &ours.1)
        );
    }
    assert_eq!(native_parts.len(), hand_parts.len());
    native
}

#[test]
fn the_default_container() {
    let Some(bed) = bed() else { return };
    let report = same(&bed, |_| {});
    let own: BTreeSet<_> = report
        .lines()
        .map(whose)
        .filter(|l| l.ends_with("its own"))
        .collect();
    for kind in ["mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        assert!(own.contains(&format!("{kind} of its own")), "{own:?}");
    }
    assert!(report.contains("uid=0"), "{report}");
}

#[test]
fn a_user_with_few_rights_and_limits() {
    let Some(bed) = bed() else { return };
    let data = bed.directory("data");
    fs::write(bed.path("data/file"), "data of the host\n").expect("our file");
    fs::set_permissions(bed.path("data"), fs::Permissions::from_mode(0o755)).expect("our folder");
    let report = same(&bed, |spec| {
        let caps = json!(["CAP_NET_BIND_SERVICE", "CAP_KILL"]);
        let process = &mut spec["process"];
        process["user"] =
            json!({ "uid": 1000, "gid": 1000, "additionalGids": [5, 50], "umask": 0o027 });
        process["capabilities"] = json!({
            "bounding": ["CAP_NET_BIND_SERVICE", "CAP_KILL", "CAP_CHOWN"], "effective": caps,
            "permitted": caps, "inheritable": caps, "ambient": ["CAP_KILL"],
        });
        process["noNewPrivileges"] = json!(true);
        process["env"] = json!(["PATH=/bin", "ODD=it's \"a\" $x `y`\ttab"]);
        process["rlimits"] = json!([
            { "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 },
            { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 },
        ]);
        spec["root"]["readonly"] = json!(true);
        spec["hostname"] = json!("by-hand");
        spec["domainname"] = json!("example.org");
        spec["linux"]["sysctl"] = json!({ "kernel.msgmax": "4096" });
        let mounts = spec["mounts"].as_array_mut().expect("mounts");
        mounts.push(json!({ "destination": "/extra", "source": data, "options": ["rbind", "ro", "nosuid", "rprivate"] }));
        mounts.push(json!({ "destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "noexec"] }));
    });
    for wanted in [
        "uid=1000(user) gid=1000(user)",
        "CapAmb:\t0000000000000020",
        "CapBnd:\t0000000000000421",
        "NoNewPrivs:\t1",
        "HOME=/home/user",
        "data of the host",
        "example.org",
        "4096",
        "[two\nlines]",
    ] {
        assert!(report.contains(wanted), "no {wanted:?} in {report}");
    }
}

#[test]
fn another_directory_and_limits_of_its_cgroup() {
    let Some(bed) = bed() else { return };
    let report = same(&bed, |spec| {
        spec["process"]["cwd"] = json!("/srv/new");
        spec["process"]["oomScoreAdj"] = json!(500);
        spec["linux"]["resources"]["memory"] = json!({ "limit": 67_108_864 });
        spec["linux"]["resources"]["pids"] = json!({ "limit": 50 });
        spec["process"]["scheduler"] = json!({ "policy": "SCHED_BATCH" });
    });
    for wanted in ["/srv/new", "67108864", "\n50\n", "\n500\n"] {
        assert!(report.contains(wanted), "no {wanted:?} in {report}");
    }
}

#[test]
fn a_user_namespace() {
    let Some(bed) = bed() else { return };
    let report = same(&bed, |spec| {
        namespace(spec, json!({ "type": "user" }));
        let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
        spec["linux"]["uidMappings"] = map.clone();
        spec["linux"]["gidMappings"] = map;
    });
    assert!(report.contains("uid=0"), "{report}");
}

#[test]
fn joined_namespaces() {
    let Some(bed) = bed() else { return };
    let other = bed.container(|spec| {
        spec["hostname"] = json!("other");
        spec["process"]["args"] = json!(["sleep", "1000"]);
    });
    let pid = other.run_detached().pid();
    let report = same(&bed, |spec| {
        spec.as_object_mut().expect("a spec").remove("hostname");
        for (kind, file) in [("uts", "uts"), ("pid", "pid"), ("network", "net")] {
            namespace(
                spec,
                json!({ "type": kind, "path": format!("/proc/{pid}/ns/{file}") }),
            );
        }
    });
    assert!(report.contains("\nother\n"), "{report}");
    other.finish();
}

#[test]
fn a_time_namespace() {
    let Some(bed) = bed() else { return };
    if !std::path::Path::new("/proc/self/ns/time").exists() {
        return;
    }
    same(&bed, |spec| {
        namespace(spec, json!({ "type": "time" }));
        spec["linux"]["timeOffsets"] = json!({ "boottime": { "secs": 1_000_000 } });
    });
}

#[test]
fn hooks_run_at_their_moments() {
    let Some(bed) = bed() else { return };
    let trail = bed.text_path("trail");
    let container = bed.container(|spec| {
        spec["process"]["args"] = sh("echo program >> /trail/log; cat /trail/log");
        let hook = |name: &str| {
            json!([{ "path": "/bin/sh", "args": ["sh", "-c",
            format!("read -r state; case $state in *pid*) echo {name} >> {trail}/log;; esac")] }])
        };
        for name in ["prestart", "createRuntime", "createContainer"] {
            spec["hooks"][name] = hook(name);
        }
        spec["hooks"]["startContainer"] = json!([{ "path": "/bin/sh",
            "args": ["sh", "-c", "echo startContainer >> /trail/log"] }]);
        let mounts = spec["mounts"].as_array_mut().expect("mounts");
        mounts.push(json!({ "destination": "/trail", "source": trail, "options": ["bind"] }));
    });
    bed.directory("trail");
    let order = "prestart\ncreateRuntime\ncreateContainer\nstartContainer\nprogram\n";
    assert_eq!(by_hand(&bed, &container), order);
    fs::remove_file(bed.path("trail/log")).expect("our file");
    assert_eq!(container.run().ok().text().trim(), order.trim());
}

#[test]
fn the_status_of_the_program_is_the_scripts() {
    let Some(bed) = bed() else { return };
    let container = bed.container(|spec| spec["process"]["args"] = sh("exit 7"));
    let bundle = container.bundle.to_string_lossy().into_owned();
    let script = bed
        .call(&["plan", "--bundle", &bundle, "--format", "shell"])
        .output()
        .ok();
    let file = bed.file("status.sh", script.text());
    let out = Command::new("sh")
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    assert_eq!(out.status.code(), Some(7), "{out:?}");
}
