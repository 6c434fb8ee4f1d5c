//! A container for the tests of what shows containers.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::listing::Listed;
use crate::container::{Config, State, Status, Timestamp};
use crate::store::Store;

/// Running for two hours less a second, with something of everything.
pub fn listed() -> Listed {
    let config: Config = serde_json::from_value(json!({
        "version": 1, "id": "0123456789abcdef".repeat(4),
        "created": "2026-01-02T03:04:05.600000000Z", "image": null,
        "root": {"kind": "directory", "path": "/srv/root", "overlay": true},
        "program": {"command": ["sleep", "600"], "env": ["A=1"], "tty": true},
        "isolation": {},
        "mounts": [
            {"kind": {"type": "bind", "source": "/a/very/long/path/there", "create": false, "recursive": true},
             "target": "/mnt", "read_only": true, "options": []},
            {"kind": {"type": "volume", "name": "data", "anonymous": false, "subpath": null},
             "target": "/data", "read_only": false, "options": []},
            {"kind": {"type": "tmpfs", "size": 1024, "mode": null},
             "target": "/tmp", "read_only": false, "options": []},
        ],
        "resources": {"memory": 1_048_576}, "network": {"expose": [[80, 80, "tcp"]]},
        "restart": "no", "health": null, "log": {"driver": "json-file", "options": {}},
        "auto_remove": false, "labels": {"a": "1", "b": ""}, "annotations": {},
    }))
    .expect("a configuration");
    let started = Timestamp {
        seconds: config.created.seconds + 1,
        nanos: 0,
    };
    let state = State {
        status: Status::Running,
        pid: 4242,
        started: Some(started),
        ..State::default()
    };
    Listed {
        name: "web".to_owned(),
        entry: store().entry(config.id.clone()),
        config,
        state,
    }
}

/// One of which nothing is left but where it was: nobody here reads it.
pub fn store() -> Store {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("rcon-test-sample-{}-{count}", std::process::id());
    let place = std::env::temp_dir().join(name);
    let store = Store::open(Some(place.clone()), Some(place.join("run")));
    let _ = std::fs::remove_dir_all(place);
    store.expect("a store")
}
