//! An image's `/etc/passwd` and `/etc/group`, line by line.
//!
//! Both are whatever the image's maker wanted them to be, so they are opened
//! inside the root only (a link cannot lead out of it), without ever waiting
//! (they could be FIFOs), and read line by line up to a bound (they could be
//! endless).
//!
//! A line that is not as it should be is passed over: with a uid that is no
//! number, to read it as 0 would make a typing error root.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::BorrowedFd;
use std::path::Path;

use nix::errno::Errno;

use crate::error::{Context, Error, Result};
use crate::sys::fd;

/// More of a file is not read; an image could have any amount of it
/// (CVE-2026-47262, CVE-2024-9676).
const LONGEST_FILE: u64 = 16 << 20;

/// Longer than a group of ten thousand members.
const LONGEST_LINE: u64 = 1 << 20;

/// A regular file of the image; what is not there, or is something else, is
/// as good as empty.
pub fn open(root: BorrowedFd<'_>, path: &str) -> Result<Option<Lines<File>>> {
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
    let relative = Path::new(path.trim_start_matches('/'));
    let file = match fd::openat2(root, relative, flags, 0, fd::IN_ROOT) {
        Ok(file) => file,
        Err(e)
            if matches!(
                e.errno,
                Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENXIO
            ) =>
        {
            return Ok(None);
        }
        Err(e) => return Err(e.into()),
    };
    let regular = fd::stat(&file)?.st_mode & libc::S_IFMT == libc::S_IFREG;
    Ok(regular.then(|| Lines::new(File::from(file))))
}

/// The first user for whom `wanted` holds: the one that counts, as for
/// everybody who reads this file.
pub fn find_user(root: BorrowedFd<'_>, wanted: impl Fn(&Passwd) -> bool) -> Result<Option<Passwd>> {
    let Some(mut lines) = open(root, "/etc/passwd")? else {
        return Ok(None);
    };
    while let Some(line) = lines
        .next_line()
        .context(|| "/etc/passwd of the container")?
    {
        let user = Passwd::parse(&line).filter(|user| wanted(user));
        if user.is_some() {
            return Ok(user);
        }
    }
    Ok(None)
}

/// The lines of a file, one at a time.
#[derive(Debug)]
pub struct Lines<R> {
    reader: BufReader<R>,
    left: u64,
}

impl<R: Read> Lines<R> {
    /// From its beginning.
    pub fn new(file: R) -> Self {
        Self {
            reader: BufReader::new(file),
            left: LONGEST_FILE,
        }
    }

    /// The next one. A file that is too long is refused and not cut off: who
    /// stands behind the cut would become somebody else.
    pub fn next_line(&mut self) -> Result<Option<String>> {
        let mut line = Vec::new();
        let most = LONGEST_LINE.min(self.left + 1);
        let read = (&mut self.reader).take(most).read_until(b'\n', &mut line)? as u64;
        if read == 0 {
            return Ok(None);
        }
        if read > self.left {
            return Err(Error::user("larger than 16 MiB"));
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if read == LONGEST_LINE {
            return Err(Error::user("a line longer than 1 MiB"));
        }
        self.left -= read;
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }
}

/// `name:password:uid:gid:comment:home:shell`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passwd {
    /// What it is called.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Where `~` is, or nonsense.
    home: String,
}

impl Passwd {
    /// Where `~` is; the root for whom the file gives no absolute path.
    pub fn home(&self) -> &str {
        if self.home.starts_with('/') {
            &self.home
        } else {
            "/"
        }
    }

    /// Reads one line.
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|n| !n.is_empty())?;
        let (uid, gid) = (id(fields.nth(1)?)?, id(fields.next()?)?);
        let home = fields.nth(1).unwrap_or_default();
        Some(Self {
            name: name.to_owned(),
            uid,
            gid,
            home: home.to_owned(),
        })
    }
}

/// `name:password:gid:member,member`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its number.
    pub gid: u32,
    members: &'a str,
}

impl<'a> Group<'a> {
    /// Reads one line.
    pub fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|n| !n.is_empty())?;
        let gid = id(fields.nth(1)?)?;
        let members = fields.next().unwrap_or_default();
        Some(Self { name, gid, members })
    }

    /// Whether that user is one of its own.
    pub fn has(&self, member: &str) -> bool {
        self.members.split(',').any(|m| m == member)
    }
}

fn id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn odd_lines_are_passed_over() {
        for line in [
            "",
            ":",
            "a",
            "a:x",
            "a:x:1",
            "a:x::1",
            "a:x:-1:1",
            "a:x:1:",
            "a:x:4294967295:1",
            "a:x:4294967296:1",
            "a:x:0x1:1",
            "a:x:+1:1",
            ":x:1:1",
            "a:x: 1:1",
            "# a:x:b:1",
        ] {
            assert_eq!(Passwd::parse(line), None, "{line:?}");
        }
        let short = Passwd::parse("a:x:1:2").unwrap();
        assert_eq!((short.uid, short.gid, short.home.as_str()), (1, 2, ""));
        for line in ["", "a:x", "a:x:y:b", ":x:1:b"] {
            assert_eq!(Group::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn members_are_whole_names() {
        let group = Group::parse("g:x:7:ab,c").unwrap();
        assert!(group.has("ab") && group.has("c"));
        assert!(!group.has("a") && !group.has("b") && !group.has("ab,c"));
    }

    #[test]
    fn the_last_line_may_lack_its_end() {
        let mut lines = Lines::new(&b"a\n\nb"[..]);
        let mut next = || lines.next_line().unwrap();
        assert_eq!((next(), next()), (Some("a".into()), Some(String::new())));
        assert_eq!((next(), next()), (Some("b".into()), None));
    }

    #[test]
    fn cve_2026_47262_endless_files_end() {
        let mut zeros = Lines::new(std::io::repeat(0));
        assert!(zeros.next_line().unwrap_err().to_string().contains("1 MiB"));
        let line: &[u8] = b"a:x:7:7:a:/a:/bin/sh\n";
        let many = LONGEST_FILE as usize / line.len() + 1;
        let text = line.repeat(many);
        let mut lines = Lines::new(&text[..]);
        let mut count = 0;
        let e = loop {
            match lines.next_line() {
                Ok(Some(_)) => count += 1,
                Ok(None) => panic!("read to its end"),
                Err(e) => break e,
            }
        };
        assert!(
            e.to_string().contains("16 MiB") && count + 1 >= many,
            "{count}"
        );
    }

    proptest! {
        #[test]
        fn what_is_parsed_was_written(name in "[a-z]{1,8}", uid in 0..u32::MAX, gid in 0..u32::MAX) {
            let line = format!("{name}:x:{uid}:{gid}:c:/h:/s");
            let want = Passwd { name, uid, gid, home: "/h".to_owned() };
            prop_assert_eq!(Passwd::parse(&line), Some(want));
        }

        #[test]
        fn any_line_is_survived(line in ".{0,60}") {
            let _ = (Passwd::parse(&line), Group::parse(&line));
        }
    }
}
