//! `system check`.

use std::io::IsTerminal;
use std::process::ExitCode;

use crate::error::Result;
use crate::keeper::check;
use crate::say;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Check {
    /// Take it away
    #[arg(long)]
    repair: bool,
}

/// What is left over of images; how much of it stays.
fn images(store: &Store, repair: bool) -> Result<usize> {
    let images = crate::cli::image::of(store);
    let found = images.leftovers()?;
    if !repair || found.is_empty() {
        for finding in &found {
            say::out(finding);
        }
        return Ok(found.len());
    }
    images.repair()?;
    let left = images.leftovers()?;
    for finding in &found {
        let mended = if left.contains(finding) {
            ""
        } else {
            ": mended"
        };
        say::out(format_args!("{finding}{mended}"));
    }
    Ok(left.len())
}

/// Ends well if nothing is left over or damaged, or nothing any more.
pub fn check(store: &Store, args: &Check) -> Result<ExitCode> {
    let mut left = 0;
    for finding in check::check(store)? {
        if !args.repair {
            say::out(finding);
            left += 1;
            continue;
        }
        match check::repair(store, &finding) {
            Ok(true) => say::out(format_args!("{finding}: mended")),
            Ok(false) => {
                say::out(finding);
                left += 1;
            }
            Err(e) => {
                say::out(format_args!("{finding}: cannot be mended: {e}"));
                left += 1;
            }
        }
    }
    left += images(store, args.repair)?;
    let damaged = crate::cli::image::of(store).damage()?;
    for finding in &damaged {
        say::out(finding);
    }
    if left == 0 && damaged.is_empty() {
        // A script has the exit code, and takes every line for a finding.
        if std::io::stdout().is_terminal() {
            say::out("Nothing is left over, and no image is damaged.");
        }
        return Ok(ExitCode::SUCCESS);
    }
    if left > 0 && !args.repair {
        say::err(format_args!(
            "rcon: `rcon system check --repair` takes away what can be"
        ));
    }
    Ok(ExitCode::FAILURE)
}
