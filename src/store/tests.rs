use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::container::{
    Isolation, LogConfig, Network, Program, Resources, Restart, Root, Status, Timestamp,
};

/// A store in a directory of its own, removed with it.
struct Place {
    dir: PathBuf,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("rcon-test-{}", Id::random().unwrap().short()));
        let store = Store::open(Some(dir.clone()), None).unwrap();
        assert!(!dir.exists(), "to open is not to make");
        store.lay_out().unwrap();
        Self { dir, store }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn config() -> Config {
    Config {
        version: SCHEMA,
        id: Id::random().unwrap(),
        created: Timestamp::now(),
        image: None,
        root: Root::Directory {
            path: "/nowhere".into(),
            overlay: false,
        },
        program: Program::default(),
        isolation: Isolation::default(),
        mounts: Vec::new(),
        resources: Resources::default(),
        network: Network::default(),
        restart: Restart::default(),
        health: None,
        log: LogConfig::default(),
        auto_remove: false,
        labels: std::collections::BTreeMap::default(),
        annotations: std::collections::BTreeMap::default(),
        build: None,
    }
}

#[test]
fn what_is_kept_is_found_by_name_id_and_prefix() {
    let p = Place::new();
    let config = config();
    let (entry, lock) = p.store.add(&config, Some("web")).unwrap();
    assert_eq!(entry.config().unwrap(), config);
    assert_eq!(entry.recorded().unwrap().status, Status::Created);
    for wanted in [
        "web",
        config.id.as_str(),
        config.id.short(),
        &config.id.as_str()[..3],
    ] {
        assert_eq!(p.store.find(wanted).unwrap().id(), &config.id, "{wanted}");
    }
    drop(lock);
    for unknown in ["we", "", "webb", "../web", &"0".repeat(64), "a/b"] {
        let e = p.store.find(unknown).unwrap_err().to_string();
        assert!(e.starts_with("No such container"), "{unknown}: {e}");
    }
}

#[test]
fn a_beginning_that_fits_two_is_refused() {
    let p = Place::new();
    // Seventeen ids, sixteen digits: two begin alike.
    let ids: Vec<Id> = (0..17)
        .map(|_| p.store.add(&config(), None).unwrap().0.id().clone())
        .collect();
    let twice = ids.iter().find(|id| {
        ids.iter()
            .filter(|o| o.as_str()[..1] == id.as_str()[..1])
            .count()
            > 1
    });
    let e = p.store.find(&twice.unwrap().as_str()[..1]).unwrap_err();
    assert!(e.to_string().contains("several containers"), "{e}");
}

#[test]
fn a_name_is_given_once() {
    let p = Place::new();
    let (first, _lock) = p.store.add(&config(), Some("web")).unwrap();
    let e = p.store.add(&config(), Some("web")).unwrap_err().to_string();
    assert!(
        e.contains("already in use") && e.contains(first.id().short()),
        "{e}"
    );
    assert_eq!(p.store.all().unwrap().len(), 1);
    assert_eq!(
        fs::read_dir(p.store.containers()).unwrap().count(),
        1,
        "nothing is left"
    );
}

#[test]
fn many_at_once_get_one_name_each() {
    let p = Place::new();
    let winners = std::thread::scope(|s| {
        let tries: Vec<_> = (0..16)
            .map(|_| s.spawn(|| p.store.add(&config(), Some("web")).is_ok()))
            .collect();
        tries
            .into_iter()
            .filter_map(|t| t.join().ok())
            .filter(|won| *won)
            .count()
    });
    assert_eq!(winners, 1);
}

#[test]
fn a_name_that_leads_nowhere_is_free() {
    let p = Place::new();
    let gone = Id::random().unwrap();
    std::os::unix::fs::symlink(format!("../containers/{gone}"), p.store.names().join("web"))
        .unwrap();
    std::os::unix::fs::symlink("/etc", p.store.names().join("db")).unwrap();
    for name in ["web", "db"] {
        p.store.add(&config(), Some(name)).unwrap();
        p.store.find(name).unwrap();
    }
}

#[test]
fn a_renamed_container_has_one_name() {
    let p = Place::new();
    let (entry, _lock) = p.store.add(&config(), Some("old")).unwrap();
    let (_other, _other_lock) = p.store.add(&config(), Some("taken")).unwrap();
    assert!(p.store.rename(&entry, "taken").is_err());
    p.store.rename(&entry, "new").unwrap();
    assert!(p.store.find("old").is_err());
    assert_eq!(p.store.find("new").unwrap().id(), entry.id());
    assert_eq!(entry.name().unwrap(), "new");
}

#[test]
fn what_is_removed_is_gone_and_its_name_free() {
    let p = Place::new();
    let (entry, lock) = p.store.add(&config(), Some("web")).unwrap();
    p.store.remove(&entry, lock).unwrap();
    assert!(p.store.find("web").is_err());
    assert!(entry.recorded().is_err());
    assert_eq!(fs::read_dir(p.store.containers()).unwrap().count(), 0);
    p.store.add(&config(), Some("web")).unwrap();
}

#[test]
fn a_lock_is_seen_without_being_taken() {
    let p = Place::new();
    let (entry, lock) = p.store.add(&config(), None).unwrap();
    assert!(entry.is_held());
    assert!(entry.try_lock().unwrap().is_none());
    drop(lock);
    assert!(!entry.is_held());
    assert!(entry.try_lock().unwrap().is_some());
}

#[test]
fn half_made_containers_are_swept_away_but_not_those_being_made() {
    let p = Place::new();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    let dir = |name: &str| {
        let path = p.store.containers().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let age = |path: &Path| fs::File::open(path).unwrap().set_modified(old).unwrap();
    let (left, gone, busy, young) = (dir(".new-a"), dir(".gone-b"), dir(".new-c"), dir(".new-d"));
    let _lock = Lock::try_take(&busy).unwrap().unwrap();
    for path in [&left, &gone, &busy] {
        age(path);
    }
    p.store.sweep().unwrap();
    assert!(!left.exists() && !gone.exists());
    assert!(busy.exists() && young.exists());
}

#[test]
fn a_record_of_another_version_is_left_alone() {
    let p = Place::new();
    let (entry, _lock) = p.store.add(&config(), None).unwrap();
    let newer = serde_json::json!({"version": 99});
    let mut state = serde_json::to_value(entry.recorded().unwrap()).unwrap();
    state["version"] = newer["version"].clone();
    fs::write(entry.dir().join("state.json"), state.to_string()).unwrap();
    let e = entry.recorded().unwrap_err().to_string();
    assert!(e.contains("version 99"), "{e}");
    fs::write(p.dir.join("version"), "7\n").unwrap();
    let e = Store::open(Some(p.dir.clone()), None)
        .unwrap_err()
        .to_string();
    assert!(e.contains("store of version \"7\""), "{e}");
}

#[test]
fn a_spoilt_record_is_named() {
    let p = Place::new();
    let (entry, _lock) = p.store.add(&config(), None).unwrap();
    for spoilt in ["{", "[]", "x\u{0}"] {
        fs::write(entry.dir().join("state.json"), spoilt).unwrap();
        let e = entry.recorded().unwrap_err().to_string();
        assert!(e.contains("state.json"), "{e}");
    }
    fs::remove_file(entry.dir().join("state.json")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", entry.dir().join("state.json")).unwrap();
    assert!(entry.recorded().is_err());
}

#[test]
fn a_record_that_the_power_took_is_of_one_that_was_up() {
    let p = Place::new();
    let (entry, lock) = p.store.add(&config(), Some("web")).unwrap();
    for void in ["", "\u{0}\u{0}"] {
        fs::write(entry.dir().join("state.json"), void).unwrap();
        assert_eq!(entry.recorded().unwrap().status, Status::Running);
    }
    fs::write(entry.dir().join("name"), "").unwrap();
    assert!(entry.name().is_err());
    drop(lock);
    p.store.name_anew(&entry).unwrap();
    assert_eq!(entry.name().unwrap(), "web");
    fs::write(p.dir.join("version"), "").unwrap();
    Store::open(Some(p.dir.clone()), None).unwrap();
    p.store.lay_out().unwrap();
    assert!(p.store.is_there());
}

#[test]
fn nobody_else_may_look() {
    let p = Place::new();
    let (entry, _lock) = p.store.add(&config(), None).unwrap();
    for path in [&p.dir, &p.store.containers(), &entry.dir().to_owned()] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o077, 0);
    }
}

#[test]
fn a_record_has_room_for_its_next_version() {
    let dir = std::env::temp_dir().join(format!("rcon-test-spare-{}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    files::replace(&dir, "x", b"one").unwrap();
    files::keep_room(&dir, "x", 8192).unwrap();
    files::keep_room(&dir, "x", 8192).unwrap();
    let spare = fs::metadata(dir.join(".x.spare")).unwrap();
    assert_eq!(spare.len(), 0);
    assert!(std::os::unix::fs::MetadataExt::blocks(&spare) >= 16);
    files::replace_in_need(&dir, "x", b"two").unwrap();
    assert_eq!(fs::read(dir.join("x")).unwrap(), b"two");
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn what_only_passes_is_replaced_and_leaves_nothing() {
    let dir = std::env::temp_dir().join(format!("rcon-test-pass-{}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    for text in ["one", "two", "three"] {
        files::pass_in_need(&dir, "x", text.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(dir.join("x")).unwrap(), text);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "{text}");
    }
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn who_cannot_be_kept_gives_the_name_back() {
    let p = Place::new();
    let config = config();
    let in_its_place = p.store.containers().join(config.id.as_str());
    fs::create_dir_all(in_its_place.join("x")).unwrap();
    assert!(p.store.add(&config, Some("wanted")).is_err());
    assert!(!p.store.names().join("wanted").is_symlink());
    fs::remove_dir_all(in_its_place).unwrap();
    p.store.add(&config, Some("wanted")).unwrap();
}
