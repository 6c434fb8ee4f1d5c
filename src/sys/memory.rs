//! What a process that waits for a long time gives back meanwhile.

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::PollFd;
use nix::sys::time::TimeSpec;

use super::{SysError, SysResult};

#[cfg(target_arch = "x86_64")]
use super::raw::call;
#[cfg(not(target_arch = "x86_64"))]
use libc::syscall as call;

/// A page of numbers, all zero, which this process shares with those it forks.
/// It stays as long as the process lives.
pub fn shared_numbers() -> SysResult<&'static [AtomicU64]> {
    let all = libc::PROT_READ | libc::PROT_WRITE;
    let shared = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, in a place of the kernel's choice.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, all, shared, -1, 0) };
    if page == libc::MAP_FAILED {
        return Err(SysError::new(
            Errno::last(),
            "mmap(MAP_SHARED|MAP_ANONYMOUS)",
        ));
    }
    // SAFETY: so many bytes are there, aligned to a page and zero, and nobody
    // takes them away.
    Ok(unsafe { std::slice::from_raw_parts(page.cast(), PAGE / size_of::<AtomicU64>()) })
}

/// Waits as `poll` does, and gives the kernel before whatever it can bring
/// back, or that nobody uses: free memory of the allocator's, the stack below
/// us, and those pages of the program that are as they are in its file. What
/// is needed again comes back page by page, from the file's cache and without
/// the disk.
///
/// It waits here because the way from here to another place to wait in would
/// bring half of it back. The stack is the first thread's, so others leave it
/// alone.
pub fn rest(fds: &mut [PollFd<'_>], timeout: Option<Duration>) {
    // SAFETY: has no conditions.
    unsafe { libc::malloc_trim(0) };
    give_stack_back();
    let mut file = FilePages::default();
    // SAFETY: the callback has the type that is asked for, and gets what it
    // takes `data` for.
    unsafe { libc::dl_iterate_phdr(Some(of_object), (&raw mut file).cast()) };
    let timeout = timeout.map(TimeSpec::from_duration);
    let limit = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the pages are private ones of a file that nobody has written to,
    // and come back as they were; and both others point to what the kernel
    // expects there, for as long as the call takes.
    unsafe {
        let fds = (fds.as_mut_ptr() as usize, fds.len());
        forget_and_wait(&file.0, fds, limit as usize);
    }
}

/// Whoever comes back here from the kernel brings the code around along, some
/// tens of kilobytes for each place. So there is only this one.
///
/// # Safety
///
/// As of the two calls.
#[inline(never)]
unsafe fn forget_and_wait(pages: &[Option<Range<usize>>], fds: (usize, usize), limit: usize) {
    const FORGET: usize = libc::MADV_DONTNEED as usize;
    // SAFETY: the caller says so. An interruption is as good as nothing ready.
    unsafe {
        for pages in pages.iter().flatten() {
            let length = pages.end - pages.start;
            call(libc::SYS_madvise, pages.start, length, FORGET, 0, 0);
        }
        call(libc::SYS_ppoll, fds.0, fds.1, limit, 0, 0);
    }
}

/// What is below the deepest frame is free; the frames that follow start anew.
#[inline(never)]
fn give_stack_back() {
    let here = 0_u8;
    // The calls below need some of it themselves.
    let here = std::ptr::from_ref(&here) as usize;
    let end = page_of(here) - 4 * PAGE;
    if let Some(stack) = stack()
        && stack.contains(&here)
        && stack.start < end
    {
        forget(&(stack.start..end));
    }
}

/// The pages of the program that nobody can have written to; its code last.
#[derive(Default)]
struct FilePages([Option<Range<usize>>; 4]);

/// Where the first thread's stack is, as far as it went when that was first
/// asked.
fn stack() -> Option<Range<usize>> {
    static STACK: OnceLock<Option<Range<usize>>> = OnceLock::new();
    STACK.get_or_init(find_stack).clone()
}

/// To be called by whoever has no files any more when it rests.
pub fn know_stack() {
    stack();
}

fn find_stack() -> Option<Range<usize>> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("[stack]"))?;
    let (start, end) = line.split(' ').next()?.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    Some(number(start)?..number(end)?)
}

/// Called for the program, and for the kernel's own part of it (the vDSO),
/// which has no pages that could be given back.
///
/// # Safety
///
/// `info` must be what `dl_iterate_phdr` hands over, `data` a [`FilePages`].
unsafe extern "C" fn of_object(
    info: *mut libc::dl_phdr_info,
    _: usize,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the C library gives a valid object, and its headers stay where
    // they are as long as it is loaded.
    let (base, headers) = unsafe {
        let info = &*info;
        let count = usize::from(info.dlpi_phnum);
        (
            info.dlpi_addr,
            std::slice::from_raw_parts(info.dlpi_phdr, count),
        )
    };
    // SAFETY: the caller says so.
    let pages = unsafe { &mut *data.cast::<FilePages>() };
    // What can be written to, or could be while the program was made ready,
    // is not what is in the file any more.
    let loaded = headers
        .iter()
        .filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_W == 0);
    let mut loaded: Vec<_> = loaded.collect();
    loaded.sort_by_key(|h| h.p_flags & libc::PF_X);
    for (place, header) in pages.0.iter_mut().zip(loaded) {
        let start = base as usize + header.p_vaddr as usize;
        *place = Some(page_of(start)..page_of(start + header.p_memsz as usize + PAGE - 1));
    }
    // The program comes first, and it is all there is.
    1
}

/// The smallest there is: with larger ones the kernel refuses what is not
/// their multiple, and all stays as it was.
const PAGE: usize = 4096;

fn page_of(address: usize) -> usize {
    address / PAGE * PAGE
}

/// If the kernel will not, it keeps them, and nothing is lost.
fn forget(pages: &Range<usize>) {
    let (start, length) = (pages.start, pages.len());
    // SAFETY: it is stack below all frames, which nobody reads before writing
    // it.
    unsafe { libc::syscall(libc::SYS_madvise, start, length, libc::MADV_DONTNEED) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    use nix::poll::PollFlags;

    /// How much comes free is looked at where a keeper waits: in `tests/daily`.
    #[test]
    fn who_rests_waits_and_goes_on_with_all_it_had() {
        let mut many: Vec<Vec<u8>> = (0..4000).map(|n| vec![n as u8; 1000]).collect();
        many.retain(|one| one[0] % 3 == 0);
        let (out, mut into) = std::io::pipe().unwrap();
        let mut fds = [PollFd::new(out.as_fd(), PollFlags::POLLIN)];
        rest(&mut fds, Some(Duration::from_millis(1)));
        assert_eq!(fds[0].revents(), Some(PollFlags::empty()));
        into.write_all(b"x").unwrap();
        rest(&mut fds, None);
        assert_eq!(fds[0].revents(), Some(PollFlags::POLLIN));
        assert!(
            many.iter()
                .all(|one| one.iter().all(|byte| *byte == one[0]))
        );
    }
}
