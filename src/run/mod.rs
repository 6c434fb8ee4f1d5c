//! Plans come true here: the only code that performs steps.
//!
//! A start is one list of steps and up to three processes that walk along it,
//! each taking those that are its own (`walk`). The launcher is the process
//! the user started; [`launch()`] is its view of a start, from the first step to
//! a container that waits for its program, and [`Held::release`] lets it go.

mod advice;
mod attributes;
mod channel;
mod devices;
mod foreign;
mod hooks;
mod launch;
mod listener;
mod mounting;
mod overlay;
mod perform;
mod procfs;
mod program;
mod protect;
mod root;
mod shown;
mod terminal;
mod waiting;
mod walk;

pub use channel::{Failure, FailureKind, Message};
pub use hooks::{State, run as run_hook};
pub use launch::{Held, Launch, launch, release_over};
pub use overlay::{mount as mount_overlay, mount_at_once as mount_overlay_at_once};
pub use protect::protect_own_binary;
pub use shown::{Shown, as_mount, lay_out, leave_mounts};
pub use walk::Explain;
