//! `network doctor`: what on this machine keeps containers from the world, and
//! what helps.

use std::process::ExitCode;

use crate::cli::listing;
use crate::error::Result;
use crate::network::firewall::{self, Obstacle};
use crate::store::Store;

/// Look for what keeps containers from the world, and say what helps
#[derive(Debug, clap::Args)]
pub struct Doctor {}

/// Ends well if nothing was found that certainly is in the way.
pub fn doctor(store: &Store, _: &Doctor) -> Result<ExitCode> {
    let found = firewall::obstacles(store)?;
    let text = match found.as_slice() {
        [] => "Nothing stands in the way of containers.\n".to_owned(),
        all => all.iter().map(shown).collect::<Vec<_>>().join("\n"),
    };
    listing::print(&text)?;
    // What may only be in the way of some is told, and no failure.
    Ok(ExitCode::from(u8::from(found.iter().any(|o| o.sure))))
}

fn shown(obstacle: &Obstacle) -> String {
    let lines = obstacle.remedy.iter().map(|line| format!("    {line}\n"));
    format!("{}\n{}", obstacle.what, lines.collect::<String>())
}
