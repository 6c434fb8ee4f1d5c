//! A directory to unpack into, and around it what nobody may touch.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rcon::sys::{fd, inside};

/// Where it is, if whoever started us says so and takes it away again.
pub const PLACE: &str = "RCON_FUZZ_BED";

/// What somebody could see of a file: kind, mode, owner, links, length, time,
/// content.
type Seen = (u32, u32, u32, u64, u64, i64, Vec<u8>);

struct Bed {
    top: PathBuf,
    inside: PathBuf,
    before: BTreeMap<PathBuf, Seen>,
}

impl Bed {
    fn new() -> Self {
        let place = std::env::var_os(PLACE).map_or_else(std::env::temp_dir, PathBuf::from);
        let thread = nix::unistd::gettid();
        let top = place.join(format!("rcon-test-fuzz-{thread}"));
        let _ = fs::remove_dir_all(&top);
        // As deep as an archive has to climb to see that it came out.
        let above = top.join("a/b");
        let outside = above.join("outside");
        fs::create_dir_all(&outside).expect("a place of our own");
        for (path, mode) in [
            (top.join("outside"), 0o600),
            (top.join("a/outside"), 0o600),
            (outside.join("file"), 0o4711),
        ] {
            fs::write(&path, "outside").expect("a place of our own");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("our own file");
        }
        let inside = above.join("in");
        fs::create_dir(&inside).expect("a place of our own");
        let before = seen(&top, &inside);
        Self {
            top,
            inside,
            before,
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.top);
    }
}

/// Everything but what is inside.
fn seen(top: &Path, inside: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut all = BTreeMap::new();
    let mut left = vec![top.to_owned()];
    while let Some(path) = left.pop() {
        let meta = fs::symlink_metadata(&path).expect("what is listed is there");
        let content = if meta.is_file() {
            fs::read(&path).unwrap_or_default()
        } else {
            Vec::new()
        };
        if meta.is_dir() && path != inside {
            let list = fs::read_dir(&path).expect("our own directory");
            left.extend(list.map(|entry| entry.expect("an entry").path()));
        }
        // The directory itself may get another mode and time: a layer says
        // what its top is like.
        if path != inside {
            let of = (meta.mode(), meta.uid(), meta.gid(), meta.nlink());
            let seen = (of.0, of.1, of.2, of.3, meta.len(), meta.mtime(), content);
            all.insert(path, seen);
        }
    }
    all
}

thread_local! {
    static BED: RefCell<Option<Bed>> = const { RefCell::new(None) };
}

/// Does something in an empty directory, and sees that all outside of it is as
/// it was.
pub fn within<T>(work: impl FnOnce(&Path, &OwnedFd) -> T) -> T {
    BED.with_borrow_mut(|bed| {
        let bed = bed.get_or_insert_with(Bed::new);
        let dir = fd::open(&bed.inside, inside::DIR).expect("our own directory");
        let done = work(&bed.inside, &dir);
        assert_eq!(seen(&bed.top, &bed.inside), bed.before, "it came out");
        drop(dir);
        fs::remove_dir_all(&bed.inside).expect("what was made can be removed");
        fs::create_dir(&bed.inside).expect("our own directory");
        // Its own time is of no concern, but that of the one it is in is.
        let stamp = bed.before[bed.inside.parent().expect("it has one")].5;
        let parent = bed.inside.parent().expect("it has one");
        let path = fd::open(parent, inside::DIR).expect("our own directory");
        rcon::sys::entry::set_time(&path, stamp, 0).expect("our own directory");
        done
    })
}
