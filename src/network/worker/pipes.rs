//! Pipes, through which bytes move from socket to socket.
//!
//! A connection has one only while something is held back, so that ten
//! thousand idle connections need none.

use std::cell::{Cell, RefCell, RefMut};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};

/// What a large pipe holds, and what is moved at once.
pub const SIZE: usize = 1 << 20;
/// What is read and written rather than passed through a pipe is less.
pub const FEW: usize = 16 << 10;
/// Nobody waits, and pages change hands rather than be copied.
const AT_ONCE: SpliceFFlags = SpliceFFlags::SPLICE_F_NONBLOCK.union(SpliceFFlags::SPLICE_F_MOVE);
/// So many are large. All processes of a user share an allowance for large
/// pipes (`pipe-user-pages-soft`, 64 MB), and who comes when it is used up
/// gets tiny ones: so the first few streams have them, and others the usual.
const LARGE: usize = 8;
/// Kept for the next who needs one.
const SPARE: usize = 32;

/// Both ends, and how much is between them.
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
    _large: Option<Share>,
}

impl Pipe {
    /// Moves bytes that have come to `from` into the pipe; none at its end.
    pub fn fill(&mut self, from: impl AsFd) -> nix::Result<usize> {
        let bytes = splice(from, None, &self.write, None, SIZE, AT_ONCE)?;
        self.held += bytes;
        Ok(bytes)
    }

    /// Moves bytes from the pipe to `to`, as many as it takes.
    pub fn drain(&mut self, to: impl AsFd) -> nix::Result<usize> {
        let bytes = splice(&self.read, None, to, None, self.held, AT_ONCE)?;
        self.held -= bytes;
        Ok(bytes)
    }

    /// How much has come and not gone.
    pub fn held(&self) -> usize {
        self.held
    }
}

/// Counts as one of the large ones for as long as it is there.
struct Share(Rc<Cell<usize>>);

impl Share {
    fn of(all: &Rc<Cell<usize>>) -> Self {
        all.set(all.get() + 1);
        Share(all.clone())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Spare pipes, and room for a few bytes: shared by all connections.
#[derive(Clone)]
pub struct Pipes {
    spare: Rc<RefCell<Vec<Pipe>>>,
    /// How many large ones there are.
    large: Rc<Cell<usize>>,
    buffer: Rc<RefCell<[u8; FEW]>>,
}

impl Default for Pipes {
    fn default() -> Self {
        Self {
            spare: Rc::default(),
            large: Rc::default(),
            buffer: Rc::new(RefCell::new([0; FEW])),
        }
    }
}

impl Pipes {
    /// Whatever was in it before.
    pub fn buffer(&self) -> RefMut<'_, [u8; FEW]> {
        self.buffer.borrow_mut()
    }

    /// An empty pipe.
    pub fn take(&self) -> nix::Result<Pipe> {
        if let Some(pipe) = self.spare.borrow_mut().pop() {
            return Ok(pipe);
        }
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let free = self.large.get() < LARGE;
        // A smaller pipe moves the same bytes in more calls.
        let grown = free && fcntl(&write, FcntlArg::F_SETPIPE_SZ(SIZE as i32)).is_ok();
        Ok(Pipe {
            read,
            write,
            held: 0,
            _large: grown.then(|| Share::of(&self.large)),
        })
    }

    /// Lets go of what nobody needs for now.
    pub fn clear(&self) {
        self.spare.take();
    }

    /// Takes back a pipe, for the next who needs one. What is left in it is
    /// nobody else's, and goes with it.
    pub fn give_back(&self, pipe: Pipe) {
        let mut spare = self.spare.borrow_mut();
        if pipe.held == 0 && spare.len() < SPARE {
            spare.push(pipe);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    /// What is left of one connection is nobody else's.
    #[test]
    fn the_next_one_never_has_what_was_left() {
        let pipes = Pipes::default();
        let (mut far, near) = UnixStream::pair().unwrap();
        let (mut out, into) = UnixStream::pair().unwrap();
        for taken in [0, 5, 6] {
            let mut pipe = pipes.take().unwrap();
            far.write_all(b"secret").unwrap();
            assert_eq!(pipe.fill(&near), Ok(6));
            pipe.held = taken;
            assert!(taken == 0 || pipe.drain(&into) == Ok(taken));
            out.read_exact(&mut [0; 6][..taken]).unwrap();
            pipe.held = 6 - taken;
            pipes.give_back(pipe);
            // One that is empty is had again.
            assert_eq!(pipes.spare.borrow().len(), taken / 6);
            far.write_all(b"x").unwrap();
            let mut next = pipes.take().unwrap();
            assert_eq!((next.fill(&near), next.drain(&into)), (Ok(1), Ok(1)));
            let mut heard = [0; 6];
            assert_eq!(out.read(&mut heard).unwrap(), 1);
            assert_eq!(heard[0], b'x');
        }
    }

    fn size(pipe: &Pipe) -> usize {
        fcntl(&pipe.read, FcntlArg::F_GETPIPE_SZ).unwrap() as usize
    }

    #[test]
    fn a_few_are_large_and_free_again_when_they_are_gone() {
        let pipes = Pipes::default();
        let _other = pipes.clone();
        let mut all: Vec<Pipe> = (0..=LARGE).map(|_| pipes.take().unwrap()).collect();
        assert!(all[..LARGE].iter().all(|pipe| size(pipe) == SIZE));
        assert!(size(&all[LARGE]) < SIZE);
        drop(all.split_off(1));
        pipes.give_back(all.remove(0));
        assert_eq!(size(&pipes.take().unwrap()), SIZE);
        let again: Vec<Pipe> = (0..LARGE).map(|_| pipes.take().unwrap()).collect();
        assert!(again.iter().all(|pipe| size(pipe) == SIZE));
        pipes.clear();
    }
}
