//! `--sysctl`: kernel parameters that belong to a namespace of the container.
//!
//! A parameter that belongs to no namespace would change the whole machine,
//! and one of a namespace that is shared would change it for others; both are
//! refused. So is every key that is not plainly one key: in CVE-2022-0811 a
//! value carried a second key, `kernel.core_pattern`, past such a check.

use std::collections::HashMap;

use oci_spec::runtime::LinuxNamespaceType as Namespace;

use super::Inputs;
use super::namespaces::{own_network, owns_network};
use crate::container::Sharing;
use crate::error::{Error, Result};
use crate::sysctl;

/// Those that were asked for, and the two that Docker sets by itself.
pub(super) fn sysctls(i: &Inputs<'_>) -> Result<Option<HashMap<String, String>>> {
    let mut all = defaults(i);
    for (key, value) in &i.config.isolation.sysctls {
        let key = checked_key(key)?;
        check_value(&key, value)?;
        check_namespace(&key, i)?;
        all.insert(key, value.clone());
    }
    Ok((!all.is_empty()).then_some(all))
}

/// In a network of its own nobody else is hurt if any user binds port 80 or
/// pings, and a container needs two capabilities less for it. A group range
/// needs groups that a user namespace may not have.
fn defaults(i: &Inputs<'_>) -> HashMap<String, String> {
    let mut all = HashMap::new();
    let settable = own_network(i) && owns_network(i);
    if settable && i.config.isolation.userns.is_none() {
        let ping = "net.ipv4.ping_group_range".to_owned();
        all.insert(ping, "0 2147483647".to_owned());
    }
    if settable && i.host.kernel >= (4, 11) {
        let port = "net.ipv4.ip_unprivileged_port_start".to_owned();
        all.insert(port, "0".to_owned());
    }
    all
}

/// The key in one spelling, if it is plainly one key.
fn checked_key(key: &str) -> Result<String> {
    let dotted = sysctl::dotted(key);
    let fine = |c: char| c.is_ascii_alphanumeric() || "_-:@".contains(c);
    let part = |part: &str| !part.is_empty() && part.chars().all(fine);
    if dotted.contains('.') && dotted.split(['.', '/']).all(part) {
        return Ok(dotted);
    }
    Err(Error::user(format!(
        "sysctl {key:?} is not the name of a kernel parameter"
    )))
}

fn check_value(key: &str, value: &str) -> Result<()> {
    let fine = |c: char| c == '\t' || !c.is_control();
    if !value.is_empty() && value.chars().all(fine) {
        return Ok(());
    }
    Err(Error::user(format!(
        "sysctl {key}: invalid value {value:?}"
    )))
}

fn check_namespace(key: &str, i: &Inputs<'_>) -> Result<()> {
    let (own, which) = match sysctl::owner(key) {
        Some(Namespace::Network) => (own_network(i), "network"),
        Some(Namespace::Ipc) => (i.config.isolation.ipc == Sharing::Private, "ipc"),
        // A domain name has a flag of its own.
        _ => return Err(foreign(key)),
    };
    if own {
        return Ok(());
    }
    Err(Error::user(format!(
        "sysctl '{key}' is not allowed: the {which} namespace is shared"
    )))
}

fn foreign(key: &str) -> Error {
    let e = Error::user(format!("sysctl '{key}' is not allowed"));
    match key {
        "kernel.hostname" => e.hint("use --hostname"),
        "kernel.domainname" => e.hint("use --domainname"),
        _ => e.hint("it belongs to no namespace, so it would change the host"),
    }
}

#[cfg(test)]
mod tests {
    use crate::container::{NetworkMode, Sharing};
    use crate::spec::tests::Fixture;

    fn with(key: &str, value: &str) -> Fixture {
        let mut f = Fixture::default();
        let sysctls = &mut f.config.isolation.sysctls;
        sysctls.insert(key.to_owned(), value.to_owned());
        f
    }

    #[test]
    fn parameters_of_its_own_namespaces() {
        for (key, want) in [
            ("net.ipv4.ip_forward", "net.ipv4.ip_forward"),
            (
                "net/ipv4/conf/eth0.1/forwarding",
                "net.ipv4.conf.eth0/1.forwarding",
            ),
            ("kernel.shmmax", "kernel.shmmax"),
            ("fs.mqueue.msg_max", "fs.mqueue.msg_max"),
            (
                "net.ipv4.ip_unprivileged_port_start",
                "net.ipv4.ip_unprivileged_port_start",
            ),
        ] {
            let spec = with(key, "7 8").json();
            assert_eq!(spec["linux"]["sysctl"][want], "7 8", "{key}");
        }
    }

    #[test]
    fn parameters_of_the_host_are_refused() {
        for key in [
            "kernel.core_pattern",
            "vm.swappiness",
            "kernel.hostname",
            "kernel.domainname",
            "fs.file-max",
            "kernel.shmmax2",
            "netx.y",
        ] {
            let e = with(key, "1").error();
            assert!(e.contains(&format!("sysctl '{key}' is not allowed")), "{e}");
        }
    }

    #[test]
    fn cve_2022_0811_a_second_key_is_refused() {
        for key in [
            "net.ipv4.a=1\nkernel.core_pattern",
            "net.ipv4.a=b",
            "net.ipv4.a+kernel.core_pattern",
            "net.ipv4.a kernel.core_pattern",
            "net..a",
            "net.",
            "net/../kernel/core_pattern",
            "net.../kernel",
            "/net/ipv4",
            "",
            "net",
            "net.a\0",
        ] {
            let e = with(key, "1").error();
            assert!(
                e.contains("is not the name of a kernel parameter"),
                "{key:?}: {e}"
            );
        }
        for value in ["1\nkernel.core_pattern=|x", "1\0", "\r", ""] {
            let e = with("net.ipv4.ip_forward", value).error();
            assert!(e.contains("invalid value"), "{value:?}: {e}");
        }
    }

    #[test]
    fn shared_namespaces_are_left_alone() {
        let mut f = with("net.ipv4.ip_forward", "1");
        f.config.network.mode = NetworkMode::Host;
        assert!(f.error().contains("the network namespace is shared"));
        let mut f = Fixture::default();
        f.config.network.mode = NetworkMode::Host;
        assert!(f.json()["linux"]["sysctl"].is_null());
        let mut f = with("kernel.sem", "1");
        f.config.isolation.ipc = Sharing::Host;
        assert!(f.error().contains("the ipc namespace is shared"));
    }

    #[test]
    fn a_user_namespace_has_no_range_of_groups_for_ping() {
        let mut f = Fixture::default();
        let both = f.json()["linux"]["sysctl"].clone();
        assert_eq!(both["net.ipv4.ping_group_range"], "0 2147483647");
        assert_eq!(both["net.ipv4.ip_unprivileged_port_start"], "0");
        f.config.isolation.userns = Some((100_000, 65536));
        let one = f.json()["linux"]["sysctl"].clone();
        assert!(one["net.ipv4.ping_group_range"].is_null());
        assert_eq!(one["net.ipv4.ip_unprivileged_port_start"], "0");
    }
}
