//! `system`: what is true of everything at once.

use std::process::ExitCode;

use clap::Subcommand;

use crate::error::Result;
use crate::keeper::check;
use crate::store::Store;

/// What is true of everything at once.
#[derive(Debug, Subcommand)]
pub enum System {
    /// Look for anything left over: half-made containers, dead keepers, cgroups, names
    Check {
        /// Take it away
        #[arg(long)]
        repair: bool,
    },
}

/// `system …`.
pub fn system(store: &Store, command: &System) -> Result<ExitCode> {
    match command {
        System::Check { repair } => check(store, *repair),
    }
}

/// Ends well if nothing is left over, or nothing any more.
fn check(store: &Store, repair: bool) -> Result<ExitCode> {
    let mut left = 0;
    for finding in check::check(store)? {
        if !repair {
            println!("{finding}");
            left += 1;
            continue;
        }
        match check::repair(store, &finding) {
            Ok(true) => println!("{finding}: mended"),
            Ok(false) => {
                println!("{finding}");
                left += 1;
            }
            Err(e) => {
                println!("{finding}: cannot be mended: {e}");
                left += 1;
            }
        }
    }
    if left == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    if !repair {
        eprintln!("rcon: `rcon system check --repair` takes away what can be");
    }
    Ok(ExitCode::FAILURE)
}
