//! What is allowed in a stage but most likely not meant so, and is seen only
//! when its instructions are looked at together. What one line tells by itself
//! is said where that is read.

use super::ast::{Instruction, Source, Stage, Step};
use super::diagnostic::Diagnostic;
use super::{Dockerfile, Word};

/// All of it.
pub(super) fn find(file: &Dockerfile) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut settled = Vec::new();
    for stage in &file.stages {
        found.extend(overruled(stage, "CMD"));
        found.extend(overruled(stage, "ENTRYPOINT"));
        let begins = match file.base(stage.index, &stage.base.text) {
            Source::Stage(other) => settled[other],
            _ => false,
        };
        settled.push(directories(stage, begins, &mut found));
    }
    found
}

/// Of several commands only the last one counts.
fn overruled<'a>(stage: &'a Stage, keyword: &'a str) -> impl Iterator<Item = Diagnostic> + 'a {
    let is = move |step: &&Step| step.instruction.keyword() == keyword;
    let last = stage.steps.iter().rfind(is);
    let line = last.map_or(0, |step| step.span.line);
    let others = stage.steps.iter().filter(is);
    let others = others.take_while(move |step| step.span.line != line);
    others.map(move |step| {
        let message = format!("this {keyword} has no effect: line {line} has another");
        Diagnostic::new(step.span, message).hint(format!(
            "only the last {keyword} of a stage counts: leave out the others"
        ))
    })
}

/// Notes a directory that depends on where the base has left off. `settled`:
/// that is known; whether it is at the end.
fn directories(stage: &Stage, mut settled: bool, found: &mut Vec<Diagnostic>) -> bool {
    for step in &stage.steps {
        let Instruction::Workdir(path) = &step.instruction else {
            continue;
        };
        if may_be_absolute(path) {
            settled = true;
        } else if !settled {
            let message = format!("{path} is below the directory of the base, whichever that is");
            found.push(
                Diagnostic::new(path.span, message)
                    .hint(format!("begin with a /, as in: WORKDIR /{path}")),
            );
            // What follows is below this one: that is said once.
            settled = true;
        }
    }
    settled
}

/// A variable may hold anything; a drive of Windows is not ours to judge.
fn may_be_absolute(path: &Word) -> bool {
    let text = path.text.trim_start_matches(['"', '\'']);
    text.starts_with(['/', '\\', '$']) || text.chars().nth(1) == Some(':')
}
