//! `/dev`: the nodes and links every container has, and those the bundle adds.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType};

use super::Container;
use super::action::{Action, Device};
use super::mounts::inside;
use crate::error::{Error, Result};

/// Every container has these, whatever its bundle says.
const DEFAULT_NODES: &[(&str, u32, u32)] = &[
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// And these links.
const DEFAULT_LINKS: &[(&str, &str)] = &[
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];

/// The nodes of the bundle, then the default ones it does not replace.
pub(super) fn nodes(c: &Container<'_>) -> Result<Vec<Device>> {
    let listed = c.linux().and_then(|l| l.devices().as_deref());
    let mut all = Vec::new();
    for (i, device) in listed.unwrap_or_default().iter().enumerate() {
        let named = |e: Error| e.context(format!("config.json: linux.devices[{i}]"));
        all.push(node(device).map_err(named)?);
    }
    for (path, major, minor) in DEFAULT_NODES {
        if !all.iter().any(|d: &Device| d.path == Path::new(path)) {
            all.push(Device {
                path: PathBuf::from(path),
                kind: libc::S_IFCHR,
                major: *major,
                minor: *minor,
                mode: 0o666,
                uid: 0,
                gid: 0,
            });
        }
    }
    Ok(all)
}

fn node(device: &LinuxDevice) -> Result<Device> {
    let kind = match device.typ() {
        LinuxDeviceType::C | LinuxDeviceType::U => libc::S_IFCHR,
        LinuxDeviceType::B => libc::S_IFBLK,
        LinuxDeviceType::P => libc::S_IFIFO,
        LinuxDeviceType::A => return Err(Error::user("type: \"a\" is not a kind of node")),
    };
    if !device.path().is_absolute() {
        let path = device.path().display();
        return Err(Error::user(format!("path: {path} is not absolute")));
    }
    let number = |name: &str, n: i64| {
        u32::try_from(n).map_err(|_| Error::user(format!("{name}: {n} is not a device number")))
    };
    Ok(Device {
        path: inside(device.path()),
        kind,
        major: number("major", device.major())?,
        minor: number("minor", device.minor())?,
        mode: device.file_mode().unwrap_or(0o666) & 0o7777,
        uid: device.uid().unwrap_or(0),
        gid: device.gid().unwrap_or(0),
    })
}

/// The links every container has.
pub(super) fn links() -> impl Iterator<Item = Action> {
    DEFAULT_LINKS.iter().map(|(path, target)| Action::MakeLink {
        path: PathBuf::from(path),
        target: PathBuf::from(target),
    })
}
