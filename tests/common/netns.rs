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
    // Off in a machine that has just come up, and then the first container there
    // is told that it is on now. What is said is not to depend on that.
    let _ = std::fs::write("/proc/sys/net/ipv4/ip_forward", "1");
    if let Some(busybox) = needs::busybox() {
        let up = ["ip", "link", "set", "lo", "up"];
        let _ = Command::new(busybox).args(up).status();
    }
}
