//! `COPY` and `ADD`

use super::flags::Flags;
use super::{Node, Result, run};
use crate::build::language::ast::{Add, Copy, Transfer, TransferSource};
use crate::build::language::diagnostic::Diagnostic;
use crate::build::language::span::Word;
use crate::build::language::{expand, heredoc};

pub(super) fn copy(node: &Node<'_>) -> Result<Copy> {
    let flags = node.flags(&["chmod", "chown", "exclude", "from", "link", "parents"])?;
    let from = flags.one("from")?.filter(|from| !from.text.is_empty());
    if let Some(from) = &from {
        check_from(from, node.escape)?;
    }
    let files = files(node, &flags)?;
    let inline = |source: &&TransferSource| matches!(source, TransferSource::Inline(_));
    if from.is_some() && files.sources.iter().any(|source| inline(&source)) {
        return Err(node.wrong("a here-document cannot come from a stage or an image"));
    }
    Ok(Copy {
        files,
        from,
        parents: flags.truth("parents")?.unwrap_or_default(),
    })
}

pub(super) fn add(node: &Node<'_>) -> Result<Add> {
    let flags = node.flags(&[
        "checksum",
        "chmod",
        "chown",
        "exclude",
        "keep-git-dir",
        "link",
        "unpack",
    ])?;
    Ok(Add {
        files: files(node, &flags)?,
        checksum: expanded(node, flags.one("checksum")?)?,
        keep_git_dir: flags.truth("keep-git-dir")?.unwrap_or_default(),
        unpack: flags.truth("unpack")?,
    })
}

/// Which stages are needed must be known before anything is run.
fn check_from(from: &Word, escape: char) -> Result<()> {
    if expand::is_literal(&from.text, escape) {
        return Ok(());
    }
    Err(Diagnostic::new(from.span, "--from cannot hold a variable")
        .hint("name a stage for it instead: FROM $IMAGE AS name at the top, and --from=name"))
}

fn expanded(node: &Node<'_>, word: Option<Word>) -> Result<Option<Word>> {
    if let Some(word) = &word {
        expand::check(word, node.escape)?;
    }
    Ok(word.filter(|word| !word.text.is_empty()))
}

fn files(node: &Node<'_>, flags: &Flags<'_>) -> Result<Transfer> {
    node.needs("a source and a destination")?;
    let mut words = node.list()?;
    let name = node.name();
    let missing = || node.wrong(format!("{name} needs a source and a destination"));
    let destination = words.pop().ok_or_else(missing)?;
    if words.is_empty() {
        return Err(missing().hint(format!("as in: {name} {destination} /")));
    }
    if heredoc::announced(&destination.text).is_some() {
        let message = "a here-document cannot be the destination";
        return Err(Diagnostic::new(destination.span, message)
            .hint(format!("as in: {name} {destination} /path")));
    }
    let sources = words.into_iter().map(|word| source(node, word));
    Ok(Transfer {
        sources: sources.collect(),
        destination,
        chown: expanded(node, flags.one("chown")?)?,
        chmod: expanded(node, flags.one("chmod")?)?,
        link: flags.truth("link")?.unwrap_or_default(),
        exclude: flags.many("exclude")?,
    })
}

fn source(node: &Node<'_>, word: Word) -> TransferSource {
    match heredoc::find(&word, &node.documents) {
        Some(found) => TransferSource::Inline(run::document(found)),
        None => TransferSource::Path(word),
    }
}
