//! The built-in image: the first container of a fresh machine.

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;

use common::store::StoreBed;
use common::{Value, eventually};

/// `rcon run --rm [flags] hello [arguments]`, as JSON.
fn facts(bed: &StoreBed, flags: &[&str]) -> Value {
    let args = [&["run", "--rm"], flags, &["hello", "--json"]].concat();
    bed.rcon(&args).ok().json()
}

fn words(value: &Value) -> Vec<&str> {
    let list = value.as_array().expect("a list");
    list.iter().filter_map(Value::as_str).collect()
}

/// The ids of all images.
fn images(bed: &StoreBed) -> Vec<String> {
    let ids = bed.says(&["images", "-aq", "--no-trunc"]);
    ids.lines().map(str::to_owned).collect()
}

#[test]
fn a_fresh_machine_needs_nothing_else() {
    let Some(bed) = StoreBed::new() else { return };
    let out = bed.rcon(&["run", "--rm", "hello"]).ok();
    assert_eq!(out.stderr, "", "{out}");
    assert!(
        out.stdout.starts_with("Hello from inside a container!"),
        "{out}"
    );
    for title in [
        "Who",
        "Namespaces",
        "Files",
        "Powers",
        "Limits",
        "Around it",
        "Try next",
    ] {
        assert!(out.stdout.lines().any(|l| l == title), "{title}: {out}");
    }
    let widest = out.stdout.lines().map(|l| l.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}: {out}");
    assert!(!out.stdout.contains('\x1b'), "{out}");
    assert_eq!(images(&bed).len(), 1);
    // The second time it is there.
    let before = images(&bed);
    bed.rcon(&["run", "--rm", "hello:latest"]).ok();
    assert_eq!(images(&bed), before);
    assert_eq!(bed.says(&["ps", "-aq"]), "");
}

#[test]
fn an_ordinary_container_is_told_truly() {
    let Some(bed) = StoreBed::new() else { return };
    let facts = facts(&bed, &[]);
    assert_eq!(facts["process"]["pid"], 1);
    assert_eq!(facts["process"]["parent"], 0);
    assert_eq!(facts["process"]["visible"], 1);
    assert_eq!(facts["user"]["name"], "root");
    assert_eq!(facts["seccomp"], "filter");
    assert_eq!(facts["no_new_privs"], false);
    assert_eq!(words(&facts["capabilities"]["effective"]).len(), 14);
    assert_eq!(facts["capabilities"]["inheritable"], Value::Array(vec![]));
    assert_eq!(facts["interfaces"][0]["name"], "lo");
    assert_eq!(facts["mounts"][0]["fs"], "overlay");
    assert_eq!(facts["host_name"].as_str().map(str::len), Some(12));
    for namespace in facts["namespaces"].as_array().expect("a list") {
        let kind = namespace["kind"].as_str().expect("a name");
        let host = std::fs::read_link(format!("/proc/self/ns/{kind}")).expect("our own");
        let number = namespace["inode"].to_string();
        let shared = host.to_string_lossy().contains(&number);
        assert_eq!(shared, matches!(kind, "user" | "time"), "{namespace}");
    }
}

#[test]
fn what_is_asked_for_is_seen_inside() {
    let Some(bed) = StoreBed::new() else { return };
    let limits = facts(
        &bed,
        &["--memory", "64m", "--cpus", "0.5", "--pids-limit", "77"],
    );
    assert_eq!(limits["limits"]["memory"], 64 << 20);
    assert_eq!(limits["limits"]["cpus"], 0.5);
    assert_eq!(limits["limits"]["processes"], 77);
    let flags = "--read-only --cap-drop ALL --user nobody --hostname box -e A=b \
                 --security-opt no-new-privileges --group-add 7 --ulimit nofile=99:100";
    let narrow = facts(&bed, &flags.split_whitespace().collect::<Vec<_>>());
    assert_eq!(narrow["mounts"][0]["read_only"], true);
    assert_eq!(narrow["capabilities"]["bounding"], Value::Array(vec![]));
    assert_eq!(narrow["user"]["uid"], 65534);
    assert_eq!(narrow["user"]["name"], "nobody");
    assert!(
        narrow["user"]["groups"]
            .as_array()
            .expect("a list")
            .contains(&7.into())
    );
    assert_eq!(narrow["host_name"], "box");
    assert_eq!(narrow["environment"]["A"], "b");
    assert_eq!(narrow["no_new_privs"], true);
    let ulimits = narrow["ulimits"].as_array().expect("a list");
    let files = ulimits
        .iter()
        .find(|u| u["name"] == "open files")
        .expect("it");
    assert_eq!((&files["soft"], &files["hard"]), (&99.into(), &100.into()));
}

#[test]
fn more_is_told_as_well() {
    let Some(bed) = StoreBed::new() else { return };
    let facts = facts(
        &bed,
        &["--security-opt", "seccomp=unconfined", "--pid", "host"],
    );
    assert_eq!(facts["seccomp"], "off");
    assert!(facts["process"]["visible"].as_u64() > Some(1));
    assert_ne!(facts["process"]["pid"], 1);
}

/// The lesson ends with commands to try: each of them must work.
#[test]
fn the_commands_it_ends_with_work() {
    let Some(bed) = StoreBed::new() else { return };
    let lesson = bed.says(&["run", "--rm", "hello"]);
    let (_, next) = lesson.split_once("Try next\n").expect("a last section");
    let commands: Vec<&str> = next
        .lines()
        .filter_map(|line| line.trim().split("  ").next())
        .collect();
    assert!(commands.len() >= 3, "{next}");
    for command in commands {
        let args: Vec<&str> = command.split(' ').collect();
        assert_eq!(args[0], "rcon", "{command}");
        if args.ends_with(&["--serve"]) {
            served(&bed, &args[1..]);
        } else {
            let out = bed.rcon(&args[1..]).ok();
            assert!(out.stdout.contains("Hello from inside"), "{command}: {out}");
        }
    }
}

/// `--serve` at the port that is typed; then the page, and an end that is clean.
fn served(bed: &StoreBed, args: &[&str]) {
    let port = 8000;
    let detached = [&["run", "-d", "--name", "page"], &args[1..]].concat();
    let detached: Vec<&str> = detached.into_iter().filter(|a| *a != "--rm").collect();
    bed.rcon(&detached).ok();
    let page = || get(port).filter(|p| p.starts_with("HTTP/1.1 200 OK"));
    eventually("the page is served", || page().is_some());
    assert!(page().expect("a page").contains("<h2>Namespaces</h2>"));
    eventually("the reader is in the log", || {
        bed.says(&["logs", "page"]).contains(" GET / 200")
    });
    // It is process 1, and yet a request to end is heard.
    bed.rcon(&["stop", "page"]).ok();
    let code = bed.says(&["inspect", "--format", "{{.State.ExitCode}}", "page"]);
    assert_eq!(code.trim(), "0");
    bed.rcon(&["rm", "page"]).ok();
}

fn get(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

#[test]
fn a_wrong_argument_is_one_line_and_code_2() {
    let Some(bed) = StoreBed::new() else { return };
    let out = bed.rcon(&["run", "--rm", "hello", "sh"]).code(2);
    assert_eq!(
        out.stderr,
        "hello: unknown argument \"sh\" (--help tells what there is)\n"
    );
    let help = bed.says(&["run", "--rm", "hello", "--help"]);
    assert!(
        help.contains("--serve [PORT]") && help.contains("--json"),
        "{help}"
    );
}

#[test]
fn the_same_binary_gives_the_same_image() {
    let (Some(one), Some(other)) = (StoreBed::new(), StoreBed::new()) else {
        return;
    };
    one.rcon(&["create", "hello"]).ok();
    let pulled = other.says(&["pull", "hello"]);
    assert!(
        pulled.contains("Status: Image is built into rcon: hello:latest\n"),
        "{pulled}"
    );
    assert!(
        pulled.ends_with("\ndocker.io/library/hello:latest\n"),
        "{pulled}"
    );
    assert_eq!(images(&one), images(&other));
    assert_eq!(images(&one).len(), 1);
}

/// A store that an older rcon has made the image in.
#[test]
fn another_rcon_makes_it_anew() {
    let Some(bed) = StoreBed::new() else { return };
    bed.rcon(&["run", "--rm", "hello"]).ok();
    let old = images(&bed);
    let newer = bed.path("newer/rcon");
    std::fs::create_dir(bed.path("newer")).expect("our directory");
    std::fs::copy(env!("CARGO_BIN_EXE_rcon"), &newer).expect("a copy");
    let mut file = std::fs::File::options()
        .append(true)
        .open(&newer)
        .expect("it");
    file.write_all(b"newer").expect("some bytes");
    drop(file);
    let mut command = Command::new(&newer);
    command
        .env("RCON_ROOT", bed.root())
        .args(["run", "--rm", "hello"]);
    let out = command.output().expect("it runs");
    assert!(out.status.success(), "{out:?}");
    let new = images(&bed);
    assert_eq!(new.len(), 1, "{new:?}");
    assert_ne!(new, old);
}

/// An image that somebody else has named hello is not hidden by ours.
#[test]
fn an_image_from_elsewhere_comes_first() {
    let Some(bed) = StoreBed::new() else { return };
    bed.rcon(&["pull", "hello"]).ok();
    let theirs = disguise(&bed.root().join("images"));
    assert_eq!(images(&bed), std::slice::from_ref(&theirs));
    bed.rcon(&["run", "--rm", "hello"]).ok();
    assert_eq!(images(&bed), [theirs]);
}

/// Makes the built-in image one that is not: without the label. Its new id.
fn disguise(layout: &Path) -> String {
    let mut index = read(&layout.join("index.json"));
    let blob = |d: &Value| {
        let digest = d["digest"].as_str().expect("a digest");
        layout.join("blobs").join(digest.replace(':', "/"))
    };
    let mut manifest = read(&blob(&index["manifests"][0]));
    let mut config = read(&blob(&manifest["config"]));
    let labels = config["config"]["Labels"].as_object_mut().expect("labels");
    labels.remove("dev.rcon.built-in").expect("the mark");
    let id = put(layout, &mut manifest["config"], &config);
    let digest = put(layout, &mut index["manifests"][0], &manifest);
    index["manifests"][0]["annotations"]["dev.rcon.manifest"] = digest.into();
    std::fs::write(layout.join("index.json"), index.to_string()).expect("written");
    id
}

fn read(path: &Path) -> Value {
    let text = std::fs::read(path).expect("a document");
    serde_json::from_slice(&text).expect("JSON")
}

/// Stores a document, and has `descriptor` name it.
fn put(layout: &Path, descriptor: &mut Value, document: &Value) -> String {
    let text = document.to_string();
    let fresh = layout.join("blobs/fresh");
    std::fs::write(&fresh, &text).expect("written");
    let sum = Command::new("sha256sum")
        .arg(&fresh)
        .output()
        .expect("coreutils");
    let sum = String::from_utf8_lossy(&sum.stdout)[..64].to_owned();
    std::fs::rename(&fresh, layout.join("blobs/sha256").join(&sum)).expect("in its place");
    descriptor["size"] = text.len().into();
    let digest = format!("sha256:{sum}");
    descriptor["digest"] = digest.clone().into();
    digest
}
