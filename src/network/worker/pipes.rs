//! Pipes, through which bytes move from socket to socket.
//!
//! A connection has one only while something is held back, so that ten
//! thousand idle connections need none.

use std::cell::{RefCell, RefMut};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// What a pipe holds, and what is moved at once.
pub const SIZE: usize = 256 << 10;
/// What is read and written rather than passed through a pipe is less.
pub const FEW: usize = 16 << 10;
/// Kept for the next who needs one.
const SPARE: usize = 32;

/// Both ends.
pub struct Pipe {
    /// Where bytes come out.
    pub read: OwnedFd,
    /// Where bytes go in.
    pub write: OwnedFd,
}

/// Spare pipes, and room for a few bytes: shared by all connections.
#[derive(Clone)]
pub struct Pipes {
    spare: Rc<RefCell<Vec<Pipe>>>,
    buffer: Rc<RefCell<[u8; FEW]>>,
}

impl Default for Pipes {
    fn default() -> Self {
        Self {
            spare: Rc::default(),
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
        // A smaller pipe moves the same bytes in more calls.
        let _ = fcntl(&write, FcntlArg::F_SETPIPE_SZ(SIZE as i32));
        Ok(Pipe { read, write })
    }

    /// Takes back a pipe, which must be empty.
    pub fn give_back(&self, pipe: Pipe) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.push(pipe);
        }
    }
}
