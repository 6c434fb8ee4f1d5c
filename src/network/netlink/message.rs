//! Requests, as bytes.
//!
//! ```text
//! | length | kind | flags | number | 0 |  fixed part  | attribute | attribute | …
//!                                                       | length | kind | value, padded to 4 |
//! ```
//!
//! Everything is in the byte order of the machine but what is said to be
//! otherwise; a nested attribute has attributes for its value.

/// It is a request.
const REQUEST: u16 = 0x1;
/// It wants an answer, also when all is well.
pub const ACK: u16 = 0x4;
/// Make it, where it is not there.
pub const CREATE: u16 = 0x400;
/// Fail where it is there.
pub const EXCLUSIVE: u16 = 0x200;
/// Put it behind the others.
pub const APPEND: u16 = 0x800;
/// Everything there is of the kind.
pub const DUMP: u16 = 0x300;
/// The value of an attribute is attributes.
const NESTED: u16 = 0x8000;

/// The length of what is in front of each message.
pub(super) const HEADER: usize = 16;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(Vec<u8>);

impl Message {
    /// A request of this kind, with its fixed part.
    pub fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((REQUEST | flags).to_ne_bytes());
        bytes.extend([0; 8]);
        let mut message = Self(bytes);
        message.raw(fixed);
        message
    }

    /// Bytes as they are, padded.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// An attribute. What rcon says is far shorter than the 64 KiB that the
    /// length has room for.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = (value.len() + 4) as u16;
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.raw(value)
    }

    /// Text, as C knows it.
    pub fn text(&mut self, kind: u16, text: &str) -> &mut Self {
        self.attribute(kind, &[text.as_bytes(), &[0]].concat())
    }

    /// A number.
    pub fn number(&mut self, kind: u16, number: u32) -> &mut Self {
        self.attribute(kind, &number.to_ne_bytes())
    }

    /// A number in the byte order of the net.
    pub fn net_number(&mut self, kind: u16, number: u32) -> &mut Self {
        self.attribute(kind, &number.to_be_bytes())
    }

    /// An attribute of attributes.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let at = self.0.len();
        self.attribute(NESTED | kind, &[]);
        fill(self);
        let length = (self.0.len() - at) as u16;
        self.0[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// The same request, with an answer also when all is well.
    #[must_use]
    pub fn acknowledged(mut self) -> Self {
        let flags = u16::from_ne_bytes([self.0[6], self.0[7]]) | ACK;
        self.0[6..8].copy_from_slice(&flags.to_ne_bytes());
        self
    }

    /// Ready to be sent, as number `sequence`.
    pub(super) fn bytes(&self, sequence: u32) -> Vec<u8> {
        let mut bytes = self.0.clone();
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        bytes
    }
}
