//! rcon, a local container runtime.
#![deny(unsafe_code)]

pub mod cgroup;
pub mod cli;
pub mod error;
pub mod facts;
pub mod oci;
pub mod plan;
pub mod render;
pub mod run;
pub mod seccomp;
pub mod sys;
