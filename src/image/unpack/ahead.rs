//! A stream that is read by a thread of its own while another one makes use of
//! it: what decompresses a layer does not wait for the disk, nor the other way
//! round.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, Builder};

use super::stream::Plain;
use crate::error::{Error, Result};
use crate::image::reference::Digest;

/// Bytes that are handed over at once…
const PIECE: usize = 256 << 10;
/// …and how many pieces wait at most.
const WAITING: usize = 4;

type Piece = io::Result<Vec<u8>>;

/// Has `take` read a layer's archive, whose sum is to be `diff`. What `take`
/// leaves is read as well: it counts for the sum. `failed` is told before the
/// thread is waited for that may itself be waiting for more of the blob.
pub(super) fn read<'a, T>(
    open: impl Fn() -> Result<Plain<'a>> + Sync,
    diff: &Digest,
    failed: impl FnOnce(&Error),
    take: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<T> {
    let (full, filled) = sync_channel(WAITING);
    let (empty, emptied) = channel();
    let open = &open;
    thread::scope(|scope| {
        let reader = move || pieces(open()?, &full, &emptied, diff);
        let Ok(reader) = Builder::new().spawn_scoped(scope, reader) else {
            // Without a thread, one thing after the other.
            let mut plain = open()?.buffered();
            let taken = to_the_end(&mut plain, take)?;
            return plain.into_inner().finish(diff).map(|()| taken);
        };
        let mut ahead = Ahead {
            filled,
            empty,
            piece: Vec::new(),
            at: 0,
            ended: false,
        };
        let taken = to_the_end(&mut ahead, take);
        let ended = ahead.ended;
        if let (Err(e), false) = (&taken, ended) {
            failed(e);
        }
        drop(ahead);
        match reader.join() {
            Err(_) => Err(Error::internal("a thread panicked")),
            // Why there was no more, or that the sum is wrong.
            Ok(Err(e)) if ended => Err(e),
            Ok(_) => taken,
        }
    })
}

fn to_the_end<T>(plain: &mut dyn Read, take: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
    let taken = take(plain)?;
    io::copy(plain, &mut io::sink())?;
    Ok(taken)
}

fn pieces(
    mut plain: Plain<'_>,
    full: &SyncSender<Piece>,
    emptied: &Receiver<Vec<u8>>,
    diff: &Digest,
) -> Result<()> {
    loop {
        let mut piece = emptied.try_recv().unwrap_or_default();
        piece.resize(PIECE, 0);
        let mut length = 0;
        while length < PIECE {
            match plain.read(&mut piece[length..]) {
                Ok(0) => break,
                Ok(n) => length += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    // As if it were read over there.
                    let _ = full.send(Err(e));
                    return Ok(());
                }
            }
        }
        piece.truncate(length);
        if length == 0 {
            return plain.finish(diff);
        }
        if full.send(Ok(piece)).is_err() {
            return Ok(());
        }
    }
}

/// The other end.
struct Ahead {
    filled: Receiver<Piece>,
    /// Pieces go back to be filled again.
    empty: Sender<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    /// The thread has nothing more to say.
    ended: bool,
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            let Ok(next) = self.filled.recv() else {
                self.ended = true;
                return Ok(0);
            };
            // Nobody needs it any more: then the stream is at its end.
            let _ = self.empty.send(std::mem::replace(&mut self.piece, next?));
            self.at = 0;
        }
        let n = (&self.piece[self.at..]).read(buffer)?;
        self.at += n;
        Ok(n)
    }
}
