//! The desired container: validated, pure data.
//!
//! [`Config`] is what was asked for, complete and free of the command line it
//! came from; it is written once and never changed but by `update`. [`State`]
//! is what became of it. Neither knows where it is kept ([`crate::store`]) nor
//! how it comes true ([`crate::spec`], [`crate::plan`], [`crate::run`]).

mod config;
mod id;
mod idmap;
pub mod image;
mod merge;
mod mounts;
mod network;
mod policy;
mod resources;
mod state;
mod time;

pub use config::{
    BuildStep, Config, Image, Isolation, Program, Root, SCHEMA, Seccomp, Security, Sharing, Ulimit,
};
pub use id::{Id, Name, check_name};
pub use idmap::{IdMap, Triple};
pub use image::{ImageDefaults, ImageHealthcheck};
pub use merge::{HealthOverride, Overrides, merge};
pub use mounts::{Device, Mount, MountKind, TmpfsOptions, VolumeWish};
pub use network::{Endpoint, Network, NetworkMode, Port, Protocol};
pub use policy::{Healthcheck, LogConfig, Restart};
pub use resources::{DeviceRate, DeviceWeight, Resources};
pub use state::{Health, HealthStatus, Probe, State, Status};
pub use time::{Clock, Timestamp};
