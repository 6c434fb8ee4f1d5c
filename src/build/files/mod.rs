//! Files on their way into an image: which are meant ([`find`]), their sum
//! ([`sum`]), and how they come to be there ([`place`]).
//!
//! Everything is reached by descriptors inside the root it belongs to: neither
//! a link in the context nor one in an image leads out of it.

pub mod archive;
pub mod find;
pub mod mode;
pub mod pattern;
pub mod place;
pub mod sum;

use crate::archive::Entry;

/// A file or directory that is to be copied.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it is, below the root it comes from.
    pub from: Vec<u8>,
    /// What it is. Its path is that below the directory it goes to, and empty
    /// for a file whose name is found out there.
    pub entry: Entry,
    /// Its device and inode.
    pub id: (u64, u64),
    /// When its inode was last changed: seconds and nanoseconds.
    pub changed: (i64, i64),
    /// It has further names.
    pub linked: bool,
    /// It is here only for what is in it: one that is there already stays as
    /// it is.
    pub way: bool,
}

/// What one source of a `COPY` comes to.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Its own name.
    pub name: Vec<u8>,
    /// It is one file, which goes into a directory or takes its place.
    pub is_file: bool,
    /// All of it, a directory before what is in it.
    pub nodes: Vec<Node>,
}
