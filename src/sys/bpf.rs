//! The five `bpf(2)` commands that device filters need.
//!
//! There is no libc function for any of them: one system call takes a command
//! and a structure whose layout depends on it. Programs come as instructions
//! already encoded; what is in them is not our concern.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use super::{SysError, SysResult};

const BPF_PROG_LOAD: i32 = 5;
const BPF_PROG_ATTACH: i32 = 8;
const BPF_PROG_DETACH: i32 = 9;
const BPF_PROG_GET_FD_BY_ID: i32 = 13;
const BPF_PROG_QUERY: i32 = 16;

const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 2;

/// The kernel allows no more than this on one cgroup.
const MAX_PROGRAMS: usize = 64;

#[repr(C)]
#[derive(Default)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
}

#[repr(C)]
#[derive(Default)]
struct AttachAttr {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
}

/// Linux 6.17 to 7.1 write `revision` however small the structure they were
/// given, so all of it must be here.
#[repr(C)]
#[derive(Default)]
struct QueryAttr {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    padding: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// Loads a program that decides about device nodes.
pub fn load_device_program(instructions: &[[u8; 8]]) -> SysResult<OwnedFd> {
    let license = c"Apache-2.0";
    let mut attr = LoadAttr {
        prog_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: instructions.len() as u32,
        insns: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        ..LoadAttr::default()
    };
    let call = || {
        let count = instructions.len();
        format!("bpf(BPF_PROG_LOAD, {{BPF_PROG_TYPE_CGROUP_DEVICE, {count} instructions}})")
    };
    // A signal makes the verifier give up with EAGAIN; a storm of them must
    // not hold us for ever.
    for _ in 0..30 {
        // SAFETY: `attr` is the layout for this command, and the buffers it
        // points to (the instructions, the license) outlive the call.
        match unsafe { bpf_fd(BPF_PROG_LOAD, &mut attr, call) } {
            Err(e) if e.errno == Errno::EAGAIN => {}
            result => return result,
        }
    }
    Err(SysError::new(Errno::EAGAIN, call()))
}

/// Puts a program on a cgroup, beside any that are there: all of them must
/// agree before a device may be used.
pub fn attach_device_program(cgroup: impl AsFd, program: impl AsFd) -> SysResult<()> {
    change(
        BPF_PROG_ATTACH,
        "BPF_PROG_ATTACH",
        &cgroup,
        &program,
        BPF_F_ALLOW_MULTI,
    )
}

/// Takes a program off a cgroup.
pub fn detach_device_program(cgroup: impl AsFd, program: impl AsFd) -> SysResult<()> {
    change(BPF_PROG_DETACH, "BPF_PROG_DETACH", &cgroup, &program, 0)
}

fn change(
    command: i32,
    name: &str,
    cgroup: &impl AsFd,
    program: &impl AsFd,
    flags: u32,
) -> SysResult<()> {
    let mut attr = AttachAttr {
        target_fd: raw(cgroup),
        attach_bpf_fd: raw(program),
        attach_type: BPF_CGROUP_DEVICE,
        attach_flags: flags,
    };
    let call = || {
        let flags = super::flag_names(
            flags.into(),
            &[(BPF_F_ALLOW_MULTI.into(), "BPF_F_ALLOW_MULTI")],
        );
        format!(
            "bpf({name}, {{{}, {}, BPF_CGROUP_DEVICE, {flags}}})",
            raw(cgroup),
            raw(program)
        )
    };
    // SAFETY: `attr` is the layout for these two commands and holds no pointer.
    unsafe { bpf(command, &mut attr, call) }.map(|_| ())
}

/// The device programs on this cgroup itself, opened.
pub fn device_programs(cgroup: impl AsFd) -> SysResult<Vec<OwnedFd>> {
    let mut ids = [0u32; MAX_PROGRAMS];
    let mut attr = QueryAttr {
        target_fd: raw(&cgroup),
        attach_type: BPF_CGROUP_DEVICE,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: MAX_PROGRAMS as u32,
        ..QueryAttr::default()
    };
    let call = || {
        format!(
            "bpf(BPF_PROG_QUERY, {{{}, BPF_CGROUP_DEVICE}})",
            raw(&cgroup)
        )
    };
    // SAFETY: `attr` is the layout for this command, in full; `ids` has the
    // room that `prog_cnt` says and outlives the call.
    unsafe { bpf(BPF_PROG_QUERY, &mut attr, call) }?;
    let count = (attr.prog_cnt as usize).min(MAX_PROGRAMS);
    ids[..count].iter().map(|id| program_by_id(*id)).collect()
}

fn program_by_id(mut id: u32) -> SysResult<OwnedFd> {
    let shown = id;
    let call = || format!("bpf(BPF_PROG_GET_FD_BY_ID, {{{shown}}})");
    // SAFETY: this command reads one u32 and the kernel takes the rest as zero.
    unsafe { bpf_fd(BPF_PROG_GET_FD_BY_ID, &mut id, call) }
}

fn raw(fd: &impl AsFd) -> u32 {
    fd.as_fd().as_raw_fd() as u32
}

/// # Safety
/// `T` must be laid out as the kernel wants it for `command`, and what it
/// points to must live through the call.
unsafe fn bpf<T>(command: i32, attr: &mut T, call: impl FnOnce() -> String) -> SysResult<i64> {
    // SAFETY: the pointer and size are those of a live `T`; the caller vouches
    // for what is in it.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attr),
            size_of::<T>(),
        )
    };
    SysError::check(ret, call)
}

/// # Safety
/// As [`bpf`]; `command` must be one that answers with a descriptor.
unsafe fn bpf_fd<T>(
    command: i32,
    attr: &mut T,
    call: impl FnOnce() -> String,
) -> SysResult<OwnedFd> {
    // SAFETY: the caller's promise is passed on.
    let fd = unsafe { bpf(command, attr, call) }?;
    // SAFETY: the kernel has just given us this descriptor (close-on-exec, as
    // all that bpf makes are) and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_size_the_kernel_expects() {
        assert_eq!(size_of::<LoadAttr>(), 40);
        assert_eq!(size_of::<AttachAttr>(), 16);
        assert_eq!(size_of::<QueryAttr>(), 64);
    }

    #[test]
    fn failed_attach_reads_like_strace() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let e = attach_device_program(&null, &null).unwrap_err().to_string();
        assert!(
            e.starts_with("bpf(BPF_PROG_ATTACH, {") && e.contains("BPF_F_ALLOW_MULTI"),
            "{e}"
        );
    }
}
