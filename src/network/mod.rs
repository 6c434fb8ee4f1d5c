//! Networks: what connects containers with each other and with the world.
//!
//! ```text
//!   container            this machine                      the world
//!   +---------+          +------------------------------+
//!   |    eth0 |==pair====| rv…  bridge rc-…   172.17.0.1 |
//!   +---------+          |        |                     |
//!   +---------+          |        +-- table rcon-… -----|--> masqueraded
//!   |    eth0 |==pair====| rv…                          |
//!   +---------+          +------------------------------+
//! ```
//!
//! [`record`] is what is kept of a network and of those in it, [`store`] and
//! [`members`] keep it; [`design`] and [`subnets`] work out what it is to be. [`connection`] is
//! a container in its networks; it comes to [`wanted`], which is data that a
//! plan can hold, and [`bridge`] and [`interface`] make that come true, in the
//! words of [`netlink`]. [`names`] writes the files by which programs find
//! names. [`publish`] binds ports of the host's ([`holder`] says who has one),
//! [`worker`] moves what comes there, with [`source`] inside the container to have
//! answers find back, and answers look-ups: it asks its keeper ([`inquiry`]), which has
//! [`knowledge`]. [`firewall`] looks
//! at other tools' filters, by what [`verdict`] makes of them; [`leftovers`] for
//! what should not be there, [`health`] for what should and is lost, [`spoilt`]
//! for records that cannot be read. [`room`] has a network move that somebody
//! else has taken the place of. Nothing here knows of images.

pub mod bridge;
pub mod cidr;
pub mod connection;
pub mod design;
pub mod firewall;
pub mod health;
pub mod holder;
pub mod inquiry;
pub mod interface;
pub mod knowledge;
pub mod leftovers;
mod members;
pub mod names;
pub mod netlink;
pub mod publish;
pub mod record;
pub mod resolver;
pub mod room;
pub mod source;
pub mod spoilt;
pub mod store;
pub mod subnets;
pub mod verdict;
pub mod wanted;
pub mod worker;
