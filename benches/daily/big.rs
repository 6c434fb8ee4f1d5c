//! An image of the size of a real one: 289 MB in 5 layers, 27,000 entries.

use std::io;
use std::path::Path;

use crate::layout::{Layout, Tar};

pub(crate) const LAYERS: usize = 5;
const ENTRIES: usize = 5400;
/// In each layer one file in twenty is large, and one entry in thirty a
/// directory that the next ones are in.
const LARGE: usize = 150_000;
const SMALL: usize = 3200;

/// Writes one whose layers no other number has: nobody has them already.
pub(crate) fn write(dir: &Path, name: &str, gzip: bool, number: usize) -> io::Result<Layout> {
    Layout::write(dir, name, gzip, LAYERS, |layer| archive(number, layer))
}

fn archive(number: usize, layer: usize) -> Vec<u8> {
    let mut source = Source::new(number * LAYERS + layer);
    let mut tar = Tar::default();
    let top = format!("layer-{layer}");
    tar.folder(&top, 0o755);
    let mut folder = top.clone();
    let mut bytes = Vec::new();
    for entry in 1..ENTRIES {
        if entry % 30 == 1 {
            folder = format!("{top}/folder-{entry}");
            tar.folder(&folder, 0o755);
            continue;
        }
        let size = if entry % 20 == 0 { LARGE } else { SMALL };
        bytes.clear();
        source.fill(&mut bytes, size);
        tar.file(&format!("{folder}/file-{entry}"), 0o644, &bytes);
    }
    tar.finish()
}

/// Bytes that shrink to about half, as programs and texts together do: words
/// out of a small vocabulary, and now and then a stretch of noise.
struct Source(u64);

impl Source {
    fn new(seed: usize) -> Self {
        Source((seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn fill(&mut self, into: &mut Vec<u8>, size: usize) {
        while into.len() < size {
            let noise = self.next() % 10 < 3;
            for _ in 0..32 {
                let number = self.next();
                let word = if noise {
                    number
                } else {
                    (number % 2048).wrapping_mul(0x0101_4567_89ab_cdef)
                };
                into.extend_from_slice(&word.to_le_bytes());
            }
        }
        into.truncate(size);
    }

    /// Xorshift: quick, and the same every time.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
