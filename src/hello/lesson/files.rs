//! Which files it sees.

use super::super::observe::{Facts, Mount, Mounts};
use super::{Fact, Section, fact};

/// What rcon writes for each container.
const WRITTEN: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// As many further mounts as are told in words.
const MOST: usize = 6;

pub fn section(facts: &Facts) -> Section {
    let mounts = &facts.mounts;
    let mut told = vec![root(&mounts.root())];
    told.extend(kernels(mounts));
    told.extend(covered(mounts));
    told.extend(others(mounts));
    Section {
        title: "Files",
        facts: told,
    }
}

fn access(mount: &Mount) -> &'static str {
    if mount.read_only {
        "read-only"
    } else {
        "writable"
    }
}

fn root(root: &Mount) -> Fact {
    let why = match (root.fs.as_str(), root.read_only) {
        ("overlay", false) => "a layer above the image's, which rm takes away",
        ("overlay", true) => "with no layer to write to",
        (_, _) => "the directory that was given as the root",
    };
    fact("/", format!("{}, {}", root.fs, access(root)), why)
}

/// What the kernel itself fills.
fn kernels(mounts: &Mounts) -> Vec<Fact> {
    let named = [
        ("/proc", "what this pid namespace has"),
        ("/sys", "devices; the limits below are in fs/cgroup"),
        ("/dev", "its own: what is not in it cannot be used"),
    ];
    let mounted = named
        .into_iter()
        .filter_map(|(path, why)| Some((mounts.at(path)?, why)));
    mounted
        .map(|(m, why)| fact(&m.path, format!("{}, {}", m.fs, access(m)), why))
        .collect()
}

fn covered(mounts: &Mounts) -> Vec<Fact> {
    let mut told = Vec::new();
    for (about, paths, why) in [
        ("hidden", mounts.hidden(), "they tell too much"),
        (
            "protected",
            mounts.protected(),
            "read-only: they steer the machine",
        ),
    ] {
        if !paths.is_empty() {
            told.push(fact(about, together(&paths), why));
        }
    }
    if told.is_empty() && mounts.at("/proc").is_some() {
        let why = "--privileged, or not in a container: all of /proc lies open";
        told.push(fact("hidden", "nothing", why));
    }
    told
}

/// `/proc/{keys,kcore}`: a directory is named once.
fn together(paths: &[&str]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for path in paths {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        match groups.iter_mut().find(|(d, _)| *d == dir) {
            Some((_, names)) if !names.contains(&name) => names.push(name),
            Some(_) => {}
            None => groups.push((dir, vec![name])),
        }
    }
    let words = groups.into_iter().map(|(dir, names)| match names[..] {
        [name] => format!("{dir}/{name}"),
        _ => format!("{dir}: {}", names.join(" ")),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn others(mounts: &Mounts) -> Vec<Fact> {
    let others = mounts.others();
    let (written, mounted): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|m| WRITTEN.contains(&m.path.as_str()));
    let mut told = Vec::new();
    if !written.is_empty() {
        let names: Vec<_> = written.iter().map(|m| m.path.as_str()).collect();
        let why = "rcon's, so that names are found";
        told.push(fact("mounted", together(&names), why));
    }
    for mount in mounted.iter().take(MOST) {
        let is = format!("{}: {}, {}", mount.path, mount.fs, access(mount));
        told.push(fact("mounted", is, "files from outside the image"));
    }
    if mounted.len() > MOST {
        let more = format!("{} more", mounted.len() - MOST);
        told.push(fact("mounted", more, "--json lists all of them"));
    }
    told
}
