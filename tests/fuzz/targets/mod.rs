//! What is fuzzed: for each kind of input that others write, a function that
//! takes any bytes at all.
//!
//! It panics if rcon breaks a promise about them; that it comes to an end, and
//! what memory it takes, is watched from outside. It must do the same for the
//! same bytes every time, or a failure could not be looked at again. The
//! coverage-guided fuzzer in `../guided` calls the same functions.

mod archives;
mod bed;
mod builds;
mod configs;
mod flags;
mod images;
mod logs;
mod network;
mod processes;
mod texts;

use std::borrow::Cow;

/// One kind of input.
#[derive(Clone, Copy)]
pub struct Target {
    /// As its test is called.
    pub name: &'static str,
    /// The directory of the inputs that are kept for it.
    pub corpus: &'static str,
    /// Takes an input.
    pub run: fn(&[u8]),
    /// What such inputs are made of.
    pub words: &'static [&'static str],
    /// How many mutations are tried where nobody asks for more.
    pub rounds: u64,
    /// How many MiB one input may need.
    pub memory: u64,
    /// The longest input that is made.
    pub longest: usize,
}

/// One like most.
pub const fn target(name: &'static str, run: fn(&[u8]), words: &'static [&'static str]) -> Target {
    Target {
        name,
        corpus: name,
        run,
        words,
        rounds: 20_000,
        memory: 96,
        longest: 4096,
    }
}

/// One that is quicker or slower than most.
const fn tried(rounds: u64, target: Target) -> Target {
    Target { rounds, ..target }
}

/// All there are.
pub const TARGETS: &[Target] = &[
    Target {
        rounds: 30_000,
        longest: 16 << 10,
        corpus: "archives",
        ..target("tar_reader", archives::reader, archives::WORDS)
    },
    Target {
        rounds: 1_000,
        longest: 16 << 10,
        corpus: "archives",
        ..target("tar_unpack", archives::unpacked, archives::WORDS)
    },
    Target {
        rounds: 700,
        memory: 384,
        ..target("packing", archives::packing, archives::PACKED)
    },
    Target {
        rounds: 700,
        memory: 384,
        ..target("build_context", builds::context, archives::WORDS)
    },
    target("manifest", images::manifest, images::WORDS),
    tried(
        60_000,
        target("image_config", images::config, images::WORDS),
    ),
    tried(
        60_000,
        target("reference", images::reference, images::NAMES),
    ),
    tried(
        5_000,
        target("dockerfile", builds::dockerfile, builds::WORDS),
    ),
    tried(
        10_000,
        target("dockerignore", builds::ignore, builds::PATTERNS),
    ),
    tried(
        100_000,
        target("context_address", builds::address, builds::ADDRESSES),
    ),
    target("resolv_conf", network::resolv_conf, network::RESOLV),
    tried(50_000, target("dns_question", network::question, &[])),
    tried(
        100_000,
        target("auth_challenge", network::challenge, network::CHALLENGES),
    ),
    tried(
        100_000,
        target("accounts", texts::accounts, texts::ACCOUNTS),
    ),
    tried(1_500, target("user", texts::user, texts::ACCOUNTS)),
    tried(100_000, target("time", texts::time, texts::TIMES)),
    tried(8_000, target("template", texts::template, texts::TEMPLATES)),
    tried(
        100_000,
        target("keeper_messages", processes::keeper, processes::WORDS),
    ),
    tried(100_000, target("start_messages", processes::start, &[])),
    tried(
        50_000,
        target("names_asked", processes::names, processes::QUESTIONS),
    ),
    tried(500, target("log_file", logs::file, logs::WORDS)),
    tried(1_000, target("log_output", logs::output, logs::WORDS)),
    target("seccomp_profile", configs::seccomp, configs::SECCOMP),
    tried(10_000, target("oci_config", configs::oci, configs::OCI)),
    tried(6_000, target("flags", flags::all, flags::WORDS)),
];

/// Bytes as somebody takes them who expects text.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// What one answers for who tells of an error: it goes to a terminal, where a
/// control character could be an order.
fn check_error(error: &rcon::error::Error) {
    let told = error.to_string();
    assert!(
        !told.contains('\x1b'),
        "it speaks to the terminal: {told:?}"
    );
}
