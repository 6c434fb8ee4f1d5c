//! A root file system from one busybox: small enough to make afresh for every
//! bundle (about two milliseconds), so that no test can see another's files.

use super::needs;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

const DIRECTORIES: [&str; 11] = [
    "bin",
    "dev",
    "etc",
    "home/user",
    "mnt",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
    "var",
];

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    user:x:1000:1000:user:/home/user:/bin/sh\n";

const GROUP: &str = "root:x:0:\ntty:x:5:\nextra:x:50:user\nuser:x:1000:\n";

/// Fills `dir` with a root file system.
pub fn make(dir: &Path) -> std::io::Result<()> {
    for name in DIRECTORIES {
        fs::create_dir_all(dir.join(name))?;
    }
    fs::set_permissions(dir.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    fs::write(dir.join("etc/passwd"), PASSWD)?;
    fs::write(dir.join("etc/group"), GROUP)?;
    let busybox = needs::busybox().ok_or(std::io::ErrorKind::NotFound)?;
    fs::copy(busybox, dir.join("bin/busybox"))?;
    for applet in applets() {
        symlink("busybox", dir.join("bin").join(applet))?;
    }
    Ok(())
}

/// What this busybox can do, asked once per process.
fn applets() -> &'static [String] {
    static APPLETS: OnceLock<Vec<String>> = OnceLock::new();
    APPLETS.get_or_init(|| {
        let Some(busybox) = needs::busybox() else {
            return Vec::new();
        };
        let list = Command::new(busybox).arg("--list").output();
        let text = list.map(|o| o.stdout).unwrap_or_default();
        let names = String::from_utf8_lossy(&text);
        let names = names
            .lines()
            .filter(|n| *n != "busybox" && !n.contains('/'));
        names.map(str::to_owned).collect()
    })
}
