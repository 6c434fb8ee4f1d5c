//! Whether the stages of a file can be told apart, and whether each only needs
//! those above it.

use std::collections::HashMap;

use super::ast::{Instruction, Stage, Step};
use super::diagnostic::Diagnostic;
use super::span::Word;

/// Names that mean something else where a stage could be named.
const RESERVED: [&str; 2] = ["scratch", "context"];

/// Most stages of a file: more are no program's building, and each takes room.
const MOST: usize = 1000;

type Result<T> = std::result::Result<T, Diagnostic>;

/// Stages by their names.
type Names<'a> = HashMap<&'a str, &'a Stage>;

pub(super) fn check(stages: &[Stage]) -> Result<()> {
    if let Some(stage) = stages.get(MOST) {
        return Err(
            Diagnostic::new(stage.span, format!("this is stage {}", MOST + 1)).hint(format!(
                "a file may have {MOST} of them: build it in several files"
            )),
        );
    }
    let mut names = Names::new();
    for stage in stages {
        if let Some(alias) = &stage.alias {
            check_name(alias, names.insert(&alias.text, stage))?;
        }
    }
    for stage in stages {
        for step in &stage.steps {
            for from in needed(step) {
                check_from(stages.len(), &names, stage.index, from)?;
            }
        }
    }
    Ok(())
}

fn check_name(alias: &Word, other: Option<&Stage>) -> Result<()> {
    let name = &alias.text;
    if RESERVED.contains(&name.as_str()) {
        let message = format!("a stage cannot be named {name}");
        return Err(
            Diagnostic::new(alias.span, message).hint("it is a reserved word; choose another")
        );
    }
    match other {
        Some(other) => {
            let line = other.span.line;
            let message = format!("a stage is named {name} already, on line {line}");
            Err(Diagnostic::new(alias.span, message)
                .hint("give every stage a name of its own; capitals do not count"))
        }
        None => Ok(()),
    }
}

/// The stages or images whose files a step needs.
fn needed(step: &Step) -> Vec<&Word> {
    match &step.instruction {
        Instruction::Copy(copy) => copy.from.iter().collect(),
        Instruction::Run(run) => run.mounts.iter().filter_map(|m| m.from.as_ref()).collect(),
        // What ONBUILD needs is a matter of the file that builds on this one.
        _ => Vec::new(),
    }
}

/// A stage that is there, but not above: everybody means that one and not an
/// image.
fn check_from(all: usize, names: &Names<'_>, index: usize, from: &Word) -> Result<()> {
    let digits = !from.text.is_empty() && from.text.bytes().all(|b| b.is_ascii_digit());
    let found = match names.get(from.text.to_ascii_lowercase().as_str()) {
        Some(found) => found.index,
        None if digits => from.text.parse().unwrap_or(usize::MAX),
        None => return Ok(()),
    };
    let wrong = |message: String, hint: &str| Err(Diagnostic::new(from.span, message).hint(hint));
    if found < index {
        Ok(())
    } else if found == index {
        wrong(
            format!("the stage {from} needs itself"),
            "what this stage has is there already; from an image, name it with its tag",
        )
    } else if found < all {
        wrong(
            format!("the stage {from} comes only later"),
            "a stage can use those above it: move it up",
        )
    } else {
        wrong(
            format!("there is no stage {from}"),
            &format!("the file has {all}, counted from 0; a name is clearer"),
        )
    }
}
