//! A place to build in: a context, and a store with an image `base`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::common::store::StoreBed;
use crate::common::{Call, Output, Value};

/// A context and a store.
pub struct Site {
    pub bed: StoreBed,
}

impl Site {
    /// `None`, with the reason printed, where the machine cannot run one.
    pub fn new() -> Option<Self> {
        let bed = StoreBed::new()?;
        fs::create_dir(bed.path("ctx")).unwrap();
        let root = bed.rootfs("");
        let change = "ENV PATH=/bin:/usr/bin";
        let root = root.to_string_lossy();
        bed.says(&["import", "--change", change, &root, "base"]);
        Some(Self { bed })
    }

    /// Where a file of the context is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.bed.path("ctx").join(name)
    }

    /// Writes a file of the context.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    /// `rcon build -t made` with a Dockerfile of these lines.
    pub fn call(&self, dockerfile: &str, args: &[&str]) -> Call {
        self.file("Dockerfile", dockerfile);
        let all = [&["build", "--network=none", "-t", "made"], args, &["ctx"]].concat();
        self.bed.call(&all)
    }

    /// Builds; it must work.
    #[track_caller]
    pub fn build(&self, dockerfile: &str, args: &[&str]) -> Output {
        self.call(dockerfile, args).output().ok()
    }

    /// Builds; it must not work, and say all of this.
    #[track_caller]
    pub fn fails(&self, dockerfile: &str, args: &[&str], words: &[&str]) -> Output {
        let output = self.call(dockerfile, args).output();
        let code = output.status.code();
        assert_eq!(code, Some(1), "{output}");
        assert!(!output.stderr.contains("panicked"), "{output}");
        for word in words {
            assert!(
                output.stderr.contains(word),
                "{word:?} is not said: {output}"
            );
        }
        output
    }

    /// What a program of the image prints.
    #[track_caller]
    pub fn says(&self, program: &[&str]) -> String {
        let all = [&["run", "--rm", "--network=none", "made"], program].concat();
        self.bed.rcon(&all).ok().stdout
    }

    /// What a shell in the image prints.
    #[track_caller]
    pub fn sh(&self, line: &str) -> String {
        let all = [
            "run",
            "--rm",
            "--network=none",
            "--entrypoint",
            "sh",
            "made",
        ];
        let all = [&all[..], &["-c", line]].concat();
        self.bed.rcon(&all).ok().stdout
    }

    /// `inspect`'s opinion of the image.
    #[track_caller]
    pub fn inspect(&self) -> Value {
        self.bed.rcon(&["image", "inspect", "made"]).ok().json()[0].clone()
    }

    /// The image's id.
    #[track_caller]
    pub fn id(&self) -> String {
        self.inspect()["Id"].as_str().unwrap().to_owned()
    }

    /// Nothing half made is left, and `system check` finds nothing.
    #[track_caller]
    pub fn assert_whole(&self) {
        self.bed.rcon(&["ps", "-a"]).ok();
        let root = self.bed.root();
        assert_eq!(names(&root.join("images/stage")), [""; 0]);
        assert_eq!(names(&root.join("containers")), [""; 0]);
        let layers = names(&root.join("layers"));
        assert!(layers.iter().all(|n| !n.starts_with('.')), "{layers:?}");
        let found = self.bed.rcon(&["system", "check"]).stdout;
        // Cgroups of other tests' containers are none of ours.
        let ours: Vec<_> = found.lines().filter(|l| !l.contains("cgroup")).collect();
        assert!(
            ours.iter().all(|l| l.is_empty() || l.contains("nothing")),
            "{ours:?}"
        );
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let root = root.to_string_lossy();
        assert!(!mounts.contains(&*root), "a mount was left");
    }
}

/// The lines of what a build said that show its steps.
pub fn steps(output: &Output) -> Vec<String> {
    let lines = output.stderr.lines().filter(|l| l.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// Whether the step with this text came from the cache.
#[track_caller]
pub fn is_cached(output: &Output, text: &str) -> bool {
    let steps = steps(output);
    let found = steps.iter().find(|l| l.contains(text));
    let line = found.unwrap_or_else(|| panic!("no step {text:?}: {output}"));
    let number = line.split(' ').next().unwrap();
    let of_it = |l: &&String| l.starts_with(&format!("{number} "));
    steps.iter().filter(of_it).any(|l| l.ends_with(" CACHED"))
}

/// What is in a directory.
pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Every regular file below a directory that has these bytes in it.
pub fn holding(dir: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(holding(&path, bytes));
        } else if kind.is_file() {
            let content = fs::read(&path).unwrap_or_default();
            if content.windows(bytes.len()).any(|w| w == bytes) {
                found.push(path);
            }
        }
    }
    found
}
