//! `linux.sysctl`: kernel parameters that belong to one of the namespaces.

use super::Container;
use super::action::Action;
use super::namespace::kind_of;
use super::steps::Steps;
use crate::error::{Error, Result};
use crate::sysctl;

/// Kernel parameters that belong to a namespace. Any other would change the
/// host, and is refused.
pub(super) fn set_sysctls(s: &mut Steps, c: &Container<'_>) -> Result<()> {
    let list = c.linux().and_then(|l| l.sysctl().as_ref());
    let mut list: Vec<_> = list.into_iter().flatten().collect();
    list.sort();
    for (key, value) in list {
        let field = || format!("config.json: linux.sysctl: {key}");
        let dotted = sysctl::dotted(key);
        // A second parameter could be smuggled in behind a line break.
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
        let Some(kind) = sysctl::owner(&dotted).map(kind_of) else {
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
