//! Lines of `/etc/passwd` and `/etc/group`.
//!
//! A line that is not as it should be is passed over: with a uid that is no
//! number, to read it as 0 would make a typing error root.

use std::io::{BufRead, BufReader, Read};

use crate::error::{Error, Result};

/// More of a file is not read; an image could have any amount of it
/// (CVE-2026-47262, CVE-2024-9676).
pub(super) const LONGEST_FILE: u64 = 16 << 20;

/// Longer than a group of ten thousand members.
pub(super) const LONGEST_LINE: u64 = 1 << 20;

/// The lines of a file, one at a time.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    left: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(file: R) -> Self {
        Self {
            reader: BufReader::new(file),
            left: LONGEST_FILE,
        }
    }

    /// The next one. A file that is too long is refused and not cut off: who
    /// stands behind the cut would become somebody else.
    pub(super) fn next(&mut self) -> Result<Option<String>> {
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
pub(super) struct Passwd {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
}

impl Passwd {
    pub(super) fn parse(line: &str) -> Option<Self> {
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
pub(super) struct Group<'a> {
    pub name: &'a str,
    pub gid: u32,
    members: &'a str,
}

impl<'a> Group<'a> {
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|n| !n.is_empty())?;
        let gid = id(fields.nth(1)?)?;
        let members = fields.next().unwrap_or_default();
        Some(Self { name, gid, members })
    }

    pub(super) fn has(&self, member: &str) -> bool {
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
        let mut next = || lines.next().unwrap();
        assert_eq!((next(), next()), (Some("a".into()), Some(String::new())));
        assert_eq!((next(), next()), (Some("b".into()), None));
    }

    #[test]
    fn cve_2026_47262_endless_files_end() {
        let mut zeros = Lines::new(std::io::repeat(0));
        assert!(zeros.next().unwrap_err().to_string().contains("1 MiB"));
        let line: &[u8] = b"a:x:7:7:a:/a:/bin/sh\n";
        let many = LONGEST_FILE as usize / line.len() + 1;
        let text = line.repeat(many);
        let mut lines = Lines::new(&text[..]);
        let mut count = 0;
        let e = loop {
            match lines.next() {
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
