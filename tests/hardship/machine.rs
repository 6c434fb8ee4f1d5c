//! A machine whose power can fail: its store is on a file system of its own, on
//! a loop device.
//!
//! A file system can be told to end at an instant as a failing power would end
//! it: from then on nothing reaches the device, and its journal stays as it is.
//! Then the machine starts again, and the journal is replayed.

use crate::common::host::becomes_true;
use crate::common::netns::leave_the_hosts_network;
use crate::common::{Need, Running, cgroups, needs_met};
use crate::place::{Mounted, Place, leave_the_hosts_mounts};
use nix::mount::{MntFlags, umount2};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

// `EXT4_IOC_SHUTDOWN`, and XFS's under the same number; what is behind the
// pointer says how much is still to be written.
nix::ioctl_read!(shut_down, b'X', 125, u32);
/// Nothing, not even what the journal has in memory.
const AT_ONCE: u32 = 2;

/// A file system to have the store on.
#[derive(Debug, Clone)]
pub struct Kind {
    pub name: &'static str,
    /// What makes one, and how.
    pub maker: &'static [&'static str],
    pub options: &'static str,
    /// As small as its maker allows, with room for a few images.
    pub size: u64,
}

/// The usual one, mounted with these options.
pub const fn ext4(options: &'static str) -> Kind {
    Kind {
        name: "ext4",
        maker: &["mkfs.ext4", "-q", "-F", "-J", "size=4"],
        options,
        size: 96 << 20,
    }
}

/// The machine, with an image `base` in its store.
pub struct Machine {
    disk: Option<Mounted>,
    boot: Option<Mounted>,
    boots: u32,
    kind: Kind,
    /// The name of the loop device, which is there for as long as the file is
    /// open.
    device: (String, File),
    /// Where the files of disks lie, if that is a file system of its own.
    _shelf: Option<Mounted>,
    pub place: Place,
}

pub fn tool(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().expect(program);
    let complaint = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{program} {args:?}: {complaint}");
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// A file as a block device. It goes with the last who has it open, however that
/// ends.
fn plug(image: &Path) -> (String, File) {
    let name = tool("losetup", &["--find", "--show", &image.to_string_lossy()]);
    let held = File::open(&name).expect("a loop device");
    tool("losetup", &["--detach", &name]);
    (name, held)
}

/// A new file system in a file.
fn make(kind: &Kind, image: &Path) {
    let file = File::create(image).expect("our directory");
    file.set_len(kind.size).expect("a sparse file");
    let shown = image.to_string_lossy();
    let args = [&kind.maker[1..], &[&*shown]].concat();
    tool(kind.maker[0], &args);
}

impl Machine {
    /// One whose store is on such a file system; `None`, with the reason
    /// printed, where there cannot be one.
    pub fn new(kind: &Kind) -> Option<Self> {
        let place = Self::empty(&[kind])?;
        Some(Self::furnished(kind, place, None))
    }

    /// The same; the files of its disks are in the directory `disks`, on
    /// another file system.
    pub fn shelved(kind: &Kind, shelf: &Kind) -> Option<Self> {
        let place = Self::empty(&[kind, shelf])?;
        let (image, at) = (place.bed.path("shelf"), place.bed.path("disks"));
        make(shelf, &image);
        fs::create_dir(&at).expect("our directory");
        let (name, held) = plug(&image);
        let shown = at.to_string_lossy();
        tool(
            "mount",
            &["-t", shelf.name, "-o", shelf.options, &name, &shown],
        );
        drop(held);
        Some(Self::furnished(kind, place, Some(Mounted(at))))
    }

    fn empty(kinds: &[&Kind]) -> Option<Place> {
        let mut needs = vec![
            Need::Root,
            Need::Tool("losetup"),
            Need::Kernel("/dev/loop-control"),
        ];
        needs.extend(kinds.iter().map(|kind| Need::Tool(kind.maker[0])));
        if !needs_met(&needs) {
            return None;
        }
        leave_the_hosts_mounts();
        Place::empty()
    }

    fn furnished(kind: &Kind, place: Place, shelf: Option<Mounted>) -> Self {
        let dir = shelf
            .as_ref()
            .map_or_else(|| place.bed.path(""), |at| at.0.clone());
        let image = dir.join("disk");
        make(kind, &image);
        fs::create_dir(place.bed.root()).expect("our directory");
        let mut machine = Self {
            disk: None,
            boot: None,
            boots: 0,
            kind: kind.clone(),
            device: plug(&image),
            _shelf: shelf,
            place,
        };
        machine.boot();
        machine.place.import_base();
        machine
    }

    /// Where a disk of this name is, or is to be.
    pub fn disk(&self, name: &str) -> PathBuf {
        self.place.bed.path("disks").join(name)
    }

    fn boot(&mut self) {
        self.boots += 1;
        let at = self.place.bed.root();
        let shown = at.to_string_lossy();
        let (kind, device) = (&self.kind, &self.device.0);
        tool(
            "mount",
            &["-t", kind.name, "-o", kind.options, device, &shown],
        );
        fs::remove_dir(at.join("lost+found")).ok();
        self.disk = Some(Mounted(at));
        let file = self.place.bed.path("boot_id");
        fs::remove_file(&file).ok();
        let name = format!("00000000-0000-4000-9000-{:012}\n", self.boots);
        fs::write(&file, name).expect("our directory");
        self.boot = Some(Mounted::bind(
            &file,
            "/proc/sys/kernel/random/boot_id".into(),
        ));
    }

    /// Nothing reaches the disk from here on; then the machine starts again,
    /// without those who are at work.
    pub fn fail(&mut self, at_work: Vec<Running>) {
        let store = File::open(self.place.bed.root()).expect("the store");
        let mut how = AT_ONCE;
        // SAFETY: the descriptor is open, and the kernel reads one number.
        unsafe { shut_down(store.as_raw_fd(), &raw mut how) }.expect("a power failure");
        drop(store);
        // First: one that is just being executed cannot be told from others.
        drop(at_work);
        self.start_again(None);
    }

    /// All that runs ends, and the machine starts again; with the disk in this
    /// file, if one is given.
    pub fn start_again(&mut self, other: Option<&Path>) {
        let (place, root) = (&self.place, self.place.bed.root());
        let mut ids = place.ids();
        place.shoot_all(&ids);
        for at in place.mounts() {
            umount2(Path::new(&at), MntFlags::MNT_DETACH).expect("a mount of ours");
        }
        // What ran there goes a moment after its last process.
        let gone = becomes_true(Duration::from_secs(10), || {
            umount2(&root, MntFlags::empty()).is_ok()
        });
        assert!(gone, "the disk is in use: {:?}", place.processes());
        std::mem::forget(self.disk.take());
        self.boot = None;
        leave_the_hosts_network();
        if let Some(image) = other {
            self.device = plug(image);
        }
        self.boot();
        ids.extend(self.place.ids());
        for dir in Place::cgroups(&ids) {
            cgroups::remove(&dir);
        }
        // As it is where /run is kept in memory.
        fs::remove_dir_all(self.place.bed.root().join("run")).ok();
    }
}
