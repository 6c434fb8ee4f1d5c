//! rcon, a local container runtime.
//!
//! One direction: arguments ([`cli`], [`oci`]) become a configuration, that
//! and the [`facts`] about this host a [`plan`], which is told by [`render`]
//! and performed by [`run`]. [`cgroup`] and [`seccomp`] know their matters for
//! both planning and performing; [`sys`] is the kernel's border, and the only
//! home of unsafe code. `docs/architecture.md` is the tour.
#![deny(unsafe_code)]

pub mod cgroup;
pub mod cli;
pub mod error;
pub mod facts;
pub mod logs;
pub mod oci;
pub mod plan;
pub mod render;
pub mod run;
pub mod seccomp;
pub mod sys;
