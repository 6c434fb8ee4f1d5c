//! A root made of layers: read-only ones, and one on top that takes the
//! changes.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;

use crate::plan::Overlay;
use crate::sys::{SysError, SysResult, fd, mount};

/// The longest value `fsconfig` takes, with its NUL.
const LONGEST_VALUE: usize = 256;

/// Mounts `overlay` without giving it a place: nobody on the host sees it, and
/// it is gone with the last who holds it.
pub fn mount(overlay: &Overlay) -> SysResult<OwnedFd> {
    // Paths may be given through descriptors, which must last until the end.
    let mut held = Vec::new();
    let fs = mount::fsopen("overlay")?;
    mount::fsconfig(&fs, "source", Some("overlay"))?;
    let layers = overlay.layers.iter();
    let layers: Vec<String> = layers
        .map(|path| value(path, &mut held))
        .collect::<SysResult<_>>()?;
    lower(&fs, &layers)?;
    if let Some(changes) = &overlay.changes {
        mount::fsconfig(&fs, "upperdir", Some(&value(&changes.upper, &mut held)?))?;
        mount::fsconfig(&fs, "workdir", Some(&value(&changes.work, &mut held)?))?;
        if changes.volatile {
            mount::fsconfig(&fs, "volatile", None)?;
        }
    }
    mount::fscreate(&fs)?;
    mount::fsmount(&fs, 0)
}

/// One layer at a time, as Linux can since 6.5; before, all in one value.
fn lower(fs: &OwnedFd, layers: &[String]) -> SysResult<()> {
    for (n, layer) in layers.iter().enumerate() {
        match mount::fsconfig(fs, "lowerdir+", Some(layer)) {
            Err(e) if n == 0 && e.errno == Errno::EINVAL => {
                return mount::fsconfig(fs, "lowerdir", Some(&layers.join(":")));
            }
            done => done?,
        }
    }
    Ok(())
}

/// A path as the kernel takes it here: not too long, and without the signs
/// that mean something in a list of layers.
fn value(path: &Path, held: &mut Vec<OwnedFd>) -> SysResult<String> {
    let dir = fd::open(path, libc::O_PATH | libc::O_DIRECTORY)?;
    let plain = path.to_str().filter(|p| p.len() < LONGEST_VALUE);
    if let Some(plain) = plain.filter(|p| !p.contains([':', '\\', ','])) {
        return Ok(plain.to_owned());
    }
    let short = fd::proc_path(&dir);
    held.push(dir);
    short
        .to_str()
        .map(str::to_owned)
        .ok_or_else(|| SysError::new(Errno::EINVAL, format!("a layer at {path:?}")))
}
