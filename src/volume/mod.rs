//! Volumes: directories that outlive the containers that write to them.
//!
//! What is kept of one is [`record`], where and under which locks [`store`],
//! what the driver's options mean [`options`]. [`arrange`] is what a new
//! container does with them: they come to be, and the image's files go into
//! the empty ones ([`fill`]). [`attach`] is what a container that starts and
//! ends does: volumes with a file system of their own are mounted while anybody
//! uses them. [`leftovers`] finds what killed commands have left of all that.
//!
//! Who uses a volume is not noted with it: it stands in the records of
//! containers ([`users`]), so nothing can be forgotten there.

pub mod arrange;
pub mod attach;
mod fill;
pub mod leftovers;
pub mod options;
pub mod record;
pub mod source;
pub mod store;
pub mod users;

pub use record::{Volume, check_name};
pub use store::Volumes;

use std::collections::BTreeMap;

use crate::events;
use crate::store::Store;

/// Tells those who follow events what has happened to a volume.
pub fn note(store: &Store, action: &str, name: &str, more: &[(&str, &str)]) {
    let own = [("driver", "local")];
    let all = own.iter().chain(more);
    let all: BTreeMap<String, String> = all
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    events::record(store, "volume", action, name, &all);
}
