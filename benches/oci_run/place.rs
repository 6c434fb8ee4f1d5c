//! Where a runtime is started from: the host as it is, or a mount namespace
//! in which there is one cgroup hierarchy only, version 2.
//!
//! Debian's crun refuses a host that mounts both versions. Entering another
//! namespace for every start would be measured with it, so each place is a
//! thread that entered once, and its children are born there.

use std::fs;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use caps::{CapSet, Capability};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

use crate::bundle::Bundle;

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does what it is given, one thing at a time.
#[derive(Clone)]
pub(crate) struct Place {
    /// What a runtime finds here.
    pub(crate) name: &'static str,
    /// Whether limits and rules for devices can be asked for here.
    resources: bool,
    jobs: Sender<Job>,
}

impl Place {
    /// The host as it is.
    pub(crate) fn host() -> Self {
        Place::new("the host's cgroups", true, || Ok(())).expect("nothing to fail")
    }

    /// Only a version 2 hierarchy at /sys/fs/cgroup.
    pub(crate) fn cgroup2_only() -> nix::Result<Self> {
        if resources_of_cgroup2() {
            Place::new("cgroup2 only", true, mount_cgroup2_only)
        } else {
            let name = "cgroup2 only; no limits, no device rules";
            Place::new(name, false, mount_cgroup2_only)
        }
    }

    fn new(
        name: &'static str,
        resources: bool,
        enter: fn() -> nix::Result<()>,
    ) -> nix::Result<Self> {
        let (jobs, inbox) = channel::<Job>();
        let (report, entered) = channel();
        thread::spawn(move || {
            report.send(enter()).expect("the maker waits");
            while let Ok(job) = inbox.recv() {
                job();
            }
        });
        entered.recv().expect("the thread reports")?;
        Ok(Place {
            name,
            resources,
            jobs,
        })
    }

    /// The bundle as far as it can be had here.
    pub(crate) fn reduced(&self, bundle: Bundle) -> Bundle {
        if self.resources {
            bundle
        } else {
            bundle.without_resources()
        }
    }

    /// Does something on the place's thread, and waits for the answer.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = channel();
        let job = move || {
            answer.send(work()).ok();
        };
        self.jobs.send(Box::new(job)).expect("the thread lives");
        answered.recv().expect("the thread answers")
    }
}

/// Whether limits and rules for devices can be had on version 2. On a hybrid
/// host its hierarchy has no controllers; and its device rules are a program
/// for the kernel, before which crun asks for unlimited locked memory. Where
/// either is missing no runtime is asked for them, so that all do the same.
fn resources_of_cgroup2() -> bool {
    let capable = caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_RESOURCE);
    let limit = getrlimit(Resource::RLIMIT_MEMLOCK);
    let memory = capable.unwrap_or(false) || limit.is_ok_and(|(_, hard)| hard == RLIM_INFINITY);
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers");
    memory && controllers.is_ok_and(|names| names.contains("io"))
}

/// For the calling thread alone: unsharing the mount namespace also parts
/// its root and working directory from the other threads'.
fn mount_cgroup2_only() -> nix::Result<()> {
    const ROOT: &str = "/sys/fs/cgroup";
    const NOTHING: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NOTHING, "/", NOTHING, private, NOTHING)?;
    umount2(ROOT, MntFlags::MNT_DETACH)?;
    mount(
        Some("cgroup2"),
        ROOT,
        Some("cgroup2"),
        MsFlags::empty(),
        NOTHING,
    )
}
