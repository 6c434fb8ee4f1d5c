//! Every parser of what others write, on inputs that nobody would write.
//!
//! Each target (`targets`) gets the inputs that are kept for it, and a bounded
//! number of mutations of them (`mutate`), always the same ones. A process of
//! its own tries them (`worker`), so that an overflowing stack or an endless
//! loop is found like a panic is. README.md beside this file says how to try
//! more, how to look at one input alone, and how to have coverage guide the
//! search.

#[path = "../common/mod.rs"]
mod common;
mod mutate;
mod net;
mod targets;
mod worker;

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Need, needs_met};
use targets::{TARGETS, Target};
use worker::{NOTE, Note, TARGET};

/// No input takes a hundredth of it; a machine that is busy may well.
const PATIENCE: Duration = Duration::from_secs(20);
/// A file to be tried alone.
const INPUT: &str = "RCON_FUZZ_INPUT";
/// Where a worker unpacks.
const BED: &str = "RCON_FUZZ_BED";

/// A worker that is watched, and what is gone when it is.
struct Watched {
    child: Child,
    dir: PathBuf,
}

impl Watched {
    fn start(target: &Target) -> Self {
        let name = format!("rcon-test-fuzz-{}-{}", target.name, std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).expect("a directory for the test");
        File::create(dir.join("note")).expect("a place for notes");
        let child = Command::new(std::env::current_exe().expect("it runs"))
            .args([
                "--exact",
                "a_worker",
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(TARGET, target.name)
            .env(NOTE, dir.join("note"))
            .env(BED, &dir)
            // Memory that is only set aside counts as well.
            .env("MALLOC_ARENA_MAX", "1")
            // To find the lines of a panic takes more memory than there is.
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::null())
            .stderr(File::create(dir.join("said")).expect("a place for errors"))
            .spawn()
            .expect("it runs");
        Self { child, dir }
    }

    /// Waits for its end, or makes one when an input takes too long. What went
    /// wrong, if anything did.
    fn watch(&mut self, patience: Duration) -> Result<(), String> {
        let note = self.dir.join("note");
        let mut seen = (0, Instant::now());
        loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return match (status.success(), status.signal()) {
                    (true, _) => Ok(()),
                    (false, Some(signal)) => Err(format!("signal {signal}")),
                    (false, None) => Err("a panic".to_owned()),
                };
            }
            let (count, _) = Note::read(&note);
            if count != seen.0 {
                seen = (count, Instant::now());
            } else if seen.1.elapsed() > patience {
                return Err(format!("no end within {patience:?}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(self.dir.join("said")).unwrap_or_default()
    }

    /// Keeps what was being tried, and tells how to look at it.
    fn report(&self, target: &Target, what: &str) -> String {
        let (count, input) = Note::read(&self.dir.join("note"));
        let said = self.said();
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", target.name));
        fs::write(&kept, &input).expect("a place for the input");
        format!(
            "{}: {what} at input {count}\n{said}\nit is kept in {kept:?}; to try it alone:\n\
             {INPUT}={kept:?} cargo test --test fuzz -- --exact fuzzed::{}",
            target.name, target.name
        )
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The process that `Watched` starts; alone it does nothing.
#[test]
#[ignore = "a part of the other tests"]
fn a_worker() {
    let name = worker::told(TARGET);
    let mut known = TARGETS.iter().chain(net::SPOILT);
    if let Some(target) = known.find(|t| t.name == name) {
        worker::work(target);
    }
}

fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|t| t.name == name).expect("a target");
    if let Some(path) = std::env::var_os(INPUT) {
        return (target.run)(&fs::read(path).expect("an input"));
    }
    if !needs_met(&[Need::Root]) {
        return;
    }
    let mut worker = Watched::start(target);
    if let Err(what) = worker.watch(PATIENCE) {
        panic!("{}", worker.report(target, &what));
    }
    // How much was tried, and how long that took.
    worker::say(&worker.said());
}

/// One test for each target, and none forgotten.
macro_rules! fuzzed {
    ($($name:ident)*) => {
        mod fuzzed {
            $(#[test]
            fn $name() {
                super::fuzz(stringify!($name));
            })*
        }

        #[test]
        fn every_target_has_its_test_and_its_corpus() {
            let tests = [$(stringify!($name)),*];
            for target in TARGETS {
                assert!(tests.contains(&target.name), "{} has no test", target.name);
                assert!(!worker::corpus(target).is_empty(), "{} has no corpus", target.name);
            }
            let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
            for entry in fs::read_dir(kept).expect("the corpus") {
                let name = entry.expect("an entry").file_name();
                let known = TARGETS.iter().any(|t| name == *t.corpus);
                assert!(known, "{name:?} is the corpus of no target");
            }
        }
    };
}

fuzzed! {
    tar_reader tar_unpack packing build_context manifest image_config reference dockerfile
    dockerignore context_address resolv_conf dns_question auth_challenge accounts user time
    template keeper_messages start_messages names_asked log_file log_output seccomp_profile oci_config flags
}
