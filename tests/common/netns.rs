//! A network of a test's own: what its containers want of this machine's
//! network (bridges, rules, switches) never touches the host's.

use super::needs;
use nix::sched::{CloneFlags, unshare};
use std::process::Command;

/// Moves this thread, and all that it starts from here on, into a network
/// namespace of its own. Whatever is made there goes with the last of them.
/// Without the power to do so nothing happens, and no bridge can be made.
pub fn leave_the_hosts_network() {
    if unshare(CloneFlags::CLONE_NEWNET).is_err() {
        return;
    }
    if let Some(busybox) = needs::busybox() {
        let up = ["ip", "link", "set", "lo", "up"];
        let _ = Command::new(busybox).args(up).status();
    }
}
