//! DNS on the wire (RFC 1035): as much of it as it takes to understand a
//! question and to answer one.
//!
//! Whatever a container sends comes in here; nothing is believed, and no
//! length or pointer leads beyond the message.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A message over UDP is no longer than this unless both sides say so.
pub const SMALL: usize = 512;
const HEADER: usize = 12;
/// A name has no more characters.
const LONGEST_NAME: usize = 253;

/// What is asked about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Its IPv4 addresses.
    A,
    /// Its IPv6 addresses.
    Aaaa,
    /// The names of an address.
    Ptr,
    /// Everything.
    Any,
    /// Something that we know nothing about.
    Other(u16),
}

impl Kind {
    fn of(number: u16) -> Self {
        match number {
            1 => Self::A,
            28 => Self::Aaaa,
            12 => Self::Ptr,
            255 => Self::Any,
            other => Self::Other(other),
        }
    }
}

/// How an answer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The name is there; perhaps without what was asked for.
    Found = 0,
    /// The message cannot be understood.
    Malformed = 1,
    /// Nobody could be asked.
    Failed = 2,
    /// There is no such name.
    NoSuchName = 3,
    /// That is not done here.
    NotDone = 4,
}

/// A question, and the message it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Chosen by whoever asks, and repeated in the answer.
    pub id: u16,
    /// In small letters, without the last dot.
    pub name: String,
    /// What is asked about it.
    pub kind: Kind,
    /// Of the internet; nothing else is answered here.
    pub internet: bool,
    /// How long an answer may be.
    pub room: usize,
    /// The question itself, to the byte: it is repeated in the answer.
    section: Vec<u8>,
    /// Flags that are repeated in the answer.
    flags: u16,
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Not even a header: nobody could be answered.
    Hopeless,
    /// It can be refused by its id.
    Refused(u16, Outcome),
}

impl Question {
    /// Reads a message as one question.
    pub fn read(message: &[u8]) -> Result<Self, Unread> {
        let word = |at: usize| {
            let pair = message.get(at..at + 2)?;
            Some(u16::from_be_bytes([pair[0], pair[1]]))
        };
        if message.len() < HEADER {
            return Err(Unread::Hopeless);
        }
        let (Some(id), Some(flags)) = (word(0), word(2)) else {
            return Err(Unread::Hopeless);
        };
        // An answer is never answered: two servers would do so for ever.
        if flags & 0x8000 != 0 {
            return Err(Unread::Hopeless);
        }
        if flags & 0x7800 != 0 {
            return Err(Unread::Refused(id, Outcome::NotDone));
        }
        let malformed = Unread::Refused(id, Outcome::Malformed);
        if word(4) != Some(1) {
            return Err(malformed);
        }
        let (name, after) = name(message, HEADER).ok_or(malformed)?;
        let (kind, class) = word(after).zip(word(after + 2)).ok_or(malformed)?;
        let additional = word(10).unwrap_or(0);
        Ok(Self {
            id,
            name,
            kind: Kind::of(kind),
            internet: class == 1,
            room: room(&message[after + 4..], additional),
            section: message[HEADER..after + 4].to_vec(),
            flags: flags & 0x0110,
        })
    }

    /// The address that a reverse look-up is about.
    pub fn address(&self) -> Option<IpAddr> {
        if let Some(digits) = self.name.strip_suffix(".in-addr.arpa") {
            let parts: Vec<u8> = digits
                .split('.')
                .map(str::parse)
                .collect::<Result<_, _>>()
                .ok()?;
            let [d, c, b, a] = parts[..] else { return None };
            return Some(Ipv4Addr::new(a, b, c, d).into());
        }
        let digits = self.name.strip_suffix(".ip6.arpa")?;
        let nibbles: Vec<u128> = (digits.split('.'))
            .map(|d| u128::from_str_radix(d, 16).ok().filter(|_| d.len() == 1))
            .collect::<Option<_>>()?;
        let whole = nibbles.len() == 32;
        let number = nibbles.iter().rev().fold(0, |all, n| all << 4 | n);
        whole.then(|| Ipv6Addr::from(number).into())
    }

    /// An answer with no content.
    pub fn outcome(&self, outcome: Outcome) -> Vec<u8> {
        self.answer(outcome, &[], &[], 0)
    }

    /// An answer with addresses and names. What does not fit is left out, and
    /// whoever asks is told to come again by TCP.
    pub fn answer(
        &self,
        outcome: Outcome,
        addresses: &[IpAddr],
        names: &[String],
        seconds: u32,
    ) -> Vec<u8> {
        // Answer, of whoever knows best, recursion available; what was said
        // about recursion stays.
        let mut flags = 0x8480 | self.flags | outcome as u16;
        let mut records = Vec::new();
        let mut count = 0_u16;
        let data = addresses.iter().map(address_data);
        let data = data.chain(names.iter().filter_map(|name| name_data(name)));
        for (kind, data) in data {
            let mut record = vec![0xc0, HEADER as u8];
            record.extend_from_slice(&kind.to_be_bytes());
            record.extend_from_slice(&1_u16.to_be_bytes());
            record.extend_from_slice(&seconds.to_be_bytes());
            record.extend_from_slice(&(data.len() as u16).to_be_bytes());
            record.extend_from_slice(&data);
            if HEADER + self.section.len() + records.len() + record.len() > self.room {
                flags |= 0x0200;
                break;
            }
            records.extend_from_slice(&record);
            count += 1;
        }
        let mut message = header(self.id, flags, 1, count);
        message.extend_from_slice(&self.section);
        message.extend_from_slice(&records);
        message
    }
}

/// An answer to what could not be read.
pub fn refusal(id: u16, outcome: Outcome) -> Vec<u8> {
    header(id, 0x8080 | outcome as u16, 0, 0)
}

fn header(id: u16, flags: u16, questions: u16, answers: u16) -> Vec<u8> {
    [id, flags, questions, answers, 0, 0]
        .iter()
        .flat_map(|word| word.to_be_bytes())
        .collect()
}

fn address_data(address: &IpAddr) -> (u16, Vec<u8>) {
    match address {
        IpAddr::V4(four) => (1, four.octets().to_vec()),
        IpAddr::V6(six) => (28, six.octets().to_vec()),
    }
}

fn name_data(name: &str) -> Option<(u16, Vec<u8>)> {
    let mut data = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len())
            .ok()
            .filter(|n| (1..=63).contains(n))?;
        data.push(length);
        data.extend_from_slice(label.as_bytes());
    }
    data.push(0);
    Some((12, data))
}

/// The name that begins at `at`, and where it ends. A question has none that
/// refers to another place.
fn name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        if length > 63 {
            return None;
        }
        let label = message.get(at..at + length)?;
        at += length;
        if !name.is_empty() {
            name.push('.');
        }
        // Names are text here; others are nobody's container.
        for byte in label {
            let known = byte.is_ascii_graphic() && *byte != b'.';
            name.push(if known {
                byte.to_ascii_lowercase() as char
            } else {
                '?'
            });
        }
        if name.len() > LONGEST_NAME {
            return None;
        }
    }
}

/// How long an answer may be: EDNS (RFC 6891) says it in a record at the end.
fn room(rest: &[u8], additional: u16) -> usize {
    // That record comes first in all questions there are: root name, type 41.
    match rest {
        [0, 0, 41, high, low, ..] if additional > 0 => {
            usize::from(u16::from_be_bytes([*high, *low])).clamp(SMALL, 4096)
        }
        _ => SMALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(name: &str, kind: u16) -> Vec<u8> {
        let mut message = header(0x1234, 0x0100, 1, 0);
        message.extend_from_slice(&name_data(name).unwrap().1);
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&1_u16.to_be_bytes());
        message
    }

    #[test]
    fn a_question_is_read() {
        let q = Question::read(&asked("Web.Example", 1)).unwrap();
        assert_eq!((q.id, q.kind, q.room), (0x1234, Kind::A, SMALL));
        assert_eq!(q.name, "web.example");
        let mut edns = asked("web", 28);
        edns[11] = 1;
        edns.extend_from_slice(&[0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Question::read(&edns).unwrap().room, 4096);
    }

    #[test]
    fn what_cannot_be_answered() {
        assert_eq!(Question::read(&[0; 11]), Err(Unread::Hopeless));
        let mut answer = asked("web", 1);
        answer[2] |= 0x80;
        assert_eq!(Question::read(&answer), Err(Unread::Hopeless));
        let mut two = asked("web", 1);
        two[5] = 2;
        let malformed = Unread::Refused(0x1234, Outcome::Malformed);
        assert_eq!(Question::read(&two), Err(malformed));
        let cut = &asked("web", 1)[..15];
        assert_eq!(Question::read(cut), Err(malformed));
        let mut pointer = header(0x1234, 0, 1, 0);
        pointer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
        assert_eq!(Question::read(&pointer), Err(malformed));
    }

    #[test]
    fn addresses_of_reverse_look_ups() {
        for (name, address) in [
            ("2.0.17.172.in-addr.arpa", Some("172.17.0.2")),
            (
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
                Some("fd00::1"),
            ),
            ("0.17.172.in-addr.arpa", None),
            ("1.ip6.arpa", None),
            ("example", None),
        ] {
            let q = Question::read(&asked(name, 12)).unwrap();
            assert_eq!(q.address(), address.map(|a| a.parse().unwrap()), "{name}");
        }
    }

    #[test]
    fn an_answer_on_the_wire() {
        let q = Question::read(&asked("db", 1)).unwrap();
        let bytes = q.answer(Outcome::Found, &["10.0.0.7".parse().unwrap()], &[], 5);
        let want = [
            0x12, 0x34, 0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, // header
            2, b'd', b'b', 0, 0, 1, 0, 1, // the question
            0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 0, 0, 7, // the record
        ];
        assert_eq!(bytes, want);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let q = Question::read(&asked("db", 1)).unwrap();
        let many: Vec<IpAddr> = (0..100)
            .map(|n| Ipv4Addr::new(10, 0, 0, n).into())
            .collect();
        let bytes = q.answer(Outcome::Found, &many, &[], 5);
        assert!(bytes.len() <= SMALL && bytes[2] & 0x02 != 0);
        assert_eq!(bytes[7], ((SMALL - 20) / 16) as u8);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(q) = Question::read(&bytes) {
                let _ = q.address();
                prop_assert!(q.answer(Outcome::Found, &[], &[], 1).len() <= q.room.max(bytes.len() + 12));
            }
        }

        #[test]
        fn what_is_asked_is_read(name in "[a-z0-9-]{1,20}(\\.[a-z0-9]{1,20}){0,5}") {
            prop_assert_eq!(Question::read(&asked(&name, 1)).unwrap().name, name);
        }
    }
}
