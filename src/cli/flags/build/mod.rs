//! The second stage, a file for each part of a container.

pub mod conflicts;
pub mod isolation;
pub mod limits;
pub mod mounts;
pub mod network;
pub mod program;
pub mod records;
