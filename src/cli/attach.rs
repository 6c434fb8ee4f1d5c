//! `attach`.

use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::Duration;

use super::{common, flags, start};
use crate::container::Status;
use crate::error::{Error, Result};
use crate::foreground::session;
use crate::keeper::{Attached, Request};
use crate::store::Store;

/// So long a program has to see how large its terminal is.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Debug, clap::Args)]
pub struct Attach {
    /// Pass nothing on
    #[arg(long)]
    no_stdin: bool,
    /// Pass signals to this command on to the program
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    sig_proxy: bool,
    /// What to type to leave [default: ctrl-p,ctrl-q]
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Name or id
    container: String,
}

/// `attach`.
pub fn attach(store: &Store, args: &Attach) -> Result<ExitCode> {
    let keys = args.detach_keys.as_deref().map(flags::detach_keys);
    let keys = keys.transpose()?;
    let found = common::find(store, &args.container)?;
    if found.state.status == Status::Paused {
        return Err(Error::user("a paused container says nothing")
            .hint(format!("`rcon unpause {}` lets it go on", args.container)));
    }
    let config = found.entry.config()?;
    let attached = Attached {
        input: config.program.open_stdin && !args.no_stdin,
        output: true,
        errors: true,
    };
    // A pipe's end is none for who reads from a terminal: it would wait for ever.
    if attached.input && config.program.tty {
        common::check_terminal("--no-stdin only shows what it says")?;
    }
    let connection = common::connect(&found)?;
    let options = session::options(&config, attached, args.sig_proxy, keys.as_deref());
    // A keeper at its end does not listen any more, but it still says how
    // that was.
    let _ = join(&connection, attached, config.program.tty);
    let outcome = session::attend(&connection, &options)?;
    start::shown(store, &found.entry, outcome)
}

/// A full-screen program draws anew when its terminal changes its size, and at
/// no other time: so for a moment it is a line shorter.
fn join(connection: &OwnedFd, attached: Attached, terminal: bool) -> Result<()> {
    let (rows, columns) = session::own_size();
    let nudges = terminal && rows > 1;
    let first = rows - u16::from(nudges);
    Request::Attach(attached, (first, columns)).send(connection)?;
    if nudges {
        std::thread::sleep(LOOK);
        Request::Resize((rows, columns)).send(connection)?;
    }
    Ok(())
}
