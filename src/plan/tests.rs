//! Planning, without root and without facts of this machine.

mod fixtures;
mod golden;
mod invariants;
mod refusals;
