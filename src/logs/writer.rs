//! The keeper's side: bytes come in, lines go into files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{FILE, Options, Stream, line};
use crate::container::Timestamp;

/// A longer line is written in parts, as Docker does.
const LONGEST_LINE: usize = 16 * 1024;

/// Writes the log of one container.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    file: File,
    size: u64,
    max_size: u64,
    max_file: u32,
    /// What has no end yet, of each stream.
    partial: [Vec<u8>; 2],
    /// Lines ready to be written.
    ready: Vec<u8>,
    /// Lines that could not be written.
    lost: u64,
}

impl Writer {
    /// Goes on behind what is there.
    pub fn open(dir: &Path, options: &Options) -> io::Result<Self> {
        let file = open(dir)?;
        let size = file.metadata()?.len();
        let mut writer = Self {
            dir: dir.to_owned(),
            file,
            size,
            max_size: options.max_size,
            max_file: options.max_file,
            partial: [Vec::new(), Vec::new()],
            ready: Vec::new(),
            lost: 0,
        };
        if !ends_with_newline(dir, size)? {
            // Whoever wrote it was killed in the middle of a line.
            writer.ready.push(b'\n');
        }
        Ok(writer)
    }

    /// Takes in what was said. A failure to write is noted and told in the log
    /// itself when it works again: the container goes on meanwhile.
    pub fn write(&mut self, stream: Stream, bytes: &[u8], now: Timestamp) {
        let time = now.to_string();
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|b| *b == b'\n') {
            self.extend(stream, &rest[..=at], &time);
            self.finish(stream, &time);
            rest = &rest[at + 1..];
        }
        self.extend(stream, rest, &time);
        self.flush(&time);
    }

    /// The stream has ended: what has no end yet is all there will be.
    pub fn end(&mut self, now: Timestamp) {
        let time = now.to_string();
        self.finish(Stream::Stdout, &time);
        self.finish(Stream::Stderr, &time);
        self.flush(&time);
    }

    fn extend(&mut self, stream: Stream, mut bytes: &[u8], time: &str) {
        loop {
            let partial = &mut self.partial[index(stream)];
            let room = LONGEST_LINE - partial.len();
            if bytes.len() <= room {
                partial.extend_from_slice(bytes);
                return;
            }
            partial.extend_from_slice(&bytes[..room]);
            bytes = &bytes[room..];
            self.finish_part(stream, time);
        }
    }

    fn finish(&mut self, stream: Stream, time: &str) {
        let partial = &mut self.partial[index(stream)];
        if !partial.is_empty() {
            line::write(&mut self.ready, stream, time, partial);
            partial.clear();
        }
    }

    /// A character that is cut in two would be lost twice: its beginning waits
    /// for the rest.
    fn finish_part(&mut self, stream: Stream, time: &str) {
        let partial = &mut self.partial[index(stream)];
        let cut = match std::str::from_utf8(partial) {
            Err(e) if e.error_len().is_none() && e.valid_up_to() > 0 => e.valid_up_to(),
            _ => partial.len(),
        };
        let rest = partial.split_off(cut);
        line::write(&mut self.ready, stream, time, partial);
        *partial = rest;
    }

    fn flush(&mut self, time: &str) {
        if self.ready.is_empty() {
            return;
        }
        if self.size >= self.max_size {
            // If there is no room for a new file there may be in the old one.
            let _ = self.rotate();
        }
        let mut lines = std::mem::take(&mut self.ready);
        if self.lost > 0 {
            let text = format!("rcon: {} lines could not be written\n", self.lost);
            let mut told = vec![b'\n'];
            line::write(&mut told, Stream::Stderr, time, text.as_bytes());
            lines.splice(0..0, told);
        }
        if self.file.write_all(&lines).is_ok() {
            self.lost = 0;
            self.size += lines.len() as u64;
        } else {
            self.lost += lines.split(|b| *b == b'\n').count() as u64 - 1;
        }
        lines.clear();
        self.ready = lines;
    }

    /// Each file takes the name of the one before; the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        let name = |n: u32| match n {
            0 => self.dir.join(FILE),
            n => self.dir.join(format!("{FILE}.{n}")),
        };
        for n in (1..self.max_file).rev() {
            match fs::rename(name(n - 1), name(n)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
        if self.max_file == 1 {
            // Whoever reads it has it open and loses nothing.
            fs::remove_file(name(0))?;
        }
        self.file = open(&self.dir)?;
        self.size = 0;
        Ok(())
    }
}

fn index(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
    }
}

fn open(dir: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.append(true).create(true).mode(0o640);
    options.custom_flags(libc::O_NOFOLLOW).open(dir.join(FILE))
}

fn ends_with_newline(dir: &Path, size: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    if size == 0 {
        return Ok(true);
    }
    let mut last = [0];
    File::open(dir.join(FILE))?.read_exact_at(&mut last, size - 1)?;
    Ok(last[0] == b'\n')
}
