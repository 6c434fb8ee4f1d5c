//! From root of the container to its program, in one command.
//!
//! Once the root is entered no tool of the host is there any more, so all of
//! it must be options of a single tool that is already running: capsh.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::commands::Shell;
use super::quote::{quote, quote_path};
use crate::sys::identity::CapSet;

/// The last command while it is being put together.
#[derive(Default)]
pub(super) struct Enter {
    /// Commands before it that run it.
    pub wraps: Vec<String>,
    options: Vec<String>,
    directory: Option<PathBuf>,
    uid: u32,
    /// Paths of the host are out of the program's reach.
    pub entered: bool,
}

impl Enter {
    pub(super) fn directory(&mut self, path: &Path) -> Shell {
        if path == Path::new("/") {
            return Shell::None("capsh starts there");
        }
        self.directory = Some(path.to_owned());
        Shell::None(
            "no plain tool enters a root and then another directory; the image's own shell does",
        )
    }

    pub(super) fn limit_bounding(&mut self, keep: CapSet, last: u32) -> Shell {
        let dropped: Vec<_> = (0..=last.min(63))
            .filter(|n| keep.0 & (1 << n) == 0)
            .map(cap_name)
            .collect();
        if !dropped.is_empty() {
            self.options.push(format!("--drop={}", dropped.join(",")));
        }
        Shell::Last
    }

    pub(super) fn set_user(
        &mut self,
        uid: u32,
        gid: u32,
        groups: Option<&[u32]>,
        umask: Option<u32>,
    ) -> Shell {
        if let Some(groups) = groups {
            let list: Vec<_> = groups.iter().map(ToString::to_string).collect();
            self.options.push(format!("--groups={}", list.join(",")));
        }
        self.uid = uid;
        self.options.push(format!("--gid={gid}"));
        self.options.push(format!("--keep=1 --uid={uid}"));
        match umask {
            Some(mask) => Shell::Lines(vec![format!("umask {mask:04o}")]),
            None => Shell::Last,
        }
    }

    /// What is permitted and in force comes of these at the exec: for root all
    /// that the bounding set has left, for others what is ambient.
    pub(super) fn set_capabilities(&mut self, inheritable: CapSet, ambient: CapSet) -> Shell {
        let flags = (0..64).filter_map(|n| {
            let has = |set: CapSet| set.0 & (1 << n) != 0;
            match (has(ambient), has(inheritable)) {
                (true, _) => Some(format!("^{}", cap_name(n))),
                (false, true) => Some(format!("%{}", cap_name(n))),
                (false, false) => None,
            }
        });
        let flags: Vec<_> = flags.collect();
        if !flags.is_empty() {
            self.options
                .push(format!("--iab={}", quote(&flags.join(","))));
        }
        Shell::Last
    }

    pub(super) fn no_new_privileges(&mut self) -> Shell {
        self.options.push("--no-new-privs".to_owned());
        Shell::Last
    }

    /// capsh with everything but the program.
    pub(super) fn capsh(&self) -> String {
        format!("\"$capsh\" --quiet --chroot=. {}", self.options.join(" "))
    }

    /// The exec, a wrapping command a line.
    pub(super) fn exec(&self, args: &[String], env: &[String]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut words = vec!["env -i --".to_owned()];
        words.extend(env.iter().filter(|e| e.contains('=')).map(|e| quote(e)));
        if !env.iter().any(|e| e.starts_with("HOME=")) {
            lines.push(home(self.uid));
            words.push("HOME=\"${home:-/}\"".to_owned());
        }
        let mut chain = self.wraps.clone();
        chain.push(words.join(" "));
        chain.push(self.capsh());
        chain.push(self.program(args));
        lines.push(format!("exec {}", chain.join(" \\\n  ")));
        lines
    }

    fn program(&self, args: &[String]) -> String {
        let mut words = match &self.directory {
            None => vec!["--shell=\"$program\" --".to_owned()],
            Some(path) => vec![
                "--shell=/bin/sh -- -c 'cd -- \"$1\" && shift && unset OLDPWD && exec \"$@\"' sh"
                    .to_owned(),
                quote_path(path),
                "\"$program\"".to_owned(),
            ],
        };
        words.extend(args.iter().skip(1).map(|a| quote(a)));
        words.join(" ")
    }
}

fn cap_name(number: u32) -> String {
    let names = CapSet(1 << number).names();
    let name = names.first().map(|n| n.to_lowercase());
    name.unwrap_or_else(|| number.to_string())
}

/// Where the image's list of users says that this one lives.
fn home(uid: u32) -> String {
    format!(
        "home=$(awk -F: '$3 == {uid} && $6 ~ /^\\// {{ print $6; exit }}' ./etc/passwd \
         2> /dev/null || :)"
    )
}

/// The program's path, looked up as seen from the root we are in. A link can
/// only be told to be there: where an absolute one leads is not for us to see.
pub(super) fn find(program: &str, search: &str) -> String {
    let name = quote(program);
    if program.contains('/') {
        return format!("program={name}");
    }
    let search = if search.is_empty() {
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    } else {
        search
    };
    let mut dirs = String::new();
    for dir in search.split(':').filter(|d| d.starts_with('/')) {
        let _ = write!(dirs, " {}", quote(dir));
    }
    format!(
        "program=; for dir in{dirs}; do \
         if [ -x \".$dir/\"{name} ] || [ -L \".$dir/\"{name} ]; then program=\"$dir/\"{name}; break; fi; \
         done; [ -n \"$program\" ]"
    )
}
