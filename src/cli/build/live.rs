//! A build on a terminal: steps that are done scroll by, and those at work
//! stand below with the last they have said.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::Write;
use std::time::{Duration, Instant};

use super::plain::took;
use super::quiet::Said;
use crate::build::show::{How, Show};
use crate::format::escaped;

/// Between two pictures; more often nobody sees.
const FRAME: Duration = Duration::from_millis(100);
/// Lines of what a step says.
const TAIL: usize = 6;

/// The screen.
pub struct Live {
    steps: BTreeMap<usize, Step>,
    /// Lines below the place where drawing begins.
    drawn: usize,
    rows: usize,
    columns: usize,
}

struct Step {
    title: String,
    started: Instant,
    tail: VecDeque<String>,
    open: Vec<u8>,
    said: Said,
}

impl Live {
    /// On the terminal that standard error is.
    pub fn new() -> Self {
        let (rows, columns) = crate::sys::tty::size(std::io::stderr()).unwrap_or((24, 80));
        Self {
            steps: BTreeMap::new(),
            drawn: 0,
            rows: usize::from(rows).max(4),
            columns: usize::from(columns).max(20),
        }
    }

    /// Draws everything anew, these lines above it for good.
    fn draw(&mut self, above: &[String]) {
        let mut out = String::new();
        if self.drawn > 0 {
            let _ = write!(out, "\x1b[{}A\r", self.drawn);
        }
        out += "\x1b[J";
        for line in above {
            out += line;
            out.push('\n');
        }
        let mut lines = Vec::new();
        for step in self.steps.values() {
            let time = took(step.started.elapsed());
            lines.push(fit(&step.title, &time, self.columns));
            let tail = step.tail.iter();
            lines.extend(tail.map(|line| cut(&format!("   {line}"), self.columns)));
        }
        let most = self.rows - 1;
        let from = lines.len().saturating_sub(most);
        self.drawn = lines.len() - from;
        for line in &lines[from..] {
            out += line;
            out.push('\n');
        }
        // A terminal that has gone has nobody who looks.
        let _ = std::io::stderr().write_all(out.as_bytes());
    }
}

/// A title, and at the end of the line how long it took.
fn fit(title: &str, time: &str, columns: usize) -> String {
    let room = columns.saturating_sub(time.chars().count() + 2);
    let title = cut(title, room + 1);
    let gap = room.saturating_sub(title.chars().count());
    format!("{title}{} {time}", " ".repeat(gap))
}

fn cut(text: &str, columns: usize) -> String {
    let clean = escaped(text);
    clean.chars().take(columns.saturating_sub(1)).collect()
}

/// A line without what would move the cursor.
fn clean(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches('\r');
    let text = text.rsplit('\r').next().unwrap_or_default();
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                let ends = |c: char| c.is_ascii_alphabetic();
                // A colour or the like.
                let _ = chars.by_ref().find(|c| ends(*c));
            }
            '\t' => out.push_str("    "),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

impl Show for Live {
    fn begin(&mut self, step: usize, title: &str) {
        let fresh = Step {
            title: escaped(title).into_owned(),
            started: Instant::now(),
            tail: VecDeque::new(),
            open: Vec::new(),
            said: Said::new(title),
        };
        self.steps.insert(step, fresh);
    }

    fn output(&mut self, step: usize, _errors: bool, bytes: &[u8]) {
        let Some(s) = self.steps.get_mut(&step) else {
            return;
        };
        s.said.add(bytes);
        s.open.extend_from_slice(bytes);
        while let Some(end) = s.open.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = s.open.drain(..=end).collect();
            s.tail.push_back(clean(&line[..end]));
            if s.tail.len() > TAIL {
                s.tail.pop_front();
            }
        }
    }

    fn note(&mut self, step: usize, text: &str) {
        if let Some(s) = self.steps.get_mut(&step) {
            s.tail.push_back(text.to_owned());
        }
    }

    fn end(&mut self, step: usize, how: &How, time: Duration) {
        let Some(s) = self.steps.remove(&step) else {
            return;
        };
        let word = match how {
            How::Done => took(time),
            How::Cached => "CACHED".to_owned(),
            How::Failed(_) => "FAILED".to_owned(),
            How::Stopped => "stopped".to_owned(),
        };
        let line = fit(&s.title, &word, self.columns);
        self.draw(&[line]);
        if let How::Failed(_) = how {
            s.said.show();
            self.drawn = 0;
        }
    }

    fn warn(&mut self, text: &str) {
        self.draw(&[format!("rcon: warning: {}", escaped(text))]);
    }

    fn tick(&mut self) -> Option<Duration> {
        self.draw(&[]);
        Some(FRAME)
    }
}
