//! A store of a test's own with an image that has something at `/data`.

use crate::common::store::StoreBed;
use crate::common::{Call, Need, Output, Value, host, needs_met};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The image with `VOLUME /data`, and the same without.
pub const WITH: &str = "with:1";
pub const PLAIN: &str = "plain:1";

/// One test's store.
pub struct Place {
    pub bed: StoreBed,
}

impl Place {
    /// `None`, with the reason printed, where containers cannot be run.
    pub fn new() -> Option<Self> {
        let place = Self {
            bed: StoreBed::new()?,
        };
        let data = place.bed.rootfs("data");
        fill(&data);
        place.import(&["VOLUME /data"], WITH);
        place.import(&[], PLAIN);
        Some(place)
    }

    /// The same for a test that shows files under other owners.
    pub fn with_other_owners() -> Option<Self> {
        let met = needs_met(&[Need::MappedMounts]);
        met.then(Self::new).flatten()
    }

    /// Makes an image of the root file system as it is now.
    #[track_caller]
    pub fn import(&self, changes: &[&str], name: &str) {
        let root = self.bed.rootfs("");
        let root = root.to_string_lossy().into_owned();
        let mut args = vec!["import"];
        args.extend(changes.iter().flat_map(|c| ["-c", c]));
        args.extend([root.as_str(), name]);
        self.rcon(&args).ok();
    }

    /// `rcon` with these arguments.
    #[track_caller]
    pub fn rcon(&self, args: &[&str]) -> Output {
        self.bed.rcon(args)
    }

    /// The same; it must succeed. What it printed, trimmed.
    #[track_caller]
    pub fn says(&self, args: &[&str]) -> String {
        self.rcon(args).ok().text().to_owned()
    }

    /// A command line of `run` or `create` with these flags and a line of shell.
    pub fn line(&self, verb: &[&str], image: &str, script: &str) -> Call {
        let own = ["--network", "none", image, "sh", "-c", script];
        self.bed.call(&[verb, &own].concat())
    }

    /// `run --rm` of a line of shell.
    #[track_caller]
    pub fn run(&self, flags: &[&str], image: &str, script: &str) -> Output {
        let verb = [&["run", "--rm"], flags].concat();
        self.line(&verb, image, script).output()
    }

    /// The same; it must succeed. What it printed, trimmed.
    #[track_caller]
    pub fn prints(&self, flags: &[&str], image: &str, script: &str) -> String {
        self.run(flags, image, script).ok().text().to_owned()
    }

    /// A container that sleeps until it is ended.
    #[track_caller]
    pub fn start(&self, name: &str, flags: &[&str], image: &str) -> String {
        let verb = [
            &["run", "-d", "--name", name, "--stop-signal", "KILL"],
            flags,
        ]
        .concat();
        let line = self.line(&verb, image, "exec sleep 600");
        line.output().ok().text().to_owned()
    }

    /// One that has not been started.
    #[track_caller]
    pub fn create(&self, name: &str, flags: &[&str], image: &str, script: &str) -> String {
        let verb = [&["create", "--name", name], flags].concat();
        self.line(&verb, image, script)
            .output()
            .ok()
            .text()
            .to_owned()
    }

    /// A line of shell in a running container; it must succeed.
    #[track_caller]
    pub fn exec(&self, name: &str, script: &str) -> String {
        self.says(&["exec", name, "sh", "-c", script])
    }

    /// A field of `inspect`.
    #[track_caller]
    pub fn mounts(&self, name: &str) -> Vec<Value> {
        let out = self.says(&["inspect", "--format", "{{json .Mounts}}", name]);
        serde_json::from_str(&out).expect("JSON")
    }

    /// Where a volume's files are.
    pub fn data(&self, volume: &str) -> PathBuf {
        self.dir().join(volume).join("_data")
    }

    /// Where volumes are.
    pub fn dir(&self) -> PathBuf {
        self.bed.root().join("volumes")
    }

    /// The names of all volumes.
    #[track_caller]
    pub fn volumes(&self) -> Vec<String> {
        let all = self.says(&["volume", "ls", "-q"]);
        all.lines().map(str::to_owned).collect()
    }

    /// What is on the way to becoming a volume, or to being none.
    pub fn unfinished(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir()).into_iter().flatten().flatten();
        let names = entries.filter_map(|e| e.file_name().into_string().ok());
        let half = |name: &String| {
            let dir = self.dir().join(name);
            dir.join("filling").exists() || dir.join("filled").exists()
        };
        let odd = names.filter(|n| n.starts_with('.') && n != ".empty" || half(n));
        odd.collect()
    }

    /// Mounts of the host's that are in this store.
    pub fn host_mounts(&self) -> Vec<String> {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let all = host::parse_mountinfo(&table).into_iter().map(|m| m.point);
        let root = self.bed.root();
        all.filter(|at| Path::new(at).starts_with(&root)).collect()
    }

    /// A directory of the host, with a file in it.
    pub fn host_dir(&self, name: &str) -> String {
        let dir = self.bed.path(name);
        fs::create_dir_all(&dir).expect("our directory");
        fs::write(dir.join("theirs"), "host\n").expect("our directory");
        dir.to_string_lossy().into_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for at in self.host_mounts() {
                let _ = Command::new("umount").args(["-l", &at]).output();
            }
            return;
        }
        let all = self.says(&["ps", "-aq"]);
        let ids: Vec<&str> = all.lines().collect();
        if !ids.is_empty() {
            self.rcon(&[&["rm", "-f", "-v"][..], &ids].concat()).ok();
        }
        let mounts = self.host_mounts();
        assert!(mounts.is_empty(), "mounted after all: {mounts:?}");
        self.rcon(&["volume", "prune", "-af"]).ok();
        assert_eq!(self.volumes(), [""; 0]);
        assert_eq!(self.unfinished(), [""; 0]);
        self.rcon(&["system", "check"]).ok();
    }
}

/// Something of everything that a copy must keep.
fn fill(data: &Path) {
    let make = || -> std::io::Result<()> {
        fs::create_dir_all(data.join("sub/deep"))?;
        fs::write(data.join("file"), "image\n")?;
        fs::hard_link(data.join("file"), data.join("sub/again"))?;
        symlink("../etc/passwd", data.join("link"))?;
        fs::write(data.join("sub/deep/own"), "x")?;
        chown(data.join("sub/deep/own"), Some(1000), Some(50))?;
        let mode = |name: &str, bits| {
            fs::set_permissions(data.join(name), fs::Permissions::from_mode(bits))
        };
        mode("sub/deep/own", 0o4750)?;
        mode("sub", 0o1711)?;
        chown(data, Some(33), Some(44))?;
        mode("", 0o2770)
    };
    make().expect("our root file system");
    let own = fs::File::open(data.join("sub/deep/own")).expect("just made");
    rcon::sys::xattr::set(&own, b"user.note", b"kept").expect("attributes");
    nix::unistd::mkfifo(
        &data.join("pipe"),
        nix::sys::stat::Mode::from_bits_truncate(0o622),
    )
    .expect("a pipe");
}
