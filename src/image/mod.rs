//! Images: from a name to the directories a container's root is laid over.
//!
//! ```text
//! <root>/images/                    an OCI image layout: skopeo and umoci open it in place
//!     oci-layout, index.json        the names, and nothing else that could contradict them
//!     blobs/sha256/<hex>            documents, configurations and packed layers
//!     lock                          shared by who looks, exclusive for an instant of change
//!     journal                       what a change is about; there only while one is made
//!     stage/<random>/               blobs on their way here, until they are whole
//!     kept/<name>                   blobs and layers that stay without an image: a build's cache
//! <root>/layers/<diff id>/          an unpacked layer, shared by all images that have it
//! <root>/layers/chain-<chain id>/   one with hard links into the layers below it
//! <root>/layers/<name>.size         the bytes of its files
//! <root>/layers/.tmp-<random>-…     being unpacked, for the stage of that name
//! ```
//!
//! [`mod@reference`] is what images are called, [`manifest`], [`config`] and
//! [`platform`] what is written in them; all pure. [`Images`] is what is here,
//! [`Stage`] the only way anything comes here: whatever brings an image fills
//! a stage with blobs, has the layers unpacked ([`unpack`]) and commits. Nothing
//! is seen of an image before all of it is here.

pub mod archive;
pub mod config;
pub mod hello;
pub mod instruction;
mod kept;
pub mod make;
pub mod manifest;
mod packing;
pub mod platform;
pub mod pull;
pub mod push;
pub mod reference;
mod stage;
mod store;
mod summed;
#[cfg(test)]
mod testing;
mod unpack;

pub use config::ImageConfig;
pub use kept::Kept;
pub use packing::{Packing, decoded, opened};
pub use stage::{BlobWriter, Stage};
pub use store::{Guard, Image, Images, Name, Removed};
pub use summed::SummedFile;
pub use unpack::chain_ids;
