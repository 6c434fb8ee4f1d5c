//! Flags and commands that mean nothing where they stand: what to do instead.

use clap::error::{ContextKind, ErrorKind};

use crate::error::Error;

/// Each flag, why it is not there, and what helps.
const FOREIGN: &[(&str, &str, &str)] = &[
    (
        "--explain",
        "this command does not start a program whose steps could be told",
        "`rcon run`, `start` and `exec` have it",
    ),
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

/// Commands that stand behind another word.
const ELSEWHERE: &[(&str, &str)] = &[("df", "rcon system df"), ("prune", "rcon system prune")];

/// What to say about a flag or a command that somebody has good reason to
/// look for.
pub fn explain(e: &clap::Error) -> Option<Error> {
    if e.kind() == ErrorKind::InvalidSubcommand {
        let typed = e.get(ContextKind::InvalidSubcommand)?.to_string();
        let (word, there) = ELSEWHERE.iter().find(|(word, _)| *word == typed)?;
        let cause = format!("unrecognized subcommand '{word}'");
        return Some(Error::user(cause).hint(format!("see `{there}`")));
    }
    if e.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let typed = e.get(ContextKind::InvalidArg)?.to_string();
    let flag = typed.split(['=', ' ']).next().unwrap_or_default();
    let (flag, why, instead) = FOREIGN.iter().find(|(name, ..)| *name == flag)?;
    Some(Error::user(format!("{flag}: {why}")).hint(*instead))
}
