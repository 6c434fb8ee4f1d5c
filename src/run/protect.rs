//! Keeping a container's hands off rcon's own binary.
//!
//! The program of a container can be `/proc/self/exe`, and then that is us.
//! Whoever holds that file open could, once we are gone, write to it and wait
//! for the host to run rcon again (CVE-2019-5736). So rcon first executes
//! itself once more through a copy of its mount that is read-only and belongs
//! to nobody, or where that cannot be made, from a sealed copy in memory.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::attributes;
use crate::error::{Context, Error, Result};
use crate::plan::MountFlags;
use crate::sys::mount;
use crate::sys::process::{self, Strings};
use crate::sys::{SysResult, fd};

/// Returns only in a process whose binary cannot be written through `/proc`.
pub fn protect_own_binary() -> Result<()> {
    let what = || "cannot protect rcon's own binary";
    let own = fd::open(Path::new("/proc/self/exe"), libc::O_RDONLY).context(what)?;
    if is_protected(&own) {
        return Ok(());
    }
    let safe = match read_only_view(&own) {
        Ok(view) => view,
        Err(_) => sealed_copy(own).context(what)?,
    };
    let args = std::env::args_os()
        .map(os_string)
        .collect::<Result<Vec<_>>>()?;
    let env = std::env::vars_os().map(|(key, value)| {
        let mut entry = key;
        entry.push("=");
        entry.push(value);
        os_string(entry)
    });
    let env = env.collect::<Result<Vec<_>>>()?;
    let failed = process::exec_fd(&safe, &Strings::from_c(args), &Strings::from_c(env));
    Err(Error::from(failed).context(what()))
}

fn os_string(s: std::ffi::OsString) -> Result<CString> {
    CString::new(s.into_vec()).map_err(|e| Error::internal(e.to_string()))
}

fn is_protected(own: &OwnedFd) -> bool {
    let read_only = fd::mount_flags(own).is_ok_and(|flags| flags & libc::ST_RDONLY != 0);
    read_only || fd::is_sealed(own)
}

fn read_only_view(own: &OwnedFd) -> SysResult<OwnedFd> {
    let view = mount::open_tree(own, Path::new(""), false)?;
    let open = || {
        attributes::set_flags(&view, MountFlags::set(libc::MOUNT_ATTR_RDONLY))?;
        fd::reopen(&view, libc::O_RDONLY)
    };
    if mount::has_setattr() {
        return open();
    }
    attributes::in_a_place(&view, open)
}

fn sealed_copy(own: OwnedFd) -> Result<OwnedFd> {
    let mut copy = File::from(fd::memfd("rcon")?);
    io::copy(&mut File::from(own), &mut copy)?;
    let copy = OwnedFd::from(copy);
    fd::seal(&copy)?;
    Ok(copy)
}
