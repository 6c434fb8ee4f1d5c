//! rcon, a local container runtime.
//!
//! One direction: arguments ([`cli`], [`oci`]) become a configuration, that
//! and the [`facts`] about this host a [`plan`], which is told by [`render`]
//! and performed by [`run`]. [`cgroup`] and [`seccomp`] know their matters for
//! both planning and performing; [`archive`] carries trees of files;
//! [`format`](mod@format) is how a listing looks;
//! [`sys`] is the kernel's border, and the only home of unsafe code.
//! `docs/architecture.md` is the tour.
#![deny(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod accounts;
pub mod archive;
pub mod build;
pub mod cgroup;
pub mod cli;
pub mod container;
pub mod error;
pub mod events;
pub mod facts;
pub mod foreground;
pub mod format;
pub mod hello;
pub mod image;
pub mod init;
pub mod keeper;
pub mod logs;
pub mod network;
pub mod oci;
pub mod parallel;
pub mod plan;
pub mod process;
pub mod ps;
pub mod registry;
pub mod render;
pub mod run;
pub mod say;
pub mod seccomp;
pub mod signal;
pub mod spec;
pub mod store;
pub mod sys;
pub mod sysctl;
pub mod timings;
pub mod volume;
