//! `volume create`.

use std::process::ExitCode;

use crate::cli::flags::parse::pair::{self, Pair};
use crate::cli::flags::parse::{mount, volume};
use crate::cli::listing;
use crate::container::{Id, VolumeWish};
use crate::error::{Error, Result};
use crate::store::Store;
use crate::volume::Volumes;

/// Make a volume
#[derive(Debug, clap::Args)]
pub struct Create {
    /// What keeps it: local, which is all there is
    #[arg(short, long, default_value = "local")]
    driver: String,
    /// Note something about it [default: none]
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair::label)]
    label: Vec<Pair>,
    /// A file system to be mounted in it while it is used: type=nfs, device=:/path, o=addr=… [default: none]
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = pair::volume_option)]
    opt: Vec<Pair>,
    /// The same as its name alone
    #[arg(long = "name", value_name = "NAME", hide = true)]
    named: Option<String>,
    /// What it is called [default: a name is made up, and it counts as one without]
    name: Option<String>,
}

/// `volume create`. One that is there already is fine.
pub fn create(store: &Store, args: &Create) -> Result<ExitCode> {
    mount::check_driver(&args.driver)?;
    let name = match (&args.name, &args.named) {
        (Some(_), Some(_)) => {
            return Err(Error::user("conflicting options: --name and a name alone"));
        }
        (name, named) => name.as_ref().or(named.as_ref()),
    };
    let wish = VolumeWish {
        labels: args.label.iter().cloned().collect(),
        options: args.opt.iter().cloned().collect(),
    };
    let volumes = Volumes(store);
    let name = if let Some(name) = name.filter(|name| !name.is_empty()) {
        volume::check_name(name)?;
        volumes.ensure(name, &wish)?;
        name.clone()
    } else {
        let name = Id::random()?.to_string();
        volumes.make_anonymous(&name, &wish)?;
        name
    };
    listing::print(&format!("{name}\n"))?;
    Ok(ExitCode::SUCCESS)
}
