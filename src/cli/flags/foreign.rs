//! Docker's flags that mean nothing to rcon: what to do instead.

use clap::error::{ContextKind, ErrorKind};

use crate::error::Error;

/// Each flag, why it is not there, and what helps.
const FOREIGN: &[(&str, &str, &str)] = &[
    (
        "--runtime",
        "rcon is the runtime itself",
        "leave it out; to run a bundle by another one, call that",
    ),
    (
        "--link",
        "links are a thing of the past in Docker, too",
        "containers of one network find each other by name: `rcon network create NET`, then --network NET",
    ),
    (
        "--link-local-ip",
        "a container has no link-local addresses of your choice",
        "--ip gives it an address in a network",
    ),
    (
        "--storage-opt",
        "a container's root has no storage driver to hand options to",
        "what it writes can be kept small with --read-only and --tmpfs /PATH:size=64m",
    ),
    (
        "--isolation",
        "that is for Windows",
        "on Linux a container is isolated by namespaces: leave it out",
    ),
    (
        "--volume-driver",
        "rcon has no plugins for volumes",
        "mount the file system on the host, and its directory with -v /DIR:/PATH",
    ),
    (
        "--kernel-memory",
        "Linux has no such limit any more",
        "--memory counts the kernel's memory, too",
    ),
    (
        "--disable-content-trust",
        "rcon checks no signatures that could be left unchecked",
        "leave it out",
    ),
    (
        "--cpu-count",
        "that is for Windows",
        "--cpus limits processors on Linux",
    ),
    (
        "--cpu-percent",
        "that is for Windows",
        "--cpus limits processors on Linux",
    ),
    (
        "--io-maxbandwidth",
        "that is for Windows",
        "--device-read-bps and --device-write-bps limit a disk on Linux",
    ),
    (
        "--io-maxiops",
        "that is for Windows",
        "--device-read-iops and --device-write-iops limit a disk on Linux",
    ),
];

/// What to say about a flag that only Docker has.
pub fn explain(e: &clap::Error) -> Option<Error> {
    if e.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let typed = e.get(ContextKind::InvalidArg)?.to_string();
    let flag = typed.split(['=', ' ']).next().unwrap_or_default();
    let (flag, why, instead) = FOREIGN.iter().find(|(name, ..)| *name == flag)?;
    Some(Error::user(format!("{flag}: {why}")).hint(*instead))
}
