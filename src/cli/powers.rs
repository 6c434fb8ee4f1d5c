//! What no command that has to do with containers can do without.
//!
//! It is asked before anything is looked at: an ordinary user would get as far
//! as the first directory that is root's or the first mount, and find half of
//! something there. What needs no store (help, version, completion, the
//! manual, a login) never asks.

use crate::error::{Error, Result};
use crate::sys::identity::{self, CapSet};

/// Fails for who may neither mount nor is root. Root without that power may
/// still do a lot, but start a container: `starts` says that this is wanted.
pub fn check(starts: bool) -> Result<()> {
    let (uid, _) = identity::effective_ids();
    if uid == 0 && !starts {
        return Ok(());
    }
    judge(uid, identity::effective())
}

fn judge(uid: u32, caps: CapSet) -> Result<()> {
    let mount = CapSet::bit("CAP_SYS_ADMIN").unwrap_or_default();
    if caps.0 & mount != 0 {
        return Ok(());
    }
    if uid == 0 {
        return Err(Error::environment(
            "starting a container takes CAP_SYS_ADMIN, which this process does not have",
        )
        .hint("root inside of a container has it only if it was given: --cap-add SYS_ADMIN"));
    }
    Err(Error::environment(format!(
        "rcon has to mount and to change owners, which takes root, and this is user {uid}"
    ))
    .hint("use sudo; a store of one's own with --root does not change that yet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_is_told_what_to_do() {
        let admin = CapSet(CapSet::bit("CAP_SYS_ADMIN").unwrap());
        let others = CapSet(!admin.0);
        assert!(judge(1000, admin).is_ok());
        for few in [CapSet(0), others] {
            let e = judge(1000, few).unwrap_err().to_string();
            assert!(e.contains("user 1000") && e.contains("sudo"), "{e}");
        }
        assert!(judge(0, admin).is_ok());
        let e = judge(0, others).unwrap_err().to_string();
        assert!(e.contains("CAP_SYS_ADMIN"), "{e}");
    }
}
