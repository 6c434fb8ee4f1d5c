//! The border between a container and the host.

use clap::Args;

use super::super::parse::pair::{self, Pair};
use super::super::parse::security::{self, Choice};
use crate::error::{Error, Result};

/// What it may do.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Isolation")]
pub struct Isolation {
    /// Withhold nothing: root in it is as good as root here [default: a safe selection]
    #[arg(long)]
    pub privileged: bool,
    /// Give its root a further capability, as `NET_ADMIN`, or ALL [default: a safe selection]
    #[arg(long, value_name = "CAPABILITY", value_parser = capability)]
    pub cap_add: Vec<String>,
    /// Take a capability from its root, or ALL [default: none]
    #[arg(long, value_name = "CAPABILITY", value_parser = capability)]
    pub cap_drop: Vec<String>,
    /// seccomp=unconfined|default|FILE, no-new-privileges, apparmor=PROFILE, label=PART:VALUE, systempaths=unconfined [default: rcon's seccomp list]
    #[arg(long, value_name = "OPTION", value_parser = security::parse)]
    pub security_opt: Vec<Choice>,
    /// Set a kernel parameter of its own namespaces, as `net.ipv4.ip_forward=1` [default: the kernel's]
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair::sysctl)]
    pub sysctl: Vec<Pair>,
    /// Whose processes it sees: private, host or container:NAME [default: private]
    #[arg(long, value_name = "MODE")]
    pub pid: Option<String>,
    /// Whose shared memory and queues it uses: private, shareable, host or container:NAME [default: private]
    #[arg(long, value_name = "MODE")]
    pub ipc: Option<String>,
    /// Whose host name it has: private or host [default: private]
    #[arg(long, value_name = "MODE")]
    pub uts: Option<String>,
    /// Whose users it has: host, or START:COUNT to be users of its own with these ids here [default: host]
    #[arg(long, value_name = "MODE")]
    pub userns: Option<String>,
    /// Whose cgroups it sees: private or host [default: private]
    #[arg(long, value_name = "MODE")]
    pub cgroupns: Option<String>,
}

/// In the kernel's spelling; which there are is the kernel's matter, too.
fn capability(text: &str) -> Result<String> {
    let upper = text.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if bare.is_empty() || !bare.chars().all(fine) {
        return Err(Error::user(format!("invalid capability {text:?}"))
            .hint("as in NET_ADMIN or CAP_NET_ADMIN, or ALL"));
    }
    Ok(if bare == "ALL" {
        "ALL".to_owned()
    } else {
        format!("CAP_{bare}")
    })
}
