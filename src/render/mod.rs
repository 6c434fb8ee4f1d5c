//! A plan for people: in words and as shell.

pub mod words;
