//! A plan for people: in words, as shell, as JSON.
//!
//! What lives here only reads plans; nothing here decides, looks at the host
//! or changes anything. Every value that came from `config.json` is untrusted
//! text: each way of telling has one function that makes it harmless, and all
//! values pass through it.

pub mod json;
pub mod shell;
pub mod words;
