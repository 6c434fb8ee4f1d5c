//! `--ulimit`: what a single process may use.
//!
//! Without any, the container inherits what rcon itself was started with, as
//! in Docker: the administrator of the host has decided that already.

use std::collections::BTreeMap;

use oci_spec::runtime::{PosixRlimit, PosixRlimitBuilder, PosixRlimitType as Type};

use crate::container::Ulimit;
use crate::error::{Error, Result};

/// Names as `ulimit` and `/etc/security/limits.conf` have them.
const NAMES: &[(&str, Type)] = &[
    ("core", Type::RlimitCore),
    ("cpu", Type::RlimitCpu),
    ("data", Type::RlimitData),
    ("fsize", Type::RlimitFsize),
    ("locks", Type::RlimitLocks),
    ("memlock", Type::RlimitMemlock),
    ("msgqueue", Type::RlimitMsgqueue),
    ("nice", Type::RlimitNice),
    ("nofile", Type::RlimitNofile),
    ("nproc", Type::RlimitNproc),
    ("rss", Type::RlimitRss),
    ("rtprio", Type::RlimitRtprio),
    ("rttime", Type::RlimitRttime),
    ("sigpending", Type::RlimitSigpending),
    ("stack", Type::RlimitStack),
];

/// The last of several for one name counts.
pub(super) fn rlimits(ulimits: &[Ulimit]) -> Result<Option<Vec<PosixRlimit>>> {
    let mut all = BTreeMap::new();
    for limit in ulimits {
        all.insert(limit.name.as_str(), rlimit(limit)?);
    }
    Ok((!all.is_empty()).then(|| all.into_values().collect()))
}

fn rlimit(limit: &Ulimit) -> Result<PosixRlimit> {
    let known = NAMES.iter().find(|(name, _)| *name == limit.name);
    let Some((_, typ)) = known else {
        return Err(Error::user(format!("invalid ulimit type: {}", limit.name)));
    };
    let (soft, hard) = (value(limit, limit.soft)?, value(limit, limit.hard)?);
    if soft > hard {
        return Err(Error::user(format!(
            "ulimit soft limit must be less than or equal to hard limit: {} > {}",
            limit.soft, limit.hard
        )));
    }
    let rlimit = PosixRlimitBuilder::default()
        .typ(*typ)
        .soft(soft)
        .hard(hard);
    Ok(super::built(rlimit.build()))
}

fn value(limit: &Ulimit, value: i64) -> Result<u64> {
    match value {
        -1 => Ok(u64::MAX),
        n => u64::try_from(n)
            .map_err(|_| Error::user(format!("ulimit {}: {n} is not a limit", limit.name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, soft: i64, hard: i64) -> Result<Option<Vec<PosixRlimit>>> {
        let name = name.to_owned();
        rlimits(&[Ulimit { name, soft, hard }])
    }

    #[test]
    fn each_name_and_no_limit() {
        for (name, typ) in NAMES {
            let all = of(name, 5, -1).unwrap().unwrap();
            assert_eq!(
                (all[0].typ(), all[0].soft(), all[0].hard()),
                (*typ, 5, u64::MAX)
            );
            assert_eq!(typ.to_string(), format!("RLIMIT_{}", name.to_uppercase()));
        }
        assert_eq!(rlimits(&[]).unwrap(), None);
    }

    #[test]
    fn what_cannot_be() {
        for (name, soft, hard, text) in [
            ("files", 1, 1, "invalid ulimit type: files"),
            ("as", 1, 1, "invalid ulimit type: as"),
            (
                "nofile",
                3,
                2,
                "must be less than or equal to hard limit: 3 > 2",
            ),
            ("nofile", -1, 2, "hard limit: -1 > 2"),
            ("nofile", -2, 2, "-2 is not a limit"),
        ] {
            let e = of(name, soft, hard).unwrap_err().to_string();
            assert!(e.contains(text), "{e}");
        }
    }

    #[test]
    fn the_last_counts() {
        let limit = |soft| Ulimit {
            name: "core".to_owned(),
            soft,
            hard: 9,
        };
        let all = rlimits(&[limit(1), limit(2)]).unwrap().unwrap();
        assert_eq!(all.iter().map(PosixRlimit::soft).collect::<Vec<_>>(), [2]);
    }
}
