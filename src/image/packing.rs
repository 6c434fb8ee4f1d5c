//! How archives are packed, told by their first bytes: what they are called is
//! a matter of taste among those who make them. And how much they may grow
//! when they are unpacked.

mod gzip;

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, Cursor, ErrorKind, Read};
use std::rc::Rc;

use bzip2::bufread::MultiBzDecoder;
use lzma_rust2::XzReader;

use crate::archive::is_archive;
use crate::error::{Context, Error, Result};

/// How many of the first bytes tell.
const MAGIC: usize = 6;
/// Most memory that an xz file may ask for, in KiB: twice what `xz -9` does.
const MOST_FOR_XZ: u32 = 128 << 10;
/// The length of an archive's header.
const HEADER: u64 = 512;
/// A stream may grow to so many times its length…
const MOST_GROWTH: u64 = 1200;
/// …and this: a small file of zeros is no attack.
const ALWAYS_ALLOWED: u64 = 1 << 30;

/// Whether so few bytes have become more than any honest stream's do.
pub(in crate::image) fn is_bomb(packed: u64, plain: u64) -> bool {
    grows_beyond(ALWAYS_ALLOWED, packed, plain)
}

fn grows_beyond(allowed: u64, packed: u64, plain: u64) -> bool {
    plain > allowed.saturating_add(MOST_GROWTH.saturating_mul(packed))
}

/// How a stream is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all, or in a way that is not known here.
    None,
    /// By `gzip`.
    Gzip,
    /// By `zstd`.
    Zstd,
    /// By `xz`.
    Xz,
    /// By `bzip2`.
    Bzip2,
}

impl Packing {
    /// What begins so.
    pub fn of(first: &[u8]) -> Self {
        // So begin also frames of zstd to be skipped: 0x184d2a50 and the
        // fifteen after it.
        let is_skipped = matches!(first, [n, 0x2a, 0x4d, 0x18, ..] if n >> 4 == 5);
        if is_skipped || first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Self::Zstd
        } else if first.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if first.starts_with(b"\xfd7zXZ\0") {
            Self::Xz
        } else if first.starts_with(b"BZh") {
            Self::Bzip2
        } else {
            Self::None
        }
    }

    /// What a layer packed so is called; the specification knows three ways.
    pub(in crate::image) fn of_layer(self) -> &'static str {
        match self {
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
            Self::None | Self::Xz | Self::Bzip2 => "application/vnd.oci.image.layer.v1.tar",
        }
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "nothing",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        })
    }
}

/// Opens a stream that a person hands over.
pub fn decoded<'a>(packed: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let (packing, all) = seen(packed)?;
    bounded(packing, all, ALWAYS_ALLOWED)
}

/// The same, if it is an archive; if it is none, what it is instead.
pub fn opened<'a>(packed: impl BufRead + 'a) -> Result<Box<dyn Read + 'a>> {
    let cannot = || "cannot read the archive";
    let (packing, all) = seen(packed).context(cannot)?;
    let mut plain = bounded(packing, all, ALWAYS_ALLOWED).context(cannot)?;
    let mut first = Vec::new();
    let read = plain.by_ref().take(HEADER).read_to_end(&mut first);
    read.context(cannot)?;
    if !is_archive(&first) {
        return Err(no_archive(packing, &first));
    }
    Ok(Box::new(Cursor::new(first).chain(plain)))
}

/// Opens a layer, which only the specification's ways may pack, and says in
/// which it is.
pub(in crate::image) fn decoded_layer<'a>(
    packed: impl BufRead + 'a,
) -> io::Result<(Packing, Box<dyn Read + 'a>)> {
    match seen(packed)? {
        (Packing::Xz | Packing::Bzip2, all) => Ok((Packing::None, Box::new(all))),
        (packing, all) => Ok((packing, open(packing, all)?)),
    }
}

/// How a stream is packed, and all of it.
fn seen<'a>(packed: impl BufRead + 'a) -> io::Result<(Packing, impl BufRead + 'a)> {
    let mut packed = packed;
    let mut first = Vec::new();
    packed.by_ref().take(MAGIC as u64).read_to_end(&mut first)?;
    let packing = Packing::of(&first);
    Ok((packing, Cursor::new(first).chain(packed)))
}

fn open<'a>(packing: Packing, all: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let inner: Box<dyn Read + 'a> = match packing {
        Packing::None => return Ok(Box::new(all)),
        Packing::Gzip => Box::new(gzip::Pieces::new(all)),
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(all)?),
        Packing::Xz => Box::new(XzReader::new_mem_limit(all, true, MOST_FOR_XZ)),
        Packing::Bzip2 => Box::new(MultiBzDecoder::new(all)),
    };
    Ok(Box::new(Named { packing, inner }))
}

/// Opens a stream that may grow beyond measure, and then ends with an error.
fn bounded<'a>(
    packing: Packing,
    all: impl BufRead + 'a,
    allowed: u64,
) -> io::Result<Box<dyn Read + 'a>> {
    if packing == Packing::None {
        return Ok(Box::new(all));
    }
    let packed = Rc::new(Cell::new(0));
    let counted = Counted {
        inner: all,
        count: packed.clone(),
    };
    Ok(Box::new(Bounded {
        inner: open(packing, counted)?,
        packed,
        plain: 0,
        allowed,
    }))
}

/// Counts what has been taken.
struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count.set(self.count.get() + n as u64);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.count.set(self.count.get() + amount as u64);
        self.inner.consume(amount);
    }
}

/// A stream that ends with an error when it grows too much.
struct Bounded<'a> {
    inner: Box<dyn Read + 'a>,
    packed: Rc<Cell<u64>>,
    plain: u64,
    allowed: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.plain += n as u64;
        if grows_beyond(self.allowed, self.packed.get(), self.plain) {
            return Err(io::Error::other(
                "it grows more than any honest archive when it is unpacked",
            ));
        }
        Ok(n)
    }
}

/// Says by what it was packed when unpacking fails.
struct Named<'a> {
    packing: Packing,
    inner: Box<dyn Read + 'a>,
}

impl Read for Named<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|e| self.named(e))
    }
}

impl Named<'_> {
    /// What is wrong with the stream, and not with where it comes from.
    fn named(&self, e: io::Error) -> io::Error {
        let own = e.get_ref().and_then(|e| e.downcast_ref::<Error>());
        let elsewhere = own.is_some();
        if elsewhere || e.raw_os_error().is_some() || e.kind() == ErrorKind::Interrupted {
            return e;
        }
        let why = match e.kind() {
            ErrorKind::UnexpectedEof => "it is cut short".to_owned(),
            _ => e.to_string(),
        };
        io::Error::new(
            e.kind(),
            format!("it is packed with {}: {why}", self.packing),
        )
    }
}

/// How other files begin that are taken for archives.
const OTHERS: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"\x04\x22\x4d\x18", "packed with lz4"),
    (b"LZIP", "packed with lzip"),
    (b"\x5d\0\0", "packed with lzma"),
    (b"\x1f\x9d", "packed with compress"),
    (b"hsqs", "a squashfs image"),
    (b"\x7fELF", "a program"),
    (b"!<arch>", "an ar archive or a Debian package"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"070701", "a cpio archive"),
    (b"<", "a web page or XML"),
];

/// What it is instead.
fn no_archive(packing: Packing, first: &[u8]) -> Error {
    let known = OTHERS.iter().find(|(begin, _)| first.starts_with(begin));
    let what = match (first.is_empty(), known) {
        (true, _) => "is nothing at all".to_owned(),
        (false, Some((_, what))) => format!("is {what}"),
        (false, None) => "has no header of one".to_owned(),
    };
    let what = match packing {
        Packing::None => format!("this is no tar archive: it {what}"),
        packing => format!("this is no tar archive: what {packing} has packed {what}"),
    };
    Error::user(what).hint("a tar archive, plain or packed with gzip, bzip2, xz or zstd")
}

#[cfg(test)]
pub mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// Packed by a program of the host's.
    pub fn packed_by(program: &[&str], plain: &[u8]) -> Vec<u8> {
        let mut child = Command::new(program[0])
            .args(&program[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{program:?}: {e}"));
        let mut stdin = child.stdin.take().unwrap();
        let plain = plain.to_vec();
        let writing = std::thread::spawn(move || stdin.write_all(&plain));
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap().unwrap();
        assert!(output.status.success(), "{program:?}");
        output.stdout
    }

    fn read(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        decoded(packed)?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn each_packing_is_opened_also_when_packed_in_pieces() {
        let plain: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let (half, rest) = plain.split_at(123_457);
        for (program, packing) in [
            (&["cat"][..], Packing::None),
            (&["gzip", "-c"], Packing::Gzip),
            (&["bzip2", "-c"], Packing::Bzip2),
            (&["xz", "-c"], Packing::Xz),
            (
                &["xz", "-9e", "--x86", "--lzma2=preset=9", "-c"],
                Packing::Xz,
            ),
        ] {
            let packed = packed_by(program, &plain);
            assert_eq!(Packing::of(&packed), packing);
            assert!(read(&packed).unwrap() == plain, "{program:?}");
            let pieces = [packed_by(program, half), packed_by(program, rest)].concat();
            assert!(read(&pieces).unwrap() == plain, "{program:?} in pieces");
            if packing != Packing::None {
                assert!(read(&packed[..packed.len() / 2]).is_err(), "{program:?}");
            }
        }
        assert!(read(b"").unwrap().is_empty());
    }

    #[test]
    fn what_stands_behind_the_end_is_nothing_or_told() {
        let packed = packed_by(&["gzip", "-c"], b"plain");
        let filled = [&packed[..], &[0; 700]].concat();
        assert_eq!(read(&filled).unwrap(), b"plain");
        let garbage = [&packed[..], b"garbage"].concat();
        let e = read(&garbage).unwrap_err().to_string();
        assert_eq!(
            e,
            "it is packed with gzip: behind its end stands something else"
        );
        for program in [&["gzip", "-c"][..], &["xz", "-c"], &["bzip2", "-c"]] {
            let packed = packed_by(program, b"plain");
            for wrong in [
                &packed[..packed.len() - 3],
                &[&packed[..], b"!!!!"].concat(),
            ] {
                let e = read(wrong).unwrap_err().to_string();
                assert!(
                    e.contains("it is packed with ") && e.contains(program[0]),
                    "{e}"
                );
            }
        }
    }

    #[test]
    fn what_a_person_hands_over_may_not_grow_beyond_measure() {
        let bomb = zstd::encode_all(io::repeat(0).take(32 << 20), 1).unwrap();
        let most = |allowed: u64| {
            let (packing, all) = seen(&bomb[..]).unwrap();
            let mut plain = bounded(packing, all, allowed).unwrap();
            io::copy(&mut plain, &mut io::sink())
        };
        assert_eq!(most(ALWAYS_ALLOWED).unwrap(), 32 << 20);
        let e = most(1 << 20).unwrap_err().to_string();
        assert!(e.contains("more than any honest"), "{e}");
        assert!(is_bomb(2048, 1 << 40) && !is_bomb(1 << 30, 1 << 40));
    }

    #[test]
    fn what_is_no_archive_is_called_by_its_name() {
        let plain = [0_u8; 1024];
        let mut all = Vec::new();
        opened(&plain[..]).unwrap().read_to_end(&mut all).unwrap();
        assert_eq!(all, plain);
        let zip = packed_by(&["gzip", "-c"], b"PK\x03\x04 and more");
        for (bytes, why) in [
            (&b""[..], "nothing at all"),
            (b"PK\x03\x04", "it is a zip archive"),
            (&zip, "what gzip has packed is a zip archive"),
            (&[0x55; 3000], "no header"),
        ] {
            let e = opened(bytes).map(drop).unwrap_err().to_string();
            assert!(e.contains("no tar archive") && e.contains(why), "{e}");
            assert!(e.contains("bzip2, xz or zstd"), "{e}");
        }
    }

    #[test]
    fn an_xz_file_may_not_ask_for_all_memory() {
        let greedy = packed_by(&["xz", "--lzma2=dict=256MiB", "-c"], b"small");
        assert!(read(&greedy).is_err());
    }

    #[test]
    fn a_layer_is_packed_as_the_specification_says() {
        let packed = packed_by(&["xz", "-c"], b"plain");
        let mut read = Vec::new();
        let (packing, mut layer) = decoded_layer(&packed[..]).unwrap();
        layer.read_to_end(&mut read).unwrap();
        assert_eq!(packing, Packing::None);
        assert_eq!(read, packed);
    }
}
