//! Other inputs out of those there are, always the same ones for a seed.

/// A small generator of numbers (`splitmix64`): fast, and the same everywhere.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A place in `bytes`, or its end.
    fn place(&mut self, bytes: &[u8]) -> usize {
        self.below(bytes.len() + 1)
    }

    /// A part of `bytes`, mostly a short one.
    fn part(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.place(bytes);
        let most = *self.one(&[2, 8, 32, 512, 4096]);
        let length = self.below(most).min(bytes.len() - start);
        start..start + length
    }
}

/// Numbers at which something ends.
const EDGES: &[u64] = &[
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    u64::MAX / 2,
    u64::MAX / 2 + 1,
    u64::MAX - 1,
    u64::MAX,
];

/// A changed `seed`; `all` are what it can be crossed with.
pub fn mutated(
    chance: &mut Chance,
    seed: &[u8],
    all: &[Vec<u8>],
    words: &[&str],
    longest: usize,
) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=chance.below(6) {
        change(chance, &mut bytes, all, words);
    }
    bytes.truncate(longest.max(seed.len()));
    bytes
}

fn change(chance: &mut Chance, bytes: &mut Vec<u8>, all: &[Vec<u8>], words: &[&str]) {
    let at = chance.place(bytes);
    match chance.below(12) {
        0 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
        1 if at < bytes.len() => bytes[at] = chance.next() as u8,
        2 => bytes.insert(at, chance.next() as u8),
        3 => drop(bytes.drain(chance.part(bytes))),
        4 => {
            let part = chance.part(bytes);
            let part = bytes[part].to_vec();
            bytes.splice(at..at, part);
        }
        5 => {
            let part = chance.part(bytes);
            let part = bytes[part].to_vec();
            overwrite(bytes, at, &part);
        }
        6 => {
            // The beginning of this one, and the end of another.
            let other = chance.one(all);
            let from = chance.place(other);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        7 => {
            let other = chance.one(all);
            let part = chance.part(other);
            bytes.splice(at..at, other[part].iter().copied());
        }
        8 | 9 if !words.is_empty() => {
            let word = chance.one(words).as_bytes();
            if chance.below(2) == 0 {
                overwrite(bytes, at, word);
            } else {
                bytes.splice(at..at, word.iter().copied());
            }
        }
        10 => {
            let number = number(chance);
            overwrite(bytes, at, &number);
        }
        _ => digits(chance, bytes),
    }
}

fn overwrite(bytes: &mut Vec<u8>, at: usize, with: &[u8]) {
    let end = (at + with.len()).min(bytes.len());
    bytes.splice(at..end, with.iter().copied());
}

/// An edge in one of the forms in which numbers are written.
fn number(chance: &mut Chance) -> Vec<u8> {
    let edge = *chance.one(EDGES);
    let width = *chance.one(&[1, 2, 4, 8]);
    match chance.below(4) {
        0 => edge.to_le_bytes()[..width].to_vec(),
        1 => edge.to_be_bytes()[8 - width..].to_vec(),
        2 => edge.to_string().into_bytes(),
        _ => format!("{edge:011o}\0").into_bytes(),
    }
}

/// Another number in the place of one that is written in digits.
fn digits(chance: &mut Chance, bytes: &mut Vec<u8>) {
    let from = chance.place(bytes);
    let found = bytes[from..].iter().position(u8::is_ascii_digit);
    let Some(start) = found.map(|n| from + n) else {
        return;
    };
    let length = bytes[start..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    let edge = *chance.one(EDGES);
    let near = edge.wrapping_add(chance.below(5) as u64).wrapping_sub(2);
    bytes.splice(start..start + length, near.to_string().into_bytes());
}
