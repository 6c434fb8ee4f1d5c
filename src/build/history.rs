//! What the history of an image says of a step: as Docker's own builder writes
//! it. Pure.

use super::language::{Command, RunCommand};

/// `["a" "b"]`, as the words of `CMD` and `ENTRYPOINT` are written.
pub fn quoted(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("[{}]", words.join(" "))
}

/// `[a b]`.
pub fn plain(words: &[String]) -> String {
    format!("[{}]", words.join(" "))
}

/// `RUN |1 A=b /bin/sh -c make`, the arguments of the build in front.
pub fn run(args: &[(String, String)], argv: &[String]) -> String {
    let argv = argv.join(" ");
    if args.is_empty() {
        return format!("RUN {argv}");
    }
    let pairs: Vec<String> = args.iter().map(|(k, v)| format!("{k}={v}")).collect();
    format!("RUN |{} {} {argv}", args.len(), pairs.join(" "))
}

/// A command as a list: text is for the shell.
pub fn argv(command: &Command, shell: &[String]) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(text) => for_shell(text, shell),
    }
}

/// What a `RUN` executes. One that is a file of its own is known by its text.
pub fn run_argv(command: &RunCommand, shell: &[String]) -> Vec<String> {
    match command {
        RunCommand::Exec(words) => words.clone(),
        RunCommand::Shell(text) => for_shell(text, shell),
        RunCommand::Script(document) => for_shell(&document.text, shell),
    }
}

fn for_shell(text: &str, shell: &[String]) -> Vec<String> {
    let usual = ["/bin/sh".to_owned(), "-c".to_owned()];
    let shell = if shell.is_empty() { &usual[..] } else { shell };
    shell.iter().cloned().chain([text.to_owned()]).collect()
}
