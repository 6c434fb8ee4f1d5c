//! What `gzip` writes: pieces one behind the other, and zeros where a tape's
//! last block was filled up. Anything else behind a piece was put there by
//! mistake, and is called that.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;

/// All pieces of a stream.
pub(super) struct Pieces<R> {
    /// The one that is being read; none: there are no more.
    now: Option<GzDecoder<R>>,
}

impl<R: BufRead> Pieces<R> {
    pub(super) fn new(all: R) -> Self {
        Self {
            now: Some(GzDecoder::new(all)),
        }
    }
}

impl<R: BufRead> Read for Pieces<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(piece) = &mut self.now {
            let n = piece.read(buffer)?;
            if n > 0 {
                return Ok(n);
            }
            let rest = self.now.take().map(GzDecoder::into_inner);
            self.now = rest.map(next).transpose()?.flatten();
        }
        Ok(0)
    }
}

/// The next piece, if there is one.
fn next<R: BufRead>(mut rest: R) -> io::Result<Option<GzDecoder<R>>> {
    loop {
        let there = match rest.fill_buf() {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            there => there?,
        };
        match there.first() {
            None => return Ok(None),
            Some(0x1f) => return Ok(Some(GzDecoder::new(rest))),
            Some(0) => {
                let zeros = there.iter().take_while(|b| **b == 0).count();
                rest.consume(zeros);
            }
            Some(_) => {
                return Err(io::Error::new(
                    ErrorKind::InvalidData,
                    "behind its end stands something else",
                ));
            }
        }
    }
}
