//! What is said to the kernel about networks, over netlink.
//!
//! [`message`] writes requests and [`decode`] reads answers: pure, bytes in
//! and out. [`socket`] carries them. Above these three, [`link`], [`address`]
//! and [`route`] speak rtnetlink and [`nftables`] the language of packet
//! filters; [`ruleset`] reads what others have said in it. Nothing here knows what a container is, or which bridge is whose:
//! that is decided by whoever calls.

pub mod address;
pub mod decode;
pub mod link;
pub mod message;
pub mod nftables;
pub mod route;
pub mod rule;
pub mod ruleset;
pub mod socket;

pub use message::Message;
pub use socket::Socket;

#[cfg(test)]
mod tests;
