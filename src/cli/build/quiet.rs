//! A build of which only errors are shown: what the step that failed has said.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::build::show::{How, Show};
use crate::say;

/// So much of what a step has said is kept.
const MOST: usize = 64 << 10;

/// The last that each step has said.
#[derive(Default)]
pub struct Quiet {
    steps: BTreeMap<usize, Said>,
}

/// What a step has said.
#[derive(Default)]
pub struct Said {
    title: String,
    bytes: Vec<u8>,
    cut: bool,
}

impl Said {
    /// Of a step that begins.
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            ..Self::default()
        }
    }

    /// It says more.
    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * MOST {
            self.bytes.drain(..self.bytes.len() - MOST);
            self.cut = true;
        }
    }

    /// Shows all of it.
    pub fn show(&self) {
        say::err(&self.title);
        let text = String::from_utf8_lossy(&self.bytes);
        let mut lines = text.lines();
        if self.cut {
            lines.next();
            say::err(" | …");
        }
        for line in lines {
            let line = line.trim_end_matches('\r');
            let line = line.rsplit('\r').next().unwrap_or_default();
            say::err(format_args!(" | {line}"));
        }
    }
}

impl Show for Quiet {
    fn begin(&mut self, step: usize, title: &str) {
        self.steps.insert(step, Said::new(title));
    }

    fn output(&mut self, step: usize, _errors: bool, bytes: &[u8]) {
        if let Some(said) = self.steps.get_mut(&step) {
            said.add(bytes);
        }
    }

    fn note(&mut self, _step: usize, _text: &str) {}

    fn end(&mut self, step: usize, how: &How, _time: Duration) {
        if let (Some(said), How::Failed(_)) = (self.steps.remove(&step), how) {
            said.show();
        }
    }

    fn warn(&mut self, text: &str) {
        say::warning(text);
    }

    fn tick(&mut self) -> Option<Duration> {
        None
    }
}
