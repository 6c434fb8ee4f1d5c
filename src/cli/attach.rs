//! `attach`.

use std::process::ExitCode;

use super::{common, flags, start};
use crate::container::Status;
use crate::error::{Error, Result};
use crate::foreground::session;
use crate::keeper::{Attached, Request};
use crate::store::Store;

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
    let connection = common::connect(&found)?;
    let config = found.entry.config()?;
    let attached = Attached {
        input: config.program.open_stdin && !args.no_stdin,
        output: true,
        errors: true,
    };
    let options = session::options(&config, attached, args.sig_proxy, keys.as_deref());
    let request = Request::Attach(attached, session::own_size());
    // A keeper at its end does not listen any more, but it still says how
    // that was.
    let _ = request.send(&connection);
    let outcome = session::attend(&connection, &options)?;
    start::shown(store, &found.entry, outcome)
}
