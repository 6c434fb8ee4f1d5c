//! A file whose sum is found while it is written.

use std::fs::File;
use std::io::{self, Write};

use super::reference::{Algorithm, Digest, Hasher};

/// What has been written to it is counted and summed.
#[derive(Debug)]
pub struct SummedFile {
    file: File,
    hasher: Hasher,
    length: u64,
}

impl SummedFile {
    /// One in which nothing is yet.
    pub fn new(file: File, algorithm: Algorithm) -> Self {
        Self {
            file,
            hasher: Hasher::new(algorithm),
            length: 0,
        }
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// How long it is.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The sum of what is in it now.
    pub fn sum(&self) -> Digest {
        self.hasher.clone().finish()
    }
}

impl Write for SummedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        self.length += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_be_written_counts() {
        let mut full = SummedFile::new(File::create("/dev/full").unwrap(), Algorithm::Sha256);
        assert!(full.write(b"abc").is_err());
        let mut null = SummedFile::new(File::create("/dev/null").unwrap(), Algorithm::Sha256);
        assert_eq!((full.length(), full.sum()), (0, null.sum()));
        null.write_all(b"a").unwrap();
        null.write_all(b"bc").unwrap();
        assert_eq!(null.length(), 3);
        let sum = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(null.sum().to_string(), sum);
    }
}
