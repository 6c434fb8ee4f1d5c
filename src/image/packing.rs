//! How archives are packed, told by their first bytes: what they are called is
//! a matter of taste among those who make them.

use std::io::{self, BufRead, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

/// How many of the first bytes tell.
const MAGIC: usize = 6;
/// Most memory that an xz file may ask for, in KiB: twice what `xz -9` does.
const MOST_FOR_XZ: u32 = 128 << 10;

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

/// Opens a stream that a person hands over.
pub fn decoded<'a>(packed: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let (packing, all) = seen(packed)?;
    open(packing, all)
}

/// Opens a layer, which only the specification's ways may pack.
pub(in crate::image) fn decoded_layer<'a>(
    packed: impl BufRead + 'a,
) -> io::Result<Box<dyn Read + 'a>> {
    match seen(packed)? {
        (Packing::Xz | Packing::Bzip2, all) => Ok(Box::new(all)),
        (packing, all) => open(packing, all),
    }
}

/// How a stream is packed, and all of it.
fn seen<'a>(packed: impl BufRead + 'a) -> io::Result<(Packing, impl BufRead + 'a)> {
    let mut packed = packed;
    let mut first = Vec::new();
    packed.by_ref().take(MAGIC as u64).read_to_end(&mut first)?;
    let packing = Packing::of(&first);
    Ok((packing, io::Cursor::new(first).chain(packed)))
}

fn open<'a>(packing: Packing, all: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match packing {
        Packing::None => Box::new(all),
        Packing::Gzip => Box::new(MultiGzDecoder::new(all)),
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(all)?),
        Packing::Xz => Box::new(XzReader::new_mem_limit(all, true, MOST_FOR_XZ)),
        Packing::Bzip2 => Box::new(MultiBzDecoder::new(all)),
    })
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
    fn an_xz_file_may_not_ask_for_all_memory() {
        let greedy = packed_by(&["xz", "--lzma2=dict=256MiB", "-c"], b"small");
        assert!(read(&greedy).is_err());
    }

    #[test]
    fn a_layer_is_packed_as_the_specification_says() {
        let packed = packed_by(&["xz", "-c"], b"plain");
        let mut read = Vec::new();
        decoded_layer(&packed[..])
            .unwrap()
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read, packed);
    }
}
