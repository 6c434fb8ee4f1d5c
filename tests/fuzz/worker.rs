//! The process that tries inputs. It may be ended by any of them: what it is
//! about to try is in a file, so that whoever watches knows which one it was.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::sys::resource::{Resource, setrlimit};

use super::mutate::{Chance, mutated};
use super::targets::Target;

/// What a worker is told by its environment.
pub const TARGET: &str = "RCON_FUZZ_TARGET";
pub const NOTE: &str = "RCON_FUZZ_NOTE";
pub const ROUNDS: &str = "RCON_FUZZ_ROUNDS";
pub const SEED: &str = "RCON_FUZZ_SEED";

/// What is being tried: how many were before it, how long it is, and itself.
pub struct Note(File);

impl Note {
    fn new(path: &Path) -> Self {
        let file = File::options().write(true).open(path);
        Self(file.expect("whoever watches has made it"))
    }

    fn write(&self, count: u64, input: &[u8]) {
        let length = input.len() as u64;
        let bytes = [&count.to_le_bytes()[..], &length.to_le_bytes(), input].concat();
        self.0.write_all_at(&bytes, 0).expect("a place for notes");
    }

    /// How many were tried, and the last one.
    pub fn read(path: &Path) -> (u64, Vec<u8>) {
        let bytes = fs::read(path).unwrap_or_default();
        let number = |at: usize| {
            let bytes = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        let input = bytes.get(16..16 + number(8) as usize);
        (number(0), input.unwrap_or_default().to_vec())
    }
}

/// Tries every input of the corpus, and then what can be made of them.
pub fn work(target: &Target) {
    let note = Note::new(&PathBuf::from(told(NOTE)));
    let seeds = corpus(target);
    confine(target);
    let begun = Instant::now();
    let mut count = 0;
    let mut one = |input: &[u8]| {
        count += 1;
        note.write(count, input);
        (target.run)(input);
    };
    one(b"");
    assert!(!seeds.is_empty(), "{} has no corpus", target.name);
    for (_, seed) in &seeds {
        one(seed);
    }
    let all: Vec<Vec<u8>> = seeds.into_iter().map(|(_, seed)| seed).collect();
    let rounds = asked(ROUNDS).unwrap_or(target.rounds);
    let mut chance = Chance::new(asked(SEED).unwrap_or(1));
    for round in 0..rounds {
        let seed = &all[round as usize % all.len()];
        one(&mutated(
            &mut chance,
            seed,
            &all,
            target.words,
            target.longest,
        ));
    }
    let took = begun.elapsed().as_secs_f32();
    say(&format!("{}: {count} inputs in {took:.1} s\n", target.name));
}

/// The inputs that are kept for a target, with their names, in their order.
pub fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let Ok(list) = fs::read_dir(dir.join(target.corpus)) else {
        return Vec::new();
    };
    let mut all: Vec<PathBuf> = list.map(|entry| entry.expect("an entry").path()).collect();
    all.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).expect("a file of the corpus");
        (path, bytes)
    };
    all.into_iter().map(read).collect()
}

/// Memory is what we have now and what the target may need.
fn confine(target: &Target) {
    let pages = fs::read_to_string("/proc/self/statm").expect("procfs");
    let pages: u64 = pages
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("procfs");
    let most = pages * 4096 + (target.memory << 20);
    setrlimit(Resource::RLIMIT_AS, most, most).expect("less is allowed");
    setrlimit(Resource::RLIMIT_CORE, 0, 0).expect("less is allowed");
}

pub fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn asked(name: &str) -> Option<u64> {
    told(name).parse().ok()
}

/// Past the test harness's capture.
pub fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
