//! `top`: the processes of a container, as `ps` shows them.

use std::process::ExitCode;

use super::{common, listing};
use crate::cgroup::ops::Cgroup;
use crate::error::Result;
use crate::ps::{Listing, Spacing};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Top {
    /// Name or id
    container: String,
    /// What to show of them, as ps is told: -ef, aux, -o pid,user,args
    #[arg(
        value_name = "PS OPTIONS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    options: Vec<String>,
}

/// As `docker top` has it.
const SPACING: Spacing = Spacing { width: 20, gap: 3 };

/// `top`.
pub fn top(store: &Store, args: &Top) -> Result<ExitCode> {
    let columns = Listing::new(&args.options)?;
    let found = common::find(store, &args.container)?;
    let paths = found.state.cgroups.as_ref();
    let paths = paths.filter(|_| found.state.status.is_up() && found.state.pid != 0);
    let paths = paths.ok_or_else(|| common::not_running(&found))?;
    let pids = Cgroup::open(paths)?.pids()?;
    listing::print(&columns.of(&pids, SPACING))?;
    Ok(ExitCode::SUCCESS)
}
