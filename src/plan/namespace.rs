//! What each kind of namespace is called, and which of them a container makes,
//! joins, or shares with the host.

use std::collections::BTreeMap;
use std::path::PathBuf;

use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType};

use super::action::Namespace;
use crate::error::{Error, Result};

impl Namespace {
    /// All kinds. A user namespace comes first, since it decides what may be
    /// done to all the others.
    pub const ALL: [Namespace; 8] = [
        Namespace::User,
        Namespace::Mount,
        Namespace::Pid,
        Namespace::Network,
        Namespace::Ipc,
        Namespace::Uts,
        Namespace::Cgroup,
        Namespace::Time,
    ];

    /// The `CLONE_NEW*` flag.
    pub fn flag(self) -> u64 {
        match self {
            Namespace::User => libc::CLONE_NEWUSER as u64,
            Namespace::Mount => libc::CLONE_NEWNS as u64,
            Namespace::Pid => libc::CLONE_NEWPID as u64,
            Namespace::Network => libc::CLONE_NEWNET as u64,
            Namespace::Ipc => libc::CLONE_NEWIPC as u64,
            Namespace::Uts => libc::CLONE_NEWUTS as u64,
            Namespace::Cgroup => libc::CLONE_NEWCGROUP as u64,
            Namespace::Time => 0x80,
        }
    }

    /// Its file in `/proc/<pid>/ns`.
    pub fn proc_name(self) -> &'static str {
        match self {
            Namespace::User => "user",
            Namespace::Mount => "mnt",
            Namespace::Pid => "pid",
            Namespace::Network => "net",
            Namespace::Ipc => "ipc",
            Namespace::Uts => "uts",
            Namespace::Cgroup => "cgroup",
            Namespace::Time => "time",
        }
    }

    /// Its name in `config.json`.
    pub fn spec_name(self) -> &'static str {
        match self {
            Namespace::Mount => "mount",
            Namespace::Network => "network",
            other => other.proc_name(),
        }
    }
}

/// What a container does about each kind of namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// Kinds it gets a new one of.
    pub new: Vec<Namespace>,
    /// Kinds it enters an existing one of.
    pub joined: BTreeMap<Namespace, PathBuf>,
}

impl Namespaces {
    /// Reads `linux.namespaces`.
    pub fn from_spec(list: &[LinuxNamespace]) -> Result<Self> {
        let mut all = Self::default();
        for (i, entry) in list.iter().enumerate() {
            let field = || format!("config.json: linux.namespaces[{i}]");
            let kind = kind_of(entry.typ());
            if all.has(kind) {
                let twice = format!("a second {} namespace", kind.spec_name());
                return Err(Error::user(twice).context(field()));
            }
            match entry.path() {
                Some(path) if path.as_os_str().is_empty() => all.new.push(kind),
                Some(path) if !path.is_absolute() => {
                    let relative = format!("path {} is not absolute", path.display());
                    return Err(Error::user(relative).context(field()));
                }
                Some(path) => {
                    all.joined.insert(kind, path.clone());
                }
                None => all.new.push(kind),
            }
        }
        all.new.sort_unstable();
        Ok(all)
    }

    /// Whether the container's is not the host's.
    pub fn has(&self, kind: Namespace) -> bool {
        self.makes(kind) || self.joined.contains_key(&kind)
    }

    /// Whether a new one is made.
    pub fn makes(&self, kind: Namespace) -> bool {
        self.new.contains(&kind)
    }

    /// Those of `kinds` that are made, in the order given.
    pub fn making(&self, kinds: &[Namespace]) -> Vec<Namespace> {
        kinds.iter().copied().filter(|k| self.makes(*k)).collect()
    }
}

pub(super) fn kind_of(typ: LinuxNamespaceType) -> Namespace {
    match typ {
        LinuxNamespaceType::User => Namespace::User,
        LinuxNamespaceType::Mount => Namespace::Mount,
        LinuxNamespaceType::Pid => Namespace::Pid,
        LinuxNamespaceType::Network => Namespace::Network,
        LinuxNamespaceType::Ipc => Namespace::Ipc,
        LinuxNamespaceType::Uts => Namespace::Uts,
        LinuxNamespaceType::Cgroup => Namespace::Cgroup,
        LinuxNamespaceType::Time => Namespace::Time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::LinuxNamespaceBuilder;

    fn entry(typ: LinuxNamespaceType, path: Option<&str>) -> LinuxNamespace {
        let b = LinuxNamespaceBuilder::default().typ(typ);
        let b = match path {
            Some(p) => b.path(p),
            None => b,
        };
        b.build().unwrap()
    }

    #[test]
    fn a_path_means_join_and_no_path_means_new() {
        let all = Namespaces::from_spec(&[
            entry(LinuxNamespaceType::Pid, None),
            entry(LinuxNamespaceType::Network, Some("/proc/1/ns/net")),
        ])
        .unwrap();
        assert!(all.makes(Namespace::Pid));
        assert!(!all.makes(Namespace::Network));
        assert!(all.has(Namespace::Network));
        assert!(!all.has(Namespace::User));
    }

    #[test]
    fn the_same_kind_twice_is_refused() {
        let twice = entry(LinuxNamespaceType::Uts, None);
        let e = Namespaces::from_spec(&[twice.clone(), twice]).unwrap_err();
        assert!(e.to_string().contains("linux.namespaces[1]"), "{e}");
    }

    #[test]
    fn a_relative_path_is_refused() {
        let e = Namespaces::from_spec(&[entry(LinuxNamespaceType::Uts, Some("ns"))]);
        assert!(e.is_err());
    }
}
