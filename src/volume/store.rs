//! Where volumes are kept, beside the containers, and the locks on them.
//!
//! ```text
//! <root>/volumes/<name>/
//!     config.json          what it is: written once
//!     _data/               its files; or where its file system is mounted
//!     lock                 shared by who makes a container with it, held by who removes it
//!     content              held by who fills, mounts or unmounts it
//!     filling/, filled/    the image's files on the way into it: see `fill`
//! <root>/volumes/.new-…    one that is being made
//! <root>/volumes/.gone-…   one that is being removed
//! <run>/volumes/<name>/<container>
//!                          who has its file system mounted: see `attach`
//! ```
//!
//! No name of a volume begins with a dot. A volume appears by one rename and
//! goes by one; a lock tells by its inode that its volume is still the one that
//! was found by name.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::options::Filesystem;
use super::record::{VERSION, Volume, check_name};
use super::{attach, users};
use crate::container::{Id, VolumeWish};
use crate::error::{Context, Error, Result};
use crate::store::{Lock, Store, files, lock};
use crate::sys::fd;

/// The volumes of a store.
#[derive(Debug, Clone, Copy)]
pub struct Volumes<'a>(pub &'a Store);

/// Whether others may have the lock as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Together,
    Alone,
}

impl Volumes<'_> {
    /// Where all of them are.
    pub fn dir(self) -> PathBuf {
        self.0.root().join("volumes")
    }

    /// Where one of them is.
    pub(super) fn of(self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Where its files are, as the host sees them.
    pub fn data(self, name: &str) -> PathBuf {
        self.of(name).join("_data")
    }

    /// Where it is noted who has it mounted.
    pub(super) fn run(self, name: &str) -> PathBuf {
        self.0.run_root().join("volumes").join(name)
    }

    /// What is in that directory; nothing where there is none.
    pub(super) fn names(self) -> Result<Vec<String>> {
        let dir = self.dir();
        let entries = match fs::read_dir(&dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.context(|| format!("cannot read {}", dir.display()))?,
        };
        let names = entries.flatten();
        Ok(names
            .filter_map(|e| e.file_name().into_string().ok())
            .collect())
    }

    /// All volumes, by name. One that cannot be read is told with the rest.
    pub fn all(self) -> Result<Vec<Result<Volume>>> {
        let mut names = self.names()?;
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        let mut all = Vec::new();
        for name in names {
            match self.read(&name) {
                // It was removed while we looked.
                Err(_) if !self.of(&name).exists() => {}
                volume => all.push(volume),
            }
        }
        Ok(all)
    }

    fn read(self, name: &str) -> Result<Volume> {
        let path = self.of(name).join("config.json");
        let bytes = files::read_left(&path)?;
        let version = serde_json::from_slice::<serde_json::Value>(&bytes)
            .ok()
            .and_then(|v| v["version"].as_u64());
        if version.is_some_and(|v| v != u64::from(VERSION)) {
            let version = version.unwrap_or_default();
            return Err(Error::environment(format!(
                "{} is of version {version}, this rcon knows version {VERSION}",
                path.display()
            ))
            .hint("use the rcon that made it"));
        }
        let volume: Volume = serde_json::from_slice(&bytes)
            .map_err(|e| Error::environment(format!("{}: {e}", path.display())))?;
        if volume.name != name {
            let other = &volume.name;
            let what = format!("{}: the record of volume {other}", path.display());
            return Err(Error::environment(what));
        }
        Ok(volume)
    }

    /// What keeps a volume that is there from being read.
    pub(super) fn why_unreadable(self, name: &str) -> Option<Error> {
        let why = match self.read(name) {
            Err(why) => why,
            Ok(_) if self.data(name).is_dir() => return None,
            Ok(_) => Error::environment("the place of its files is gone"),
        };
        // It may have been removed while we looked.
        self.of(name).is_dir().then_some(why)
    }

    /// Gives a volume whose record the power has taken a plain one: its files
    /// are what matters. One whose files it has taken has a place for others.
    /// What else cannot be read may have a meaning yet.
    pub(super) fn record_anew(self, name: &str) -> Result<()> {
        let Some(_lock) = self.hold(name, Hold::Alone)? else {
            return Ok(());
        };
        let Some(why) = self.why_unreadable(name) else {
            return Ok(());
        };
        let dir = self.of(name);
        if self.read(name).is_ok() {
            return Ok(lay_out(&dir)?);
        }
        if !is_lost(name, &files::read_left(&dir.join("config.json"))?) {
            return Err(why);
        }
        let unnamed = Id::try_from(name.to_owned()).is_ok();
        let volume = Volume::new(name, unnamed, &VolumeWish::default());
        let json =
            serde_json::to_vec_pretty(&volume).map_err(|e| Error::internal(e.to_string()))?;
        lay_out(&dir)
            .and_then(|()| files::replace_for_good(&dir, "config.json", &json))
            .context(|| format!("cannot keep volume {name}"))
    }

    /// The volume of this name.
    pub fn find(self, name: &str) -> Result<Volume> {
        let known = check_name(name).is_ok() && self.of(name).is_dir();
        if known {
            self.read(name)
        } else {
            Err(missing(name))
        }
    }

    /// The volume of this name, made if there is none, and whether it was. As
    /// long as the lock is held it stays.
    pub fn ensure(self, name: &str, wish: &VolumeWish) -> Result<(Volume, Lock, bool)> {
        check_name(name)?;
        loop {
            if let Some(lock) = self.hold(name, Hold::Together)? {
                let volume = self.read(name)?;
                return agree(&volume, wish).map(|()| (volume, lock, false));
            }
            let volume = Volume::new(name, false, wish);
            let fresh = self.make(&volume, &Id::random()?)?;
            if self.publish(&fresh, name)? {
                super::note(self.0, "create", name, &[]);
                // Its lock is ours alone until here, and would keep us out.
                drop(fresh);
                // Somebody may have been so fast as to remove it again.
                if let Some(lock) = self.hold(name, Hold::Together)? {
                    return Ok((volume, lock, true));
                }
            }
        }
    }

    /// Makes a volume nobody has given a name; this one was made up.
    pub fn make_anonymous(self, name: &str, wish: &VolumeWish) -> Result<()> {
        let fresh = self.make(&Volume::new(name, true, wish), &Id::random()?)?;
        if self.publish(&fresh, name)? {
            super::note(self.0, "create", name, &[]);
        }
        Ok(())
    }

    /// Makes a volume that nobody can see yet.
    pub(super) fn make(self, volume: &Volume, id: &Id) -> Result<Fresh> {
        Filesystem::of(&volume.options)?;
        let what = || format!("cannot make volume {}", volume.name);
        files::private_dir_all(&self.dir()).context(what)?;
        let dir = self.of(&format!(".new-{id}"));
        files::private_dir(&dir).context(what)?;
        let fresh = Fresh {
            _lock: Lock::try_take(&dir)?,
            is_lasting: !volume.anonymous,
            dir,
        };
        let json = serde_json::to_vec_pretty(volume).map_err(|e| Error::internal(e.to_string()))?;
        // One without a name is no more lasting than its container's record.
        let keep = if volume.anonymous {
            files::replace_soon
        } else {
            files::replace_for_good
        };
        lay_out(&fresh.dir)
            .and_then(|()| keep(&fresh.dir, "config.json", &json))
            .context(what)?;
        if fresh.is_lasting {
            files::sync_dir(&fresh.dir).context(what)?;
        }
        Ok(fresh)
    }

    /// Gives a new volume its place, unless another is there.
    pub(super) fn publish(self, fresh: &Fresh, name: &str) -> Result<bool> {
        match fs::rename(&fresh.dir, self.of(name)) {
            Ok(()) => {
                if fresh.is_lasting {
                    let synced = files::sync_dir(&self.dir());
                    synced.context(|| format!("cannot keep volume {name}"))?;
                }
                Ok(true)
            }
            // A directory gives way to another only if it is empty.
            Err(e) if is_taken(&e) => Ok(false),
            Err(e) => Err(Error::from(e).context(format!("cannot make volume {name}"))),
        }
    }

    /// The lock of the volume that has this name once it is ours; `None` where
    /// there is none.
    fn hold(self, name: &str, hold: Hold) -> Result<Option<Lock>> {
        let dir = self.of(name);
        loop {
            if !dir.is_dir() {
                return Ok(None);
            }
            let lock = match hold {
                Hold::Together => Lock::share(&dir),
                Hold::Alone => Lock::take(&dir),
            };
            match lock {
                // Removed meanwhile, and maybe made anew.
                Ok(lock) if !is_at(&lock, &dir) => {}
                Err(_) if !dir.exists() => {}
                lock => return lock.map(Some),
            }
        }
    }

    /// Keeps others from filling, mounting or unmounting a volume.
    pub(super) fn hold_content(self, name: &str) -> Result<Lock> {
        lock::wait_for(&self.of(name).join("content"))
    }

    /// The same, if nobody is at it.
    pub(super) fn try_hold_content(self, name: &str) -> Result<Option<Lock>> {
        lock::try_for(&self.of(name).join("content"))
    }

    /// Removes a volume that no container has, but for `but`.
    pub fn remove(self, name: &str, but: Option<&Id>) -> Result<()> {
        // Also one whose record cannot be read.
        if check_name(name).is_err() || !self.of(name).is_dir() {
            return Err(missing(name));
        }
        self.refuse_used(name, but)?;
        let lock = self.hold(name, Hold::Alone)?;
        let _lock = lock.ok_or_else(|| missing(name))?;
        // A container may have come to be while we waited.
        self.refuse_used(name, but)?;
        attach::take_down(self, name)?;
        refuse_mounts(&self.of(name))?;
        let gone = self.of(&format!(".gone-{}", Id::random()?));
        let what = || format!("cannot remove volume {name}");
        fs::rename(self.of(name), &gone).context(what)?;
        super::note(self.0, "destroy", name, &[]);
        remove_tree(&gone).map_err(|e| e.context(what()))?;
        let _ = fs::remove_dir_all(self.run(name));
        Ok(())
    }

    fn refuse_used(self, name: &str, but: Option<&Id>) -> Result<()> {
        let users = users::of(self.0, name, but)?;
        if users.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = users.iter().map(|u| u.name.as_str()).collect();
        let who = names.join(", ");
        Err(Error::user(format!("volume {name} is in use by {who}"))
            .hint("remove the containers first; that they have ended is not enough"))
    }
}

/// A volume that is being made; what is left of it at the end goes.
pub(super) struct Fresh {
    /// Where it is made.
    pub(super) dir: PathBuf,
    /// Who made it counts on it, whatever happens to the machine.
    is_lasting: bool,
    _lock: Option<Lock>,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // Where it has got its place, nothing is here any more.
        if self.dir.exists() {
            let _ = files::remove_tree(&self.dir);
        }
    }
}

/// Whether a record is what a power failure leaves: nothing, or, where a file
/// comes back with what was on the disk before, that of a volume which was there
/// once.
fn is_lost(name: &str, record: &[u8]) -> bool {
    let other = || serde_json::from_slice::<Volume>(record).is_ok_and(|v| v.name != name);
    files::is_void(record) || other()
}

/// Makes the place of a volume's files, if it is not there.
fn lay_out(dir: &Path) -> io::Result<()> {
    let data = dir.join("_data");
    if data.is_dir() {
        return Ok(());
    }
    fs::create_dir(&data)?;
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755))
}

fn is_taken(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(libc::ENOTEMPTY | libc::EEXIST | libc::ENOTDIR)
    )
}

/// Whether this is the lock that lies in `dir` now.
fn is_at(lock: &Lock, dir: &Path) -> bool {
    let there = fs::symlink_metadata(dir.join("lock"));
    match (fd::stat(lock.as_fd()), there) {
        (Ok(ours), Ok(there)) => ours.st_ino == there.ino() && ours.st_dev == there.dev(),
        _ => false,
    }
}

/// Options are what a volume is made of: one with others is another volume.
fn agree(volume: &Volume, wish: &VolumeWish) -> Result<()> {
    if wish.options.is_empty() || wish.options == volume.options {
        return Ok(());
    }
    let name = &volume.name;
    Err(Error::user(format!(
        "volume {name} is there already, with other options"
    ))
    .hint(format!(
        "`rcon volume inspect {name}` shows them; remove it first, or choose another name"
    )))
}

fn missing(name: &str) -> Error {
    let short: String = name.chars().take(80).collect();
    Error::user(format!("No such volume: {short}")).hint("`rcon volume ls` lists all there are")
}

/// Removes a directory in the place of volumes, if it is there.
pub(super) fn remove_tree(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    files::remove_tree(path)
}

/// What somebody has mounted in a volume is not ours to remove, or to move.
fn refuse_mounts(dir: &Path) -> Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    match mounts_below(&table, dir) {
        None => Ok(()),
        Some(at) => Err(Error::user(format!("something is mounted at {at}"))
            .hint("unmount it first: what is in it would be removed")),
    }
}

/// The first place below `dir` where something is mounted.
fn mounts_below(table: &str, dir: &Path) -> Option<String> {
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    let mut points = points.map(unescaped);
    points.find(|at| Path::new(at).starts_with(dir))
}

/// A path of mountinfo, where odd characters are `\ooo`.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let code = part.get(..3).and_then(|d| u8::from_str_radix(d, 8).ok());
        out.extend(code);
        out.extend_from_slice(part.get(3..).unwrap_or_default().as_bytes());
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_below_is_found() {
        let table = "36 35 98:0 / / rw - ext4 /dev/x rw\n\
                     37 36 98:0 / /a/my\\040vol/_data/x rw - ext4 /dev/x rw\n";
        let found = |dir: &str| mounts_below(table, Path::new(dir));
        assert_eq!(found("/a/my vol"), Some("/a/my vol/_data/x".to_owned()));
        assert_eq!(found("/a/my"), None);
        assert_eq!(found("/b"), None);
    }
}
