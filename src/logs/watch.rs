//! Waiting until a log may have grown.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// Tells of changes in a directory. Where the kernel has no inotify instance
/// left for us (there are 128 for each user) it only tells that time passed.
#[derive(Debug)]
pub(super) struct Watch(Option<Inotify>);

/// How long to wait where nothing can wake us.
const BLIND: Duration = Duration::from_millis(100);

impl Watch {
    /// No changes are missed from here on.
    pub(super) fn new(dir: &Path) -> Self {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK);
        // The whole directory: a file's own watch does not tell of the next.
        let changes = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVE;
        let watching = inotify.and_then(|i| i.add_watch(dir, changes).map(|_| i));
        Self(watching.ok())
    }

    /// For somebody who never waits.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Readable when there are changes.
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }

    /// Forgets the changes so far.
    pub(super) fn forget(&self) {
        // They say nothing but that one has to look.
        while self.0.as_ref().is_some_and(|i| i.read_events().is_ok()) {}
    }

    /// Until something changes, `wake` is readable (then it gives true), or
    /// the time has passed.
    pub(super) fn wait(&self, wake: Option<BorrowedFd<'_>>, most: Duration) -> bool {
        let wait = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds: Vec<_> = wake.into_iter().chain(self.fd()).map(wait).collect();
        let most = if self.0.is_some() {
            most
        } else {
            most.min(BLIND)
        };
        let most = PollTimeout::try_from(most).unwrap_or(PollTimeout::MAX);
        // An interrupted wait is as good as one that is over.
        let _ = poll(&mut fds, most);
        wake.is_some() && fds.first().and_then(PollFd::any) == Some(true)
    }
}
