//! Answers, from bytes. Whatever arrives is survived: a length that does not
//! fit ends the reading there.

use super::message::HEADER;

/// Kinds of message that are not an answer by themselves.
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// Of an error: what was wrong follows as attributes.
const WITH_TEXT: u16 = 0x200;
/// Of an error: the request is not repeated in full.
const CAPPED: u16 = 0x100;
const TEXT: u16 = 1;

/// Of a message: more of the same answer follow, and then a word of the end.
const PART: u16 = 0x2;

/// What is in the two top bits of an attribute's kind says how to read it.
const KIND: u16 = 0x3fff;

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Of what.
    pub kind: u16,
    /// To the request of this number.
    pub sequence: u32,
    flags: u16,
    /// All but the header.
    pub body: &'a [u8],
}

/// What a message comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// Something there is; its fixed part and its attributes.
    Thing(Answer<'a>),
    /// All is well, or that was all.
    Done,
    /// It failed; the kernel may say why in words.
    Failed(i32, String),
}

/// All messages of a buffer.
pub fn answers(mut bytes: &[u8]) -> impl Iterator<Item = Answer<'_>> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        let body = bytes.get(HEADER..length)?;
        let answer = Answer {
            kind: u16_at(bytes, 4)?,
            flags: u16_at(bytes, 6)?,
            sequence: u32_at(bytes, 8)?,
            body,
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(answer)
    })
}

impl<'a> Answer<'a> {
    /// Whether it is one part of a longer answer.
    pub fn is_part(&self) -> bool {
        self.flags & PART != 0
    }

    /// What it comes to.
    pub fn meaning(self) -> Meaning<'a> {
        match self.kind {
            ERROR => self.error(),
            DONE => match number(self.body).map(u32::cast_signed) {
                Some(code) if code < 0 => Meaning::Failed(-code, String::new()),
                _ => Meaning::Done,
            },
            _ => Meaning::Thing(self),
        }
    }

    fn error(self) -> Meaning<'a> {
        let code = u32_at(self.body, 0).map_or(-libc::EBADMSG, u32::cast_signed);
        if code == 0 {
            return Meaning::Done;
        }
        let text = self.text().unwrap_or_default();
        Meaning::Failed(code.saturating_neg(), text)
    }

    /// What the kernel says in words: behind the code comes the request, as a
    /// whole or only its header, then attributes.
    fn text(&self) -> Option<String> {
        if self.flags & WITH_TEXT == 0 {
            return None;
        }
        let request = if self.flags & CAPPED == 0 {
            u32_at(self.body, 4)? as usize
        } else {
            HEADER
        };
        let start = request.checked_next_multiple_of(4)?.checked_add(4)?;
        text(find(self.body.get(start..)?, TEXT)?)
    }

    /// An attribute behind a fixed part of this length.
    pub fn find(&self, fixed: usize, kind: u16) -> Option<&'a [u8]> {
        find(self.body.get(fixed.next_multiple_of(4)..)?, kind)
    }
}

/// Attributes, by kind.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u16_at(bytes, 0)? as usize;
        let value = bytes.get(4..length)?;
        let kind = u16_at(bytes, 2)? & KIND;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The first attribute of this kind.
pub fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes)
        .find(|(k, _)| *k == kind)
        .map(|(_, value)| value)
}

/// A number.
pub fn number(bytes: &[u8]) -> Option<u32> {
    u32_at(bytes, 0)
}

/// A number in the byte order of the net.
pub fn net_number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?))
}

/// Text up to the byte that ends it.
pub fn text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8(bytes[..end].to_vec()).ok()
}

/// Two bytes from there on.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Four bytes from there on.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
