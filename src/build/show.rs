//! What a person sees of a build, as far as it is known here: that steps
//! begin, say something and end. How that looks is for others to decide.

use std::time::Duration;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// Well.
    Done,
    /// It was done before.
    Cached,
    /// Not well, for this reason in a few words.
    Failed(String),
    /// Another failed, and it was not waited for.
    Stopped,
}

/// Is told how far a build is.
pub trait Show {
    /// A step begins.
    fn begin(&mut self, step: usize, title: &str);
    /// Its program says something; on standard error or not.
    fn output(&mut self, step: usize, errors: bool, bytes: &[u8]);
    /// Something about it that a person may want to know.
    fn note(&mut self, step: usize, text: &str);
    /// It has ended.
    fn end(&mut self, step: usize, how: &How, took: Duration);
    /// Something about the whole build.
    fn warn(&mut self, text: &str);
    /// Time has passed; and how long it may pass before the next time.
    fn tick(&mut self) -> Option<Duration>;
}
