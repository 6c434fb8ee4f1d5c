//! A plan for people: in words and as shell.

pub mod json;
pub mod shell;
pub mod words;
