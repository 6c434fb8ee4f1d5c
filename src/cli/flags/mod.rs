//! From what was typed behind `run`, `create` and `exec` to what is wanted.
//!
//! Two stages. The first ([`typed`]) is the command line alone: clap's
//! structs, whose values are read by the small functions in [`parse`]. The
//! second ([`request`]) needs the surroundings: rcon's own variables and
//! directory, the files that flags name, and what others know about other
//! containers ([`Resolve`]). It refuses what contradicts itself before
//! anything is fetched or made. The image's own defaults come last
//! ([`Request::merge`]), because the image may have to be fetched first.

mod build;
mod foreign;
pub mod parse;
mod reading;
pub mod request;
#[cfg(test)]
mod testing;
pub mod typed;

pub use request::{Attach, ExecRequest, Request, Resolve, Source, Surroundings, detach_keys};
pub use typed::{Create, Exec, Pull, Run};

use std::num::{IntErrorKind, ParseIntError};

use clap::error::{ContextKind, ErrorKind};

use crate::error::Error;

/// What clap has to say about a command line, in one line and rcon's own form.
/// None: it is no failure but help or a version, to be printed as it is.
pub fn one_line(e: &clap::Error) -> Option<Error> {
    if !e.use_stderr() {
        return None;
    }
    let known = of_value(e).or_else(|| foreign::explain(e));
    Some(known.unwrap_or_else(|| of_line(e)))
}

/// Whether it is about a flag: one that there is not, or a value that it does
/// not take. For that Docker has an exit code of its own, with every command.
pub fn is_wrong_flag(e: &clap::Error) -> bool {
    let is_kind = matches!(
        e.kind(),
        ErrorKind::UnknownArgument
            | ErrorKind::InvalidValue
            | ErrorKind::ValueValidation
            | ErrorKind::NoEquals
            | ErrorKind::TooManyValues
            | ErrorKind::TooFewValues
            | ErrorKind::WrongNumberOfValues
    );
    let arg = e.get(ContextKind::InvalidArg).map(ToString::to_string);
    is_kind && arg.is_some_and(|arg| arg.starts_with('-'))
}

/// A parser of ours has said what is wrong, and only the flag's name is
/// missing; or one of numbers, whose words are for programmers.
fn of_value(e: &clap::Error) -> Option<Error> {
    let cause = std::error::Error::source(e)?;
    let own = if let Some(own) = cause.downcast_ref::<Error>() {
        own.clone()
    } else {
        let number = cause.downcast_ref::<ParseIntError>()?;
        let value = e.get(ContextKind::InvalidValue)?.to_string();
        Error::user(format!("{value:?} is {}", no_number(number)))
    };
    let arg = e.get(ContextKind::InvalidArg)?.to_string();
    let flag = arg.split(' ').next().unwrap_or_default();
    Some(own.context(flag))
}

fn no_number(why: &ParseIntError) -> &'static str {
    match why.kind() {
        IntErrorKind::PosOverflow => "too large",
        IntErrorKind::NegOverflow => "too small",
        _ => "not a whole number",
    }
}

/// The first paragraph is the cause, and a tip may follow. That a flag can be
/// passed as a value behind `--` is no tip here: it would be taken for an image.
fn of_line(e: &clap::Error) -> Error {
    let text = e.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let cause = text.lines().take_while(|line| !line.is_empty());
    let cause: Vec<&str> = cause.map(str::trim).collect();
    let mut tips = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("tip: "));
    let tip = tips.find(|tip| !tip.starts_with("to pass"));
    let usage = text.lines().find(|line| line.starts_with("Usage: "));
    let usage = usage.filter(|_| e.kind() == ErrorKind::MissingRequiredArgument);
    Error::user(cause.join(" ")).hint(tip.or(usage).unwrap_or("see --help"))
}
