//! Whether a file is an archive that `ADD` unpacks.

use std::fs::File;
use std::io::{BufReader, Read, Seek};

use crate::error::Result;
use crate::image::decoded;

/// The length of a header.
const HEADER: usize = 512;

/// Whether it is a tar archive, packed or not.
pub fn is_one(mut file: File) -> Result<bool> {
    let mut first = Vec::new();
    (&mut file).take(HEADER as u64).read_to_end(&mut first)?;
    if is_header(&first) {
        return Ok(true);
    }
    file.rewind()?;
    let mut plain = Vec::new();
    let Ok(unpacked) = decoded(BufReader::new(file)) else {
        return Ok(false);
    };
    // What cannot be unpacked is a file like any other.
    let read = unpacked.take(HEADER as u64).read_to_end(&mut plain);
    Ok(read.is_ok() && is_header(&plain))
}

/// Whether the sum of a header is what it says.
fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..HEADER) else {
        return false;
    };
    let digits: String = block[148..156]
        .iter()
        .map(|b| char::from(*b))
        .filter(char::is_ascii_digit)
        .collect();
    let bytes = block.iter().enumerate();
    let sum: u32 = bytes
        .map(|(n, b)| {
            if (148..156).contains(&n) {
                32
            } else {
                (*b).into()
            }
        })
        .sum();
    block[0] != 0 && u32::from_str_radix(&digits, 8).is_ok_and(|said| said == sum)
}
