//! The extended header of POSIX.1-2001 ("PAX"): records of `length key=value`
//! that say what a header block has no room for.

use super::entry::Time;
use super::header::checked_id;
use crate::error::{Error, Result};

/// The prefix under which GNU tar, star and Go store extended attributes.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// What the records of one header, or of all before it, say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<Time>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: Sparse,
}

/// GNU's records about a sparse file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sparse {
    pub(super) version: (Option<u64>, Option<u64>),
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    /// A record of one of the older forms, which are not read.
    pub(super) older: bool,
}

impl Pax {
    /// Adds the records of one extended header; later ones win.
    pub(super) fn add(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let (key, value, rest) = record(data)?;
            self.set(key, value)
                .map_err(|e| e.context(format!("record {:?}", String::from_utf8_lossy(key))))?;
            data = rest;
        }
        Ok(())
    }

    /// What may stand for all entries to come: nothing that names a file or
    /// says where its data ends.
    pub(super) fn add_global(&mut self, data: &[u8]) -> Result<()> {
        self.add(data)?;
        let harmless = self.path.is_none()
            && self.link.is_none()
            && self.size.is_none()
            && self.xattrs.is_empty()
            && self.sparse == Sparse::default();
        if harmless {
            Ok(())
        } else {
            Err(Error::user(
                "a global header gives every file the same name, size or attributes",
            ))
        }
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if let Some(name) = key.strip_prefix(XATTR) {
            self.xattrs.retain(|(old, _)| old != name);
            self.xattrs.push((name.to_vec(), value.to_vec()));
            return Ok(());
        }
        // An empty value takes an earlier record back.
        let there = !value.is_empty();
        match key {
            b"path" => self.path = there.then(|| name(value)).transpose()?,
            b"linkpath" => self.link = there.then(|| name(value)).transpose()?,
            b"size" => self.size = there.then(|| decimal(value)).transpose()?,
            b"uid" => self.uid = there.then(|| id(value)).transpose()?,
            b"gid" => self.gid = there.then(|| id(value)).transpose()?,
            b"mtime" => self.mtime = there.then(|| time(value)).transpose()?,
            b"GNU.sparse.major" => self.sparse.version.0 = Some(decimal(value)?),
            b"GNU.sparse.minor" => self.sparse.version.1 = Some(decimal(value)?),
            b"GNU.sparse.name" => self.sparse.name = Some(name(value)?),
            b"GNU.sparse.realsize" => self.sparse.real_size = Some(decimal(value)?),
            _ if key.starts_with(b"GNU.sparse.") => self.sparse.older = true,
            _ => {}
        }
        Ok(())
    }
}

/// The first record: its key, its value and what comes after it.
fn record(data: &[u8]) -> Result<(&[u8], &[u8], &[u8])> {
    let malformed = || Error::user("a record of the extended header is malformed");
    let space = data.iter().position(|b| *b == b' ').ok_or_else(malformed)?;
    let length = decimal(&data[..space]).map_err(|_| malformed())?;
    let length = usize::try_from(length).map_err(|_| malformed())?;
    if length <= space + 1 || length > data.len() {
        return Err(malformed());
    }
    let (record, rest) = data.split_at(length);
    let body = record[space + 1..]
        .strip_suffix(b"\n")
        .ok_or_else(malformed)?;
    let equals = body.iter().position(|b| *b == b'=').ok_or_else(malformed)?;
    let key = &body[..equals];
    if key.is_empty() || key[0].is_ascii_whitespace() || key.contains(&0) {
        return Err(malformed());
    }
    Ok((key, &body[equals + 1..], rest))
}

fn name(value: &[u8]) -> Result<Vec<u8>> {
    if value.contains(&0) {
        return Err(Error::user("a name with a NUL byte in it"));
    }
    Ok(value.to_vec())
}

fn id(value: &[u8]) -> Result<u32> {
    decimal(value).and_then(|id| checked_id(id as i64))
}

/// Digits and nothing but digits, below 2^63.
pub(super) fn decimal(value: &[u8]) -> Result<u64> {
    let sum = |sum: i64, b: &u8| match b {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(i64::from(b - b'0')),
        _ => None,
    };
    (!value.is_empty())
        .then(|| value.iter().try_fold(0_i64, sum))
        .flatten()
        .map(|n| n as u64)
        .ok_or_else(|| {
            let shown = String::from_utf8_lossy(value);
            Error::user(format!("{shown:?} is no number"))
        })
}

/// Seconds with a fraction, perhaps before 1970: `-1.5`.
fn time(value: &[u8]) -> Result<Time> {
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let mut parts = digits.splitn(2, |b| *b == b'.');
    let seconds = decimal(parts.next().unwrap_or_default())? as i64;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(Error::user("its time is no number"));
    }
    let nanoseconds = (0..9).fold(0, |sum, i| {
        sum * 10 + u32::from(fraction.get(i).map_or(0, |b| b - b'0'))
    });
    Ok(match (negative, nanoseconds) {
        (false, _) => Time::new(seconds, nanoseconds),
        (true, 0) => Time::new(-seconds, 0),
        (true, _) => Time::new(-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

/// Appends one record. Its length counts its own digits too.
pub(super) fn put(data: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let bare = key.len() + value.len() + 3;
    let mut length = bare + 1;
    while length != bare + length.to_string().len() {
        length = bare + length.to_string().len();
    }
    data.extend_from_slice(format!("{length} ").as_bytes());
    data.extend_from_slice(key);
    data.push(b'=');
    data.extend_from_slice(value);
    data.push(b'\n');
}

/// Appends the record of an extended attribute.
pub(super) fn put_xattr(data: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    put(data, &[XATTR, name].concat(), value);
}

/// Appends the record of a time.
pub(super) fn put_time(data: &mut Vec<u8>, time: Time) {
    let text = match (time.seconds < 0, time.nanoseconds) {
        (_, 0) => time.seconds.to_string(),
        (false, part) => format!("{}.{part:09}", time.seconds),
        (true, part) => format!("-{}.{:09}", -(time.seconds + 1), 1_000_000_000 - part),
    };
    put(data, b"mtime", text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were_put() {
        for length in [0, 1, 80, 88, 89, 90, 91, 92, 93, 94, 95, 980, 990, 1000] {
            let path = vec![b'a'; length + 1];
            let mut data = Vec::new();
            put(&mut data, b"path", &path);
            put_xattr(&mut data, b"user.x", b"a\n\0=b");
            let mut pax = Pax::default();
            pax.add(&data).unwrap();
            assert_eq!(pax.path.as_deref(), Some(&path[..]));
            assert_eq!(pax.xattrs, [(b"user.x".to_vec(), b"a\n\0=b".to_vec())]);
        }
    }

    #[test]
    fn times_come_back_as_they_were_put() {
        for (seconds, nanoseconds) in [(5, 0), (5, 7), (-5, 0), (-5, 250_000_000), (-1, 1)] {
            let mut data = Vec::new();
            put_time(&mut data, Time::new(seconds, nanoseconds));
            let mut pax = Pax::default();
            pax.add(&data).unwrap();
            assert_eq!(pax.mtime, Some(Time::new(seconds, nanoseconds)));
        }
    }

    #[test]
    fn a_malformed_record_is_refused() {
        let wrong: [&[u8]; 11] = [
            b"9 path=a",
            b"99 path=a\n",
            b"5 path=a\n",
            b"+9 path=a\n",
            b"9  path=\n",
            b"0 \n",
            b"3 \n",
            b"5 =a\n",
            b"12 path=a\0b\n",
            b"11 size=-1\n",
            b"29 size=99999999999999999999\n",
        ];
        for data in wrong {
            let text = String::from_utf8_lossy(data).into_owned();
            assert!(Pax::default().add(data).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_global_header_may_not_resize_or_rename() {
        let mut time = Vec::new();
        put(&mut time, b"mtime", b"1");
        put(&mut time, b"comment", b"a commit");
        assert!(Pax::default().add_global(&time).is_ok());
        for key in [&b"size"[..], b"path", b"linkpath", b"GNU.sparse.major"] {
            let mut data = Vec::new();
            put(&mut data, key, b"1");
            assert!(Pax::default().add_global(&data).is_err());
        }
    }
}
