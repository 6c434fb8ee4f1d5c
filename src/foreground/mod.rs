//! A person in front of a program in a container: keys go in, what it says is
//! shown, signals are passed on, the size of the terminal follows.
//!
//! [`session`] is for a container with a keeper, whose connection it speaks
//! over; [`relay`] for a process that is our own child.

pub mod detach;
pub mod pipes;
pub mod relay;
pub mod session;
