//! The only home of `unsafe` and of raw system calls.
//!
//! Every function here is one kernel call or a fixed handful of them, takes
//! and gives ordinary Rust types, and fails with a [`SysError`] that reads as
//! `strace` would have printed it: the call, its arguments with symbolic
//! flags, and the errno. Nothing here decides anything: no policy, no paths of
//! rcon's own, no knowledge of containers.
#![allow(unsafe_code, reason = "raw system calls live here and nowhere else")]

mod error;

pub mod seccomp;

pub use error::{SysError, SysResult, flag_names};
