//! Files that are replaced as a whole, and directories that are nobody
//! else's business.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;

use crate::archive;
use crate::error::{Context, Error, Result};
use crate::sys::fd;

/// A record is far smaller; a larger one is not ours.
const LARGEST: u64 = 16 << 20;

/// Makes one directory that only its owner can enter.
pub(crate) fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// The same, with those above it.
pub(crate) fn private_dir_all(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(path)
}

/// Removes a directory and all that is in it. A program can have made its
/// directories deeper than there are descriptors to go down by.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::internal(format!("removing {}", path.display())));
    };
    let above = fd::open(above, libc::O_RDONLY | libc::O_DIRECTORY)?;
    archive::remove_all(&above, Path::new(name))
}

/// What is in a directory; nothing, where there is none.
pub(crate) fn list(dir: &Path) -> Result<Vec<fs::DirEntry>> {
    match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => {
            let entries = entries.context(|| format!("cannot read {}", dir.display()))?;
            Ok(entries.flatten().collect())
        }
    }
}

/// One that everybody could enter who can get there.
pub(crate) fn public_dir_all(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    // Whatever the umask takes away.
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// A file that everybody may read who can get there, written in place: what
/// is mounted over another file is this one and no other.
pub(crate) fn write_public(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o644);
    let mut file = options.custom_flags(libc::O_NOFOLLOW).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    file.write_all(bytes)
}

/// A file that must not be there yet.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)
}

/// Whoever reads it sees the old content or the new one, never a part. The
/// fresh file has a name of its own: two that replace the same one at once do
/// not write into each other's.
pub(crate) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let fresh = dir.join(format!(".{name}.{}", std::process::id()));
    exchange(&fresh, &dir.join(name), bytes, Lasting::Whenever)
}

/// The same for what has not been there before and is to stay: after a power
/// failure it is whole or, if it is young, not there. A file system that has a
/// name on the disk sooner than a content would have an empty file instead. It
/// costs next to nothing, since nobody waits for the disk.
pub(crate) fn replace_soon(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let fresh = dir.join(format!(".{name}.{}", std::process::id()));
    exchange(&fresh, &dir.join(name), bytes, Lasting::Soon)
}

/// Writes a file in place, as [`replace_soon`] does beside it.
pub(crate) fn write_soon(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    start_writing(&file);
    Ok(())
}

/// Nobody depends on it: where it cannot be done, the file is written when its
/// time has come.
fn start_writing(file: &File) {
    let _ = fd::start_writing(file);
}

/// Has the names in a directory be on the disk.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The same, where the file was made before its directory got its name. Some
/// file systems bring such a directory back after a power failure without what
/// was in it; others have an empty file there, and this makes no difference of
/// the two.
pub(crate) fn read_left(path: &Path) -> Result<Vec<u8>> {
    match read(path) {
        Err(_) if is_lost(path) => Ok(Vec::new()),
        read => read,
    }
}

fn is_lost(path: &Path) -> bool {
    let nothing = fs::symlink_metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
    nothing && path.parent().is_some_and(Path::is_dir)
}

/// Nothing was ever written there that the disk would know of: so looks what a
/// power failure has taken.
pub(crate) fn is_void(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// The same as [`replace`], and so that the old or the new content is there
/// after a power failure, too. The caller holds a lock: the fresh file's name is always the
/// same, so that none is left over by whoever is killed.
pub(crate) fn replace_for_good(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let fresh = dir.join(format!(".{name}.new"));
    exchange(&fresh, &dir.join(name), bytes, Lasting::Now)
}

/// The spare of a record: room on the disk for its next version.
fn spare_of(name: &str) -> String {
    format!(".{name}.spare")
}

/// Keeps room for the next version of a record that must be written whatever
/// happens.
pub(crate) fn keep_room(dir: &Path, name: &str, room: u64) -> io::Result<()> {
    use nix::fcntl::{FallocateFlags, fallocate};
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    let spare = match options.open(dir.join(spare_of(name))) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        spare => spare?,
    };
    let keep_size = FallocateFlags::FALLOC_FL_KEEP_SIZE;
    Ok(fallocate(&spare, keep_size, 0, room as i64)?)
}

/// As [`replace`]; on a full disk the new version goes where room was kept for
/// it, and that of the old one is kept for the next.
pub(crate) fn replace_in_need(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    in_need(
        dir,
        name,
        bytes,
        Lasting::Whenever,
        replace(dir, name, bytes),
    )
}

/// The same for what need not outlive a power failure. Where a file takes
/// another's name, ext4 at once looks for a place for its content, and that
/// takes longer than all the rest; where two change their names, it does not.
pub(crate) fn pass_in_need(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let fresh = dir.join(format!(".{name}.{}", std::process::id()));
    let pass = || {
        write_fresh(&fresh, bytes, Lasting::Whenever)?;
        swap(&fresh, &dir.join(name))?;
        match fs::remove_file(&fresh) {
            // There was no old one.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    };
    let done = pass().inspect_err(|_| {
        let _ = fs::remove_file(&fresh);
    });
    in_need(dir, name, bytes, Lasting::Whenever, done)
}

/// As [`replace_for_good`], in the same way.
pub(crate) fn replace_for_good_in_need(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let done = replace_for_good(dir, name, bytes);
    in_need(dir, name, bytes, Lasting::Now, done)
}

fn in_need(
    dir: &Path,
    name: &str,
    bytes: &[u8],
    lasting: Lasting,
    done: io::Result<()>,
) -> io::Result<()> {
    let full = |e: &io::Error| {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(e.kind(), StorageFull | QuotaExceeded)
    };
    match done {
        Err(e) if full(&e) => use_spare(dir, name, bytes, lasting).map_err(|_| e),
        done => done,
    }
}

fn use_spare(dir: &Path, name: &str, bytes: &[u8], lasting: Lasting) -> io::Result<()> {
    let (spare, path) = (dir.join(spare_of(name)), dir.join(name));
    let mut options = File::options();
    let mut file = options
        .write(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&spare)?;
    file.write_all(bytes)?;
    // Not before: what is cut off is anybody's at once.
    file.set_len(bytes.len() as u64)?;
    lasting.see_to(&file)?;
    swap(&spare, &path)
}

/// Has two files change their names; where there is no second one, the first
/// gets its.
fn swap(fresh: &Path, path: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    match renameat2(
        AT_FDCWD,
        fresh,
        AT_FDCWD,
        path,
        RenameFlags::RENAME_EXCHANGE,
    ) {
        Err(Errno::ENOENT) => fs::rename(fresh, path),
        done => Ok(done?),
    }
}

/// When what is written is on the disk.
#[derive(Clone, Copy)]
enum Lasting {
    Whenever,
    Soon,
    Now,
}

impl Lasting {
    fn see_to(self, file: &File) -> io::Result<()> {
        match self {
            Self::Whenever => {}
            Self::Soon => start_writing(file),
            Self::Now => file.sync_all()?,
        }
        Ok(())
    }
}

fn exchange(fresh: &Path, path: &Path, bytes: &[u8], lasting: Lasting) -> io::Result<()> {
    let write = || write_fresh(fresh, bytes, lasting).and_then(|()| fs::rename(fresh, path));
    write().inspect_err(|_| {
        let _ = fs::remove_file(fresh);
    })
}

fn write_fresh(fresh: &Path, bytes: &[u8], lasting: Lasting) -> io::Result<()> {
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(fresh)?;
    file.write_all(bytes)?;
    lasting.see_to(&file)
}

/// Reads a record; a link or a pipe in its place is not followed or waited for.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let what = || format!("cannot read {}", path.display());
    let mut file = File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .context(what)?;
    let meta = file.metadata().context(what)?;
    if !meta.is_file() || meta.len() > LARGEST {
        return Err(Error::environment("not a record of rcon's").context(what()));
    }
    // What is replaced is replaced as a whole, so this file stays as long as
    // it is, and nobody need ask whether more has come.
    let mut bytes = vec![0; meta.len() as usize];
    file.read_exact(&mut bytes).context(what)?;
    Ok(bytes)
}
