//! Archives and trees of files against the real kernel: hostile archives, races,
//! layers on a mounted overlayfs, and GNU tar as the other opinion.
//!
//! These use the library, for there is no command yet that stands for a part of
//! it alone. Each test works in a directory of its own, and looks at a tree
//! beside the one that is unpacked into, which must stay as it is.

mod copying;
mod diff;
mod gnu;
mod hostile;
mod layers;
mod races;
mod support;
mod trees;
