//! The instructions that need few words.

use std::time::Duration;

use super::flags::Flags;
use super::{Node, Result};
use crate::build::language::ast::{Check, Command, Healthcheck};
use crate::build::language::diagnostic::Diagnostic;
use crate::build::language::span::Word;
use crate::build::language::text::Part;
use crate::build::language::{expand, words};
use crate::format::units::duration;

/// `FROM`, without what follows.
pub(in crate::build::language) struct From {
    pub(in crate::build::language) base: Word,
    pub(in crate::build::language) platform: Option<Word>,
    pub(in crate::build::language) alias: Option<Word>,
}

pub(in crate::build::language) fn from(node: &Node<'_>) -> Result<From> {
    let flags = node.flags(&["platform"])?;
    node.needs("an image, a stage, or scratch")?;
    let words = words::plain(node.rest);
    let (base, alias) = match words.as_slice() {
        [base] => (*base, None),
        [base, r#as, name] if r#as.text().eq_ignore_ascii_case("as") => (*base, Some(*name)),
        words => {
            let has_comment = words.iter().any(|word| word.text().starts_with('#'));
            return Err(node
                .wrong("FROM takes one image, and maybe a name for the stage")
                .hint(if has_comment {
                    super::COMMENT_ABOVE
                } else {
                    "as in: FROM debian:12 AS build"
                }));
        }
    };
    let platform = flags.one("platform")?;
    if let Some(platform) = &platform {
        expand::check(platform, node.escape)?;
    }
    Ok(From {
        base: node.word(base)?,
        platform,
        alias: alias.map(self::alias).transpose()?,
    })
}

fn alias(name: Part<'_>) -> Result<Word> {
    let text = name.text().to_ascii_lowercase();
    let letter = text.starts_with(|c: char| c.is_ascii_lowercase());
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if letter && text.chars().all(allowed) {
        return Ok(Word {
            text,
            span: name.span(),
        });
    }
    let message = format!("{:?} cannot be the name of a stage", name.text());
    Err(Diagnostic::new(name.span(), message)
        .hint("a letter, then letters, digits, and any of - _ ."))
}

/// One text that will be expanded, blanks and all.
pub(super) fn one(node: &Node<'_>, what: &str) -> Result<Word> {
    node.flags(&[])?;
    node.needs(what)?;
    node.word(node.rest)
}

pub(super) fn maintainer(node: &Node<'_>) -> Result<String> {
    node.flags(&[])?;
    node.needs("a name")?;
    Ok(node.rest.text().to_owned())
}

pub(super) fn volumes(node: &Node<'_>) -> Result<Vec<Word>> {
    node.flags(&[])?;
    node.needs("a path")?;
    let volumes = node.list()?;
    if volumes.is_empty() {
        return Err(node.wrong("VOLUME needs a path"));
    }
    match volumes.iter().find(|word| word.text.trim().is_empty()) {
        Some(empty) => Err(Diagnostic::new(empty.span, "a volume needs a path")),
        None => Ok(volumes),
    }
}

pub(super) fn expose(node: &Node<'_>) -> Result<Vec<Word>> {
    node.flags(&[])?;
    node.needs("a port, as in: EXPOSE 80 53/udp")?;
    let ports = words::plain(node.rest);
    ports.into_iter().map(|port| node.word(port)).collect()
}

pub(super) fn shell(node: &Node<'_>) -> Result<Vec<String>> {
    node.flags(&[])?;
    node.needs("a list in JSON, as in: SHELL [\"/bin/bash\", \"-c\"]")?;
    match words::json(node.rest)? {
        Some(list) if !list.is_empty() => Ok(texts(list)),
        Some(_) => Err(node.wrong("SHELL needs a program")),
        None => Err(node
            .wrong("SHELL needs a list in JSON")
            .hint("as in: SHELL [\"/bin/bash\", \"-c\"]")),
    }
}

pub(super) fn texts(words: Vec<Word>) -> Vec<String> {
    words.into_iter().map(|word| word.text).collect()
}

/// `CMD` and `ENTRYPOINT`
pub(super) fn command(node: &Node<'_>) -> Result<Command> {
    node.flags(&[])?;
    if node.rest.is_empty() {
        let name = node.name();
        let wrong = node.wrong(format!("{name} needs a command"));
        return Err(wrong.hint(format!("{name} [] takes back that of the base")));
    }
    list_or_text(node.rest)
}

fn list_or_text(part: Part<'_>) -> Result<Command> {
    Ok(match words::json(part)? {
        Some(list) => Command::Exec(texts(list)),
        None => Command::Shell(part.text().to_owned()),
    })
}

const HEALTH_FLAGS: [&str; 5] = [
    "interval",
    "retries",
    "start-interval",
    "start-period",
    "timeout",
];

pub(super) fn healthcheck(node: &Node<'_>) -> Result<Healthcheck> {
    let flags = node.flags(&HEALTH_FLAGS)?;
    node.needs("NONE, or CMD and a command")?;
    let (kind, rest) = words::first(node.rest);
    match kind.text().to_ascii_uppercase().as_str() {
        "NONE" if rest.is_empty() => Ok(Healthcheck::None),
        "NONE" => Err(Diagnostic::new(rest.span(), "nothing may follow NONE")),
        "CMD" => Ok(Healthcheck::Check(check(node, rest, &flags)?)),
        other => {
            let message = format!("HEALTHCHECK knows no {other}");
            Err(Diagnostic::new(kind.span(), message).hint("NONE, or CMD and a command"))
        }
    }
}

fn check(node: &Node<'_>, rest: Part<'_>, flags: &Flags<'_>) -> Result<Check> {
    let missing = || node.wrong("HEALTHCHECK CMD needs a command");
    if rest.is_empty() {
        return Err(missing());
    }
    let command = list_or_text(rest)?;
    if command == Command::Exec(Vec::new()) {
        return Err(missing());
    }
    let time = |name| flags.one(name)?.as_ref().map_or(Ok(None), time);
    Ok(Check {
        command,
        interval: time("interval")?,
        timeout: time("timeout")?,
        start_period: time("start-period")?,
        start_interval: time("start-interval")?,
        retries: flags.one("retries")?.as_ref().map_or(Ok(None), retries)?,
    })
}

/// A length of time; none at all is as the base has it.
fn time(word: &Word) -> Result<Option<Duration>> {
    if word.text.is_empty() {
        return Ok(None);
    }
    let time = duration::parse(&word.text).map_err(|e| Diagnostic::about(word, &e))?;
    if time > Duration::ZERO && time < Duration::from_millis(1) {
        let message = format!("{word} is too short");
        return Err(Diagnostic::new(word.span, message).hint("1ms is the least"));
    }
    Ok(Some(time).filter(|time| !time.is_zero()))
}

fn retries(word: &Word) -> Result<Option<u32>> {
    if word.text.is_empty() {
        return Ok(None);
    }
    match word.text.parse::<i32>() {
        Ok(number) if number >= 0 => Ok(Some(number as u32).filter(|number| *number > 0)),
        _ => Err(Diagnostic::new(
            word.span,
            format!("{:?} is no number of retries", word.text),
        )),
    }
}
