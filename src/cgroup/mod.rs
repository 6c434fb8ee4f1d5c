//! Control groups: the kernel's way to name a set of processes, limit what it
//! may use, and end all of it at once.
//!
//! Two halves. The pure one works on text and values and is tested without
//! privilege: [`layout`] (what this machine has), [`paths`] (where a container
//! goes), [`mod@limits`] (which file gets which value), [`devices`] and [`ebpf`]
//! (who may open what), [`stats`] (reading the counters). The other one,
//! [`ops`], carries it out through descriptors opened below a mount that has
//! been checked to be cgroupfs.
//!
//! v1, v2 and hybrid machines all work, by one rule: a limit goes where its
//! controller is. What was asked for and cannot be had is an error that names
//! the field of `config.json`.

pub mod devices;
pub mod ebpf;
pub mod layout;
pub mod limits;
pub mod ops;
pub mod paths;
pub mod stats;

pub use devices::DeviceList;
pub use layout::Layout;
pub use limits::{Write, limits};
pub use ops::Cgroup;
pub use paths::CgroupPaths;
