//! Volumes and bind mounts, driven as a person drives them: what an image's
//! files become in a volume, who sees what, what goes when, and what is left
//! when a command is killed in the middle of it.

#[path = "../common/mod.rs"]
mod common;
mod place;

mod binds;
mod commands;
mod content;
mod copying;
mod crash;
mod filesystems;
mod hostile;
mod life;
mod owners;
