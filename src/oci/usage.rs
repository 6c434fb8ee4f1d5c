//! Wrong words on the command line, told in one line.

use crate::error::with_short_quotes;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What clap found wrong, in one sentence with a remedy.
pub(super) fn sentence(e: &clap::Error) -> String {
    with_short_quotes(&whole_sentence(e)).into_owned()
}

fn whole_sentence(e: &clap::Error) -> String {
    let word = |kind| match e.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let unexpected =
        word(ContextKind::InvalidArg).filter(|_| e.kind() == ErrorKind::UnknownArgument);
    let Some(arg) = unexpected else {
        return format!("{} (see --help)", joined(&e.render().to_string()));
    };
    match (habit(arg), word(ContextKind::SuggestedArg)) {
        (Some(habit), _) => format!("unexpected argument '{arg}' ({habit}; see --help)"),
        (None, Some(near)) => {
            format!("unexpected argument '{arg}' (did you mean '{near}'? see --help)")
        }
        (None, None) => format!("unexpected argument '{arg}' (see --help)"),
    }
}

/// Where the things are that a hand used to Docker types here.
fn habit(arg: &str) -> Option<&'static str> {
    let name = arg.split_once('=').map_or(arg, |(name, _)| name);
    Some(match name {
        "-i" | "--interactive" => {
            "standard input is always passed on; a terminal is asked for with exec --tty, or by \
             process.terminal in config.json"
        }
        "-t" | "--tty" => "a terminal is asked for by process.terminal in config.json",
        "--rm" => "run removes the container when it ends, unless --keep is given",
        "--name" => "the name is the last word, without a flag",
        "-v" | "--volume" | "--mount" | "-e" | "--env" | "-u" | "--user" | "-w" | "--workdir"
        | "-m" | "--memory" | "-p" | "--publish" | "--network" | "--cap-add" | "--hostname"
        | "--read-only" | "--privileged" => "that is said in the bundle's config.json",
        _ => return None,
    })
}

/// All that stands before the usage and the hint at it, as one line.
fn joined(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let ends = ["Usage:", "For more information"];
    let lines = lines.take_while(|l| !ends.iter().any(|end| l.starts_with(end)));
    let text = lines.collect::<Vec<_>>().join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::args::Cli;
    use clap::Parser;

    fn told(words: &[&str]) -> String {
        let e = Cli::try_parse_from([&["rcon oci"], words].concat());
        super::sentence(&e.unwrap_err())
    }

    #[test]
    fn a_wrong_word_is_named_in_one_line() {
        for (words, part) in [
            (
                &["list", "--coffee"][..],
                "unexpected argument '--coffee' (see",
            ),
            (&["list", "--quite"], "did you mean '--quiet'?"),
            (&["coffee"], "coffee"),
            (&["start"], "<CONTAINER>"),
            (&["list", "a", "b"], "unexpected argument 'a'"),
        ] {
            let told = told(words);
            assert!(told.contains(part) && !told.contains('\n'), "{told}");
            assert!(
                !told.contains("error:") && told.contains("--help"),
                "{told}"
            );
        }
    }

    #[test]
    fn what_docker_would_take_is_explained() {
        assert!(told(&["exec", "-it", "x", "sh"]).contains("standard input is always"));
        assert!(told(&["run", "--rm", "x"]).contains("unless --keep"));
        assert!(told(&["run", "--name", "x"]).contains("the last word"));
        assert!(told(&["run", "--memory=1g", "x"]).contains("config.json"));
    }
}
