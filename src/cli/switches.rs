//! Switches with a value, as scripts write them: `rcon logs --follow=$FOLLOW`.
//! Docker takes them for every switch of every command.

use std::ffi::OsString;

use clap::Parser;
use clap::error::{ContextKind, ErrorKind};

use super::Cli;

/// Reads a command line. What clap refuses, a switch that is set to something,
/// is written without the value, or left out; most lines are read once.
pub(super) fn parse(mut args: Vec<OsString>) -> Result<Cli, (clap::Error, Vec<OsString>)> {
    loop {
        match Cli::try_parse_from(&args) {
            Ok(cli) => return Ok(cli),
            Err(e) => match set_plainly(&mut args, &e) {
                Some(()) => {}
                None => return Err((e, args)),
            },
        }
    }
}

/// Writes the switch that an error is about without its value.
fn set_plainly(args: &mut Vec<OsString>, e: &clap::Error) -> Option<()> {
    if e.kind() != ErrorKind::TooManyValues {
        return None;
    }
    let flag = e.get(ContextKind::InvalidArg)?.to_string();
    let value = e.get(ContextKind::InvalidValue)?.to_string();
    let typed = format!("{flag}={value}");
    let at = args.iter().position(|arg| *arg == *typed)?;
    match value.as_str() {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => args[at] = flag.into(),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => drop(args.remove(at)),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;

    fn ps(line: &[&str]) -> Result<bool, String> {
        let args = ["rcon"].iter().chain(line).map(OsString::from).collect();
        match parse(args).map_err(|(e, _)| e.to_string())?.command {
            Some(Command::Ps(args)) => Ok(args.all),
            other => Err(format!("{:?} is no ps", other.is_some())),
        }
    }

    #[test]
    fn a_switch_takes_a_value() {
        for (line, all) in [
            (&["ps"][..], false),
            (&["ps", "--all=true"], true),
            (&["ps", "--all=1", "--quiet=F"], true),
            (&["ps", "--all=false"], false),
        ] {
            assert_eq!(ps(line), Ok(all), "{line:?}");
        }
        assert!(ps(&["ps", "--all=maybe"]).is_err());
        assert!(ps(&["ps", "--all=true", "--nothing=true"]).is_err());
    }

    #[test]
    fn what_is_a_programs_is_left_to_it() {
        let line = ["rcon", "run", "image", "--all=true", "--force=false"];
        let args: Vec<OsString> = line.iter().map(OsString::from).collect();
        let cli = parse(args).map_err(|(e, _)| e.to_string()).unwrap();
        assert!(cli.command.is_some());
    }
}
