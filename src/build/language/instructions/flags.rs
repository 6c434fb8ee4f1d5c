//! `--name=value` in front of arguments.

use super::Result;
use crate::build::language::diagnostic::{Diagnostic, near};
use crate::build::language::span::Word;
use crate::build::language::words::Flag;

/// The flags of an instruction, all of them known to it.
pub(super) struct Flags<'a>(&'a [Flag]);

impl<'a> Flags<'a> {
    pub(super) fn new(keyword: &str, flags: &'a [Flag], known: &[&str]) -> Result<Self> {
        match flags.iter().find(|f| !known.contains(&f.name.as_str())) {
            None => Ok(Self(flags)),
            Some(flag) => Err(unknown(keyword, flag, known)),
        }
    }

    fn all(&self, name: &'a str) -> impl Iterator<Item = &'a Flag> {
        self.0.iter().filter(move |flag| flag.name == name)
    }

    /// A flag that may be there once.
    fn once(&self, name: &'a str) -> Result<Option<&'a Flag>> {
        let mut all = self.all(name);
        let first = all.next();
        match all.next() {
            None => Ok(first),
            Some(second) => Err(wrong(second, format!("--{name} is there twice"))),
        }
    }

    /// Its value.
    pub(super) fn one(&self, name: &'a str) -> Result<Option<Word>> {
        self.once(name)?.map(value).transpose()
    }

    /// Values of a flag that may be there more than once.
    pub(super) fn many(&self, name: &'a str) -> Result<Vec<Word>> {
        self.all(name).map(value).collect()
    }

    /// A flag that is there or not, or says so.
    pub(super) fn truth(&self, name: &'a str) -> Result<Option<bool>> {
        let Some(flag) = self.once(name)? else {
            return Ok(None);
        };
        let text = flag.value.as_ref().map(|v| v.text.to_ascii_lowercase());
        match text.as_deref() {
            None | Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(wrong(flag, format!("--{name} is either true or false"))),
        }
    }
}

fn value(flag: &Flag) -> Result<Word> {
    let name = &flag.name;
    flag.value.clone().ok_or_else(|| {
        wrong(flag, format!("--{name} needs a value")).hint(format!("as in --{name}=value"))
    })
}

fn wrong(flag: &Flag, message: String) -> Diagnostic {
    Diagnostic::new(flag.span, message)
}

fn unknown(keyword: &str, flag: &Flag, known: &[&str]) -> Diagnostic {
    let name = &flag.name;
    let wrong = wrong(flag, format!("{keyword} has no flag --{name}"));
    match near(name, known) {
        Some(near) => wrong.hint(format!("did you mean --{near}?")),
        None if known.is_empty() => wrong.hint(format!("{keyword} has no flags at all")),
        None => wrong.hint(format!("it has --{}", known.join(", --"))),
    }
}
