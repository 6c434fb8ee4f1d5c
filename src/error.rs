//! What went wrong, whose fault it is, and what to do about it.
//!
//! Every failure that reaches a person is an [`Error`]: one line that names
//! the cause, and where we know one, a remedy. The [`Fault`] decides how the
//! command line heads the message. Modules that have richer failures of their
//! own (a failed kernel call is a [`crate::sys::SysError`]) turn them into
//! this type at their border; nothing here knows about containers.

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
        one_line(f, &self.what)?;
        if let Some(hint) = &self.hint {
            f.write_str(" (")?;
            one_line(f, hint)?;
            f.write_str(")")?;
        }
        Ok(())
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
            Some(code) => Error::environment(nix::errno::Errno::from_raw(code).desc()),
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
