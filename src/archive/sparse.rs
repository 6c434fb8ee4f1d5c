//! Files with holes, in the two forms that GNU tar writes today: the old map
//! in the header itself, and version 1.0 of the PAX form, whose map stands in
//! front of the data. The two forms between them are refused.

use std::collections::VecDeque;

use super::header::{BLOCK, Block, unsigned};
use super::pax::{self, decimal};
use crate::error::{Error, Result};

/// More pieces than any honest file has; bounds the memory a map takes.
const MOST: usize = 1 << 20;

/// A piece of a file that is stored: where it begins and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// The pieces of a file that has no holes.
pub(super) fn dense(size: u64) -> VecDeque<Piece> {
    VecDeque::from([Piece {
        offset: 0,
        length: size,
    }])
}

/// What the records say: `None` for a file that is not sparse, else its size.
pub(super) fn announced(sparse: &pax::Sparse) -> Result<Option<u64>> {
    match (sparse.version, sparse.real_size) {
        ((None, None), None) if !sparse.older => Ok(None),
        ((Some(1), Some(0)), Some(size)) if !sparse.older => Ok(Some(size)),
        _ => Err(Error::user("a sparse file of a form that is not read")
            .hint("only GNU tar's old form and version 1.0 are")),
    }
}

/// The map of the old form, which goes on in further blocks.
pub(super) fn old(
    header: &Block,
    mut next: impl FnMut() -> Result<Block>,
) -> Result<(VecDeque<Piece>, u64)> {
    let size = unsigned(&header[483..495], "its full size")?;
    let mut pieces = VecDeque::new();
    add(&mut pieces, &header[386..482])?;
    let mut more = header[482];
    while more != 0 {
        let block = next()?;
        add(&mut pieces, &block[..504])?;
        more = block[504];
    }
    Ok((pieces, size))
}

fn add(pieces: &mut VecDeque<Piece>, fields: &[u8]) -> Result<()> {
    for field in fields.chunks_exact(24).filter(|field| field[0] != 0) {
        push(
            pieces,
            unsigned(&field[..12], "its map")?,
            unsigned(&field[12..], "its map")?,
        )?;
    }
    Ok(())
}

fn push(pieces: &mut VecDeque<Piece>, offset: u64, length: u64) -> Result<()> {
    if pieces.len() >= MOST {
        return Err(Error::user("a sparse file of too many pieces"));
    }
    pieces.push_back(Piece { offset, length });
    Ok(())
}

/// The map of version 1.0: decimal lines, filled up to whole blocks. Also says
/// how many bytes of the stored data it took.
pub(super) fn version_1(mut next: impl FnMut() -> Result<Block>) -> Result<(VecDeque<Piece>, u64)> {
    let mut taken = 0;
    let mut line = Vec::new();
    let mut numbers = Numbers::default();
    loop {
        let block = next()?;
        taken += BLOCK as u64;
        for byte in block {
            if byte != b'\n' {
                line.push(byte);
            } else if numbers.add(decimal(&line)?)? {
                return Ok((numbers.pieces, taken));
            } else {
                line.clear();
            }
            if line.len() > 20 {
                return Err(Error::user("the map of a sparse file is malformed"));
            }
        }
    }
}

/// The numbers of a map as they come: how many pieces, then two for each.
#[derive(Default)]
struct Numbers {
    left: Option<u64>,
    offset: Option<u64>,
    pieces: VecDeque<Piece>,
}

impl Numbers {
    /// Takes one number; true when it was the last.
    fn add(&mut self, number: u64) -> Result<bool> {
        match (self.left, self.offset.take()) {
            (None, _) => self.left = Some(number),
            (Some(_), None) => self.offset = Some(number),
            (Some(left), Some(offset)) => {
                push(&mut self.pieces, offset, number)?;
                self.left = Some(left - 1);
            }
        }
        Ok(self.left == Some(0))
    }
}

/// The pieces must be in order, apart, inside the file, and all of the data.
pub(super) fn check(pieces: &VecDeque<Piece>, size: u64, stored: u64) -> Result<()> {
    let mut end = 0;
    let mut sum = 0_u64;
    for piece in pieces {
        let after = piece.offset.checked_add(piece.length);
        match after {
            Some(after) if piece.offset >= end && after <= size => end = after,
            _ => return Err(Error::user("the map of a sparse file is out of order")),
        }
        sum += piece.length;
    }
    if sum == stored {
        Ok(())
    } else {
        Err(Error::user(
            "the map of a sparse file does not fit its data",
        ))
    }
}
