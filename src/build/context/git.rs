//! A git repository as context, fetched by the `git` program.
//!
//! The address, what is to be checked out and the folder in it come from a
//! command line or a file that somebody else wrote: none of them can become an
//! option of git, name a program, or use a way of transport but the four that
//! are known here. What the repository holds is not trusted either: its hooks
//! are never run, and the folder may not be a link.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::Context;
use super::private::Private;
use crate::archive;
use crate::build::paths::clean;
use crate::error::{Context as _, Error, Result};
use crate::sys::{fd, inside};

/// The only ways to a repository, for its submodules as well.
const TRANSPORTS: [&str; 4] = ["https", "ssh", "http", "git"];
/// Settings of git's environment that say how to reach a server; all others
/// would lead git to some other repository or make it run a program.
const KEPT: [&str; 7] = [
    "GIT_ASKPASS",
    "GIT_CONFIG_GLOBAL",
    "GIT_PROXY_COMMAND",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
];
/// How many lines of what git says are shown.
const SHOWN: usize = 3;

/// A repository, what of it, and which folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its address.
    pub remote: String,
    /// A branch, a tag or a commit; its main branch if none was said.
    pub reference: Option<String>,
    /// A folder in it.
    pub folder: Option<String>,
}

impl Repository {
    /// Reads `address#reference:folder`. `None`: this is no repository's
    /// address.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        let (address, rest) = match text.split_once('#') {
            Some((address, rest)) => (address, rest),
            None => (text, ""),
        };
        let Some(remote) = remote(address)? else {
            return Ok(None);
        };
        let (reference, folder) = rest.split_once(':').unwrap_or((rest, ""));
        if !reference.is_empty() {
            check_reference(reference)?;
        }
        // As seen from its top, out of which nothing leads.
        let folder = clean(&format!("/{folder}"));
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Ok(Some(Self {
            remote,
            reference: some(reference),
            folder: some(&folder[1..]),
        }))
    }
}

/// The address for git, if it is one of a repository.
fn remote(address: &str) -> Result<Option<String>> {
    if let Some((scheme, rest)) = address.split_once("://") {
        let scheme = scheme.to_ascii_lowercase();
        let web = matches!(scheme.as_str(), "http" | "https");
        let named = rest.strip_suffix(".git").is_some();
        if !TRANSPORTS.contains(&scheme.as_str()) || (web && !named) {
            return Ok(None);
        }
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        check_host(host, address)?;
        check_letters(address)?;
        return Ok(Some(format!("{scheme}://{rest}")));
    }
    if address.starts_with("github.com/") {
        check_letters(address)?;
        return Ok(Some(format!("https://{address}")));
    }
    match user_and_path(address) {
        Some(host) => {
            check_host(host, address)?;
            check_letters(address)?;
            Ok(Some(address.to_owned()))
        }
        None => Ok(None),
    }
}

/// The host of `user@host:path`, as ssh has it.
fn user_and_path(address: &str) -> Option<&str> {
    let (user, rest) = address.split_once('@')?;
    let (host, path) = rest.split_once(':')?;
    let letters = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fine = !user.is_empty() && user.chars().all(letters) && !user.starts_with('-');
    (fine && !path.is_empty() && !host.contains('/')).then_some(host)
}

/// No host begins so, but an option of ssh does.
fn check_host(host: &str, address: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._:[]%".contains(c);
    if host.is_empty() || host.starts_with('-') || !host.chars().all(fine) {
        return Err(
            Error::user(format!("{address:?} is not the address of a repository"))
                .hint("as in https://host/name.git or git@host:name.git"),
        );
    }
    Ok(())
}

fn check_letters(address: &str) -> Result<()> {
    let bad = |c: char| c.is_control() || c.is_whitespace() || c == '?';
    match address.chars().find(|c| bad(*c)) {
        Some(c) => Err(Error::user(format!("{c:?} in the address of a repository"))
            .hint("what to check out stands behind a #, as in https://host/name.git#main:folder")),
        None => Ok(()),
    }
}

/// What git takes for the name of a branch, a tag or a commit, and for nothing
/// else.
fn check_reference(text: &str) -> Result<()> {
    let letters = |c: char| c.is_ascii_alphanumeric() || "-_./+@".contains(c);
    let fine = !text.starts_with('-') && !text.contains("..") && !text.contains("@{");
    if fine && text.chars().all(|c| letters(c) || c > '\u{9f}') && text.len() < 256 {
        return Ok(());
    }
    Err(Error::user(format!(
        "{text:?} cannot be a branch, a tag or a commit"
    )))
}

impl Context {
    /// Fetches a repository into a folder of its own in `dir`. Its history and
    /// its `.git` do not become a part of the context.
    pub fn git(repository: &Repository, dir: &Path) -> Result<Self> {
        Self::git_by(repository, dir, &TRANSPORTS)
    }

    /// The same with its `.git`, for `ADD --keep-git-dir`.
    pub fn whole_git(repository: &Repository, dir: &Path) -> Result<Self> {
        Self::fetched(repository, dir, &TRANSPORTS, true)
    }

    pub(super) fn git_by(repository: &Repository, dir: &Path, transports: &[&str]) -> Result<Self> {
        Self::fetched(repository, dir, transports, false)
    }

    fn fetched(
        repository: &Repository,
        dir: &Path,
        transports: &[&str],
        whole: bool,
    ) -> Result<Self> {
        let private = Private::new(dir)?;
        let top = private.make("files")?;
        let git = Git {
            tree: private.path().join("files"),
            transports: transports.join(":"),
        };
        git.fetch(repository)
            .map_err(|e| e.context(format!("fetching {}", without_password(&repository.remote))))?;
        if !whole {
            archive::remove_all(&top, Path::new(".git"))?;
        }
        let folder = repository.folder.as_deref().unwrap_or(".");
        let root = fd::openat2(&top, Path::new(folder), inside::DIR, 0, fd::NO_LINKS)
            .map_err(Error::from)
            .context(|| format!("the folder {folder:?} of the repository"))?;
        Ok(Self {
            root,
            ignore: super::Ignore::default(),
            folder: None,
            private: Some(private),
        })
    }
}

/// The address without what is a secret in it.
fn without_password(remote: &str) -> String {
    let Some((scheme, rest)) = remote.split_once("://") else {
        return remote.to_owned();
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit('@').next().unwrap_or(host);
    format!("{scheme}://{host}/{path}")
}

/// Runs git in one working tree.
struct Git {
    tree: PathBuf,
    /// What submodules are fetched by, too.
    transports: String,
}

impl Git {
    fn fetch(&self, repository: &Repository) -> Result<()> {
        let remote = repository.remote.as_str();
        let wanted = repository.reference.as_deref().unwrap_or("HEAD");
        self.run(&["init", "--quiet", "--template="])?;
        self.run(&["remote", "add", "--", "origin", remote])?;
        let got = self.run(&[
            "fetch",
            "--quiet",
            "--no-tags",
            "--depth=1",
            "--",
            "origin",
            wanted,
        ]);
        let what = match got {
            Ok(()) => "FETCH_HEAD",
            // A server may give a commit only along with a branch that has it.
            Err(_) if is_commit(wanted) => {
                self.run(&["fetch", "--quiet", "--tags", "--", "origin"])?;
                wanted
            }
            Err(e) => return Err(e),
        };
        self.run(&["checkout", "--quiet", "--detach", "--force", what, "--"])?;
        if self.tree.join(".gitmodules").is_file() {
            self.run(&[
                "submodule",
                "--quiet",
                "update",
                "--init",
                "--recursive",
                "--depth=1",
            ])?;
        }
        Ok(())
    }

    fn run(&self, args: &[&str]) -> Result<()> {
        let output = self.command(args).output().map_err(|e| match e.kind() {
            ErrorKind::NotFound => Error::environment("there is no program git on this machine")
                .hint("install it, or fetch the repository yourself and name its folder"),
            _ => Error::from(e).context("starting git"),
        })?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(&output))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os().filter(|(name, _)| leads_astray(name)) {
            command.env_remove(name);
        }
        command
            .args(["-c", "core.hooksPath=/dev/null"])
            .args(["-c", "core.fsmonitor=false"])
            .args(["-c", "advice.detachedHead=false"])
            .args(args)
            .current_dir(&self.tree)
            .env("GIT_ALLOW_PROTOCOL", &self.transports)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env(
                "GIT_CEILING_DIRECTORIES",
                self.tree.parent().unwrap_or(&self.tree),
            )
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        command
    }
}

/// A variable that would make git look elsewhere.
fn leads_astray(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("GIT_") && !KEPT.contains(&name.as_ref())
}

fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What git has said, in one line.
fn failed(output: &Output) -> Error {
    let said = String::from_utf8_lossy(&output.stderr);
    let mut lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    // What ssh or a server says comes first, and is the cause.
    let advice = ["Please make sure", "and the repository exists"];
    lines.retain(|line| !advice.iter().any(|a| line.starts_with(a)));
    let last = lines[lines.len().saturating_sub(SHOWN)..].join("; ");
    Error::environment(format!("git says: {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Repository {
        let found = Repository::parse(text).unwrap();
        found.unwrap_or_else(|| panic!("{text:?} is no repository"))
    }

    #[test]
    fn addresses() {
        for (text, remote, reference, folder) in [
            ("https://h/a.git", "https://h/a.git", None, None),
            (
                "https://h/a.git#main",
                "https://h/a.git",
                Some("main"),
                None,
            ),
            (
                "https://h/a.git#v1:d/e",
                "https://h/a.git",
                Some("v1"),
                Some("d/e"),
            ),
            ("https://h/a.git#:d", "https://h/a.git", None, Some("d")),
            ("HTTPS://h/a.git", "https://h/a.git", None, None),
            ("http://u:p@h:80/a.git", "http://u:p@h:80/a.git", None, None),
            ("git://h/a", "git://h/a", None, None),
            ("ssh://git@h/a", "ssh://git@h/a", None, None),
            ("git@h:a/b.git#x/y", "git@h:a/b.git", Some("x/y"), None),
            ("github.com/a/b", "https://github.com/a/b", None, None),
            ("git://h/a#:../../d", "git://h/a", None, Some("d")),
            ("git://h/a#m:/", "git://h/a", Some("m"), None),
        ] {
            let got = parsed(text);
            let got = (
                got.remote.as_str(),
                got.reference.as_deref(),
                got.folder.as_deref(),
            );
            assert_eq!(got, (remote, reference, folder), "{text}");
        }
    }

    #[test]
    fn what_is_no_repository() {
        for text in [
            ".",
            "dir",
            "https://h/a",
            "https://h/a.tar.gz",
            "file:///a.git",
            "ext::sh -c x",
            "ext://sh",
            "fd::17/x",
            "./a@b:c",
            "a/b@h:c",
            "-x@h:c",
            "@h:c",
            "u@h:",
            "u@h",
        ] {
            assert_eq!(Repository::parse(text).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn nothing_becomes_an_option() {
        for text in [
            "ssh://-oProxyCommand=x/a",
            "ssh://u@-oProxyCommand=x/a",
            "git@-oProxyCommand=x:a",
            "git://h/a#--upload-pack=x",
            "git://h/a#-x",
            "git://h/a#a..b",
            "git://h/a#a b",
            "git://h/a#@{-1}",
            "git://h/a#a\nb",
            "git://h/a b",
            "git:///a",
            "https://h/a.git?x=.git",
            "ssh://a`x`/b",
        ] {
            assert!(Repository::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_is_not_told() {
        assert_eq!(without_password("https://u:p@h/a.git"), "https://h/a.git");
        assert_eq!(without_password("git@h:a"), "git@h:a");
    }

    #[test]
    fn git_is_led_by_nothing_else() {
        assert!(leads_astray(&"GIT_DIR".into()));
        assert!(leads_astray(&"GIT_CONFIG_COUNT".into()));
        assert!(!leads_astray(&"GIT_SSH_COMMAND".into()));
        assert!(!leads_astray(&"HOME".into()));
    }
}
