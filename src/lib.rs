//! rcon, a local container runtime.
#![deny(unsafe_code)]

pub mod error;
pub mod seccomp;
pub mod sys;
