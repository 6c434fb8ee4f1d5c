//! `commit`.

use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use super::{note, of};
use crate::archive::{Pack, pack};
use crate::cli::common::{self, Found};
use crate::cli::{cp, listing};
use crate::container::{Config, Status};
use crate::error::{Error, Result};
use crate::image::config::{Execution, History, RootFs};
use crate::image::make::{self, New};
use crate::image::reference::Reference;
use crate::image::{Image, ImageConfig, Images, instruction};
use crate::keeper::{Request, root};
use crate::say;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Commit {
    /// Who made it
    #[arg(short, long, value_name = "NAME", default_value = "")]
    author: String,
    /// Set how the image wants to be run, as `CMD ["/bin/sh"]`, ENV NAME=value or USER 1000; may be repeated
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    changes: Vec<String>,
    /// Why, for `history`
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    message: String,
    /// Freeze the container meanwhile, so that its files fit together
    #[arg(short, long, default_value_t = true, action = clap::ArgAction::Set,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pause: bool,
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// NAME or NAME:TAG
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// `commit`.
pub fn commit(store: &Store, args: &Commit) -> Result<ExitCode> {
    let name = args.name.as_deref().map(Reference::parse).transpose()?;
    let name = name.map(Reference::or_latest);
    if name.as_ref().is_some_and(|n| n.digest().is_some()) {
        return Err(
            Error::user("a digest is found by making the image, and not chosen")
                .hint("name the image NAME:TAG"),
        );
    }
    let found = common::find(store, &args.container)?;
    let wanted = found.entry.config()?;
    let images = of(store);
    let base = base(&images, &wanted)?;
    let mut config = base.as_ref().map_or_else(
        || make::empty_config(None),
        |image| ImageConfig {
            rootfs: RootFs::default(),
            ..image.config.clone()
        },
    );
    as_it_runs(&mut config.config, &wanted);
    for change in &args.changes {
        instruction::apply(&mut config.config, change)?;
    }
    if !args.author.is_empty() {
        config.author = Some(args.author.clone());
    }
    let step = History {
        created: Some(make::moment()?.to_string()),
        created_by: wanted.program.argv().join(" "),
        author: args.author.clone(),
        comment: args.message.clone(),
        ..History::default()
    };
    let new = New {
        base: base.as_ref(),
        config,
        step,
        names: name.as_slice(),
    };
    let paused = Paused::if_wanted(&found, args.pause)?;
    let made = write(store, &found, new, &images, base.is_some());
    drop(paused);
    let id = made?.id().to_string();
    note(store, "commit", &id, &id);
    listing::print(&format!("{id}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// The image that the container was made from; none, if it was a directory.
fn base(images: &Images, wanted: &Config) -> Result<Option<Image>> {
    let Some(image) = &wanted.image else {
        return Ok(None);
    };
    images.find(&image.id).map(Some).map_err(|_| {
        Error::user(format!(
            "the image {} is not here any more",
            image.reference
        ))
        .hint("pull it again, or use `rcon export` and `rcon import`")
    })
}

/// How the container runs is how the image wants to be run.
fn as_it_runs(to: &mut Execution, wanted: &Config) {
    let program = &wanted.program;
    to.entrypoint.clone_from(&program.entrypoint);
    to.cmd.clone_from(&program.command);
    to.env.clone_from(&program.env);
    to.working_dir.clone_from(&program.workdir);
    to.user.clone_from(&program.user);
    to.labels.clone_from(&wanted.labels);
    if !program.stop_signal.is_empty() {
        to.stop_signal.clone_from(&program.stop_signal);
    }
}

fn write(
    store: &Store,
    found: &Found,
    new: New<'_>,
    images: &Images,
    changes: bool,
) -> Result<Image> {
    let places = cp::mount_points(found);
    let places = places.iter().filter_map(|p| p.strip_prefix("/").ok());
    let leave_out = places.map(|p| p.as_os_str().as_bytes().to_vec()).collect();
    let mut options = Pack {
        name: b".".to_vec(),
        ownership: cp::owners(found)?,
        leave_out,
        ..Pack::default()
    };
    if changes {
        // On the disk everything belongs to the image's own ids.
        options.ownership = crate::archive::Ownership::Keep;
        let layers = root::layers(store, &found.entry)?;
        let (upper, _) = layers.ok_or_else(|| Error::internal("a container without layers"))?;
        options.layer = true;
        return new.make(images, |out| pack(&upper, b".", out, &options).map(drop));
    }
    let open = root::open(store, &found.entry, &found.state)?;
    options.one_file_system = true;
    new.make(images, |out| {
        pack(&open.root, b".", out, &options).map(drop)
    })
}

/// A container that is frozen for as long as this is held.
struct Paused<'a>(&'a Found);

impl<'a> Paused<'a> {
    fn if_wanted(found: &'a Found, wanted: bool) -> Result<Option<Self>> {
        if !wanted || found.state.status != Status::Running {
            return Ok(None);
        }
        common::ask(found, &Request::Pause)?;
        Ok(Some(Self(found)))
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        if let Err(e) = common::ask(self.0, &Request::Unpause) {
            say::warning(format_args!("the container is still paused: {e}"));
        }
    }
}
