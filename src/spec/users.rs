//! Who `--user` is.
//!
//! Names belong to the image: its own `/etc/passwd` and `/etc/group` say which
//! numbers they stand for, read as [`crate::accounts`] reads what an image's
//! maker wanted it to read.
//!
//! A number is a number: it is never looked up as a name, even where a user
//! is called `1000` (CVE-2016-3697), and one that does not fit is refused and
//! not wrapped around (CVE-2024-40635). A number may still be *found* in
//! `passwd`, by number; then that user's group, home and groups come along, as
//! in Docker.

use std::os::fd::BorrowedFd;

use crate::accounts::{self, Group};
use crate::error::{Context, Error, Result};

/// A user in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// All its groups, that one first.
    pub groups: Vec<u32>,
    /// Where `~` is.
    pub home: String,
    /// What the image calls it, if it knows it.
    pub name: String,
}

/// One side of `user:group`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who<'a> {
    Number(u32),
    Name(&'a str),
}

/// Finds `user[:group]`, and `groups` beside it, in the image open at `root`.
///
/// An empty user is root. Without a group, the user's own from `passwd` and
/// every one that lists it as a member are taken; with one, only that.
pub fn resolve(root: BorrowedFd<'_>, user: &str, groups: &[String]) -> Result<User> {
    let (user, group) = split(user)?;
    let mut found = look_up_user(root, user)?;
    let extra = groups
        .iter()
        .map(|g| parse(g))
        .collect::<Result<Vec<_>>>()?;
    let wanted: Vec<Who<'_>> = group.into_iter().chain(extra).collect();
    let name = if group.is_none() {
        found.name.as_str()
    } else {
        ""
    };
    let (members, mut numbers) = look_up_groups(root, &wanted, name)?;
    if group.is_some() {
        found.gid = numbers.remove(0);
    }
    for gid in std::iter::once(found.gid).chain(members).chain(numbers) {
        if !found.groups.contains(&gid) {
            found.groups.push(gid);
        }
    }
    Ok(found)
}

/// The two sides; a group that is empty was not given.
fn split(text: &str) -> Result<(Who<'_>, Option<Who<'_>>)> {
    let (user, group) = match text.split_once(':') {
        Some((_, group)) if group.contains(':') => {
            return Err(Error::user(format!(
                "invalid user {text:?}: more than one colon"
            )));
        }
        Some((user, group)) => (user, group),
        None => (text, ""),
    };
    let user = if user.is_empty() {
        Who::Number(0)
    } else {
        parse(user)?
    };
    let group = (!group.is_empty()).then(|| parse(group)).transpose()?;
    Ok((user, group))
}

/// Digits are a number, and so is a sign before digits, which only ever was
/// meant to wrap around. The last number stands for "no change" in system
/// calls and is nobody's.
fn parse(text: &str) -> Result<Who<'_>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Who::Name(text));
    }
    match text.parse::<u32>() {
        Ok(number) if number != u32::MAX && unsigned.len() == text.len() => Ok(Who::Number(number)),
        _ => Err(Error::user(format!("invalid user or group {text:?}"))
            .hint("uids and gids must be in range 0-4294967294")),
    }
}

fn look_up_user(root: BorrowedFd<'_>, who: Who<'_>) -> Result<User> {
    let found = accounts::find_user(root, |user| match who {
        Who::Number(uid) => user.uid == uid,
        Who::Name(name) => user.name == name,
    })?;
    match (found, who) {
        (Some(e), _) => Ok(User {
            uid: e.uid,
            gid: e.gid,
            groups: Vec::new(),
            home: e.home().to_owned(),
            name: e.name,
        }),
        (None, Who::Number(uid)) => Ok(User {
            uid,
            gid: 0,
            groups: Vec::new(),
            home: "/".to_owned(),
            name: String::new(),
        }),
        (None, Who::Name(name)) => Err(Error::user(format!(
            "unable to find user {name}: no matching entries in passwd file"
        ))),
    }
}

/// The groups that list `member`, and the numbers of those wanted.
fn look_up_groups(
    root: BorrowedFd<'_>,
    wanted: &[Who<'_>],
    member: &str,
) -> Result<(Vec<u32>, Vec<u32>)> {
    let named = |who: &Who<'_>| matches!(who, Who::Name(_));
    let mut members = Vec::new();
    let mut numbers: Vec<Option<u32>> = wanted
        .iter()
        .map(|who| match who {
            Who::Number(gid) => Some(*gid),
            Who::Name(_) => None,
        })
        .collect();
    // Numbers need no file, and a broken one must not hinder them.
    let needed = !member.is_empty() || wanted.iter().any(named);
    if let Some(mut lines) = needed
        .then(|| accounts::open(root, "/etc/group"))
        .transpose()?
        .flatten()
    {
        while let Some(line) = lines
            .next_line()
            .context(|| "/etc/group of the container")?
        {
            let Some(group) = Group::parse(&line) else {
                continue;
            };
            for (who, number) in wanted.iter().zip(&mut numbers) {
                if *who == Who::Name(group.name) {
                    number.get_or_insert(group.gid);
                }
            }
            if !member.is_empty() && group.has(member) && !members.contains(&group.gid) {
                members.push(group.gid);
            }
        }
    }
    let known = wanted.iter().zip(numbers).map(|(who, number)| match who {
        Who::Name(name) if number.is_none() => Err(Error::user(format!(
            "unable to find group {name}: no matching entries in group file"
        ))),
        _ => Ok(number.unwrap_or_default()),
    });
    Ok((members, known.collect::<Result<Vec<_>>>()?))
}

#[cfg(test)]
mod tests;
