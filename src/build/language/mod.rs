//! The language of Dockerfiles: text in, a checked tree out. Pure: nothing is
//! opened, and nothing is known of images but their names.
//!
//! [`ast`] is what a Dockerfile says.

pub mod ast;
pub mod span;

pub use ast::*;
pub use span::{Span, Word};
