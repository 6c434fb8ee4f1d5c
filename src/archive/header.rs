//! One 512-byte header block of a tar archive, both ways.
//!
//! Knows the fields and where they are, not what headers mean to each other:
//! that is [`super::reader`]'s. Everything a field may not contain is refused
//! here, because two programs that disagree about one header see two different
//! archives in the same bytes.

use crate::error::{Error, Result};

/// Archives are made of blocks of this size.
pub(super) const BLOCK: usize = 512;
/// A block.
pub(super) type Block = [u8; BLOCK];

pub(super) const ZERO: Block = [0; BLOCK];

const CHECKSUM: std::ops::Range<usize> = 148..156;
/// From this value on a size does not fit the 11 octal digits of its field.
pub(super) const MOST_OCTAL_SIZE: u64 = 0o777_7777_7777;
/// The same for owner and group, of 7 digits.
pub(super) const MOST_OCTAL_ID: u32 = 0o777_7777;

/// A block whose checksum has been found right.
pub(super) struct Header<'a>(&'a Block);

impl<'a> Header<'a> {
    pub(super) fn check(block: &'a Block) -> Result<Self> {
        let told = number(&block[CHECKSUM]).map_err(|e| e.context("its checksum"))?;
        let spaces = i64::from(b' ') * CHECKSUM.len() as i64;
        let unsigned = |bytes: &[u8]| bytes.iter().map(|b| i64::from(*b)).sum::<i64>();
        let signed = |bytes: &[u8]| bytes.iter().map(|b| i64::from(*b as i8)).sum::<i64>();
        let sum = |of: fn(&[u8]) -> i64| of(block) - of(&block[CHECKSUM]) + spaces;
        // Some early writers summed signed bytes; both have been allowed since.
        if told == sum(unsigned) || told == sum(signed) {
            Ok(Self(block))
        } else {
            Err(Error::user("the checksum of the header is wrong"))
        }
    }

    pub(super) fn block(&self) -> &'a Block {
        self.0
    }

    pub(super) fn flag(&self) -> u8 {
        self.0[156]
    }

    /// The name, with the prefix that only POSIX archives have: in GNU's the
    /// same bytes hold times and the map of a sparse file.
    pub(super) fn path(&self) -> Vec<u8> {
        let name = text(&self.0[..100]);
        let prefix = if &self.0[257..263] != b"ustar\0" {
            &[][..]
        } else if &self.0[508..] == b"tar\0" {
            text(&self.0[345..476])
        } else {
            text(&self.0[345..500])
        };
        if prefix.is_empty() {
            name.to_vec()
        } else {
            [prefix, b"/", name].concat()
        }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(&self.0[157..257]).to_vec()
    }

    pub(super) fn mode(&self) -> Result<u32> {
        number(&self.0[100..108])
            .map(|mode| mode as u32 & 0o7777)
            .map_err(|e| e.context("its mode"))
    }

    pub(super) fn uid(&self) -> Result<u32> {
        id(&self.0[108..116], "its owner")
    }

    pub(super) fn gid(&self) -> Result<u32> {
        id(&self.0[116..124], "its group")
    }

    pub(super) fn size(&self) -> Result<u64> {
        unsigned(&self.0[124..136], "its size")
    }

    pub(super) fn mtime(&self) -> Result<i64> {
        number(&self.0[136..148]).map_err(|e| e.context("its time"))
    }

    /// Major and minor number of a device.
    pub(super) fn device(&self) -> Result<(u32, u32)> {
        let part = |range: std::ops::Range<usize>| {
            let value = unsigned(&self.0[range], "its device number")?;
            u32::try_from(value).map_err(|_| Error::user("its device number is too large"))
        };
        Ok((part(329..337)?, part(337..345)?))
    }
}

/// Whether an archive begins so: with a header, or with its end mark.
pub fn is_archive(first: &[u8]) -> bool {
    let block = first.get(..BLOCK).and_then(|b| <&Block>::try_from(b).ok());
    block.is_some_and(|block| *block == ZERO || Header::check(block).is_ok())
}

/// An owner that `chown` cannot mistake for "leave as it is".
pub(super) fn checked_id(value: i64) -> Result<u32> {
    u32::try_from(value)
        .ok()
        .filter(|id| *id != u32::MAX)
        .ok_or_else(|| Error::user(format!("{value} is no owner or group")))
}

fn id(field: &[u8], what: &str) -> Result<u32> {
    number(field)
        .and_then(checked_id)
        .map_err(|e| e.context(what))
}

/// A number that may not be negative.
pub(super) fn unsigned(field: &[u8], what: &str) -> Result<u64> {
    number(field)
        .and_then(|n| u64::try_from(n).map_err(|_| Error::user("is negative")))
        .map_err(|e| e.context(what))
}

/// A field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|b| *b == 0).next().unwrap_or_default()
}

/// A number in octal digits or, where the first bit is set, in base 256.
fn number(field: &[u8]) -> Result<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base_256(field),
        _ => octal(field),
    }
}

fn base_256(field: &[u8]) -> Result<i64> {
    let negative = field[0] & 0x40 != 0;
    let first = if negative { field[0] } else { field[0] & 0x7f };
    let start = i128::from(first as i8);
    let value = field[1..]
        .iter()
        .fold(start, |value, byte| value << 8 | i128::from(*byte));
    i64::try_from(value).map_err(|_| Error::user("a number in it is too large"))
}

fn octal(field: &[u8]) -> Result<i64> {
    let blank = |b: &u8| *b == b' ' || *b == 0;
    let start = field.iter().position(|b| !blank(b)).unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(blank).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    let value = digits.iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    });
    value
        .filter(|_| rest.iter().all(blank))
        .ok_or_else(|| Error::user("holds something that is no octal number"))
}

/// What is to be written into a header.
pub(super) struct Fields<'a> {
    pub(super) flag: u8,
    pub(super) path: &'a [u8],
    pub(super) link: &'a [u8],
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) mtime: i64,
    pub(super) device: Option<(u32, u32)>,
}

/// A POSIX header. Names that are too long are cut; a PAX record says them in
/// full then. Numbers that are too large are written in base 256 as well as
/// into a PAX record, so that no reader can see another value.
pub(super) fn encode(fields: &Fields<'_>) -> Block {
    let mut block = ZERO;
    put(&mut block[..100], fields.path);
    put_number(&mut block[100..108], i64::from(fields.mode));
    put_number(&mut block[108..116], i64::from(fields.uid));
    put_number(&mut block[116..124], i64::from(fields.gid));
    put_number(&mut block[124..136], fields.size as i64);
    put_number(&mut block[136..148], fields.mtime);
    block[156] = fields.flag;
    put(&mut block[157..257], fields.link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    if let Some((major, minor)) = fields.device {
        put_number(&mut block[329..337], i64::from(major));
        put_number(&mut block[337..345], i64::from(minor));
    }
    block[CHECKSUM].fill(b' ');
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    put(&mut block[CHECKSUM], format!("{sum:06o}\0 ").as_bytes());
    block
}

fn put(field: &mut [u8], value: &[u8]) {
    let length = value.len().min(field.len());
    field[..length].copy_from_slice(&value[..length]);
}

fn put_number(field: &mut [u8], value: i64) {
    let width = field.len() - 1;
    let octal = format!("{value:0width$o}");
    if value >= 0 && octal.len() <= width {
        put(field, octal.as_bytes());
        return;
    }
    let bytes = i128::from(value).to_be_bytes();
    field.copy_from_slice(&bytes[bytes.len() - field.len()..]);
    field[0] |= 0x80;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_both_forms() {
        for value in [0, 7, 0o777_7777, 0o1000_0000, -1, -1_000_000, 1 << 40] {
            let mut field = [0; 12];
            put_number(&mut field, value);
            assert_eq!(number(&field).unwrap(), value);
        }
        let mut field = [0; 8];
        put_number(&mut field, i64::from(u32::MAX - 1));
        assert_eq!(number(&field).unwrap(), i64::from(u32::MAX - 1));
    }

    #[test]
    fn a_number_is_a_number() {
        assert_eq!(number(b"  17\0\0\0 ").unwrap(), 0o17);
        assert_eq!(number(b"\0\0\0\0").unwrap(), 0);
        for wrong in [&b"18"[..], b"-1", b"+1", b"1 1", b"0x1"] {
            assert!(number(wrong).is_err(), "{wrong:?}");
        }
        assert!(number(&[0x80, 255, 255, 255, 255, 255, 255, 255, 255, 255]).is_err());
    }

    #[test]
    fn the_owner_minus_one_is_refused() {
        assert!(checked_id(i64::from(u32::MAX)).is_err());
        assert!(checked_id(-1).is_err());
        assert_eq!(checked_id(65_534).unwrap(), 65_534);
    }
}
