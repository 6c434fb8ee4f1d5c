//! What is kept out of a build: the rules of a `.dockerignore`, and of
//! `--exclude`.
//!
//! One pattern a line. `#` at the very start of a line makes it a comment;
//! blanks and slashes at either end do not count; `!` takes back what a line
//! above has kept out. A pattern is for a whole path from the top on: `*` is
//! anything in one name, `?` one character, `[a-z]` one of some, and `**` any
//! number of names. What fits a directory fits all in it. Of the lines that
//! fit, the last one counts.

mod pattern;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use self::pattern::Pattern;
use super::paths::clean;
use crate::error::{Error, Result};

/// More lines than any person writes.
const MOST_PATTERNS: usize = 10_000;
/// A pattern may not be longer than a path.
const MOST_LONG: usize = 4096;

/// Whether something is kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs to the build.
    Keep,
    /// It does not, but it is a directory and something in it may.
    Enter,
    /// It does not, and nothing in it does.
    Drop,
}

/// The rules.
#[derive(Debug, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
    /// The directories that lead to what was asked for last: a walk asks for
    /// one after the other, and they are the same for all in one directory.
    above: RefCell<Vec<Above>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Rule {
    pattern: Pattern,
    /// `!`
    exception: bool,
}

/// A directory, and for each rule whether it fits it or one above it.
#[derive(Debug)]
struct Above {
    path: Vec<u8>,
    fits: Vec<bool>,
}

impl Ignore {
    /// Reads a `.dockerignore`.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut ignore = Self::default();
        for (number, line) in text.lines().enumerate() {
            if !line.starts_with('#') {
                let added = ignore.add(&from_top(line));
                added.map_err(|e| e.context(format!("line {}", number + 1)))?;
            }
        }
        Ok(ignore)
    }

    /// The patterns of `--exclude`. A slash in front counts there.
    pub fn new(patterns: &[impl AsRef<str>]) -> Result<Self> {
        let mut ignore = Self::default();
        for pattern in patterns {
            ignore.add(pattern.as_ref())?;
        }
        Ok(ignore)
    }

    fn add(&mut self, pattern: &str) -> Result<()> {
        let pattern = pattern.trim();
        if pattern.is_empty() {
            return Ok(());
        }
        if pattern.len() > MOST_LONG || self.rules.len() == MOST_PATTERNS {
            return Err(Error::user("there are too many patterns, or too long ones"));
        }
        let (exception, path) = match pattern.strip_prefix('!') {
            Some("") => return Err(Error::user("\"!\" takes nothing back")),
            Some(rest) => (true, clean(rest)),
            None => (false, clean(pattern)),
        };
        let bad = || {
            Error::user(format!("the pattern {pattern:?} makes no sense"))
                .hint("a [ needs its ], and a \\ something behind it")
        };
        self.rules.push(Rule {
            pattern: Pattern::new(&path).ok_or_else(bad)?,
            exception,
        });
        Ok(())
    }

    /// Whether nothing is kept out.
    pub fn is_empty(&self) -> bool {
        self.rules.iter().all(|rule| rule.exception)
    }

    /// Whether this path, from the top on and in its shortest form, is kept
    /// out. The top itself never is.
    pub fn verdict(&self, path: &[u8], is_dir: bool) -> Verdict {
        if self.rules.is_empty() || path.is_empty() || path == b"." {
            return Verdict::Keep;
        }
        let fits = self.fits(path, is_dir);
        match fits.iter().rposition(|fits| *fits) {
            Some(last) if !self.rules[last].exception => {}
            _ => return Verdict::Keep,
        }
        let may = |rule: &Rule| rule.exception && rule.pattern.may_fit_in(path);
        if is_dir && self.rules.iter().any(may) {
            Verdict::Enter
        } else {
            Verdict::Drop
        }
    }

    /// For each rule whether it fits the path or a directory above it.
    fn fits(&self, path: &[u8], is_dir: bool) -> Vec<bool> {
        let mut above = self.above.borrow_mut();
        let leads = |dir: &Above| {
            path.strip_prefix(&dir.path[..])
                .is_some_and(|rest| rest.starts_with(b"/"))
        };
        let still = above.iter().take_while(|dir| leads(dir)).count();
        above.truncate(still);
        let known = above.last().map_or(0, |dir| dir.path.len() + 1);
        let slashes = path[known..]
            .iter()
            .enumerate()
            .filter(|(_, b)| **b == b'/');
        for (at, _) in slashes {
            let dir = &path[..known + at];
            let fits = self.one(dir, above.last());
            above.push(Above {
                path: dir.to_vec(),
                fits,
            });
        }
        let fits = self.one(path, above.last());
        if is_dir {
            above.push(Above {
                path: path.to_vec(),
                fits: fits.clone(),
            });
        }
        fits
    }

    fn one(&self, path: &[u8], above: Option<&Above>) -> Vec<bool> {
        let decoded = pattern::decoded(path);
        let rules = self.rules.iter().enumerate();
        rules
            .map(|(n, rule)| {
                above.is_some_and(|above| above.fits[n]) || rule.pattern.fits(path, &decoded)
            })
            .collect()
    }
}

/// A line with its path as from the top of the context on.
fn from_top(line: &str) -> String {
    let line = line.trim();
    let (mark, path) = match line.strip_prefix('!') {
        Some(path) => ("!", path.trim()),
        None => ("", line),
    };
    if path.is_empty() {
        return mark.to_owned();
    }
    let path = clean(path);
    match path.strip_prefix('/') {
        Some(below) if !below.is_empty() => format!("{mark}{below}"),
        _ => format!("{mark}{path}"),
    }
}
