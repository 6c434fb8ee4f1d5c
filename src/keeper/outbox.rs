//! What a client has not taken yet.
//!
//! A container must never wait for whoever watches it, and whoever watches
//! must not lose a line because it was slow. So what does not fit into the
//! socket is kept: a little in memory, more in a file without a name.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::sys::{SysResult, socket};

/// So much is kept in memory.
const IN_MEMORY: usize = 256 * 1024;
/// So much where no file can be written, as on a full disk.
const IN_NEED: usize = 16 << 20;
/// So much in a file; who is that far behind has gone for good.
const IN_FILE: u64 = 1 << 30;
/// What has been read of a file is given back to the disk in pieces of this.
const PIECE: u64 = 1 << 20;

/// Messages on their way to one client.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: VecDeque<Vec<u8>>,
    queued: usize,
    spill: Option<Spill>,
    /// Behind what is in the file, because that could not take it.
    late: VecDeque<Vec<u8>>,
    late_size: usize,
    dir: PathBuf,
}

#[derive(Debug)]
struct Spill {
    file: File,
    read: u64,
    written: u64,
    /// Up to here it is on the disk no more.
    given_back: u64,
    /// So much may be in it.
    most: u64,
}

impl Outbox {
    /// `dir` is where a file is made when memory does not do.
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            queue: VecDeque::new(),
            queued: 0,
            spill: None,
            late: VecDeque::new(),
            late_size: 0,
            dir: dir.to_owned(),
        }
    }

    /// Whether everything has been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.spill.is_none() && self.late.is_empty()
    }

    /// Sends `message`, or keeps it behind those that wait. An error means
    /// that this client is to be given up.
    pub(super) fn push(&mut self, socket: impl AsFd, message: &[u8]) -> io::Result<()> {
        if self.is_empty() && send(&socket, message)? {
            return Ok(());
        }
        if self.spill.is_none() && self.late.is_empty() && self.queued + message.len() <= IN_MEMORY
        {
            self.queued += message.len();
            self.queue.push_back(message.to_vec());
            return Ok(());
        }
        if self.late.is_empty() && self.spill(message).is_ok() {
            return Ok(());
        }
        if self.late_size + message.len() > IN_NEED {
            return Err(io::Error::other("too far behind"));
        }
        self.late_size += message.len();
        self.late.push_back(message.to_vec());
        Ok(())
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn flush(&mut self, socket: impl AsFd) -> io::Result<()> {
        loop {
            while let Some(message) = self.queue.front() {
                if !send(&socket, message)? {
                    return Ok(());
                }
                self.queued -= message.len();
                self.queue.pop_front();
            }
            if !self.refill()? {
                return Ok(());
            }
        }
    }

    fn spill(&mut self, message: &[u8]) -> io::Result<()> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(Spill::new(&self.dir)?),
        };
        spill.write(message)
    }

    /// Fetches from the file what memory has room for; whether there was any.
    fn refill(&mut self) -> io::Result<bool> {
        while self.queued < IN_MEMORY {
            let Some(message) = self.next_kept()? else {
                break;
            };
            self.queued += message.len();
            self.queue.push_back(message);
        }
        Ok(!self.queue.is_empty())
    }

    fn next_kept(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(spill) = &mut self.spill {
            if let Some(message) = spill.read()? {
                return Ok(Some(message));
            }
            self.spill = None;
        }
        let late = self.late.pop_front();
        self.late_size -= late.as_ref().map_or(0, Vec::len);
        Ok(late)
    }
}

impl Spill {
    fn new(dir: &Path) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = File::options();
        options.read(true).write(true).mode(0o600);
        let file = options.custom_flags(libc::O_TMPFILE).open(dir)?;
        Ok(Self {
            most: IN_FILE.min(free_on_disk(&file) / 2),
            file,
            read: 0,
            written: 0,
            given_back: 0,
        })
    }

    fn write(&mut self, message: &[u8]) -> io::Result<()> {
        if self.written - self.read > self.most {
            return Err(io::Error::other("too far behind"));
        }
        let length = (message.len() as u32).to_le_bytes();
        self.file.write_all_at(&length, self.written)?;
        self.file.write_all_at(message, self.written + 4)?;
        self.written += 4 + message.len() as u64;
        Ok(())
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.read == self.written {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.file.read_exact_at(&mut length, self.read)?;
        let mut message = vec![0; u32::from_le_bytes(length) as usize];
        self.file.read_exact_at(&mut message, self.read + 4)?;
        self.read += 4 + message.len() as u64;
        self.give_back();
        Ok(Some(message))
    }

    /// Punches out what nobody needs any more. Where that cannot be done, the
    /// file is as long as all that was ever in it.
    fn give_back(&mut self) {
        use nix::fcntl::{FallocateFlags, fallocate};
        let length = (self.read - self.given_back) / PIECE * PIECE;
        if length == 0 {
            return;
        }
        let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let _ = fallocate(&self.file, punch, self.given_back as i64, length as i64);
        self.given_back += length;
    }
}

/// Half of it may be used: what watches a container must not fill the disk.
fn free_on_disk(file: &File) -> u64 {
    nix::sys::statvfs::fstatvfs(file).map_or(u64::MAX, |disk| {
        disk.blocks_available().saturating_mul(disk.fragment_size())
    })
}

/// Whether there was room.
fn send(socket: impl AsFd, message: &[u8]) -> io::Result<bool> {
    let sent: SysResult<()> = socket::send_now(socket, message);
    match sent {
        Ok(()) => Ok(true),
        Err(e) if e.errno == Errno::EAGAIN => Ok(false),
        Err(e) => Err(e.errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(n: u32) -> Vec<u8> {
        let mut bytes = vec![b'x'; 1000 + n as usize % 3000];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        bytes
    }

    #[test]
    fn a_slow_client_gets_everything_in_order() {
        let (ours, theirs) = socket::message_pair().unwrap();
        let mut outbox = Outbox::new(&std::env::temp_dir());
        let count = 3000;
        for n in 0..count {
            outbox.push(&ours, &message(n)).unwrap();
        }
        assert!(
            outbox.spill.is_some(),
            "memory was enough: nothing is shown"
        );
        let mut buf = vec![0; 8192];
        for n in 0..count {
            outbox.flush(&ours).unwrap();
            let (len, _) = socket::receive(&theirs, &mut buf).unwrap();
            assert_eq!(buf[..len], message(n), "message {n}");
        }
        outbox.flush(&ours).unwrap();
        assert!(outbox.is_empty());
    }

    #[test]
    fn without_room_for_a_file_memory_does_for_a_while() {
        let (ours, theirs) = socket::message_pair().unwrap();
        let mut outbox = Outbox::new(Path::new("/no/such/directory"));
        let count = 1500;
        for n in 0..count {
            outbox.push(&ours, &message(n)).unwrap();
        }
        let mut buf = vec![0; 8192];
        for n in 0..count {
            outbox.flush(&ours).unwrap();
            let (len, _) = socket::receive(&theirs, &mut buf).unwrap();
            assert_eq!(buf[..len], message(n), "message {n}");
        }
        assert!(outbox.is_empty());
        let far = (0..50_000).find(|n| outbox.push(&ours, &message(*n)).is_err());
        assert!(far.is_some(), "there is no bound");
    }

    #[test]
    fn memory_is_bounded() {
        let (ours, _theirs) = socket::message_pair().unwrap();
        let mut outbox = Outbox::new(&std::env::temp_dir());
        for n in 0..2000 {
            outbox.push(&ours, &message(n)).unwrap();
            assert!(outbox.queued <= IN_MEMORY);
        }
    }

    #[test]
    fn what_was_taken_is_not_kept_on_the_disk() {
        use std::os::unix::fs::MetadataExt;
        let mut spill = Spill::new(&std::env::temp_dir()).unwrap();
        let piece = vec![7; 32 * 1024];
        for n in 0..2000 {
            spill.write(&piece).unwrap();
            // Always a little behind.
            if n > 64 {
                assert_eq!(spill.read().unwrap().unwrap(), piece);
            }
        }
        let kept = spill.file.metadata().unwrap().blocks() * 512;
        assert!(kept < 8 << 20, "{kept} bytes are kept of {}", spill.written);
    }

    #[test]
    fn a_file_has_an_end() {
        let mut spill = Spill::new(&std::env::temp_dir()).unwrap();
        assert!(spill.most <= IN_FILE && spill.most > 0);
        spill.most = 100_000;
        let full = (0..100).find(|_| spill.write(&[0; 4096]).is_err());
        assert_eq!(full, Some(25));
    }

    #[test]
    fn a_client_that_is_gone_is_an_error() {
        let (ours, theirs) = socket::message_pair().unwrap();
        drop(theirs);
        let mut outbox = Outbox::new(&std::env::temp_dir());
        assert!(outbox.push(&ours, b"x").is_err());
    }
}
