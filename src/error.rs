//! What went wrong, whose fault it is, and what to do about it.
//!
//! Every failure that reaches a person is an [`Error`]: one line that names
//! the cause, and where we know one, a remedy. The [`Fault`] decides how the
//! command line heads the message. Modules that have richer failures of their
//! own (a failed kernel call is a [`crate::sys::SysError`]) turn them into
//! this type at their border; nothing here knows about containers.

use std::borrow::Cow;
use std::fmt;

/// Who can do something about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What was asked for is wrong: a flag, a file, a field in `config.json`.
    User,
    /// The request is fine but this machine cannot do it now.
    Environment,
    /// rcon broke a promise to itself.
    Internal,
}

/// A failure, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    fault: Fault,
    what: String,
    hint: Option<String>,
    exit: Option<u8>,
}

/// The result of anything that can fail in front of a person.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What was asked for is wrong.
    pub fn user(what: impl Into<String>) -> Self {
        Self::new(Fault::User, what)
    }

    /// This machine cannot do it now.
    pub fn environment(what: impl Into<String>) -> Self {
        Self::new(Fault::Environment, what)
    }

    /// rcon broke a promise to itself.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(Fault::Internal, what)
    }

    /// What another process of rcon's has said, complete with its remedy.
    pub fn told(line: impl Into<String>) -> Self {
        Self::new(Fault::User, line)
    }

    fn new(fault: Fault, what: impl Into<String>) -> Self {
        Self {
            fault,
            what: what.into(),
            hint: None,
            exit: None,
        }
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what was being done: `context: what went wrong`.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.what = format!("{doing}: {}", self.what);
        self
    }

    /// Says with which code the command ends, where that has a meaning.
    #[must_use]
    pub fn exit(mut self, code: u8) -> Self {
        self.exit = Some(code);
        self
    }

    /// A flag, or what it was given, is wrong by itself: Docker has a code of
    /// its own for that, with every command.
    #[must_use]
    pub fn wrong_flag(self) -> Self {
        self.exit(125)
    }

    /// The code the command ends with, if it has a meaning.
    pub fn exit_code(&self) -> Option<u8> {
        self.exit
    }

    /// What can be done about it.
    pub fn remedy(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// The cause alone, without the remedy.
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for Error {
    /// One line, always: a value quoted from outside may hold newlines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fault == Fault::Internal {
            f.write_str("internal error: ")?;
        }
        one_line(f, &with_short_quotes(&self.what))?;
        if let Some(hint) = &self.hint {
            f.write_str(" (")?;
            one_line(f, hint)?;
            f.write_str(")")?;
        }
        Ok(())
    }
}

/// How much of a quoted value is shown.
const LONGEST_QUOTE: usize = 200;
/// What is longer than any path needs no quotes to be cut.
const LONGEST_WORD: usize = libc::PATH_MAX as usize;

/// Cuts values that are quoted in `text`: by its beginning one is recognised,
/// and all of one could be more than a terminal holds.
pub fn with_short_quotes(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_QUOTE {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\'']) {
        let (before, quoted) = rest.split_at(at);
        push_words(&mut out, before);
        // That of "isn't" opens nothing.
        let opens = !out.ends_with(char::is_alphanumeric);
        let (mark, inside) = quoted.split_at(1);
        out.push_str(mark);
        rest = inside;
        // Where it does not close, somebody else has cut it already.
        let open_end = (mark == "\"").then_some(inside.len());
        if let Some(end) = closing(inside, mark).or(open_end).filter(|_| opens) {
            let (value, after) = inside.split_at(end);
            push_cut(&mut out, value);
            out.push_str(mark);
            rest = after.get(1..).unwrap_or_default();
        }
    }
    push_words(&mut out, rest);
    Cow::Owned(out)
}

/// Where the quotation ends; a backslash keeps the next character in it.
fn closing(inside: &str, mark: &str) -> Option<usize> {
    let mut kept = false;
    inside
        .char_indices()
        .find(|(_, c)| {
            let ends = !kept && mark.starts_with(*c);
            kept = !kept && *c == '\\';
            ends
        })
        .map(|(at, _)| at)
}

fn push_words(out: &mut String, text: &str) {
    for word in text.split_inclusive(' ') {
        match word.strip_suffix(' ') {
            Some(long) if long.len() > LONGEST_WORD => {
                push_cut(out, long);
                out.push(' ');
            }
            None if word.len() > LONGEST_WORD => push_cut(out, word),
            _ => out.push_str(word),
        }
    }
}

fn push_cut(out: &mut String, value: &str) {
    match value.char_indices().nth(LONGEST_QUOTE) {
        Some((at, _)) => {
            out.push_str(&value[..at]);
            out.push_str("...");
        }
        None => out.push_str(value),
    }
}

/// Writes `text` with control characters escaped, so that a hostile file name
/// can neither break the line nor speak to the terminal.
fn one_line(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        if c.is_control() {
            write!(f, "{}", c.escape_default())?;
        } else {
            write!(f, "{c}")?;
        }
    }
    Ok(())
}

impl std::error::Error for Error {}

/// Adds what was being done to a failure on its way up.
pub trait Context<T> {
    /// `doing` is only called when there is a failure to explain.
    fn context<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|e| e.into().context(doing()))
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        // The number behind the words is nobody's concern.
        match e.raw_os_error() {
            Some(code) => {
                let errno = nix::errno::Errno::from_raw(code);
                let e = Error::environment(errno.desc());
                match crate::sys::remedy(errno) {
                    Some(hint) => e.hint(hint),
                    None => e,
                }
            }
            None => Error::environment(e.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_whatever_it_quotes() {
        let e = Error::user("no such file: a\nb\x1b[31m").hint("look\nthere");
        assert_eq!(
            e.to_string(),
            "no such file: a\\nb\\u{1b}[31m (look\\nthere)"
        );
    }

    #[test]
    fn a_long_value_is_quoted_by_its_beginning() {
        let (long, cut) = ("é".repeat(5000), "é".repeat(200) + "...");
        for (what, want) in [
            (format!("bad {long:?}: no"), format!("bad {cut:?}: no")),
            (format!("'{long}' isn't it"), format!("'{cut}' isn't it")),
            (
                format!("isn't {:?} or {long:?}", "a\"b"),
                format!("isn't {:?} or {cut:?}", "a\"b"),
            ),
            (format!("open \"{long}"), format!("open {cut:?}")),
            (format!("open '{long}"), format!("open '{cut}")),
            (format!("read {long}: no"), format!("read {cut} no")),
            (
                format!("a path {}", "x".repeat(4096)),
                format!("a path {}", "x".repeat(4096)),
            ),
        ] {
            assert_eq!(Error::user(what).to_string(), want);
        }
        let escaped = format!("x {:?} y", "\"".repeat(300));
        let shown = Error::user(escaped).to_string();
        assert!(shown.len() < 220 && shown.ends_with("...\" y"), "{shown}");
    }

    #[test]
    fn an_error_of_the_system_has_no_number() {
        let e = Error::from(std::io::Error::from_raw_os_error(libc::EACCES));
        assert_eq!(e.to_string(), "Permission denied");
    }

    #[test]
    fn context_names_what_was_being_done() {
        let e: Result<()> = Err(Error::environment("no space"));
        let e = e.context(|| "writing state").unwrap_err();
        assert_eq!(e.to_string(), "writing state: no space");
    }
}
