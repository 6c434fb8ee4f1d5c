//! The runtime's own records under `--root`. Ids come from callers, files can
//! be cut off by a full disk, links and pids can come to mean something else:
//! none of it may make the runtime touch what is not its container.

use super::common::host::{Helper, eventually, is_alive};
use super::common::{Bed, Container, Value, json, words};
use super::support::{HostTree, assert_same, bed, orderly, tree};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

fn sleeper(bed: &Bed) -> Container<'_> {
    bed.container(|spec| spec["process"]["args"] = words("sleep 600"))
}

/// Every command that takes an id, with what else it needs.
fn commands(id: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["state", id],
        vec!["start", id],
        vec!["kill", id, "KILL"],
        vec!["pause", id],
        vec!["ps", id],
        vec!["exec", id, "true"],
        vec!["delete", id],
        vec!["delete", "--force", id],
    ]
}

/// Ids that are paths. Each leads at most to the bed's own directory: a runtime
/// that takes them as paths may well remove what they name, and has.
fn hostile_ids(host: &HostTree) -> Vec<String> {
    let plain = [
        "../x",
        "a/b",
        ".",
        "",
        "../host",
        "../host/",
        "../root",
        "x/../../host",
        "./../host",
        "a\nb",
        "..\\x",
    ];
    let mut ids: Vec<String> = plain.iter().map(|s| (*s).to_owned()).collect();
    // Joining an absolute path to a directory drops the directory.
    ids.push(host.dir.to_string_lossy().into_owned());
    ids.push("a".repeat(1025));
    // Last, for it may take the whole bed with it.
    ids.push("..".to_owned());
    ids
}

#[test]
fn an_id_that_is_a_path_is_refused() {
    let Some(bed) = bed() else { return };
    let host = HostTree::make(&bed);
    let known = sleeper(&bed);
    known.run_detached();
    copy_records(&bed, &known, &host);
    let before = tree(&host.dir);
    let bundle = sleeper(&bed).bundle;
    for id in hostile_ids(&host) {
        for command in ["create", "run"] {
            let args = [command, "--bundle", bundle.to_str().unwrap(), &id];
            bed.call(&args).output().fails_naming(&[]);
        }
        for args in commands(&id) {
            let out = orderly(bed.call(&args).output());
            let tolerant = args.contains(&"--force");
            assert!(
                tolerant || !out.status.success(),
                "{id:?} was accepted: {out}"
            );
        }
        assert_same(&before, &tree(&host.dir), &format!("the id {id:?}"));
        assert_eq!(known.status(), "running", "after the id {id:?}");
    }
    let roots: Vec<_> = fs::read_dir(bed.root()).unwrap().flatten().collect();
    assert_eq!(roots.len(), 1, "{roots:?}");
}

/// Makes the host's tree look like a container's record, so that a runtime
/// which follows `../host` finds what it expects.
fn copy_records(bed: &Bed, known: &Container<'_>, host: &HostTree) {
    for file in records(&bed.root().join(&known.id)) {
        fs::copy(&file, host.dir.join(file.file_name().unwrap())).unwrap();
    }
}

/// The regular files the runtime keeps about a container.
fn records(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|e| e.path()).filter(|p| p.is_file()).collect()
}

#[test]
fn a_record_that_is_a_link_leads_nowhere() {
    let Some(bed) = bed() else { return };
    let host = HostTree::make(&bed);
    let known = sleeper(&bed);
    known.run_detached();
    copy_records(&bed, &known, &host);
    let before = tree(&host.dir);
    let alias = bed.root().join("alias");
    for target in [
        host.dir.clone(),
        bed.root().join(&known.id),
        PathBuf::from(&known.id),
    ] {
        for args in commands("alias") {
            let _ = fs::remove_file(&alias);
            symlink(&target, &alias).unwrap();
            let out = orderly(bed.call(&args).output());
            let how = format!("{args:?} by a link to {}: {out}", target.display());
            assert_same(&before, &tree(&host.dir), &how);
            assert_eq!(known.status(), "running", "{how}");
        }
    }
    let _ = fs::remove_file(&alias);
}

#[test]
fn a_container_is_not_created_through_a_link() {
    let Some(bed) = bed() else { return };
    let host = HostTree::make(&bed);
    for target in [host.path("dir"), host.path("new")] {
        let container = sleeper(&bed);
        let entry = bed.root().join(&container.id);
        symlink(target, &entry).unwrap();
        let out = container.call_with_bundle("create", &[]).output();
        host.assert_unchanged(&format!("create: {out}"));
        out.fails_naming(&[]);
        let _ = fs::remove_file(&entry);
    }
}

/// Ways to spoil a file, each applied to its original content.
fn spoilt(original: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![
        vec![],
        b"null".into(),
        b"[]".into(),
        b"{}".into(),
        b"\xff\xfe".into(),
    ];
    for part in 1..12 {
        let at = original.len() * part / 12;
        all.push(original[..at].to_vec());
        let mut flipped = original.to_vec();
        flipped[at] ^= 0x15;
        all.push(flipped);
    }
    let text = String::from_utf8_lossy(original).into_owned();
    for (from, to) in [
        (":\"", ":["),
        ("\":", "\":-1"),
        ("\":\"", "\":\"../../"),
        ("{", "{{"),
    ] {
        all.push(text.replace(from, to).into_bytes());
    }
    all.push("[".repeat(200_000).into_bytes());
    all
}

#[test]
fn a_spoilt_record_is_an_error_in_one_line() {
    let Some(bed) = bed() else { return };
    let container = sleeper(&bed);
    container.run_detached();
    let id = container.id.as_str();
    let files = records(&bed.root().join(id));
    assert!(!files.is_empty(), "the runtime keeps no records");
    for file in files {
        let original = fs::read(&file).unwrap();
        for content in spoilt(&original) {
            if original.is_empty() && content.is_empty() {
                continue;
            }
            fs::write(&file, &content).unwrap();
            for args in [
                &["state", id][..],
                &["list"],
                &["exec", id, "true"],
                &["kill", id, "0"],
            ] {
                let out = orderly(bed.call(args).output());
                if !out.status.success() {
                    out.fails_naming(&[]);
                }
            }
        }
        fs::write(&file, &original).unwrap();
    }
    container.finish();
}

/// Every number in the value that equals `old` becomes `new`.
fn renumber(value: &mut Value, old: i32, new: i32) -> u32 {
    match value {
        Value::Number(n) if n.as_i64() == Some(i64::from(old)) => {
            *value = json!(new);
            1
        }
        Value::Array(list) => list.iter_mut().map(|v| renumber(v, old, new)).sum(),
        Value::Object(map) => map.values_mut().map(|v| renumber(v, old, new)).sum(),
        _ => 0,
    }
}

/// Makes the record name another process, as if the kernel had given the dead
/// container's pid to it; the start time in the record stays that of the dead.
#[track_caller]
fn reuse_pid(bed: &Bed, container: &Container<'_>, old: i32, new: i32) {
    let mut changed = 0;
    for file in records(&bed.root().join(&container.id)) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let Ok(mut value) = serde_json::from_str::<Value>(&text) else {
            continue;
        };
        let here = renumber(&mut value, old, new);
        changed += here;
        if here > 0 {
            fs::write(&file, value.to_string()).unwrap();
        }
    }
    assert!(changed > 0, "the pid {old} is in no record");
}

#[test]
fn a_pid_that_belongs_to_another_process_is_left_alone() {
    let Some(bed) = bed() else { return };
    let container = sleeper(&bed);
    container.run_detached();
    let pid = container.pid();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    eventually("the container is dead", || !is_alive(pid));
    let bystander = Helper::start("sleep", &["600"]);
    reuse_pid(&bed, &container, pid, bystander.pid());
    assert_eq!(container.status(), "stopped");
    let id = container.id.as_str();
    for args in [
        &["kill", id, "KILL"][..],
        &["kill", "--all", id, "KILL"],
        &["exec", id, "true"],
        &["pause", id],
        &["delete", id],
        &["delete", "--force", id],
    ] {
        orderly(bed.call(args).output());
        assert!(is_alive(bystander.pid()), "{args:?} ended a bystander");
    }
}
