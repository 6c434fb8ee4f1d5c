//! The files this process sees: what `/proc/self/mountinfo` lists.

use serde::Serialize;

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Mount {
    /// Where it is.
    pub path: String,
    /// What kind of file system.
    pub fs: String,
    /// Whether nothing can be written there.
    pub read_only: bool,
    /// Which part of the file system is shown: `/` is all of it.
    pub part: String,
}

/// All of them, in the order they were mounted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Mounts(pub Vec<Mount>);

/// What has been done to a path below `/proc` or `/sys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cover {
    Hidden,
    ReadOnly,
    None,
}

impl Mounts {
    /// A line that makes no sense is passed over.
    pub fn parse(mountinfo: &str) -> Self {
        Self(mountinfo.lines().filter_map(parse).collect())
    }

    /// The root: of several laid over each other, the last.
    pub fn root(&self) -> Mount {
        self.at("/").cloned().unwrap_or_default()
    }

    /// What is mounted at a path.
    pub fn at(&self, path: &str) -> Option<&Mount> {
        self.0.iter().rfind(|m| m.path == path)
    }

    /// Paths of `/proc` and `/sys` that something else is laid over.
    pub fn hidden(&self) -> Vec<&str> {
        self.covered(Cover::Hidden)
    }

    /// Paths of `/proc` and `/sys` that are read-only while the rest is not.
    pub fn protected(&self) -> Vec<&str> {
        self.covered(Cover::ReadOnly)
    }

    fn covered(&self, how: Cover) -> Vec<&str> {
        let these = self.0.iter().filter(|m| m.cover() == how);
        these.map(|m| m.path.as_str()).collect()
    }

    /// What is neither the root nor of the kernel's own: somebody's files.
    pub fn others(&self) -> Vec<&Mount> {
        let kernels = |m: &Mount| {
            let below = |dir: &str| m.path == dir || m.path.starts_with(&format!("{dir}/"));
            m.path == "/" || below("/proc") || below("/sys") || below("/dev")
        };
        self.0.iter().filter(|m| !kernels(m)).collect()
    }
}

impl Mount {
    fn cover(&self) -> Cover {
        if !self.path.starts_with("/proc/") && !self.path.starts_with("/sys/") {
            return Cover::None;
        }
        match self.fs.as_str() {
            "proc" | "sysfs" if self.read_only && self.part != "/" => Cover::ReadOnly,
            // A device, of which nothing but /dev/null is put there.
            "tmpfs" | "devtmpfs" if self.part == "/null" => Cover::Hidden,
            "tmpfs" if self.read_only && !self.path.starts_with("/sys/fs/cgroup") => Cover::Hidden,
            _ => Cover::None,
        }
    }
}

fn parse(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (part, path, options) = (left.next()?, left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (fs, of_fs) = (right.next()?, right.nth(1)?);
    let read_only = |options: &str| options.split(',').any(|o| o == "ro");
    Some(Mount {
        path: unescaped(path),
        fs: fs.to_owned(),
        read_only: read_only(options) || read_only(of_fs),
        part: unescaped(part),
    })
}

/// Blanks, newlines and backslashes are written as three octal digits.
fn unescaped(field: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(field.to_owned(), |text, (code, plain)| {
        text.replace(code, plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
500 400 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u
501 500 0:51 / /proc rw,nosuid - proc proc rw
502 500 0:52 / /dev rw,nosuid - tmpfs tmpfs rw
503 502 0:53 / /dev/pts rw - devpts devpts rw
504 500 0:54 / /sys ro,nosuid - sysfs sysfs ro
505 504 0:55 / /sys/fs/cgroup ro - tmpfs tmpfs rw
506 505 0:56 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory
507 501 0:51 /sys /proc/sys ro - proc proc rw
508 501 0:57 /null /proc/kcore rw - tmpfs tmpfs rw
509 501 0:6 /null /proc/keys rw - devtmpfs udev rw
510 501 0:58 / /proc/acpi ro - tmpfs tmpfs ro
511 500 8:1 /srv/my\\040data /data ro master:1 - ext4 /dev/sda1 rw
512 500 8:1 /x/hosts /etc/hosts rw - ext4 /dev/sda1 ro
nonsense
1 2 3 - x
";

    fn mounts() -> Mounts {
        Mounts::parse(TEXT)
    }

    #[test]
    fn the_root_and_what_is_mounted_in_it() {
        let mounts = mounts();
        assert_eq!(mounts.0.len(), 13);
        assert_eq!(mounts.root().fs, "overlay");
        assert!(!mounts.root().read_only);
        assert!(mounts.at("/sys").unwrap().read_only);
        let others: Vec<_> = mounts.others().iter().map(|m| &m.path[..]).collect();
        assert_eq!(others, ["/data", "/etc/hosts"]);
        assert_eq!(mounts.at("/data").unwrap().part, "/srv/my data");
    }

    #[test]
    fn read_only_by_the_mount_or_by_the_file_system() {
        let mounts = mounts();
        assert!(mounts.at("/data").unwrap().read_only);
        assert!(mounts.at("/etc/hosts").unwrap().read_only);
        assert!(!mounts.at("/dev").unwrap().read_only);
    }

    #[test]
    fn what_is_covered_in_proc() {
        let mounts = mounts();
        assert_eq!(mounts.hidden(), ["/proc/kcore", "/proc/keys", "/proc/acpi"]);
        assert_eq!(mounts.protected(), ["/proc/sys"]);
    }

    #[test]
    fn of_two_roots_the_upper_one_counts() {
        let text = "1 1 0:1 / / rw - rootfs rootfs rw\n2 1 8:1 / / ro - ext4 /dev/sda ro\n";
        let root = Mounts::parse(text).root();
        assert_eq!((root.fs.as_str(), root.read_only), ("ext4", true));
        assert_eq!(Mounts::parse("").root(), Mount::default());
    }
}
