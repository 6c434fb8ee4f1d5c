//! The reading side: from the oldest file to the newest, and on as it grows.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::FILE;
use super::line::{self, Entry};
use crate::container::Timestamp;

/// No line of ours is longer: 16 KiB, each byte escaped, and what is around.
const LONGEST: usize = 256 * 1024;
/// How much is read at once from the end of a file.
const BLOCK: usize = 64 * 1024;

/// What is to be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Only so many lines at the end.
    pub tail: Option<usize>,
    /// Nothing that was said before.
    pub since: Option<Timestamp>,
    /// Nothing that was said after.
    pub until: Option<Timestamp>,
}

/// Reads the log of one container.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    wanted: Wanted,
    /// Still to be read, the oldest first; the last one may grow.
    files: VecDeque<BufReader<File>>,
    /// The beginning of a line whose end is not written yet.
    begun: Vec<u8>,
    /// Lines that made no sense.
    spoilt: u64,
}

impl Reader {
    /// Opens all files there are.
    pub fn open(dir: &Path, wanted: Wanted) -> io::Result<Self> {
        let mut files = open_all(dir)?;
        if let Some(lines) = wanted.tail {
            skip_to_tail(&mut files, lines)?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            wanted,
            files: files.into_iter().map(BufReader::new).collect(),
            begun: Vec::new(),
            spoilt: 0,
        })
    }

    /// How many lines made no sense so far.
    pub fn spoilt(&self) -> u64 {
        self.spoilt
    }

    /// The next thing that was said; `None` when there is nothing more now.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        while let Some(line) = self.next_line()? {
            if line.is_empty() {
                continue;
            }
            let Some(entry) = line::parse(&line) else {
                self.spoilt += 1;
                continue;
            };
            let early = self.wanted.since.is_some_and(|t| entry.time < t);
            let late = self.wanted.until.is_some_and(|t| entry.time > t);
            if !early && !late {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let Some(file) = self.files.front_mut() else {
                return Ok(None);
            };
            let room = (LONGEST - self.begun.len()) as u64;
            let n = file
                .by_ref()
                .take(room)
                .read_until(b'\n', &mut self.begun)?;
            if self.begun.last() == Some(&b'\n') {
                self.begun.pop();
                return Ok(Some(std::mem::take(&mut self.begun)));
            }
            if self.begun.len() >= LONGEST {
                // Not a line of ours: its parts are nonsense one by one.
                return Ok(Some(std::mem::take(&mut self.begun)));
            }
            if n == 0 && !self.next_file()? {
                return Ok(None);
            }
        }
    }

    /// Goes on to the next file, if this one has been read to its end for good.
    fn next_file(&mut self) -> io::Result<bool> {
        if self.files.len() == 1 && !self.find_newer()? {
            return Ok(false);
        }
        // The newer one was found first: whatever came into the older before
        // that is still read.
        if let Some(file) = self.files.front_mut()
            && !file.fill_buf()?.is_empty()
        {
            return Ok(true);
        }
        self.files.pop_front();
        // What its writer did not finish will not be finished in another.
        let begun = std::mem::take(&mut self.begun);
        self.spoilt += u64::from(!begun.is_empty());
        Ok(!self.files.is_empty())
    }

    /// Files that have come after the one that is read.
    fn find_newer(&mut self) -> io::Result<bool> {
        let Some(current) = self.files.back() else {
            return Ok(false);
        };
        let current = current.get_ref().metadata()?.ino();
        let newest = match File::open(self.dir.join(FILE)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            newest => newest?,
        };
        if newest.metadata()?.ino() == current {
            return Ok(false);
        }
        let all = open_all(&self.dir)?;
        let at = all
            .iter()
            .position(|f| f.metadata().is_ok_and(|m| m.ino() == current));
        let newer = all.into_iter().skip(at.map_or(0, |at| at + 1));
        self.files.extend(newer.map(BufReader::new));
        Ok(self.files.len() > 1)
    }
}

/// So often is looked again while files change their names.
const TRIES: u32 = 200;

/// All files, the oldest first. While their writer renames them one after the
/// other, a look could miss one or see it twice; so it counts only if a second
/// look finds the same. What a killed writer has left, a gap or no newest file,
/// stays as it is and is read so.
fn open_all(dir: &Path) -> io::Result<Vec<File>> {
    let mut last = Vec::new();
    for _ in 0..TRIES {
        let names = list(dir)?;
        let opened: io::Result<Vec<File>> =
            names.iter().map(|(_, path, _)| File::open(path)).collect();
        match opened {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
            Ok(files) => {
                let inodes = files.iter().map(|f| f.metadata().map(|m| m.ino()));
                let inodes = inodes.collect::<io::Result<Vec<u64>>>()?;
                let same = names.iter().map(|(.., ino)| *ino).eq(inodes);
                last = files;
                if same && list(dir)? == names {
                    return Ok(last);
                }
            }
        }
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
    Ok(last)
}

/// The files there are, with their inodes: the highest number, which is the
/// oldest, first.
fn list(dir: &Path) -> io::Result<Vec<(u32, PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(FILE));
        let number = match rest {
            Some("") => Some(0),
            Some(rest) => rest.strip_prefix('.').and_then(|n| n.parse().ok()),
            None => None,
        };
        let meta = std::fs::symlink_metadata(entry.path());
        if let (Some(number), Ok(meta)) = (number, meta)
            && meta.is_file()
        {
            found.push((number, entry.path(), meta.ino()));
        }
    }
    found.sort_by_key(|(number, ..)| std::cmp::Reverse(*number));
    Ok(found)
}

/// Moves to where the last `lines` lines begin, reading from the end.
fn skip_to_tail(files: &mut Vec<File>, lines: usize) -> io::Result<()> {
    let mut left = lines;
    for n in (0..files.len()).rev() {
        let (start, found) = start_of_tail(&files[n], left)?;
        files[n].seek(SeekFrom::Start(start))?;
        left -= found;
        if left == 0 {
            files.drain(..n);
            return Ok(());
        }
    }
    Ok(())
}

/// Where the last `wanted` lines of a file begin, and how many there are.
fn start_of_tail(file: &File, wanted: usize) -> io::Result<(u64, usize)> {
    let mut at = file.metadata()?.len();
    if wanted == 0 {
        return Ok((at, 0));
    }
    let mut found = 0;
    let mut behind = Vec::new();
    while at > 0 {
        let length = at.min(BLOCK as u64) as usize;
        let mut block = vec![0; length];
        at -= length as u64;
        file.read_exact_at(&mut block, at)?;
        block.extend_from_slice(&behind);
        // Each line but the first of the block is whole.
        let mut end = block.len();
        while let Some(start) = block[..end].iter().rposition(|b| *b == b'\n') {
            if counts(&block[start + 1..end]) {
                if found == wanted {
                    return Ok((at + end as u64 + 1, found));
                }
                found += 1;
            }
            end = start;
        }
        block.truncate(end);
        behind = block;
        if behind.len() > LONGEST {
            behind.clear();
        }
    }
    if counts(&behind) {
        if found == wanted {
            return Ok((behind.len() as u64 + 1, found));
        }
        found += 1;
    }
    Ok((0, found))
}

/// Parts of a long line are one line to whoever counts.
fn counts(line: &[u8]) -> bool {
    let end = br#"\n","stream":""#;
    line.windows(end.len()).any(|w| w == end)
}
