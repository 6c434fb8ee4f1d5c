//! What is typed behind flags, and what people write in the files they name.

use std::path::Component;

use rcon::cli::flags::parse::{
    csv, device, duration, env, host, keys, mount, network, pair, paths, platform, port, restart,
    security, tmpfs, ulimit, units, volume,
};
use rcon::container::Mount;
use rcon::error::Result;
use rcon::network::cidr::Cidr;
use rcon::plan::options::MountOptions;

use super::text;

/// Pieces of what people type.
pub const WORDS: &[&str] = &[
    "type=bind",
    "type=volume",
    "type=tmpfs",
    "type=image",
    "source=",
    "target=",
    "dst=/",
    "readonly",
    "volume-opt=",
    "tmpfs-size=1g",
    "bind-propagation=rslave",
    ":ro,z",
    ":/",
    "../",
    "/..",
    "//",
    "127.0.0.1:",
    "[::1]:",
    "8000-8005:3000-3005",
    "65535",
    "65536",
    "/udp",
    "\"a,b\"",
    "\"\"",
    "always",
    "on-failure:3",
    "seccomp=",
    "label=disable",
    "nofile=1:2",
    "-1",
    "9223372036854775807",
    "1e400",
    "0.1g",
    "1h1m1s",
    "idmap=uids=0-0-1",
    "ctrl-p,ctrl-q",
    "vendor.com/class=name",
    "10.0.0.0/8",
    "fe80::/64",
    "host-gateway",
];

/// Each is understood or refused in one line that has the cause.
pub fn all(bytes: &[u8]) {
    let text = text(bytes);
    for read in read(&text) {
        if let Err(e) = read {
            let told = e.to_string();
            assert!(!told.contains(['\n', '\x1b']), "{told:?}");
        }
    }
    let mounts = [
        volume::parse(&text),
        mount::parse(&text),
        tmpfs::parse(&text),
    ];
    for mount in mounts.iter().flatten() {
        check_target(mount);
    }
    if let Ok(ports) = port::parse(&text) {
        assert!(!ports.0.is_empty() && ports.0.len() <= 65_536);
    }
    if let Ok(cidr) = text.parse::<Cidr>() {
        assert_eq!(cidr.to_string().parse::<Cidr>().ok(), Some(cidr));
        assert!(cidr.first() <= cidr.last());
    }
    let words: Vec<&str> = text.split(',').take(50).collect();
    let _ = MountOptions::parse(&words).check_bind(false);
}

fn read(text: &str) -> Vec<Result<()>> {
    let lookup: env::Lookup<'_> = &|name| (name.len() % 2 == 1).then(|| name.to_owned());
    vec![
        csv::fields(text).map(drop),
        device::parse(text).map(drop),
        device::gpus(text).map(drop),
        device::rule(text).map(drop),
        device::rate(text).map(drop),
        device::operations(text).map(drop),
        device::weight(text).map(drop),
        duration::parse(text).map(drop),
        env::parse(text, lookup).map(drop),
        env::parse_file(text, lookup).map(drop),
        env::parse_labels(text).map(drop),
        host::extra(text).map(drop),
        host::address(text).map(drop),
        host::domain(text).map(drop),
        host::resolver_option(text).map(drop),
        host::mac(text).map(drop),
        host::hostname(text).map(drop),
        keys::parse(text).map(drop),
        mount::parse(text).map(drop),
        network::parse(text).map(drop),
        pair::label(text).map(drop),
        pair::sysctl(text).map(drop),
        pair::log_option(text).map(drop),
        pair::volume_option(text).map(drop),
        paths::target(text).map(drop),
        paths::inside(text).map(drop),
        platform::parse(text).map(drop),
        port::parse(text).map(drop),
        restart::parse(text).map(drop),
        security::parse(text).map(drop),
        tmpfs::parse(text).map(drop),
        ulimit::parse(text).map(drop),
        units::size(text).map(drop),
        units::size_or_unlimited(text).map(drop),
        units::cpus(text).map(drop),
        units::number(text, i64::MIN, i64::MAX).map(drop),
        volume::parse(text).map(drop),
    ]
}

/// Nothing is mounted over the root or outside of it.
fn check_target(mount: &Mount) {
    let target = &mount.target;
    assert!(
        target.is_absolute() && target.parent().is_some(),
        "{target:?}"
    );
    let mut parts = target.components().skip(1);
    assert!(
        parts.all(|part| matches!(part, Component::Normal(_))),
        "{target:?}"
    );
}
