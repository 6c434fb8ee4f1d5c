//! What a container sees of networks.
//!
//! So far the files that name things: the bridges themselves come with
//! published ports.

pub mod names;
pub mod worker;
