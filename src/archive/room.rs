//! How full a disk may become. Whoever writes what a stranger has made looks
//! now and then, and gives up before the others on this machine have no room
//! left.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use nix::sys::statvfs::fstatvfs;

use crate::error::{Context, Error, Result};

/// Bytes between two looks at the disk.
const EVERY: u64 = 1 << 20;
/// This part of a disk stays free for everybody else…
const SPARED: u64 = 50;
/// …or this much of a large one.
const MOST_SPARED: u64 = 64 << 20;

/// Bytes that may still be written to the disk that a file is on.
pub fn room_beside(file: impl AsFd) -> Result<u64> {
    let disk = fstatvfs(file).map_err(std::io::Error::from);
    let disk = disk.context(|| "cannot ask how much room there is")?;
    let all = disk.blocks() * disk.fragment_size();
    if all == 0 {
        // One that has no size of its own cannot be full.
        return Ok(u64::MAX);
    }
    let free = disk.blocks_available() * disk.fragment_size();
    Ok(free.saturating_sub((all / SPARED).min(MOST_SPARED)))
}

/// The same for the disk that a directory is on.
pub fn room_in(dir: &Path) -> Result<u64> {
    let open = File::open(dir).context(|| dir.display().to_string())?;
    room_beside(open)
}

/// Looks at the disk now and then.
#[derive(Debug, Default)]
pub struct Room {
    unseen: u64,
}

impl Room {
    /// Asked before so many bytes are written to `file`.
    pub fn take(&mut self, bytes: u64, file: impl AsFd) -> Result<()> {
        self.unseen += bytes;
        if self.unseen < EVERY {
            return Ok(());
        }
        self.unseen = 0;
        if room_beside(file)? > 0 {
            return Ok(());
        }
        Err(
            Error::environment("the disk is nearly full, and there is more to be written")
                .hint("`rcon system df` shows what could go"),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::archive::{Pack, pack};
    use crate::sys::fd;

    #[test]
    fn a_hole_that_has_no_room_is_refused_before_it_is_written() {
        let name = format!("rcon-test-room-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).unwrap();
        let file = File::create(dir.join("hole")).unwrap();
        file.set_len(8 << 20).unwrap();
        let packed = |room: Option<u64>| {
            let top = fd::open(&dir, libc::O_RDONLY | libc::O_DIRECTORY).unwrap();
            let options = Pack {
                room,
                ..Pack::default()
            };
            pack(&top, b".", io::sink(), &options)
        };
        let all = [packed(None), packed(Some(8 << 20)), packed(Some(1 << 20))];
        std::fs::remove_dir_all(&dir).unwrap();
        let [unbounded, fits, larger] = all;
        assert!(unbounded.is_ok() && fits.is_ok());
        let e = larger.unwrap_err().to_string();
        assert!(
            e.contains("\"hole\"") && e.contains("holes included"),
            "{e}"
        );
    }
}
