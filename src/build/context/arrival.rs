//! A context that comes as a stream.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use super::private::Private;
use super::{Context, Which};
use crate::archive::{Ownership, Unpack, unpack};
use crate::error::{Context as _, Result};
use crate::image::{Packing, decoded};
use crate::registry::{Config, download};

/// How much is looked at to tell what a stream is: a block of an archive.
const BLOCK: usize = 512;
/// Bytes read at once.
const BUFFER: usize = 256 << 10;

/// What came on standard input, or from the web.
#[derive(Debug)]
pub enum Arrived {
    /// An archive.
    Files(Context),
    /// A lone Dockerfile, with no context.
    Dockerfile(Which),
}

impl Context {
    /// Fetches an archive or a Dockerfile. `dir` keeps it meanwhile.
    pub fn web(url: &str, dir: &Path) -> Result<Arrived> {
        let path = dir.join("context.fetched");
        let what = || "cannot keep the context";
        let mut file = File::create_new(&path).context(what)?;
        let got = download(Config::load()?, url, &mut file)
            .and_then(|_| file.rewind().context(what))
            .and_then(|()| Self::arriving(file, dir));
        fs::remove_file(&path).context(what)?;
        got.map_err(|e| e.context("the context"))
    }

    /// Reads a stream to its end. An archive, packed or not, is unpacked into
    /// a folder of its own in `dir`; anything else is a Dockerfile.
    pub fn arriving(from: impl Read, dir: &Path) -> Result<Arrived> {
        let mut from = from;
        let mut first = Vec::new();
        let begin = from.by_ref().take(BLOCK as u64).read_to_end(&mut first);
        begin.context(|| "reading the context")?;
        let kind = kind(&first);
        let all = io::Cursor::new(first).chain(from);
        match kind {
            Kind::Text => Which::read(all).map(Arrived::Dockerfile),
            Kind::Archive => Self::unpacked(all, dir).map(Arrived::Files),
        }
    }

    fn unpacked(from: impl Read, dir: &Path) -> Result<Self> {
        let context = Self::of_private(Private::new(dir)?, "files")?;
        let buffered = BufReader::with_capacity(BUFFER, from);
        let plain = decoded(buffered).context(|| "reading the context")?;
        let me = (nix::unistd::geteuid(), nix::unistd::getegid());
        let options = Unpack {
            // Whose files they were somewhere else is of no concern: COPY says
            // whose they become.
            ownership: Ownership::Fixed(me.0.as_raw(), me.1.as_raw()),
            xattrs: false,
            devices: false,
            ..Unpack::default()
        };
        let plain = BufReader::with_capacity(BUFFER, plain);
        unpack(&context.root, plain, &options).context(|| "unpacking the context")?;
        Ok(context)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Archive,
    Text,
}

fn kind(first: &[u8]) -> Kind {
    if Packing::of(first) != Packing::None || is_tar(first) {
        return Kind::Archive;
    }
    Kind::Text
}

/// A block whose bytes add up to what it says itself, as a header's do; or
/// one of zeros, with which an empty archive begins and no text.
fn is_tar(block: &[u8]) -> bool {
    if block.len() < BLOCK {
        return false;
    }
    if block.iter().all(|b| *b == 0) {
        return true;
    }
    let told = &block[148..156];
    let sum = |block: &[u8]| block.iter().map(|b| u32::from(*b)).sum::<u32>();
    let sum = sum(&block[..148]) + sum(&block[156..]) + 8 * u32::from(b' ');
    let digits: String = told.iter().map(|b| char::from(*b)).collect();
    let digits = digits.trim_matches(['\0', ' ']);
    u32::from_str_radix(digits, 8) == Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stream_is() {
        for (first, want) in [
            (&b"FROM a\n"[..], Kind::Text),
            (b"", Kind::Text),
            (b"\x1f\x8b\x08", Kind::Archive),
            (b"\x28\xb5\x2f\xfd", Kind::Archive),
            (b"BZh9", Kind::Archive),
            (b"\xfd7zXZ\0", Kind::Archive),
            (&[0; 512], Kind::Archive),
            (&[0; 511], Kind::Text),
            (&[b' '; 512], Kind::Text),
        ] {
            assert_eq!(kind(first), want, "{first:?}");
        }
    }
}
