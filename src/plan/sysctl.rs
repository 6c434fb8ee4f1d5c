//! `linux.sysctl`: kernel parameters that belong to one of the namespaces.

use super::Container;
use super::action::{Action, Namespace};
use super::steps::Steps;
use crate::error::{Error, Result};

/// Kernel parameters that belong to a namespace. Any other would change the
/// host, and is refused.
pub(super) fn set_sysctls(s: &mut Steps, c: &Container<'_>) -> Result<()> {
    let list = c.linux().and_then(|l| l.sysctl().as_ref());
    let mut list: Vec<_> = list.into_iter().flatten().collect();
    list.sort();
    for (key, value) in list {
        let field = || format!("config.json: linux.sysctl: {key}");
        // Some write slashes; a value with a line break could smuggle another.
        let dotted = if key.contains('/') {
            key.replace('.', "\0").replace('/', ".").replace('\0', "/")
        } else {
            key.clone()
        };
        if value.contains(['\n', '\0']) {
            return Err(Error::user("the value has a line break").context(field()));
        }
        if dotted
            .split(['.', '/'])
            .any(|part| part.is_empty() || part == "..")
        {
            return Err(Error::user("not the name of a kernel parameter").context(field()));
        }
        if dotted == "kernel.hostname" {
            let e = Error::user("set by another field").context(field());
            return Err(e.hint("use hostname in config.json"));
        }
        let Some(kind) = sysctl_namespace(&dotted) else {
            return Err(
                Error::user("does not belong to a namespace, so it would change the host")
                    .context(field()),
            );
        };
        if !c.namespaces.has(kind) {
            let name = kind.spec_name();
            return Err(Error::user(format!(
                "belongs to the {name} namespace, which is the host's"
            ))
            .context(field()));
        }
        s.init(
            Action::SetSysctl {
                key: dotted,
                value: value.clone(),
            },
            "a parameter of its own namespace",
        );
    }
    Ok(())
}

pub(super) fn sysctl_namespace(key: &str) -> Option<Namespace> {
    const IPC: &[&str] = &[
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "kernel.auto_msgmni",
        "kernel.msg_next_id",
        "kernel.sem_next_id",
        "kernel.shm_next_id",
    ];
    if IPC.contains(&key) || key.starts_with("fs.mqueue.") {
        Some(Namespace::Ipc)
    } else if key.starts_with("net.") {
        Some(Namespace::Network)
    } else if key == "kernel.domainname" {
        Some(Namespace::Uts)
    } else {
        None
    }
}
