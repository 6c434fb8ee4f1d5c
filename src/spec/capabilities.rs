//! What root inside may do that others may not.
//!
//! Linux cuts root's power into some forty capabilities. A container's root
//! gets the fourteen that package managers and ordinary daemons need: to
//! change owners and users, to bind low ports, to `chroot`, to signal. Not
//! among them is anything that reaches beyond the namespaces: mounting,
//! loading modules, the clock, raw disks.
//!
//! The program's inheritable and ambient sets stay empty, whoever it runs as
//! (CVE-2022-24769): with inheritable capabilities a file's own could give
//! them back to an ordinary user. For a user other than root the kernel drops
//! the permitted set at the exec, so the same lists serve everybody.

use std::str::FromStr;

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities};

use super::HostFacts;
use crate::container::Isolation;
use crate::error::{Error, Result};
use crate::sys::identity::CapSet;

/// Docker's fourteen.
pub const DEFAULT: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Everything the container's root is given.
///
/// `--privileged` starts from all there is. Unlike in Docker, `--cap-drop`
/// still takes away from that: what somebody asked to be withheld is.
pub(super) fn granted(isolation: &Isolation, host: &HostFacts) -> Result<CapSet> {
    let add = listed(&isolation.cap_add, host, true)?;
    let drop = listed(&isolation.cap_drop, host, false)?;
    let all = host.grantable.0;
    let default = DEFAULT.iter().filter_map(|name| CapSet::bit(name));
    let default = default.fold(0, |all, bit| all | bit) & all;
    Ok(CapSet(match (add, drop) {
        _ if isolation.privileged => match drop {
            Named::All => add.bits(),
            Named::These(drop) => all & !drop,
        },
        (Named::All, drop) => all & !drop.bits(),
        (Named::These(add), Named::All) => add,
        (Named::These(add), Named::These(drop)) => default & !drop | add,
    }))
}

#[derive(Clone, Copy)]
enum Named {
    All,
    These(u64),
}

impl Named {
    /// `ALL` on both sides: what was added stays.
    fn bits(self) -> u64 {
        match self {
            Named::All => 0,
            Named::These(bits) => bits,
        }
    }
}

/// Reads names as they are typed: with or without `CAP_`, in any case.
fn listed(names: &[String], host: &HostFacts, giving: bool) -> Result<Named> {
    let flag = if giving { "--cap-add" } else { "--cap-drop" };
    let mut bits = 0;
    let mut all = false;
    for name in names {
        let upper = name.to_ascii_uppercase();
        let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if short == "ALL" {
            all = true;
            continue;
        }
        let bit = CapSet::bit(&format!("CAP_{short}")).ok_or_else(|| {
            Error::user(format!("{flag}: unknown capability: {name:?}"))
                .hint("as NET_ADMIN; capabilities(7) names them all")
        })?;
        if giving && host.grantable.0 & bit == 0 {
            return Err(Error::environment(format!(
                "{flag}: capability not supported by your kernel or not available in the current \
                 environment: {name:?}"
            )));
        }
        bits |= bit;
    }
    Ok(if all { Named::All } else { Named::These(bits) })
}

/// The same in the words of the specification.
pub(super) fn sets(granted: CapSet) -> LinuxCapabilities {
    let names = granted.names();
    let parse = |name: &String| Capability::from_str(name.strip_prefix("CAP_")?).ok();
    let set: Capabilities = names.iter().filter_map(parse).collect();
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(set.clone()))
        .set_effective(Some(set.clone()))
        .set_permitted(Some(set))
        .set_inheritable(None)
        .set_ambient(None);
    sets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::tests::host;

    fn names(privileged: bool, add: &[&str], drop: &[&str]) -> Vec<String> {
        let isolation = Isolation {
            privileged,
            cap_add: add.iter().map(|s| (*s).to_owned()).collect(),
            cap_drop: drop.iter().map(|s| (*s).to_owned()).collect(),
            ..Isolation::default()
        };
        granted(&isolation, &host()).unwrap().names()
    }

    #[test]
    fn the_default_is_dockers() {
        let mut got = names(false, &[], &[]);
        got.sort();
        assert_eq!(got, DEFAULT);
    }

    #[test]
    fn adding_and_dropping() {
        let has = |set: &[String], name: &str| set.iter().any(|n| n == name);
        let set = names(false, &["sys_admin", "CAP_NET_ADMIN"], &["Cap_Chown"]);
        assert!(has(&set, "CAP_SYS_ADMIN") && has(&set, "CAP_NET_ADMIN"));
        assert!(!has(&set, "CAP_CHOWN"));
        assert_eq!(set.len(), 15);
        assert!(names(false, &[], &["ALL"]).is_empty());
        assert_eq!(names(false, &["chown"], &["all"]), ["CAP_CHOWN"]);
        let most = names(false, &["ALL"], &["MKNOD"]);
        assert!(!has(&most, "CAP_MKNOD") && has(&most, "CAP_SYS_ADMIN"));
        let both = names(false, &["ALL"], &["ALL"]);
        assert!(has(&both, "CAP_SYS_ADMIN"));
        let added_last = names(false, &["CHOWN"], &["CHOWN"]);
        assert!(has(&added_last, "CAP_CHOWN"));
    }

    #[test]
    fn privileged_is_all_the_host_can_give_but_what_is_dropped() {
        assert_eq!(names(true, &[], &[]), host().grantable.names());
        let set = names(true, &[], &["SYS_MODULE"]);
        assert!(!set.contains(&"CAP_SYS_MODULE".to_owned()));
        assert_eq!(names(true, &["KILL"], &["ALL"]), ["CAP_KILL"]);
    }

    #[test]
    fn an_unknown_name_is_told() {
        for (flag, add, drop) in [
            ("--cap-add", vec!["FLY"], vec![]),
            ("--cap-drop", vec![], vec!["CAP_FLY"]),
        ] {
            let isolation = Isolation {
                cap_add: add.iter().map(|s: &&str| (*s).to_owned()).collect(),
                cap_drop: drop.iter().map(|s: &&str| (*s).to_owned()).collect(),
                ..Isolation::default()
            };
            let e = granted(&isolation, &host()).unwrap_err().to_string();
            assert!(
                e.starts_with(flag) && e.contains(": unknown capability: ") && e.contains("FLY"),
                "{e}"
            );
        }
    }

    #[test]
    fn what_the_host_lacks_is_refused_when_asked_for_and_only_then() {
        let mut host = host();
        host.grantable.0 &= !CapSet::bit("CAP_MKNOD").unwrap();
        let mut isolation = Isolation::default();
        let set = granted(&isolation, &host).unwrap();
        assert!(!set.names().contains(&"CAP_MKNOD".to_owned()));
        isolation.cap_add = vec!["mknod".to_owned()];
        let e = granted(&isolation, &host).unwrap_err().to_string();
        assert!(e.contains("\"mknod\""), "{e}");
    }

    #[test]
    fn nothing_is_inheritable_or_ambient() {
        let sets = sets(host().grantable);
        let bounding = sets.bounding().as_ref().unwrap();
        assert_eq!(bounding.len(), host().grantable.names().len());
        assert_eq!((sets.inheritable(), sets.ambient()), (&None, &None));
    }
}
