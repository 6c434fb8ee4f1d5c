//! The language of Dockerfiles: text in, a checked tree out. Pure: nothing is
//! opened, and nothing is known of images but their names.
//!
//! [`ast`] is what a Dockerfile says; [`parse()`] reads one; a [`Diagnostic`] is
//! what is wrong with it and where; an [`Expander`] works out the variables of
//! a [`Word`]. On the way from text to tree: `lines` joins continued lines,
//! `heredoc` takes the documents below them, `words` cuts what is left, and
//! `instructions` knows each one; `stages` and `doubts` look at
//! all together.
//!
//! What counts as right is what Docker's own builder takes, to the letter
//! where Dockerfiles depend on it. Where that one would only fail later, in
//! the middle of a build, it is said here.

pub mod ast;
mod diagnostic;
mod doubts;
mod expand;
mod heredoc;
mod instructions;
mod lines;
mod mount;
mod parse;
mod span;
mod stages;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use ast::*;
pub(in crate::build) use diagnostic::near;
pub use diagnostic::{Diagnostic, excerpt};
pub use expand::{Expander, Lookup};
pub use parse::{parse, parse_trigger};
pub use span::{Span, Word};
