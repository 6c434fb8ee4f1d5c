//! A build in lines: for a file, a pipe, or whoever likes it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::build::show::{How, Show};
use crate::format::escaped;
use crate::say;

/// A line for each thing that happens.
#[derive(Default)]
pub struct Plain {
    steps: BTreeMap<usize, Step>,
}

struct Step {
    title: String,
    /// Its title was shown.
    shown: bool,
    /// What it said after the last newline: output and errors.
    open: [Vec<u8>; 2],
}

/// `0.4 s`, `2 min 5 s`.
pub fn took(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds >= 60 {
        return format!("{} min {} s", seconds / 60, seconds % 60);
    }
    format!("{:.1} s", time.as_secs_f64())
}

impl Plain {
    fn open(&mut self, step: usize) {
        if let Some(s) = self.steps.get_mut(&step)
            && !s.shown
        {
            s.shown = true;
            say::err(format_args!("#{step} {}", s.title));
        }
    }
}

fn line(step: usize, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    // A bar that is drawn over and over: only its last state counts.
    let text = text.trim_end_matches('\r');
    let text = text.rsplit('\r').next().unwrap_or_default();
    say::err(format_args!("#{step} | {text}"));
}

impl Show for Plain {
    fn begin(&mut self, step: usize, title: &str) {
        // Whoever wrote the Dockerfile does not draw on this terminal.
        let title = escaped(title).into_owned();
        let fresh = Step {
            title,
            shown: false,
            open: [Vec::new(), Vec::new()],
        };
        self.steps.insert(step, fresh);
    }

    fn output(&mut self, step: usize, errors: bool, bytes: &[u8]) {
        self.open(step);
        let Some(s) = self.steps.get_mut(&step) else {
            return;
        };
        let open = &mut s.open[usize::from(errors)];
        open.extend_from_slice(bytes);
        while let Some(end) = open.iter().position(|b| *b == b'\n') {
            let whole: Vec<u8> = open.drain(..=end).collect();
            line(step, &whole[..end]);
        }
    }

    fn note(&mut self, step: usize, text: &str) {
        self.open(step);
        say::err(format_args!("#{step} {text}"));
    }

    fn end(&mut self, step: usize, how: &How, time: Duration) {
        let Some(mut s) = self.steps.remove(&step) else {
            return;
        };
        for open in std::mem::take(&mut s.open) {
            if !open.is_empty() {
                line(step, &open);
            }
        }
        match (how, s.shown) {
            (How::Cached, true) => say::err(format_args!("#{step} CACHED")),
            (How::Cached, false) => say::err(format_args!("#{step} {} CACHED", s.title)),
            (How::Done, false) if time < Duration::from_millis(50) => {
                say::err(format_args!("#{step} {}", s.title));
            }
            (How::Done, false) => {
                say::err(format_args!("#{step} {} done in {}", s.title, took(time)));
            }
            (How::Done, true) => say::err(format_args!("#{step} done in {}", took(time))),
            (How::Failed(why), shown) => {
                if !shown {
                    say::err(format_args!("#{step} {}", s.title));
                }
                say::err(format_args!("#{step} FAILED after {}: {why}", took(time)));
            }
            (How::Stopped, _) => say::err(format_args!("#{step} stopped")),
        }
    }

    fn warn(&mut self, text: &str) {
        say::warning(text);
    }

    fn tick(&mut self) -> Option<Duration> {
        let steps: Vec<usize> = self.steps.keys().copied().collect();
        for step in steps {
            self.open(step);
        }
        None
    }
}
