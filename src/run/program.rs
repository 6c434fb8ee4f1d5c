//! The last things before the program: finding it, its environment, its
//! working directory, and becoming it.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::channel::FailureKind;
use super::root::Root;
use crate::accounts::{self, Passwd};
use crate::error::with_short_quotes;
use crate::sys::process::Strings;
use crate::sys::{SysError, SysResult, fd, identity, mount};

/// Where programs are looked for when the environment does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program cannot be run, in the words callers of runtimes look for.
pub(super) struct NotRunnable {
    pub kind: FailureKind,
    pub errno: Errno,
    pub text: String,
}

impl NotRunnable {
    fn new(program: &str, kind: FailureKind, errno: Errno, why: &str) -> Self {
        Self {
            kind,
            errno,
            // Whole, it might not get across, and the reason stands behind it.
            text: with_short_quotes(&format!("exec: {program:?}: {why}")).into_owned(),
        }
    }
}

/// Finds `program` as the shell would, by the user it will run as.
pub(super) fn find(program: &str, search: &str) -> Result<CString, NotRunnable> {
    let found = if program.contains('/') {
        runnable(Path::new(program)).map_err(|errno| match errno {
            Errno::ENOENT | Errno::ENOTDIR => NotRunnable::new(
                program,
                FailureKind::NotFound,
                errno,
                "no such file or directory",
            ),
            _ => denied(program, errno),
        })?
    } else {
        search_path(program, search)?
    };
    CString::new(found.as_os_str().as_bytes()).map_err(|_| denied(program, Errno::EINVAL))
}

fn denied(program: &str, errno: Errno) -> NotRunnable {
    let why = match errno {
        Errno::EACCES => "permission denied".to_owned(),
        Errno::EISDIR => "permission denied: it is a directory".to_owned(),
        other => other.desc().to_owned(),
    };
    NotRunnable::new(program, FailureKind::NotExecutable, errno, &why)
}

fn search_path(program: &str, search: &str) -> Result<PathBuf, NotRunnable> {
    let search = if search.is_empty() {
        DEFAULT_PATH
    } else {
        search
    };
    let mut refused = None;
    for dir in search.split(':') {
        let dir = if dir.is_empty() { "." } else { dir };
        match runnable(&Path::new(dir).join(program)) {
            Ok(path) => return Ok(path),
            Err(e @ (Errno::EACCES | Errno::EISDIR)) => refused = Some(e),
            Err(_) => {}
        }
    }
    let not_found = "executable file not found in $PATH";
    Err(refused.map_or_else(
        || NotRunnable::new(program, FailureKind::NotFound, Errno::ENOENT, not_found),
        |errno| denied(program, errno),
    ))
}

fn runnable(path: &Path) -> Result<PathBuf, Errno> {
    identity::may_execute(path).map_err(|e| e.errno)?;
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Err(Errno::EISDIR),
        Ok(_) => Ok(path.to_owned()),
        Err(e) => Err(Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO))),
    }
}

/// What a failed exec of a program that was found means.
pub(super) fn explain_exec(program: &str, path: &CStr, e: &SysError) -> NotRunnable {
    let missing = format!(
        "no such file or directory: the interpreter {}it names is missing",
        interpreter(path).map_or_else(String::new, |name| {
            let windows = if name.ends_with('\r') {
                " (the script was saved with Windows line endings)"
            } else {
                ""
            };
            format!("{name:?}{windows} ")
        })
    );
    let (kind, why) = match e.errno {
        Errno::ENOENT => (FailureKind::NotFound, missing.as_str()),
        Errno::ENOEXEC => (
            FailureKind::NotExecutable,
            "exec format error: not a program for this machine, or a script without #! line",
        ),
        Errno::EACCES => (FailureKind::NotExecutable, "permission denied"),
        Errno::ETXTBSY => (
            FailureKind::NotExecutable,
            "text file busy: somebody has it open to write to it",
        ),
        other => (FailureKind::NotExecutable, other.desc()),
    };
    NotRunnable::new(program, kind, e.errno, why)
}

/// What a script's first line names; of any other file, and of one that may
/// not be read, nothing.
fn interpreter(path: &CStr) -> Option<String> {
    // No longer than the kernel reads.
    let mut line = Vec::new();
    let file = File::open(Path::new(OsStr::from_bytes(path.to_bytes()))).ok()?;
    file.take(256).read_to_end(&mut line).ok()?;
    let line = line.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    // A carriage return, as a script saved on Windows has it, is part of the
    // name to the kernel.
    let line = String::from_utf8_lossy(line);
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    words.next().map(str::to_owned)
}

/// The environment, with `HOME` as a login would set it if it is not given.
pub(super) fn environment(root: Root<'_>, env: &[String], uid: u32) -> SysResult<Strings> {
    Strings::new(&with_home(root, env, uid))
}

/// The same, not yet in the form that the kernel takes.
pub(super) fn with_home(root: Root<'_>, env: &[String], uid: u32) -> Vec<String> {
    let mut all = last_of_each(env);
    all.retain(|e| e != "HOME=");
    if !all.iter().any(|e| e.starts_with("HOME=")) {
        // Whoever cannot be looked up is at home in the root.
        let user = accounts::find_user(root.0, |user| user.uid == uid);
        let home = user.ok().flatten();
        all.push(format!("HOME={}", home.as_ref().map_or("/", Passwd::home)));
    }
    all
}

/// A variable given twice has its last value, once.
fn last_of_each(env: &[String]) -> Vec<String> {
    let name = |e: &String| e.split_once('=').map_or(e.clone(), |(n, _)| n.to_owned());
    let mut seen = std::collections::HashSet::new();
    let mut last: Vec<String> = env
        .iter()
        .rev()
        .filter(|e| seen.insert(name(e)))
        .cloned()
        .collect();
    last.reverse();
    last
}

/// Makes `path` the working directory, making it where it is missing, and
/// makes sure that it lies inside the root: a path such as `/proc/self/fd/7`
/// must not lead to a directory of the host that happens to be open.
pub(super) fn enter_directory(root: Root<'_>, path: &Path) -> SysResult<()> {
    let dir = root.make_directory(path)?;
    fd::fchdir(&dir)?;
    let here = mount::getcwd()?;
    if here.starts_with('/') {
        return Ok(());
    }
    Err(SysError::new(
        Errno::EACCES,
        format!("the working directory {path:?} leads outside the container"),
    ))
}

/// Lets the program's user open `/dev/stdout` and its like again.
///
/// Files are left alone: one that the caller redirects to stays the caller's.
pub(super) fn give_stdio(uid: u32) -> SysResult<()> {
    for number in 0..3 {
        let stream = fd::standard(number);
        let st = fd::stat(stream)?;
        let kind = st.st_mode & libc::S_IFMT;
        let terminal = kind == libc::S_IFCHR
            && libc::major(st.st_rdev) >= 136
            && libc::major(st.st_rdev) <= 143;
        if st.st_uid == uid || !(terminal || kind == libc::S_IFIFO || kind == libc::S_IFSOCK) {
            continue;
        }
        match fd::chown(stream, uid, u32::MAX) {
            // A user that this namespace has no id for, or a pipe of a file
            // system that keeps its owner: the streams work all the same.
            Err(e) if matches!(e.errno, Errno::EPERM | Errno::EINVAL | Errno::EROFS) => {}
            done => done?,
        }
    }
    Ok(())
}

/// The root as this process sees it.
pub(super) fn own_root() -> SysResult<OwnedFd> {
    fd::open(Path::new("/"), libc::O_PATH | libc::O_DIRECTORY)
}

/// Borrows an open directory as a root.
pub(super) fn as_root(dir: &OwnedFd) -> Root<'_> {
    Root(dir.as_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_found_by_number_never_by_name() {
        let name = format!("rcon-test-home-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(dir.join("etc")).unwrap();
        let passwd = "1000:x:0:0::/wrong:/bin/sh\nbad\n\
            user:x:1000:1000::/home/user:/bin/sh\nodd:x:5:5::odd:/bin/sh\n";
        std::fs::write(dir.join("etc/passwd"), passwd).unwrap();
        let root = fd::open(&dir, libc::O_PATH | libc::O_DIRECTORY).unwrap();
        let home = |env: &[&str], uid| {
            let env: Vec<String> = env.iter().map(|e| (*e).to_owned()).collect();
            with_home(as_root(&root), &env, uid)
        };
        assert_eq!(home(&[], 1000), ["HOME=/home/user"]);
        assert_eq!(home(&["HOME="], 1000), ["HOME=/home/user"]);
        assert_eq!(home(&["HOME=/mine"], 1000), ["HOME=/mine"]);
        assert_eq!(home(&[], 7), ["HOME=/"]);
        assert_eq!(home(&[], 5), ["HOME=/"]);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn the_last_of_two_values_counts() {
        let env = ["A=1", "B=2", "A=3"].map(str::to_owned);
        assert_eq!(last_of_each(&env), ["B=2", "A=3"]);
    }

    #[test]
    fn a_missing_program_is_told_as_such() {
        let e = find("no-such-program-here", "/bin").unwrap_err();
        assert_eq!(e.kind, FailureKind::NotFound);
        assert!(
            e.text.contains("executable file not found in $PATH"),
            "{}",
            e.text
        );
        let e = find("/no/such", "").unwrap_err();
        assert!(e.text.contains("no such file or directory"), "{}", e.text);
    }

    #[test]
    fn a_directory_is_no_program() {
        let e = find("/tmp", "").unwrap_err();
        assert_eq!(e.kind, FailureKind::NotExecutable);
    }
}
