//! What the runtime reads before there is a container: a `config.json` that is
//! huge, deep or odd must be refused in a line, without taking the machine's
//! memory along.

use super::common::host::field;
use super::common::{Bed, Container, Output, json, sh, words};
use super::support::{as_other_user, bed, orderly, peak_memory, push, script};
use std::fs;
use std::os::unix::fs::symlink;

/// More than any honest config needs, less than anybody would miss.
const ENOUGH: u64 = 64 << 10;

fn plain(bed: &Bed) -> Container<'_> {
    bed.container(|spec| spec["process"]["args"] = words("echo started"))
}

#[track_caller]
fn judge_size(container: &Container<'_>, what: &str) {
    let (out, peak) = peak_memory(container.call_with_bundle("run", &[]));
    assert!(peak < ENOUGH, "{what} took {peak} KiB: {out}");
    out.fails_naming(&["config.json"]);
}

#[test]
fn a_config_without_end_is_refused() {
    let Some(bed) = bed() else { return };
    for (what, target) in [("zeros without end", "/dev/zero"), ("a directory", "/proc")] {
        let container = plain(&bed);
        let config = container.bundle.join("config.json");
        fs::remove_file(&config).unwrap();
        symlink(target, &config).unwrap();
        judge_size(&container, what);
    }
    let container = plain(&bed);
    let config = container.bundle.join("config.json");
    fs::File::create(&config).unwrap().set_len(8 << 30).unwrap();
    judge_size(&container, "8 GiB of zeros");
}

#[test]
fn a_huge_config_is_refused_in_little_memory() {
    let Some(bed) = bed() else { return };
    let container = plain(&bed);
    let config = container.bundle.join("config.json");
    let honest = fs::read_to_string(&config).unwrap();
    fs::write(&config, " ".repeat(128 << 20) + &honest).unwrap();
    judge_size(&container, "128 MiB of white space");
    let long = honest.replacen(
        '{',
        &format!("{{\"annotations\":{{\"a\":\"{}\"}},", "x".repeat(128 << 20)),
        1,
    );
    fs::write(&config, long).unwrap();
    judge_size(&container, "an annotation of 128 MiB");
    let many = honest.replacen('{', &format!("{{\"x\":[{}1],", "1,".repeat(32 << 20)), 1);
    fs::write(&config, many).unwrap();
    judge_size(&container, "a list of 32 million numbers");
}

/// The specification has unknown fields ignored, so that is as good as an
/// error; in a field that is known the value is wrong.
#[test]
fn deep_nesting_is_refused() {
    let Some(bed) = bed() else { return };
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [100_000, 5_000_000 / open.len()] {
            let value = open.repeat(depth) + "1" + &close.repeat(depth);
            for field in ["unknown", "hostname", "linux"] {
                let container = plain(&bed);
                let config = container.bundle.join("config.json");
                let honest = fs::read_to_string(&config).unwrap();
                let text = honest.replacen('{', &format!("{{\"{field}\":{value},"), 1);
                fs::write(&config, text).unwrap();
                let out = orderly(container.run());
                if field != "unknown" || !out.status.success() {
                    out.fails_naming(&["config.json"]);
                }
            }
        }
    }
}

#[test]
fn a_config_that_is_not_json_is_refused() {
    let Some(bed) = bed() else { return };
    let container = plain(&bed);
    let config = container.bundle.join("config.json");
    let honest = fs::read_to_string(&config).unwrap();
    let cuts = (0..honest.len()).step_by(honest.len() / 23);
    for cut in cuts.filter(|c| honest.is_char_boundary(*c)) {
        fs::write(&config, &honest[..cut]).unwrap();
        container.run().fails_naming(&["config.json"]);
    }
    for text in [&b"\xff\xfe"[..], b"null", b"[]", b"\"\"", b"{} {}", b"{}"] {
        fs::write(&config, text).unwrap();
        container.run().fails_naming(&[]);
    }
}

const HOOKS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

#[test]
fn a_hook_with_a_relative_path_is_refused() {
    let Some(bed) = bed() else { return };
    for kind in HOOKS {
        for path in ["hook", "./hook", "../hook", ""] {
            let container = bed.container(|spec| {
                spec["process"]["args"] = words("echo started");
                spec["hooks"][kind] = json!([{ "path": path }]);
            });
            let mark = bed.path("mark");
            let text = format!("#!/bin/sh\ntouch {0}\ntouch /mark\n", mark.display());
            for at in [
                container.bundle.join("hook"),
                bed.path("hook"),
                container.rootfs("hook"),
            ] {
                script(&at, &text);
            }
            let call = container.call_with_bundle("run", &[]);
            let out = call.cwd(&container.bundle).output();
            let ran = mark.exists() || container.rootfs("mark").exists();
            assert!(!ran, "the {kind} hook {path:?} ran: {out}");
            assert!(!out.stdout.contains("started"), "{kind} {path:?}: {out}");
            out.fails_naming(&[kind]);
        }
    }
}

/// In a container that did start, root must be who the mapping says.
#[track_caller]
fn judge_mapping(out: &Output) {
    let out = orderly(out.clone());
    if out.status.success() {
        let inside = field(&out.stdout, "Uid");
        assert_eq!(inside.as_deref(), Some("0\t0\t0\t0"), "{out}");
        let words: Vec<&str> = out
            .stdout
            .lines()
            .last()
            .unwrap()
            .split_whitespace()
            .collect();
        assert_eq!(words[..2], ["0", "100000"], "mapped otherwise: {out}");
    }
}

/// The kernel takes at most 340 lines of a mapping, in one page. What is longer than 64 KiB
/// overflowed a length field on its way to the process that needs it.
#[test]
fn cve_2021_43784_lengths_that_overflow_between_stages() {
    let Some(bed) = bed() else { return };
    for count in [1, 340, 341, 2_000, 6_000, 70_000_u32] {
        let out = bed.run(|spec| {
            as_other_user(spec);
            spec["process"]["args"] = sh("cat /proc/self/status; head -n 1 /proc/self/uid_map");
            for id in 1..count {
                let entry = json!({
                    "containerID": 65_536 + id, "hostID": 200_000 + id * 2, "size": 1
                });
                push(&mut spec["linux"]["uidMappings"], entry.clone());
                push(&mut spec["linux"]["gidMappings"], entry);
            }
        });
        judge_mapping(&out);
        assert!(count > 1 || out.status.success(), "{out}");
        assert!(
            count <= 340 || !out.status.success(),
            "{count} lines: {out}"
        );
    }
}

#[test]
fn cve_2021_43784_long_strings_between_stages() {
    let Some(bed) = bed() else { return };
    for length in [65_530, 65_536, 65_540, 131_072, 1 << 20] {
        let long = "x".repeat(length);
        let path = format!("/proc/self/ns/{long}");
        let out = bed.run(|spec| {
            super::common::namespace(spec, json!({ "type": "ipc", "path": path }));
            spec["process"]["args"] = words("echo started");
        });
        orderly(out).fails_naming(&[]);
        for key in ["hostname", "cwd"] {
            let out = bed.run(|spec| {
                spec["process"]["args"] = words("echo started");
                if key == "cwd" {
                    spec["process"]["cwd"] = json!(format!("/{long}"));
                } else {
                    spec["hostname"] = json!(long);
                }
            });
            orderly(out).fails_naming(&[]);
        }
        // The kernel's limit for one string of an environment is 128 KiB.
        let out = bed.run(|spec| {
            push(&mut spec["process"]["env"], json!(format!("LONG={long}")));
            spec["process"]["args"] = sh("echo ${#LONG}");
        });
        let out = orderly(out);
        let sound = !out.status.success() || out.text() == length.to_string();
        assert!(
            sound && out.status.success() == (length < 131_000),
            "{length}: {out:.300}"
        );
    }
}
