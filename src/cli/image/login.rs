//! `login` and `logout`.

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use nix::sys::termios;

use crate::cli::listing;
use crate::error::{Context, Error, Result};
use crate::registry::{Client, Config, Kept};
use crate::say;

#[derive(Debug, clap::Args)]
pub struct Login {
    /// The name
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,
    /// The password; others on this machine can see what is typed here
    #[arg(
        short,
        long,
        value_name = "PASSWORD",
        conflicts_with = "password_stdin"
    )]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// The registry's host, perhaps with a port [default: docker.io]
    #[arg(default_value = "", hide_default_value = true, value_name = "REGISTRY")]
    registry: String,
}

#[derive(Debug, clap::Args)]
pub struct Logout {
    /// The registry's host, perhaps with a port [default: docker.io]
    #[arg(default_value = "", hide_default_value = true, value_name = "REGISTRY")]
    registry: String,
}

/// No password is longer.
const LONGEST: u64 = 64 << 10;

/// `login`.
pub fn login(args: &Login) -> Result<ExitCode> {
    let config = Config::load()?;
    if args.password_stdin && args.username.is_none() {
        return Err(Error::user("Must provide --username with --password-stdin"));
    }
    let asks = args.username.is_none() || args.password.is_none() && !args.password_stdin;
    if asks && !std::io::stdin().is_terminal() {
        return Err(
            Error::user("cannot ask for a name or password: the input is not a terminal")
                .hint("give them with --username NAME and --password-stdin"),
        );
    }
    let user = match &args.username {
        Some(user) => user.clone(),
        None => ask("Username: ")?,
    };
    let password = password(args)?;
    let kept = Client::login(&config, &args.registry, &user, &password)?;
    if let Kept::File(path) = &kept {
        say::err(format_args!(
            "rcon: warning: the password is kept in {}, readable for whoever can read that file",
            path.display()
        ));
    }
    listing::print("Login Succeeded\n")?;
    Ok(ExitCode::SUCCESS)
}

fn password(args: &Login) -> Result<String> {
    if let Some(password) = &args.password {
        say::err(format_args!(
            "rcon: warning: a password on the command line can be seen by others (use --password-stdin)"
        ));
        return Ok(password.clone());
    }
    let stdin = std::io::stdin();
    if !args.password_stdin {
        return unseen(|| ask("Password: "));
    }
    let mut text = String::new();
    stdin
        .take(LONGEST)
        .read_to_string(&mut text)
        .context(|| "cannot read the password")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// What is typed meanwhile is not shown.
fn unseen<T>(act: impl FnOnce() -> Result<T>) -> Result<T> {
    let stdin = std::io::stdin();
    let what = |e| Error::from(std::io::Error::from(e)).context("the terminal");
    let before = termios::tcgetattr(&stdin).map_err(what)?;
    let mut silent = before.clone();
    silent.local_flags.remove(termios::LocalFlags::ECHO);
    termios::tcsetattr(&stdin, termios::SetArg::TCSAFLUSH, &silent).map_err(what)?;
    let done = act();
    termios::tcsetattr(&stdin, termios::SetArg::TCSAFLUSH, &before).map_err(what)?;
    // The newline was not shown either.
    listing::print("\n")?;
    done
}

fn ask(question: &str) -> Result<String> {
    listing::print(question)?;
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .context(|| "cannot read the name")?;
    Ok(line.trim().to_owned())
}

/// `logout`.
pub fn logout(args: &Logout) -> Result<ExitCode> {
    let known = Client::logout(&Config::load()?, &args.registry)?;
    let shown = if args.registry.is_empty() {
        "docker.io"
    } else {
        &args.registry
    };
    listing::print(&if known {
        format!("Removing login credentials for {shown}\n")
    } else {
        format!("Not logged in to {shown}\n")
    })?;
    Ok(ExitCode::SUCCESS)
}
