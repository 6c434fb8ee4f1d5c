mod corpus;
mod errors;
mod forms;
mod lines;
mod properties;

use super::*;

/// The steps of the only stage of a file that begins with `FROM a`.
fn steps(text: &str) -> Vec<Instruction> {
    let text = format!("FROM a\n{text}");
    let mut file = parse(&text).unwrap_or_else(|e| panic!("{text}\n{}", e.render("f", &text)));
    assert_eq!(file.stages.len(), 1);
    let steps = file.stages.remove(0).steps;
    steps.into_iter().map(|step| step.instruction).collect()
}

/// The only step.
fn step(text: &str) -> Instruction {
    let mut steps = steps(text);
    assert_eq!(steps.len(), 1, "{text}");
    steps.remove(0)
}

fn run(text: &str) -> RunCommand {
    match step(text) {
        Instruction::Run(run) => run.command,
        other => panic!("{other:?}"),
    }
}

fn shell(text: &str) -> RunCommand {
    RunCommand::Shell(text.to_owned())
}

fn texts(words: &[Word]) -> Vec<&str> {
    words.iter().map(|word| word.text.as_str()).collect()
}
