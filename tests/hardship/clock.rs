//! A clock that was set back: records and files are of a time that is yet to
//! come. Nobody is confused, nothing waits for that time, and nothing that was
//! left stays until then.

use crate::common::eventually;
use crate::place::{Place, names_in};
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// So far ahead was the clock.
const AHEAD: Duration = Duration::from_secs(86_400);
/// What a record says then.
const LATER: &str = "2999-01-01T00:00:00.5Z";

/// Gives every time in a record another one.
fn postdate(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(postdate),
        Value::Array(items) => items.iter_mut().for_each(postdate),
        Value::String(text) if is_time(text) => LATER.clone_into(text),
        _ => {}
    }
}

fn is_time(text: &str) -> bool {
    text.starts_with("20") && text.contains('T') && text.ends_with('Z')
}

fn postdate_file(path: &Path) {
    let text = fs::read_to_string(path).expect("a record");
    let mut value: Value = serde_json::from_str(&text).expect("a record");
    postdate(&mut value);
    assert!(value.to_string().contains(LATER), "no time in {text}");
    fs::write(path, value.to_string()).expect("our store");
}

/// A file that was last changed tomorrow.
fn touch_ahead(path: &Path) {
    let file = File::open(path).expect("just made");
    file.set_modified(SystemTime::now() + AHEAD).expect("ours");
}

#[test]
fn records_of_a_time_to_come() {
    let Some(place) = Place::new() else { return };
    place.sleeper(
        "up",
        &[
            "--restart",
            "always",
            "--health-cmd",
            "true",
            "--health-interval",
            "1s",
        ],
    );
    place.ok(&["run", "--name", "ended", "base", "echo", "said"]);
    place.ok(&["volume", "create", "data"]);
    place.ok(&["network", "create", "net"]);
    let root = place.bed.root();
    for name in ["up", "ended"] {
        let dir = fs::canonicalize(root.join("names").join(name)).expect("a container");
        for record in ["config.json", "state.json"] {
            postdate_file(&dir.join(record));
        }
    }
    postdate_file(&root.join("volumes/data/config.json"));
    let net = place.ok(&["network", "inspect", "-f", "{{.Id}}", "net"]);
    postdate_file(&root.join("networks").join(net).join("config.json"));
    place.assert_lists("with records of a time to come");
    for args in [
        &["ps", "-a", "--no-trunc"][..],
        &["inspect", "up", "ended"],
        &["stats", "--no-stream", "up"],
        &["top", "up"],
        &["logs", "--since", "1m", "ended"],
        &["events", "--since", "1h", "--until", "0s"],
        &["system", "df", "-v"],
        &["system", "prune", "-f", "--filter", "until=24h"],
        &["restart", "-t", "0", "up"],
        &["start", "-a", "ended"],
        &["exec", "up", "true"],
        &["rename", "ended", "again"],
    ] {
        let out = place.rcon(args).ok();
        assert_eq!(out.stderr, "", "{out}");
    }
    let status = place.ok(&["ps", "-a", "--filter", "name=up", "--format", "{{.Status}}"]);
    assert!(status.starts_with("Up "), "{status}");
    // Its own pace of starting again is that of a clock nobody sets.
    let before = place.state("up")["restarts"].as_i64().unwrap_or_default();
    place.rcon(&["exec", "up", "sh", "-c", "kill -TERM 1"]);
    eventually("it is started again", || {
        place.state("up")["restarts"].as_i64() > Some(before)
    });
    place.assert_goes();
}

#[test]
fn what_was_left_at_a_time_to_come_goes_now() {
    let Some(place) = Place::new() else { return };
    let root = place.bed.root();
    let id = "a".repeat(64);
    let left = [
        root.join(format!("containers/.new-{id}")),
        root.join(format!("containers/.gone-{}", "b".repeat(64))),
        root.join(format!("volumes/.new-{id}")),
        root.join(format!("volumes/.gone-{id}")),
        root.join(format!("networks/.new-{id}")),
        root.join("images/stage/0123456789abcdef"),
        root.join("layers/.tmp-0123456789abcdef-0"),
    ];
    for dir in &left {
        fs::create_dir_all(dir).expect("our store");
        touch_ahead(dir);
    }
    place.ok(&["ps"]);
    let still: Vec<_> = left.iter().filter(|dir| dir.exists()).collect();
    assert!(still.is_empty(), "{still:?}");
    // A blob nobody needs is as old as it says, in whichever direction.
    let blob = root.join("images/blobs/sha256").join("c".repeat(64));
    fs::write(&blob, "x").expect("our store");
    place.repair("with a young blob");
    assert!(blob.exists(), "another tool could be writing it");
    touch_ahead(&blob);
    assert_eq!(place.findings(&[]).len(), 1);
    place.repair("with a blob of a time to come");
    assert!(!blob.exists() && names_in(&root.join("volumes")).is_empty());
    place.assert_goes();
}

/// What a log says is in the order in which it was said, and `--since` looks at
/// what stands there.
#[test]
fn a_log_over_a_clock_that_jumps() {
    let Some(place) = Place::new() else { return };
    place.ok(&[
        "run",
        "--name",
        "said",
        "base",
        "sh",
        "-c",
        "echo one; echo two",
    ]);
    let link = place.bed.root().join("names/said/container.log");
    let text = fs::read_to_string(&link).expect("a log");
    let (first, second) = text.split_once('\n').expect("two lines");
    let year = first.find("20").expect("a time");
    let mut first = first.to_owned();
    first.replace_range(year..year + 4, "2999");
    fs::write(&link, format!("{first}\n{second}")).expect("our store");
    let all = place.ok(&["logs", "-t", "said"]);
    assert!(all.starts_with("2999-") && all.ends_with("two"), "{all}");
    assert_eq!(place.ok(&["logs", "said"]), "one\ntwo");
    assert_eq!(place.ok(&["logs", "--tail", "1", "said"]), "two");
    assert_eq!(place.ok(&["logs", "--since", "1h", "said"]), "one\ntwo");
    assert_eq!(
        place.ok(&["logs", "--since", "2998-01-01T00:00:00Z", "said"]),
        "one"
    );
    place.assert_goes();
}
