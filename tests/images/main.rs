//! Images, driven as a person drives them: the built binary, each test with a
//! private store and a registry of its own on loopback, other tools' opinion,
//! kills at random instants, and a disk that is full.
//!
//! What a test stands on is in [`place`]; one module for each concern.

#[path = "../common/mod.rs"]
mod common;
mod place;

mod commands;
mod crash;
mod disk;
mod mounted;
mod people;
mod registries;
mod running;
mod tools;
mod trees;
