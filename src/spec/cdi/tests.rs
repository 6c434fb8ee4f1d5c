use std::path::PathBuf;

use serde_json::{Value, json};

use super::find::{look_up, read};
use super::{Edits, File};
use crate::error::Result;
use crate::spec::tests::Fixture;

fn file(patch: impl FnOnce(&mut Value)) -> Result<File> {
    let mut value = json!({
        "cdiVersion": "0.6.0",
        "kind": "example.com/thing",
        "annotations": { "who": "cares" },
        "containerEdits": { "env": ["THING=all", "PATH=/thing"] },
        "devices": [
            { "name": "0", "containerEdits": {
                "env": ["THING=0"],
                "deviceNodes": [{
                    "path": "/dev/thing", "hostPath": "/dev/other", "type": "c",
                    "major": 7, "minor": 8, "permissions": "rw", "uid": 3,
                }],
                "mounts": [
                    { "hostPath": "/lib/thing.so", "containerPath": "/lib/thing.so",
                      "options": ["ro", "nosuid"] },
                ],
                "hooks": [
                    { "hookName": "createContainer", "path": "/bin/setup",
                      "args": ["setup", "x"], "env": ["A=1"], "timeout": 5 },
                ],
                "additionalGids": [0, 44],
            }},
            { "name": "1", "containerEdits": { "env": ["THING=1"] } },
        ],
    });
    patch(&mut value);
    File::parse(&value.to_string())
}

fn found(names: &[&str], files: Vec<File>) -> Result<Vec<Edits>> {
    let files: Vec<(PathBuf, File)> = files
        .into_iter()
        .enumerate()
        .map(|(n, file)| (PathBuf::from(format!("/etc/cdi/{n}.json")), file))
        .collect();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    look_up(&names, &files, &["/etc/cdi".into()])
}

fn applied(edits: &[Edits]) -> Value {
    let mut fixture = Fixture::default();
    fixture.host.cdi = edits.to_vec();
    fixture.json()
}

#[test]
fn a_container_gets_what_the_file_says() {
    let edits = found(&["example.com/thing=0"], vec![file(|_| ()).unwrap()]).unwrap();
    let spec = applied(&edits);
    let env = spec["process"]["env"].as_array().unwrap();
    assert!(env.contains(&json!("THING=0")) && env.contains(&json!("PATH=/thing")));
    assert!(!env.contains(&json!("THING=all")), "{env:?}");
    let groups = &spec["process"]["user"]["additionalGids"];
    assert_eq!(*groups, json!([0, 10, 44]));
    let device = &spec["linux"]["devices"][0];
    assert_eq!(device["path"], "/dev/thing");
    assert_eq!((&device["major"], &device["uid"]), (&json!(7), &json!(3)));
    let rules = spec["linux"]["resources"]["devices"].as_array().unwrap();
    let last = json!({ "allow": true, "type": "c", "major": 7, "minor": 8, "access": "rw" });
    assert_eq!(rules.last(), Some(&last));
    let mounts = spec["mounts"].as_array().unwrap();
    let mount = json!({
        "destination": "/lib/thing.so", "source": "/lib/thing.so", "type": "bind",
        "options": ["ro", "nosuid", "rbind"],
    });
    assert_eq!(mounts.last(), Some(&mount));
    let hook =
        json!([{ "path": "/bin/setup", "args": ["setup", "x"], "env": ["A=1"], "timeout": 5 }]);
    assert_eq!(spec["hooks"]["createContainer"], hook);
}

#[test]
fn what_holds_for_all_of_a_kind_is_said_once_and_before() {
    let names = ["example.com/thing=1", "example.com/thing=0"];
    let edits = found(&names, vec![file(|_| ()).unwrap()]).unwrap();
    let env: Vec<&[String]> = edits.iter().map(|e| &e.env[..]).collect();
    assert_eq!(
        env,
        [
            &["THING=all", "PATH=/thing"][..],
            &["THING=1"],
            &["THING=0"]
        ]
    );
}

#[test]
fn the_first_file_that_has_a_name_counts() {
    let other =
        file(|f| f["devices"] = json!([{ "name": "1", "containerEdits": { "env": ["B=2"] } }]));
    let files = vec![other.unwrap(), file(|_| ()).unwrap()];
    let edits = found(&["example.com/thing=1"], files).unwrap();
    assert_eq!(edits.last().unwrap().env, ["B=2"]);
}

#[test]
fn a_file_may_be_yaml() {
    let text = "cdiVersion: 0.5.0\nkind: example.com/thing\ndevices:\n- name: \"1\"\n  \
                containerEdits:\n    env:\n    - THING=1\n";
    let edits = found(
        &["example.com/thing=1"],
        vec![File::parse_yaml(text).unwrap()],
    );
    assert_eq!(edits.unwrap().last().unwrap().env, ["THING=1"]);
    let e = File::parse_yaml(&text.replace("env", "intelRdt")).unwrap_err();
    assert!(e.to_string().contains("intelRdt"), "{e}");
    let e = File::parse_yaml(&text.replace("0.5.0", "2.0.0")).unwrap_err();
    assert!(e.to_string().contains("2.0.0"), "{e}");
}

#[test]
fn what_nobody_names_is_told() {
    let e = found(&["example.com/thing=2"], vec![file(|_| ()).unwrap()]).unwrap_err();
    assert!(e.to_string().contains("example.com/thing=2") && e.to_string().contains("/etc/cdi"));
    assert!(
        e.remedy()
            .unwrap()
            .contains("example.com/thing=0, example.com/thing=1")
    );
}

#[test]
fn what_is_not_understood_is_refused() {
    let refused = |patch: &dyn Fn(&mut Value), word: &str| {
        let e = file(patch).unwrap_err().to_string();
        assert!(e.contains(word), "{word}: {e}");
    };
    refused(&|f| f["cdiVersion"] = json!("2.0.0"), "2.0.0");
    refused(&|f| f["containerEdits"]["intelRdt"] = json!({}), "intelRdt");
    refused(&|f| drop(f.as_object_mut().unwrap().remove("kind")), "kind");
    refused(&|f| *f = json!(["0.6.0", "a.com/b", []]), "a list");
    refused(&|f| f["devices"][1] = json!(["1"]), "a list");
    refused(
        &|f| f["containerEdits"] = json!([["A=1"], []]),
        "containerEdits",
    );
    for (key, value, word) in [
        (
            "hooks",
            json!([{ "hookName": "later", "path": "/x" }]),
            "later",
        ),
        (
            "hooks",
            json!([{ "hookName": "poststop", "path": "x" }]),
            "begins with /",
        ),
        (
            "mounts",
            json!([{ "hostPath": "/x", "containerPath": "x" }]),
            "begins with /",
        ),
        (
            "mounts",
            json!([{ "hostPath": "/x", "containerPath": "/a/../../x" }]),
            "`..`",
        ),
        (
            "deviceNodes",
            json!([{ "path": "/dev/../d", "type": "c", "major": 1, "minor": 3 }]),
            "`..`",
        ),
        ("env", json!(["LONELY"]), "\"LONELY\""),
        (
            "deviceNodes",
            json!([{ "path": "/d", "type": "x" }]),
            "\"x\"",
        ),
        (
            "deviceNodes",
            json!([{ "path": "/d", "type": "c", "permissions": "q" }]),
            "\"q\"",
        ),
    ] {
        let file = file(|f| f["containerEdits"] = json!({ key: value })).unwrap();
        let edits = found(&["example.com/thing=1"], vec![file]).unwrap();
        let mut fixture = Fixture::default();
        fixture.host.cdi = edits;
        let e = fixture.spec().unwrap_err().to_string();
        assert!(e.contains(word), "{word}: {e}");
    }
}

/// Or whoever can put a file there could stop every start.
#[test]
fn what_never_ends_is_not_read() {
    let dir = std::env::temp_dir().join(format!("rcon-test-cdi-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let pipe = dir.join("a.yaml");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    let (of_pipe, of_zeroes) = (read(&pipe), read(std::path::Path::new("/dev/zero")));
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(of_pipe.is_err() && of_zeroes.is_err());
}
