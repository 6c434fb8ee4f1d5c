//! `cp`, `diff` and `export`: the files of a container.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::common::{self, Found};
use crate::archive::copy::{self, Incoming, Source, Trust};
use crate::archive::{self, Change, ChangeKind, IdMaps, IdRange, Ownership, Pack};
use crate::container::{IdMap, Mount, State};
use crate::error::{Context, Error, Result};
use crate::keeper::root;
use crate::say;
use crate::store::{Entry, Store};
use crate::sys::fd;

#[derive(Debug, clap::Args)]
pub struct Cp {
    /// Keep user and group ids, set-id bits, capabilities and device nodes
    #[arg(short, long)]
    archive: bool,
    /// Copy what a link leads to, not the link
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Say nothing
    #[arg(short, long)]
    quiet: bool,
    /// CONTAINER:PATH, PATH, or - for a tar archive on standard input, packed or not
    source: String,
    /// CONTAINER:PATH, PATH, or - for a tar archive on standard output
    destination: String,
}

#[derive(Debug, clap::Args)]
pub struct Diff {
    /// Name or id
    container: String,
}

#[derive(Debug, clap::Args)]
pub struct Export {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name or id
    container: String,
}

/// One side of a copy.
enum Side {
    Container(Box<Found>, String),
    Host(PathBuf),
    Stream,
}

impl Side {
    /// A path with a `/` or `.` in front is the host's, whatever colons it has.
    fn parse(store: &Store, text: &str) -> Result<Self> {
        if text == "-" {
            return Ok(Self::Stream);
        }
        match text.split_once(':') {
            Some((name, path)) if !name.is_empty() && !name.starts_with(['/', '.']) => Ok(
                Self::Container(Box::new(common::find(store, name)?), path.to_owned()),
            ),
            _ => Ok(Self::Host(PathBuf::from(text))),
        }
    }
}

/// `cp`.
pub fn cp(store: &Store, args: &Cp) -> Result<ExitCode> {
    let from = Side::parse(store, &args.source)?;
    let to = Side::parse(store, &args.destination)?;
    match (&from, &to) {
        (Side::Container(from, path), Side::Host(to)) => out(store, args, from, path, to)?,
        (Side::Host(from), Side::Container(to, path)) => into(store, args, from, to, path)?,
        (Side::Container(from, path), Side::Stream) => out_stream(store, args, from, path)?,
        (Side::Stream, Side::Container(to, path)) => in_stream(store, to, path)?,
        (Side::Container(..), Side::Container(..)) => {
            return Err(Error::user("copying between containers is not supported")
                .hint("copy to the host first, or through a pipe: cp A:/x - | cp - B:/"));
        }
        _ => {
            return Err(
                Error::user("must specify at least one container source or destination")
                    .hint("as in `rcon cp web:/etc/hosts .`"),
            );
        }
    }
    if !args.quiet && io::stderr().is_terminal() && !matches!(to, Side::Stream) {
        say::err(format_args!(
            "copied {} to {}",
            args.source, args.destination
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The host's own root, from which its paths are looked up.
fn host() -> Result<std::os::fd::OwnedFd> {
    Ok(fd::open(Path::new("/"), libc::O_PATH | libc::O_DIRECTORY)?)
}

/// An absolute path that still ends as it was typed: in `/` or `/.` or not.
fn host_path(path: &Path) -> Result<Vec<u8>> {
    let typed = path.as_os_str().as_bytes();
    if path.is_absolute() {
        return Ok(typed.to_vec());
    }
    let here = std::env::current_dir().context(|| "cannot find the current directory")?;
    Ok([here.as_os_str().as_bytes(), b"/", typed].concat())
}

/// Whose files are on the two sides: in a container, as its user namespace
/// maps them; on the host, those of whoever copies, unless ids are to be kept.
pub fn owners(found: &Found) -> Result<Ownership> {
    let config = found.entry.config()?;
    Ok(match config.isolation.userns {
        None => Ownership::Keep,
        Some((outside, size)) => {
            let range = IdRange {
                inside: 0,
                outside,
                size,
            };
            Ownership::Mapped(IdMaps {
                uids: vec![range],
                gids: vec![range],
            })
        }
    })
}

/// A container's root with what is mounted in it. Copies go with the ids that
/// are on the disk, so what is shown under other owners must be shown so.
fn open(store: &Store, entry: &Entry, state: &State, path: &str) -> Result<root::Open> {
    let config = entry.config()?;
    let users = config.isolation.userns.is_some();
    let maps = |m: &&Mount| {
        m.options.iter().any(|o| IdMap::parse(o).is_some()) || users && m.volume().is_some()
    };
    let meant = |m: &&Mount| Path::new("/").join(path).starts_with(&m.target);
    if state.pid == 0 && config.mounts.iter().filter(maps).any(|m| meant(&m)) {
        return Err(Error::user(format!(
            "{path}: its files are shown under other owners only while the container is up"
        ))
        .hint("start the container first, or copy to the source of the mount"));
    }
    root::open_with_mounts(store, entry, state)
}

/// What is found at a path of a container, and what keeps it as it is for as
/// long as it is read.
fn source(
    store: &Store,
    args: &Cp,
    from: &Found,
    path: &str,
) -> Result<(Source, Option<root::Open>)> {
    if let Some(name) = own_file(from, path) {
        let dir = fd::open(&from.entry.files_dir(), libc::O_PATH | libc::O_DIRECTORY)?;
        return Ok((copy::copy_from(&dir, name.as_bytes(), false)?, None));
    }
    let open = open(store, &from.entry, &from.state, path)?;
    let source = copy::copy_from(&open.root, path.as_bytes(), args.follow_link)?;
    Ok((source, Some(open)))
}

/// The files that rcon writes for a container are shown in its `/etc` only
/// while it is up; while it is not, there is no more than a place for them.
fn own_file(from: &Found, path: &str) -> Option<&'static str> {
    let parts = path.split('/').filter(|p| !p.is_empty() && *p != ".");
    let name = match parts.collect::<Vec<_>>().as_slice() {
        ["etc", "hostname"] => "hostname",
        ["etc", "hosts"] => "hosts",
        ["etc", "resolv.conf"] => "resolv.conf",
        _ => return None,
    };
    let is_shown = from.state.pid != 0;
    let is_there = from.entry.files_dir().join(name).exists();
    (!is_shown && is_there && !path.ends_with('/')).then_some(name)
}

/// What is copied replaces a file that is there. A device or a pipe is never
/// meant to be replaced: `cp web:/x /dev/null` would take the host's away.
fn check_replaceable(to: &Path) -> Result<()> {
    let kind = std::fs::metadata(to).map(|m| m.file_type());
    if kind.is_ok_and(|kind| !kind.is_file() && !kind.is_dir()) {
        let to = to.display();
        return Err(Error::user(format!(
            "destination {to} must be a directory or a regular file"
        ))
        .hint("`-` writes a tar archive to standard output"));
    }
    Ok(())
}

fn out(store: &Store, args: &Cp, from: &Found, path: &str, to: &Path) -> Result<()> {
    check_replaceable(to)?;
    let (source, _open) = source(store, args, from, path)?;
    let (own, trust) = if args.archive {
        (Ownership::Keep, Trust::All)
    } else {
        let (uid, gid) = crate::sys::identity::effective_ids();
        (Ownership::Fixed(uid, gid), Trust::Plain)
    };
    let theirs = owners(from)?;
    let copied = copy::copy((&source, &theirs), &host()?, &host_path(to)?, &own, trust)?;
    if copied.left_out > 0 && trust == Trust::Plain {
        say::warning(format_args!(
            "left out: {} device nodes, sockets or attributes (--archive keeps what can be kept)",
            copied.left_out
        ));
    }
    Ok(())
}

fn into(store: &Store, args: &Cp, from: &Path, to: &Found, path: &str) -> Result<()> {
    let source = copy::copy_from(&host()?, &host_path(from)?, args.follow_link)?;
    let open = open(store, &to.entry, &to.state, path)?;
    let theirs = owners(to)?;
    // Without --archive a copy belongs to the container's root.
    let from = if args.archive {
        Ownership::Keep
    } else {
        Ownership::Fixed(0, 0)
    };
    let root = &open.root;
    let _owner = root::as_its_root(&to.entry.config()?)?;
    copy::copy((&source, &from), root, path.as_bytes(), &theirs, Trust::All).map(drop)
}

fn out_stream(store: &Store, args: &Cp, from: &Found, path: &str) -> Result<()> {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return Err(Error::user("an archive is not for a terminal")
            .hint("redirect it, or name a directory to copy to"));
    }
    let (source, _open) = source(store, args, from, path)?;
    let mut out = BufWriter::new(stdout.lock());
    source.write(&mut out, &owners(from)?)?;
    out.flush().context(|| "cannot write the archive")
}

fn in_stream(store: &Store, to: &Found, path: &str) -> Result<()> {
    let open = open(store, &to.entry, &to.state, path)?;
    let path = path.as_bytes();
    let stdin = BufReader::new(io::stdin().lock());
    let stdin = crate::image::decoded(stdin).context(|| "cannot read the archive")?;
    let _owner = root::as_its_root(&to.entry.config()?)?;
    copy::copy_to(&open.root, path, &Incoming::Archive, stdin, &owners(to)?).map(drop)
}

/// `diff`.
pub fn diff(store: &Store, args: &Diff) -> Result<ExitCode> {
    let found = common::find(store, &args.container)?;
    let Some((upper, lowers)) = root::layers(store, &found.entry)? else {
        return Err(Error::user(
            "the container writes straight into its directory: nobody knows what it changed",
        )
        .hint("with `--rootfs DIR:O`, changes are kept apart"));
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let all = archive::changes(&upper, &lowers)?;
    for change in own_changes(all, &mount_points(&found)) {
        let path = change.path.to_string_lossy();
        let path = crate::format::escaped(&path);
        let line = writeln!(out, "{} {path}", change.kind.letter());
        if line.is_err() {
            // Nobody reads on.
            return Ok(ExitCode::SUCCESS);
        }
    }
    let _ = out.flush();
    Ok(ExitCode::SUCCESS)
}

/// Where something was mounted, for which rcon may have made a place.
pub fn mount_points(found: &Found) -> Vec<PathBuf> {
    let spec = found.entry.spec().ok();
    let mounts = spec
        .and_then(|spec| spec.mounts().clone())
        .unwrap_or_default();
    mounts.iter().map(|m| m.destination().clone()).collect()
}

/// Without the places that rcon has made for mounts, and the directories that
/// changed for nothing else.
fn own_changes(all: Vec<Change>, places: &[PathBuf]) -> Vec<Change> {
    let is_place = |change: &Change| places.contains(&change.path);
    let (made, own): (Vec<Change>, Vec<Change>) = all.into_iter().partition(is_place);
    let only_above = |change: &Change| {
        let below =
            |other: &Change| other.path != change.path && other.path.starts_with(&change.path);
        change.kind == ChangeKind::Changed && made.iter().any(below) && !own.iter().any(below)
    };
    let keep: Vec<bool> = own.iter().map(|change| !only_above(change)).collect();
    let kept = own.into_iter().zip(keep);
    kept.filter_map(|(change, keep)| keep.then_some(change))
        .collect()
}

/// `export`.
pub fn export(store: &Store, args: &Export) -> Result<ExitCode> {
    let found = common::find(store, &args.container)?;
    if args.output.is_none() && io::stdout().is_terminal() {
        return Err(
            Error::user("an archive is not for a terminal").hint("redirect it, or use --output")
        );
    }
    let open = root::open(store, &found.entry, &found.state)?;
    let options = Pack {
        // What is mounted in it is not the container's own.
        one_file_system: true,
        ownership: owners(&found)?,
        ..Pack::default()
    };
    let what = || "cannot write the archive";
    match &args.output {
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            archive::pack(&open.root, b".", &mut out, &options)?;
            out.flush().context(what)?;
        }
        Some(path) => {
            let named = || format!("cannot write {}", path.display());
            let mut out = BufWriter::new(File::create(path).context(named)?);
            archive::pack(&open.root, b".", &mut out, &options)?;
            out.flush().context(named)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: ChangeKind, path: &str) -> Change {
        Change {
            kind,
            path: path.into(),
        }
    }

    #[test]
    fn the_places_of_mounts_are_not_the_containers_changes() {
        use ChangeKind::{Added, Changed};
        let places = ["/etc/hosts".into(), "/proc".into(), "/srv/a/b".into()];
        let all = vec![
            change(Changed, "/etc"),
            change(Added, "/etc/hosts"),
            change(Added, "/proc"),
            change(Changed, "/srv"),
            change(Changed, "/srv/a"),
            change(Added, "/srv/a/b"),
            change(Added, "/srv/mine"),
            change(Changed, "/touched"),
        ];
        let own: Vec<_> = own_changes(all, &places)
            .into_iter()
            .map(|c| c.path)
            .collect();
        let want = ["/srv", "/srv/mine", "/touched"].map(PathBuf::from);
        assert_eq!(own, want);
    }
}
