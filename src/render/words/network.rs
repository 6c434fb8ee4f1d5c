//! Bridges and interfaces in words.

use super::values::{list, quoted};
use crate::network::wanted::{Bridge, Interface, Wire};

pub(super) fn bridge(bridge: &Bridge) -> String {
    let what = if bridge.internal {
        "; nothing goes in or out"
    } else {
        "; what leaves it carries this machine's address, and nobody outside begins a conversation"
    };
    format!(
        "make sure that there is a bridge {} with the addresses {}{what}",
        quoted(&bridge.name),
        list(&bridge.addresses, ToString::to_string)
    )
}

pub(super) fn make(interface: &Interface) -> String {
    let mtu = match interface.mtu {
        0 => String::new(),
        n => format!(" and packets of at most {n} bytes"),
    };
    let (name, mac) = (quoted(&interface.name), quoted(&interface.mac));
    let inside = format!("{name} in the container, with the hardware address {mac}{mtu}");
    match &interface.wire {
        Wire::Bridge {
            bridge,
            port,
            apart,
        } => format!(
            "make a pair of interfaces: {} in the bridge {}{}, and {inside}",
            quoted(port),
            quoted(bridge),
            if *apart {
                ", apart from others there"
            } else {
                ""
            }
        ),
        Wire::Macvlan { parent, mode } => format!(
            "share the wire of {} ({}) with {inside}",
            quoted(parent),
            quoted(mode)
        ),
    }
}

pub(super) fn arrange(interface: &Interface) -> String {
    let out = match interface.gateways.as_slice() {
        [] => String::new(),
        all => format!(
            ", and send through it by {} what has no way of its own",
            list(all, ToString::to_string)
        ),
    };
    let has = match interface.addresses.as_slice() {
        [] => "no address".to_owned(),
        all => list(all, ToString::to_string),
    };
    format!("switch on {} with {has}{out}", quoted(&interface.name))
}
