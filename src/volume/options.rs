//! What a volume's options say: the file system that is mounted in it.
//!
//! Docker's driver `local` knows three: `type` and `device` are what `mount -t`
//! is given, `o` what stands behind its `-o`. `type=none,o=bind` shows a
//! directory of the host. Pure but for [`Filesystem::mount`].

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::path::Path;

use crate::error::{Context, Error, Result};
use crate::sys::mount;

/// The keys there are.
const KEYS: &[&str] = &["type", "device", "o"];

/// Words of `-o` that are flags of a mount, what they set and what they clear.
const FLAGS: &[(&str, u64, u64)] = &[
    ("defaults", 0, 0),
    ("ro", libc::MS_RDONLY, 0),
    ("rw", 0, libc::MS_RDONLY),
    ("nosuid", libc::MS_NOSUID, 0),
    ("suid", 0, libc::MS_NOSUID),
    ("nodev", libc::MS_NODEV, 0),
    ("dev", 0, libc::MS_NODEV),
    ("noexec", libc::MS_NOEXEC, 0),
    ("exec", 0, libc::MS_NOEXEC),
    ("sync", libc::MS_SYNCHRONOUS, 0),
    ("async", 0, libc::MS_SYNCHRONOUS),
    ("dirsync", libc::MS_DIRSYNC, 0),
    ("noatime", libc::MS_NOATIME, 0),
    ("atime", 0, libc::MS_NOATIME),
    ("nodiratime", libc::MS_NODIRATIME, 0),
    ("diratime", 0, libc::MS_NODIRATIME),
    ("relatime", libc::MS_RELATIME, 0),
    ("norelatime", 0, libc::MS_RELATIME),
    ("strictatime", libc::MS_STRICTATIME, 0),
    ("bind", libc::MS_BIND, 0),
    ("rbind", libc::MS_BIND | libc::MS_REC, 0),
];

/// A key nobody knows is refused before anything is made.
pub fn check_key(key: &str) -> Result<()> {
    if KEYS.contains(&key) {
        return Ok(());
    }
    let e = Error::user(format!("invalid option: {key:?}"));
    Err(e.hint(if key == "size" {
        "no file system here can count a volume's size; type=tmpfs, device=tmpfs, o=size=… can"
    } else {
        "the options are type, device and o, as in -o type=tmpfs -o device=tmpfs -o o=size=10m"
    }))
}

/// A file system to be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    kind: String,
    device: String,
    flags: u64,
    data: Vec<String>,
}

impl Filesystem {
    /// Reads a volume's options; `None` where there are none, and its files
    /// are kept in its own directory.
    pub fn of(options: &BTreeMap<String, String>) -> Result<Option<Self>> {
        options.keys().try_for_each(|key| check_key(key))?;
        let get = |key: &str| options.get(key).map_or("", String::as_str);
        let given = KEYS.iter().any(|key| !get(key).is_empty());
        if !given {
            return Ok(None);
        }
        for key in ["device", "type"] {
            if get(key).is_empty() {
                return Err(Error::user(format!("missing required option: {key:?}"))
                    .hint("type and device go together: see mount(8)"));
            }
        }
        let mut all = Self {
            kind: get("type").to_owned(),
            device: get("device").to_owned(),
            flags: 0,
            data: Vec::new(),
        };
        for word in get("o").split(',').filter(|w| !w.is_empty()) {
            all.take(word);
        }
        all.check()?;
        Ok(Some(all))
    }

    fn take(&mut self, word: &str) {
        match FLAGS.iter().find(|(name, ..)| *name == word) {
            Some((_, set, clear)) => self.flags = self.flags & !clear | set,
            None => self.data.push(word.to_owned()),
        }
    }

    fn is_bind(&self) -> bool {
        self.flags & libc::MS_BIND != 0
    }

    fn check(&self) -> Result<()> {
        let nul = |text: &str| text.contains('\0');
        if nul(&self.kind) || nul(&self.device) || self.data.iter().any(|w| nul(w)) {
            return Err(Error::user("an option of a volume has a zero byte in it"));
        }
        if !self.is_bind() {
            return Ok(());
        }
        if !self.device.starts_with('/') {
            return Err(Error::user(format!(
                "device {:?} must be an absolute path to be bound",
                self.device
            )));
        }
        match self.data.first() {
            Some(word) => Err(Error::user(format!("a bind has no option {word:?}"))),
            None => Ok(()),
        }
    }

    /// Mounts it at `at`.
    pub fn mount(&self, at: &Path) -> Result<()> {
        let what = || format!("mounting {} for a volume", self.device);
        if self.is_bind() {
            self.check_source()?;
            return self.bind(at).context(what);
        }
        let data = self.resolved()?.join(",");
        let data = (!data.is_empty()).then_some(data.as_str());
        let kind = Some(self.kind.as_str());
        mount::mount(Some(&self.device), at, kind, self.flags, data).context(what)
    }

    fn check_source(&self) -> Result<()> {
        match std::fs::metadata(&self.device) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(Error::user(format!(
                "its device {} does not exist",
                self.device
            ))
            .hint("make that directory, or remove the volume and make it anew with another")),
            // Whatever else is wrong, the kernel has its own words for.
            _ => Ok(()),
        }
    }

    /// A bind takes the flags of its source, and others only afterwards.
    fn bind(&self, at: &Path) -> crate::sys::SysResult<()> {
        let how = self.flags & (libc::MS_BIND | libc::MS_REC);
        mount::mount(Some(&self.device), at, None, how, None)?;
        let more = self.flags & !how;
        if more == 0 {
            return Ok(());
        }
        let again = more | libc::MS_BIND | libc::MS_REMOUNT;
        mount::mount(None, at, None, again, None).inspect_err(|_| {
            // The failure that led here is the one to tell.
            let _ = mount::detach(at);
        })
    }

    /// The kernel's NFS and SMB take numbers, and people write names.
    fn resolved(&self) -> Result<Vec<String>> {
        let network = self.kind.starts_with("nfs") || matches!(self.kind.as_str(), "cifs" | "smb3");
        let one = |word: &String| match word.strip_prefix("addr=") {
            Some(host) if network => address(host).map(|a| format!("addr={a}")),
            _ => Ok(word.clone()),
        };
        self.data.iter().map(one).collect()
    }
}

fn address(host: &str) -> Result<String> {
    let unknown = || Error::environment(format!("no address is known of {host}"));
    let mut found = (host, 0).to_socket_addrs().map_err(|_| unknown())?;
    found.next().map(|a| a.ip().to_string()).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<Filesystem>> {
        let all = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        Filesystem::of(&all.collect())
    }

    #[test]
    fn flags_and_what_belongs_to_the_file_system() {
        assert_eq!(read(&[]).unwrap(), None);
        let all = [
            ("type", "nfs"),
            ("device", ":/exports"),
            ("o", "addr=127.0.0.1,ro,noexec,rw,nolock"),
        ];
        let fs = read(&all).unwrap().unwrap();
        assert_eq!((fs.flags, fs.is_bind()), (libc::MS_NOEXEC, false));
        assert_eq!(fs.resolved().unwrap(), ["addr=127.0.0.1", "nolock"]);
        let all = [("type", "none"), ("device", "/srv"), ("o", "bind,ro")];
        let fs = read(&all).unwrap().unwrap();
        assert_eq!(fs.flags, libc::MS_BIND | libc::MS_RDONLY);
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let all = [("type", "none"), ("device", "/nowhere/x"), ("o", "bind")];
        let fs = read(&all).unwrap().unwrap();
        let e = fs.mount(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(e.starts_with("its device /nowhere/x does not exist"), "{e}");
    }

    #[test]
    fn what_is_missing_or_does_not_fit() {
        for (pairs, why) in [
            (&[("size", "1")][..], "o=size="),
            (&[("mode", "1")], "invalid option: \"mode\""),
            (&[("type", "tmpfs")], "missing required option: \"device\""),
            (&[("o", "bind")], "missing required option: \"device\""),
            (&[("device", "/x")], "missing required option: \"type\""),
            (
                &[("type", "none"), ("device", "x"), ("o", "bind")],
                "absolute",
            ),
            (
                &[("type", "none"), ("device", "/x"), ("o", "bind,size=1")],
                "no option",
            ),
        ] {
            let e = read(pairs).unwrap_err().to_string();
            assert!(e.contains(why), "{pairs:?}: {e}");
        }
    }
}
