//! Images: what they are called.
//!
//! How they come here from another machine is [`crate::registry`]'s matter.

pub mod reference;
