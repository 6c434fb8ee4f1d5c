//! `RUN`

use super::{Node, Result, simple, with_documents};
use crate::build::language::ast::{Heredoc, Run, RunCommand, RunNetwork, RunSecurity};
use crate::build::language::diagnostic::Diagnostic;
use crate::build::language::heredoc::{self, Document};
use crate::build::language::span::Word;
use crate::build::language::{mount, words};

pub(super) fn parse(node: &Node<'_>) -> Result<Run> {
    let flags = node.flags(&["mount", "network", "security"])?;
    node.needs("a command")?;
    let mounts = flags.many("mount")?;
    let mounts = mounts.iter().map(|m| mount::parse(m, node.escape));
    let network = flags.one("network")?;
    let security = flags.one("security")?;
    Ok(Run {
        mounts: mounts.collect::<Result<_>>()?,
        network: network.as_ref().map(self::network).transpose()?,
        security: security.as_ref().map(self::security).transpose()?,
        command: command(node)?,
    })
}

fn network(word: &Word) -> Result<RunNetwork> {
    match word.text.as_str() {
        "default" => Ok(RunNetwork::Default),
        "none" => Ok(RunNetwork::None),
        "host" => Ok(RunNetwork::Host),
        other => Err(
            Diagnostic::new(word.span, format!("RUN has no network {other:?}"))
                .hint("default, none or host"),
        ),
    }
}

fn security(word: &Word) -> Result<RunSecurity> {
    match word.text.as_str() {
        "sandbox" => Ok(RunSecurity::Sandbox),
        "insecure" => Ok(RunSecurity::Insecure),
        other => Err(
            Diagnostic::new(word.span, format!("RUN has no security {other:?}"))
                .hint("sandbox or insecure"),
        ),
    }
}

fn command(node: &Node<'_>) -> Result<RunCommand> {
    if let Some(list) = words::json(node.rest)? {
        if list.is_empty() {
            return Err(node.wrong("RUN needs a program"));
        }
        if !node.documents.is_empty() {
            return Err(node.wrong("a list in JSON has no here-document"));
        }
        return Ok(RunCommand::Exec(simple::texts(list)));
    }
    let text = node.rest.text();
    match node.documents.as_slice() {
        [script] if heredoc::announced(text).is_some() => {
            Ok(RunCommand::Script(self::document(script)))
        }
        documents => Ok(RunCommand::Shell(with_documents(text, documents))),
    }
}

/// A document with its text as it is meant.
pub(super) fn document(document: &Document) -> Heredoc {
    Heredoc {
        name: document.announced.name.clone(),
        text: document.text(),
        expand: document.announced.expand,
        span: document.span,
    }
}
