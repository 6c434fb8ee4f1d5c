//! Pipes, through which bytes move from socket to socket.
//!
//! A connection has one only while something is held back, so that ten
//! thousand idle connections need none.

use std::cell::{Cell, RefCell, RefMut};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// What a large pipe holds, and what is moved at once.
pub const SIZE: usize = 1 << 20;
/// What is read and written rather than passed through a pipe is less.
pub const FEW: usize = 16 << 10;
/// So many are large. All processes of a user share an allowance for large
/// pipes (`pipe-user-pages-soft`, 64 MB), and who comes when it is used up
/// gets tiny ones: so the first few streams have them, and others the usual.
const LARGE: usize = 8;
/// Kept for the next who needs one.
const SPARE: usize = 32;

/// Both ends.
pub struct Pipe {
    /// Where bytes come out.
    pub read: OwnedFd,
    /// Where bytes go in.
    pub write: OwnedFd,
    _large: Option<Share>,
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
            _large: grown.then(|| Share::of(&self.large)),
        })
    }

    /// Lets go of what nobody needs for now.
    pub fn clear(&self) {
        self.spare.take();
    }

    /// Takes back a pipe, which must be empty.
    pub fn give_back(&self, pipe: Pipe) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.push(pipe);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
