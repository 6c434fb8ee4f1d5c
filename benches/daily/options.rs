//! What was asked for on the command line.

use crate::case::Case;
use crate::cases;

pub(crate) struct Options {
    /// How often everybody has a turn; each case has a number of its own.
    pub(crate) rounds: Option<usize>,
    pub(crate) cases: Vec<Case>,
    /// Only say which cases there are.
    pub(crate) list: bool,
}

const USAGE: &str = "usage: daily [--list] [--rounds N] [--case NAME]…";

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Options {
            rounds: None,
            cases: Vec::new(),
            list: false,
        };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // Cargo passes this to every benchmark.
                "--bench" => {}
                "--list" => options.list = true,
                "--rounds" => options.rounds = Some(number(args.next())?.max(1)),
                "--case" => options.cases.push(case(args.next())?),
                other => return Err(format!("unknown argument `{other}`\n{USAGE}")),
            }
        }
        if options.cases.is_empty() {
            options.cases = cases::all();
        }
        Ok(options)
    }
}

fn number(text: Option<String>) -> Result<usize, String> {
    let text = text.ok_or(USAGE)?;
    text.parse()
        .map_err(|why| format!("{text:?} is no number: {why}"))
}

fn case(name: Option<String>) -> Result<Case, String> {
    let name = name.ok_or(USAGE)?;
    let found = cases::all().into_iter().find(|case| case.name == name);
    found.ok_or_else(|| format!("there is no case `{name}`; see --list"))
}
