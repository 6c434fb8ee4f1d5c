//! The program of the built-in image: it tells what a container sees.
//!
//! `rcon run hello` is the first thing a newcomer runs. The image is made of
//! rcon's own binary ([`crate::image::hello`]), which under the name `hello`
//! is this program. It is an ordinary program: it knows nothing of rcon's
//! state, and what it tells it has from `/proc` and the kernel like any other.
//!
//! [`observe`] reads the facts; [`lesson`] puts them into words, once;
//! [`text`] and [`page`] only lay those words out. [`serve`] shows the page
//! on a port, and [`http`] is the little of HTTP that takes.

mod http;
mod lesson;
mod observe;
mod page;
mod serve;
mod text;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use crate::error::Result;
use lesson::Audience;

/// Where `--serve` listens unless told otherwise.
pub const PORT: u16 = 8000;

/// A wrong command line.
const USAGE: u8 = 2;

const HELP: &str = "\
hello: what a container sees from inside

Usage: hello [--json | --serve [PORT]]

  (nothing)        tell it in words
  --json           tell it as a JSON document
  --serve [PORT]   show it as a web page on this port of every address
                   [default: 8000]; also as /text and /json. SIGTERM and
                   Ctrl-C end it.
  -h, --help       this
  -V, --version    which rcon this is

This image holds one program and no shell. In a container of any image there is
something to see: rcon run --rm -it IMAGE sh
";

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Tell,
    Json,
    Serve(u16),
    Help,
    Version,
}

/// `hello [--json | --serve [PORT]]`
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = args.into_iter().skip(1);
    let args: Vec<String> = args.map(|a| a.to_string_lossy().into_owned()).collect();
    let wish = match parse(&args) {
        Ok(wish) => wish,
        Err(what) => {
            let _ = writeln!(io::stderr(), "hello: {what} (--help tells what there is)");
            return ExitCode::from(USAGE);
        }
    };
    match fulfil(wish) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(io::stderr(), "hello: error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn fulfil(wish: Wish) -> Result<()> {
    match wish {
        Wish::Serve(port) => return serve::serve(port),
        Wish::Tell => say(&told()),
        Wish::Json => say(&json(&observe::observe())?),
        Wish::Help => say(HELP),
        Wish::Version => say(&format!("hello, of rcon {}\n", env!("CARGO_PKG_VERSION"))),
    }
    Ok(())
}

/// Whoever has closed the output has read enough.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// In words, for standard output as it is.
fn told() -> String {
    let lesson = lesson::teach(&observe::observe(), Audience::Caller);
    let out = io::stdout();
    let columns = crate::sys::tty::size(out.as_fd()).map(|(_, columns)| columns);
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
    let style = text::Style {
        width: usize::from(columns.filter(|c| *c > 0).unwrap_or(80)),
        colour: wanted && !dumb && out.is_terminal(),
    };
    text::lay_out(&lesson, style)
}

fn json(facts: &observe::Facts) -> Result<String> {
    let text = serde_json::to_string_pretty(facts);
    let text = text.map_err(|e| crate::error::Error::internal(e.to_string()))?;
    Ok(text + "\n")
}

fn parse(args: &[String]) -> std::result::Result<Wish, String> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        [] => Ok(Wish::Tell),
        ["--json"] => Ok(Wish::Json),
        ["-h" | "--help", ..] => Ok(Wish::Help),
        ["-V" | "--version"] => Ok(Wish::Version),
        ["--serve"] => Ok(Wish::Serve(PORT)),
        ["--serve", text] => port(text),
        [one] if one.starts_with("--serve=") => port(&one["--serve=".len()..]),
        ["--json" | "--serve", .., other] | [other, ..] => {
            Err(format!("unknown argument {other:?}"))
        }
    }
}

fn port(text: &str) -> std::result::Result<Wish, String> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    match number {
        Some(port) if port > 0 => Ok(Wish::Serve(port)),
        _ => Err(format!("invalid port {text:?}: a number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> std::result::Result<Wish, String> {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        parse(&args)
    }

    #[test]
    fn what_is_understood() {
        for (args, wish) in [
            (&[][..], Wish::Tell),
            (&["--json"], Wish::Json),
            (&["--serve"], Wish::Serve(8000)),
            (&["--serve", "80"], Wish::Serve(80)),
            (&["--serve=65535"], Wish::Serve(65535)),
            (&["-h"], Wish::Help),
            (&["--help", "--whatever"], Wish::Help),
            (&["--version"], Wish::Version),
        ] {
            assert_eq!(parsed(args), Ok(wish), "{args:?}");
        }
    }

    #[test]
    fn what_is_not_is_named() {
        for (args, why) in [
            (&["sh"][..], "unknown argument \"sh\""),
            (&["a\nb"], "unknown argument \"a\\nb\""),
            (&["--json", "--serve"], "unknown argument \"--serve\""),
            (&["--serve", "80", "x"], "unknown argument \"x\""),
            (&["--serve", "0"], "invalid port \"0\""),
            (&["--serve", "+80"], "invalid port \"+80\""),
            (&["--serve", "65536"], "invalid port"),
            (&["--serve="], "invalid port \"\""),
        ] {
            let e = parsed(args).unwrap_err();
            assert!(e.starts_with(why) && !e.contains('\n'), "{args:?}: {e}");
        }
    }
}
