//! Switches with a value, as scripts write them: `rcon logs --follow=$FOLLOW`.
//! Docker takes them for every switch of every command.

use std::ffi::OsString;

use clap::error::{ContextKind, ErrorKind};
use clap::{Args, FromArgMatches, Parser};

use super::{Cli, Places, command_word, flags, ps, rm, start};
use crate::format::switch;

/// Reads a command line. What clap refuses, a switch that is set to something,
/// is written without the value, or left out; most lines are read once.
pub(super) fn parse(mut args: Vec<OsString>) -> Result<Cli, (clap::Error, Vec<OsString>)> {
    if let Some(cli) = by_itself(&args) {
        return Ok(cli);
    }
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

/// Reads a line of one of the commands that are typed most, with no other
/// command defined: defining half a hundred takes longer than the rest. What
/// cannot be read so is read with all of them, and whatever is to be said of
/// it comes from there.
fn by_itself(args: &[OsString]) -> Option<Cli> {
    let new = clap::Command::new;
    let command = match command_word(args)? {
        "run" => flags::Run::augment_args(new("run")),
        "create" => flags::Create::augment_args(new("create")),
        "exec" => flags::Exec::augment_args(new("exec")),
        "start" => start::Start::augment_args(new("start")),
        "ps" => ps::Ps::augment_args(new("ps")),
        "rm" => rm::Rm::augment_args(new("rm")),
        _ => return None,
    };
    let all = Places::augment_args(new("rcon"))
        .args_override_self(true)
        .disable_help_subcommand(true)
        .subcommand(command);
    let found = all.try_get_matches_from(args).ok()?;
    Cli::from_arg_matches(&found).ok()
}

/// Writes the switch that an error is about without its value.
fn set_plainly(args: &mut Vec<OsString>, e: &clap::Error) -> Option<()> {
    let flag = e.get(ContextKind::InvalidArg)?.to_string();
    let (at, flag, value) = match e.kind() {
        ErrorKind::TooManyValues => {
            let value = e.get(ContextKind::InvalidValue)?.to_string();
            let typed = format!("{flag}={value}");
            (args.iter().position(|arg| *arg == *typed)?, flag, value)
        }
        // Of short ones clap takes the `=` for one more of them.
        ErrorKind::UnknownArgument if flag == "-=" => short(args)?,
        _ => return None,
    };
    if switch::parse(&value)? {
        args[at] = flag.into();
    } else {
        switch_off(args, at, &flag);
    }
    Some(())
}

/// The first of `-t=VALUE` or `-it=VALUE`: where, the letters, and the value.
fn short(args: &[OsString]) -> Option<(usize, String, String)> {
    args.iter().enumerate().find_map(|(at, arg)| {
        let (flag, value) = arg.to_str()?.split_once('=')?;
        let letters = flag.strip_prefix('-')?;
        let is_short = !letters.is_empty() && letters.bytes().all(|b| b.is_ascii_alphabetic());
        is_short.then(|| (at, flag.to_owned(), value.to_owned()))
    })
}

/// What was said last counts: the same before it is left out, too. Of several
/// letters the value is the last one's.
fn switch_off(args: &mut Vec<OsString>, at: usize, flag: &str) {
    if flag.starts_with("--") || flag.len() == 2 {
        args.remove(at);
        let mut n = 0;
        args.retain(|arg| {
            n += 1;
            n > at || *arg != *flag
        });
    } else {
        args[at] = flag[..flag.len() - 1].into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, Container};

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
            (&["ps", "--all", "--all=false"], false),
            (&["ps", "-a=true"], true),
            (&["ps", "-a", "-a=false"], false),
            (&["ps", "-qa=false"], false),
            (&["ps", "-aq=0"], true),
        ] {
            assert_eq!(ps(line), Ok(all), "{line:?}");
        }
        for line in ["--all=maybe", "-a=maybe", "-="] {
            assert!(ps(&["ps", line]).is_err(), "{line}");
        }
        assert!(ps(&["ps", "--all=true", "--nothing=true"]).is_err());
    }

    #[test]
    fn a_command_by_itself_is_read_as_among_all_others() {
        for line in [
            "rcon run --rm -it -e A=1 -v /a:/b img sh -c --rm",
            "rcon --root /x run --name box -p 80:80 --root /y img",
            "rcon run --memory 1g --memory 2g img --help",
            "rcon create --name box img",
            "rcon exec -it -u 1:2 --run-root /z box ls -l",
            "rcon --root=/x start -a box",
            "rcon ps -aq --filter name=web",
            "rcon rm -fv a b",
        ] {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let alone = by_itself(&args).unwrap_or_else(|| panic!("not read: {line}"));
            let among = Cli::try_parse_from(&args).map_err(|e| e.to_string());
            assert_eq!(format!("{alone:?}"), format!("{:?}", among.unwrap()));
        }
        for line in ["rcon run", "rcon run --help", "rcon ps --no", "rcon info"] {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert!(by_itself(&args).is_none(), "{line}");
        }
    }

    #[test]
    fn what_is_a_programs_is_left_to_it() {
        let line = [
            "rcon",
            "run",
            "-t=false",
            "--rm",
            "--rm=false",
            "image",
            "--rm=false",
            "-t=1",
        ];
        let args: Vec<OsString> = line.iter().map(OsString::from).collect();
        let cli = parse(args).map_err(|(e, _)| e.to_string()).unwrap();
        let Some(Command::OfContainers(Container::Run(run))) = cli.command else {
            panic!("no run");
        };
        assert!(!run.create.life.rm && !run.create.life.tty);
        assert_eq!(
            run.create.image_and_command,
            ["image", "--rm=false", "-t=1"]
        );
    }
}
