//! `ARG`, `ENV` and `LABEL`: names and values.

use super::{Node, Result};
use crate::build::language::ast::{Argument, Pair};
use crate::build::language::diagnostic::Diagnostic;
use crate::build::language::text::Part;
use crate::build::language::words;

pub(super) fn arguments(node: &Node<'_>) -> Result<Vec<Argument>> {
    node.flags(&[])?;
    node.needs("a name, as in: ARG VERSION=1.0")?;
    let words = words::quoted(node.rest, node.escape);
    words.into_iter().map(|word| argument(node, word)).collect()
}

fn argument(node: &Node<'_>, word: Part<'_>) -> Result<Argument> {
    let (name, default) = match word.split_once('=') {
        Some((name, default)) => (name, Some(node.word(default)?)),
        None => (word, None),
    };
    if name.is_empty() {
        return Err(Diagnostic::new(word.span(), "an argument without a name"));
    }
    Ok(Argument {
        name: node.word(name)?,
        default,
    })
}

pub(super) fn pairs(node: &Node<'_>) -> Result<Vec<Pair>> {
    node.flags(&[])?;
    node.needs("a name and a value, as in: NAME=value")?;
    let words = words::quoted(node.rest, node.escape);
    match words.first() {
        Some(first) if !first.text().contains('=') => Ok(vec![one(node)?]),
        _ => words.into_iter().map(|word| pair(node, word)).collect(),
    }
}

fn pair(node: &Node<'_>, word: Part<'_>) -> Result<Pair> {
    let Some((name, value)) = word.split_once('=') else {
        let message = format!("{:?} has no value: there is no =", word.text());
        return Err(
            Diagnostic::new(word.span(), message).hint(if word.text() == "#" {
                super::COMMENT_ABOVE
            } else {
                "write NAME=value, with quotes around a value that has blanks"
            }),
        );
    };
    if name.is_empty() {
        return Err(Diagnostic::new(word.span(), "a value without a name"));
    }
    Ok(Pair {
        name: node.word(name)?,
        value: node.word(value)?,
    })
}

/// The old way: a name, and all the rest is its value.
fn one(node: &Node<'_>) -> Result<Pair> {
    let (name, value) = words::first(node.rest);
    if value.is_empty() {
        let message = format!("{} has no value", name.text());
        return Err(Diagnostic::new(name.span(), message).hint(format!(
            "as in: {} {}=value",
            node.name(),
            name.text()
        )));
    }
    Ok(Pair {
        name: node.word(name)?,
        value: node.word(value)?,
    })
}
