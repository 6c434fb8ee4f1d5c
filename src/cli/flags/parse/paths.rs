//! Paths as text: nothing here looks at a file system.

use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// Where something is mounted: absolute, without `.` and `..`, and not `/`.
pub fn target(text: &str) -> Result<PathBuf> {
    let path = inside(text)?;
    if path == Path::new("/") {
        return Err(
            Error::user("invalid specification: destination can't be '/'")
                .hint("the root file system is the image's; mount below it"),
        );
    }
    Ok(path)
}

/// A path in the container: absolute, without `.` and `..`.
pub fn inside(text: &str) -> Result<PathBuf> {
    if !text.starts_with('/') {
        return Err(Error::user(format!(
            "invalid mount path: {text:?}: mount path must be absolute"
        ))
        .hint("the place in the container begins with /"));
    }
    check(text)?;
    Ok(clean(Path::new(text)))
}

/// No path has a zero byte in it.
pub fn check(text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::user(format!("{text:?} is not a path")));
    }
    Ok(())
}

/// Above the root there is nothing, so `/../a` is `/a`.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                out.pop();
            }
            _ => {}
        }
    }
    out
}

/// A path of the host, from the directory rcon was started in. Only what
/// leads out of that directory at the beginning is resolved here: behind a
/// name that may be a symbolic link, `..` is for the kernel to follow.
pub fn of_host(directory: &Path, path: &Path) -> PathBuf {
    if path.is_absolute() {
        return path.to_owned();
    }
    let mut out = directory.to_owned();
    let mut parts = path.components().peekable();
    while let Some(part) = parts.peek() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            _ => break,
        }
        parts.next();
    }
    out.extend(parts);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_cleaned() {
        for (text, want) in [
            ("/a", "/a"),
            ("//a//b/", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/../../etc", "/etc"),
        ] {
            assert_eq!(target(text).unwrap(), Path::new(want), "{text}");
        }
    }

    #[test]
    fn targets_that_cannot_be() {
        for (text, why) in [
            ("", "must be absolute"),
            ("a", "must be absolute"),
            ("./a", "must be absolute"),
            ("/", "can't be '/'"),
            ("/a/..", "can't be '/'"),
            ("/a\0b", "not a path"),
        ] {
            let e = target(text).unwrap_err().to_string();
            assert!(e.contains(why), "{text:?}: {e}");
        }
    }

    #[test]
    fn host_paths_are_from_where_one_is() {
        let here = Path::new("/home/me");
        for (text, want) in [
            ("/x/../y", "/x/../y"),
            ("./data", "/home/me/data"),
            (".", "/home/me"),
            ("..", "/home"),
            ("../../../x", "/x"),
            ("./../a/../b", "/home/a/../b"),
        ] {
            assert_eq!(of_host(here, Path::new(text)), Path::new(want), "{text}");
        }
    }
}
