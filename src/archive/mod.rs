//! Archives (tar) in both directions, and the trees of files they come from
//! and go to.
//!
//! This carries image layers, `cp`, `export` and `diff`. All of it is done by
//! descriptors and in this process: an archive, a container that changes its
//! files meanwhile, or a program planted in an image can neither lead it out
//! of the directory it was given nor have anything executed. Compression,
//! digests and where layers are kept are not known here.
//!
//! The reader is strict ([`reader`]), the one way in is [`unpack()`], the one way
//! out [`pack()`]; [`copy`] has the rules of `docker cp`, [`changes()`] those of
//! `docker diff`.

mod below;
mod changes;
pub mod copy;
mod entry;
mod header;
mod overlay;
mod owner;
mod pack;
mod pax;
mod place;
mod places;
pub mod reader;
mod remove;
mod room;
mod root;
mod sparse;
pub mod tree;
mod unpack;
mod writer;

pub use below::Below;
pub use changes::{Change, ChangeKind, changes};
pub use entry::{Entry, Kind, Time};
pub use header::is_archive;
pub use owner::{IdMaps, IdRange, Ownership};
pub use pack::{Pack, describe, pack};
pub use place::make_special;
pub use places::take_places_away;
pub use reader::Reader;
pub use remove::remove_all;
pub use room::{Room, room_beside, room_in};
pub use tree::du;
pub use unpack::{Conflict, Limits, Rename, Summary, Unpack, unpack, unpack_over};
pub use writer::Writer;
