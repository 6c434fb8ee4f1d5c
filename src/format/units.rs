//! Sizes, durations and moments, in the words people type and read.

pub mod duration;
pub mod size;
pub mod time;
