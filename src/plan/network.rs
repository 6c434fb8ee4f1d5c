//! Planning a container's network: the launcher makes interfaces from outside,
//! while init goes on with its mounts.

use super::Container;
use super::action::{Action, Actor, Namespace, Signal};
use super::steps::Steps;

/// What the launcher does once there is a network namespace. It is done before
/// it lets the program start, so init need not wait for it.
pub(super) fn connect(s: &mut Steps, c: &Container<'_>) {
    let wanted = &c.options.network;
    if wanted.interfaces.is_empty() || !c.namespaces.makes(Namespace::Network) {
        return;
    }
    for bridge in &wanted.bridges {
        s.launcher(
            Action::EnsureBridge {
                bridge: bridge.clone(),
            },
            "the first container of a network makes it, and it stays for the next",
        );
    }
    s.handover(
        Actor::Init,
        Actor::Launcher,
        Signal::NetworkMade,
        "only who is outside has power over both ends",
    );
    for interface in &wanted.interfaces {
        s.launcher(
            Action::MakeInterface {
                interface: interface.clone(),
            },
            "made in the container at once, so that it never stands among the host's",
        );
        s.launcher(
            Action::ArrangeInterface {
                interface: interface.clone(),
            },
            "from outside, so that the container needs no power over its network",
        );
    }
}

/// A kernel parameter of an interface is there only when that is.
pub(super) fn await_connection(s: &mut Steps, c: &Container<'_>) {
    let names: Vec<&str> = c
        .options
        .network
        .interfaces
        .iter()
        .map(|i| i.name.as_str())
        .collect();
    let sysctls = c.linux().and_then(|l| l.sysctl().as_ref());
    let of_interface = |key: &String| key.split('.').any(|part| names.contains(&part));
    if sysctls.is_some_and(|all| all.keys().any(of_interface)) {
        s.handover(
            Actor::Launcher,
            Actor::Init,
            Signal::Connected,
            "the parameters that come next are an interface's",
        );
    }
}
