//! Names: each a link to its container, so that taking one cannot be done
//! twice.
//!
//! A name is somebody's only while the container it leads to says the same.
//! What else lies there was left by a command that was killed half-way.

use std::fs;
use std::os::unix::fs::symlink;

use super::{Store, files};
use crate::container::{Id, Name};
use crate::error::{Context, Error, Result};

/// Whose name it is.
pub(super) fn owner(store: &Store, name: &str) -> Option<Id> {
    let target = fs::read_link(store.names().join(name)).ok()?;
    let id = target.file_name()?.to_str()?.to_owned();
    let id = Id::try_from(id).ok()?;
    let entry = store.entry(id.clone());
    (entry.name().ok()? == name).then_some(id)
}

/// Takes a name. The store's lock is held meanwhile.
pub(super) fn take(store: &Store, name: &str, id: &Id) -> Result<()> {
    if let Some(other) = owner(store, name) {
        let short = other.short();
        return Err(Error::user(format!(
            "the container name {name} is already in use by container {short}"
        ))
        .hint("remove or rename that container, or choose another name"));
    }
    let link = store.names().join(name);
    let what = || format!("cannot take the name {name}");
    match fs::remove_file(&link) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e).context(what),
        _ => {}
    }
    symlink(format!("../containers/{id}"), &link).context(what)
}

/// Lets a name go, if it is still this container's: another may have it by
/// now. The store's lock is held meanwhile.
pub(super) fn give_back(store: &Store, name: &str, id: &Id) {
    let link = store.names().join(name);
    let target = fs::read_link(&link).unwrap_or_default();
    if target.file_name().is_some_and(|file| *file == *id.as_str()) {
        forget(store, name);
    }
}

/// Takes a name away that leads nowhere.
pub(super) fn forget(store: &Store, name: &str) {
    // If this fails the link still leads nowhere, and counts as free.
    let _ = fs::remove_file(store.names().join(name));
}

/// Makes up a name that is free.
pub(super) fn invent(is_free: impl Fn(&str) -> bool) -> Result<Name> {
    let mut random = [0; 8];
    for attempt in 0..64 {
        crate::sys::random(&mut random)?;
        let pick = |list: &[&'static str], at: usize| {
            let n = u16::from_le_bytes([random[at], random[at + 1]]);
            list[n as usize % list.len()]
        };
        let mut name = format!("{}_{}", pick(MANNERS, 0), pick(THINGS, 2));
        if attempt > 8 {
            name.push_str(&(u16::from_le_bytes([random[4], random[5]])).to_string());
        }
        if is_free(&name) {
            return Ok(name);
        }
    }
    Err(Error::environment("found no free name").hint("give one with --name"))
}

/// How it is.
const MANNERS: &[&str] = &[
    "able", "airy", "amber", "apt", "awake", "blithe", "bold", "brave", "bright", "brisk", "calm",
    "candid", "clear", "clever", "cosy", "crisp", "curious", "daring", "deft", "eager", "early",
    "earnest", "fair", "festive", "fleet", "fond", "free", "fresh", "gentle", "glad", "golden",
    "grand", "handy", "hardy", "hearty", "honest", "humble", "jolly", "keen", "kind", "lively",
    "lucid", "lucky", "mellow", "merry", "mild", "modest", "neat", "nimble", "noble", "patient",
    "placid", "plain", "polite", "proud", "quick", "quiet", "ready", "robust", "rosy", "sage",
    "serene", "sharp", "silent", "snug", "sober", "solid", "spry", "stout", "sunny", "swift",
    "tender", "tidy", "true", "vivid", "warm", "wise", "witty", "young", "zesty",
];

/// What carries, or is carried.
const THINGS: &[&str] = &[
    "amphora", "ark", "barge", "barrel", "basin", "basket", "beaker", "boat", "bottle", "bowl",
    "box", "brig", "bucket", "canister", "canoe", "carafe", "caravel", "cargo", "cart", "case",
    "cask", "casket", "chalice", "chest", "clipper", "coffer", "coracle", "crate", "creel",
    "cruet", "cup", "cutter", "dinghy", "dory", "drum", "ewer", "ferry", "flagon", "flask",
    "frigate", "galleon", "goblet", "gondola", "hamper", "hopper", "jar", "jug", "junk", "kayak",
    "keg", "ketch", "kettle", "ladle", "launch", "lighter", "locker", "lugger", "mug", "packet",
    "pail", "pannier", "parcel", "phial", "pinnace", "pitcher", "pontoon", "pot", "pouch", "punt",
    "raft", "sack", "satchel", "schooner", "scow", "skiff", "sloop", "tankard", "teapot",
    "trawler", "trunk", "tub", "tumbler", "tureen", "urn", "vase", "vat", "vial", "wagon",
    "wherry", "yawl",
];

/// Names that lead nowhere, for whoever tidies up.
pub(super) fn dangling(store: &Store) -> Result<Vec<Name>> {
    let dir = store.names();
    let names = files::list(&dir)?
        .into_iter()
        .filter_map(|e| e.file_name().into_string().ok());
    Ok(names.filter(|name| owner(store, name).is_none()).collect())
}

/// A name that leads to a container, whatever that says itself.
pub(super) fn leading_to(store: &Store, id: &Id) -> Result<Option<Name>> {
    let links = files::list(&store.names())?.into_iter();
    let mut links = links.filter(|link| {
        let target = fs::read_link(link.path()).unwrap_or_default();
        target.file_name().is_some_and(|file| *file == *id.as_str())
    });
    Ok(links.find_map(|link| link.file_name().into_string().ok()))
}

pub(super) fn read(dir: &std::path::Path) -> Result<Name> {
    let bytes = files::read_left(&dir.join("name"))?;
    if files::is_void(&bytes) {
        return Err(Error::environment("the container's name was lost")
            .hint("`rcon system check --repair` gives it one"));
    }
    String::from_utf8(bytes).map_err(|_| Error::environment("the name is not text"))
}
