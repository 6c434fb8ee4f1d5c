//! Device nodes, and which devices may be opened at all.
//!
//! Two locks on one door. The container's `/dev` holds only the nodes listed
//! here and the harmless ones the runtime always makes; and because root may
//! make any node itself (`CAP_MKNOD`), the cgroup's device rules say which
//! numbers can be opened. The rules deny everything, then allow the memory
//! devices, random numbers and terminals. What the runtime adds behind them
//! (ptys, and making but not opening nodes) is the same for every caller.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceCgroup, LinuxDeviceType};

use super::{HostFacts, Node, NodeKind};
use crate::container::{Device, Isolation};
use crate::error::{Error, Result};

/// null, zero, full, random, urandom, tty, console.
const HARMLESS: &[(i64, i64)] = &[(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1)];

/// The container has its own of these, which the host's must not replace.
const OWN: &[&str] = &["console", "fd", "mqueue", "ptmx", "pts", "shm"];

/// Nodes beside those every container has.
pub(super) fn nodes(isolation: &Isolation, host: &HostFacts) -> Result<Vec<LinuxDevice>> {
    let mut all: Vec<LinuxDevice> = Vec::new();
    if isolation.privileged {
        let host_nodes = host.devices.iter().filter(|n| !is_own(&n.path));
        all.extend(host_nodes.map(|n| device(n, n.path.clone())));
    }
    for asked in &isolation.devices {
        for (node, target) in mapped(asked, host)? {
            all.retain(|d| *d.path() != target);
            all.push(device(node, target));
        }
    }
    Ok(all)
}

fn is_own(path: &Path) -> bool {
    let inside = path.strip_prefix("/dev").unwrap_or(path);
    let first = inside.components().next();
    first.is_some_and(|name| OWN.iter().any(|own| name.as_os_str() == *own))
}

/// Every node that `--device` names, and where it goes: for a directory, all
/// that are in it keep their place below.
fn mapped<'h>(asked: &Device, host: &'h HostFacts) -> Result<Vec<(&'h Node, PathBuf)>> {
    let source = asked.source.display();
    let unfit = |why: &str| {
        Error::user(format!(
            "error gathering device information while adding custom device {source:?}: {why}"
        ))
    };
    let nodes = host.nodes.get(&asked.source);
    let nodes = nodes.ok_or_else(|| unfit("no such file or directory"))?;
    if nodes.is_empty() {
        return Err(unfit("not a device node"));
    }
    if !asked.target.is_absolute() {
        let target = asked.target.display();
        return Err(Error::user(format!(
            "invalid device target {target:?}: not absolute"
        )));
    }
    let place = |node: &Node| match node.path.strip_prefix(&asked.source) {
        Ok(below) if !below.as_os_str().is_empty() => asked.target.join(below),
        _ => asked.target.clone(),
    };
    Ok(nodes.iter().map(|node| (node, place(node))).collect())
}

fn device(node: &Node, path: PathBuf) -> LinuxDevice {
    let mut device = LinuxDevice::default();
    device
        .set_path(path)
        .set_typ(typ(node.kind))
        .set_major(i64::from(node.major))
        .set_minor(i64::from(node.minor))
        .set_file_mode(Some(node.mode & 0o777))
        .set_uid(Some(node.uid))
        .set_gid(Some(node.gid));
    device
}

fn typ(kind: NodeKind) -> LinuxDeviceType {
    match kind {
        NodeKind::Character => LinuxDeviceType::C,
        NodeKind::Block => LinuxDeviceType::B,
    }
}

/// Who may open what; a later rule wins.
pub(super) fn rules(isolation: &Isolation, host: &HostFacts) -> Result<Vec<LinuxDeviceCgroup>> {
    if isolation.privileged {
        return Ok(vec![rule(true, None, (None, None), "rwm")]);
    }
    let mut all = vec![rule(false, None, (None, None), "rwm")];
    let character = Some(LinuxDeviceType::C);
    for &(major, minor) in HARMLESS {
        all.push(rule(true, character, (Some(major), Some(minor)), "rwm"));
    }
    for asked in &isolation.devices {
        check_access(&asked.access)?;
        for (node, _) in mapped(asked, host)? {
            let numbers = (Some(i64::from(node.major)), Some(i64::from(node.minor)));
            all.push(rule(true, Some(typ(node.kind)), numbers, &asked.access));
        }
    }
    for text in &isolation.device_rules {
        let rule = parse_rule(text);
        all.push(rule.ok_or_else(|| {
            Error::user(format!("invalid device cgroup rule format: '{text}'"))
                .hint("type, numbers and access, as in 'c 10:200 rwm' or 'b 8:* r'")
        })?);
    }
    Ok(all)
}

pub(super) fn rule(
    allow: bool,
    typ: Option<LinuxDeviceType>,
    (major, minor): (Option<i64>, Option<i64>),
    access: &str,
) -> LinuxDeviceCgroup {
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(allow)
        .set_typ(typ)
        .set_major(major)
        .set_minor(minor)
        .set_access(Some(access.to_owned()));
    rule
}

pub(super) fn check_access(access: &str) -> Result<()> {
    let once = |c: char| access.matches(c).count() == 1;
    if !access.is_empty() && access.chars().all(|c| "rwm".contains(c) && once(c)) {
        return Ok(());
    }
    Err(Error::user(format!("invalid device mode: {access:?}"))
        .hint("some of r (read), w (write), m (make a node)"))
}

fn parse_rule(text: &str) -> Option<LinuxDeviceCgroup> {
    let mut words = text.split(' ');
    let typ = match words.next()? {
        "a" => LinuxDeviceType::A,
        "b" => LinuxDeviceType::B,
        "c" => LinuxDeviceType::C,
        _ => return None,
    };
    let (major, minor) = words.next()?.split_once(':')?;
    let access = words.next()?;
    if words.next().is_some() || check_access(access).is_err() {
        return None;
    }
    Some(rule(
        true,
        Some(typ),
        (number(major).ok()?, number(minor).ok()?),
        access,
    ))
}

/// A number, or `*` for all.
fn number(text: &str) -> std::result::Result<Option<i64>, ()> {
    if text == "*" {
        return Ok(None);
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number: Option<u32> = text.parse().ok().filter(|_| digits);
    number.map(|n| Some(i64::from(n))).ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::tests::{host, node};

    fn asked(source: &str, target: &str, access: &str) -> Isolation {
        let device = Device {
            source: source.into(),
            target: target.into(),
            access: access.to_owned(),
        };
        Isolation {
            devices: vec![device],
            ..Isolation::default()
        }
    }

    fn with_nodes() -> HostFacts {
        let mut host = host();
        let dri = vec![
            node("/dev/dri/card0", 226, 0),
            node("/dev/dri/by/x", 226, 1),
        ];
        host.nodes.insert("/dev/dri".into(), dri);
        host.nodes
            .insert("/dev/fuse".into(), vec![node("/dev/fuse", 10, 229)]);
        host
    }

    #[test]
    fn a_device_under_another_name() {
        let host = with_nodes();
        let isolation = asked("/dev/fuse", "/dev/f", "rw");
        let nodes = nodes(&isolation, &host).unwrap();
        let (first, count) = (&nodes[0], nodes.len());
        assert_eq!((first.path().as_path(), count), (Path::new("/dev/f"), 1));
        assert_eq!((first.major(), first.minor()), (10, 229));
        let rules = rules(&isolation, &host).unwrap();
        let last = rules.last().unwrap();
        assert_eq!(
            (last.major(), last.access().as_deref()),
            (Some(10), Some("rw"))
        );
        assert!(last.allow());
    }

    #[test]
    fn a_directory_means_all_that_is_in_it() {
        let host = with_nodes();
        let nodes = nodes(&asked("/dev/dri", "/dev/gpu", "rwm"), &host).unwrap();
        let paths: Vec<_> = nodes
            .iter()
            .map(|n| n.path().display().to_string())
            .collect();
        assert_eq!(paths, ["/dev/gpu/card0", "/dev/gpu/by/x"]);
    }

    #[test]
    fn everything_is_denied_first_unless_privileged() {
        let mut isolation = Isolation::default();
        let all = rules(&isolation, &host()).unwrap();
        assert!(!all[0].allow() && all[0].typ().is_none());
        assert!(all[1..].iter().all(|r| r.typ() == Some(LinuxDeviceType::C)));
        isolation.privileged = true;
        let all = rules(&isolation, &host()).unwrap();
        assert!(all.len() == 1 && all[0].allow());
    }

    #[test]
    fn privileged_has_the_hosts_nodes_but_its_own_terminals() {
        let mut host = with_nodes();
        host.devices = ["/dev/kvm", "/dev/pts/0", "/dev/console", "/dev/shmx"]
            .map(|path| node(path, 1, 1))
            .to_vec();
        let mut isolation = asked("/dev/fuse", "/dev/kvm", "rwm");
        isolation.privileged = true;
        let all = nodes(&isolation, &host).unwrap();
        let shown: Vec<_> = all
            .iter()
            .map(|n| (n.path().display().to_string(), n.major()))
            .collect();
        let want = [("/dev/shmx".to_owned(), 1), ("/dev/kvm".to_owned(), 10)];
        assert_eq!(shown, want);
    }

    #[test]
    fn rules_as_they_are_typed() {
        for (text, want) in [
            ("c 1:3 rwm", Some((Some(1), Some(3)))),
            ("b 8:* r", Some((Some(8), None))),
            ("a *:* m", Some((None, None))),
            ("c 1:3", None),
            ("c 1:3 x", None),
            ("c 1:3 rr", None),
            ("d 1:3 r", None),
            ("c 1 r", None),
            ("c -1:3 r", None),
            ("c +1:3 r", None),
            ("c 1:3 r w", None),
            ("c 99999999999:3 r", None),
            ("c :3 r", None),
        ] {
            let got = parse_rule(text).map(|r| (r.major(), r.minor()));
            assert_eq!(got, want, "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_told() {
        let host = with_nodes();
        let e = nodes(&asked("/dev/none", "/x", "r"), &host).unwrap_err();
        assert!(e.to_string().contains("/dev/none"), "{e}");
        let e = rules(&asked("/dev/fuse", "/x", "rx"), &host).unwrap_err();
        assert!(e.to_string().contains("invalid device mode: \"rx\""), "{e}");
        let e = nodes(&asked("/dev/fuse", "x", "r"), &host).unwrap_err();
        assert!(e.to_string().contains("not absolute"), "{e}");
    }
}
