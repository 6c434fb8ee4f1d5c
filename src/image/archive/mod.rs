//! Images as files: archives that other tools write and read.
//!
//! What [`save()`] writes is an OCI layout and an archive of Docker's at once,
//! in one tar: the same blobs, and an index of each kind. [`load()`] reads both
//! kinds, packed or not. An archive is as hostile as a registry: its names
//! lead nowhere but into a table, and every sum is taken anew.

mod docker;
mod load;
mod oci;
mod save;
mod spool;

pub use load::{Loaded, load};
pub use save::{check, save, save_staged};
