//! What people wait for: rcon beside Docker, podman and plain tools, in turn.
//!
//! `cargo bench --bench daily -- --list`, then `--case NAME`. What lives here:
//! the way from the command line to the tables. Nothing is asserted about
//! time; `docs/benchmarks.md` says how to read what is printed.
//!
//! The program is two processes. The outer one (`house`) makes a directory and
//! namespaces and takes all of it away at the end, whatever happens; the inner
//! one (`stage` and the cases) measures, and is started in there.

mod big;
mod case;
mod cases;
mod client;
mod engine;
mod house;
mod layout;
mod leg;
mod options;
mod picture;
mod podman;
mod private_docker;
mod stage;
mod table;
mod tool;

// The room, where everything that is made is removed at the end, is the peer
// tests'.
#[allow(dead_code, reason = "the peer tests use what the benchmark does not")]
#[path = "../../tests/peers/cgroups.rs"]
mod cgroups;
#[allow(dead_code, reason = "the peer tests use what the benchmark does not")]
#[path = "../../tests/peers/needs.rs"]
mod needs;
#[allow(dead_code, reason = "the peer tests use what the benchmark does not")]
#[path = "../../tests/peers/outcome.rs"]
mod outcome;
#[path = "../../tests/peers/podman_limits.rs"]
mod podman_limits;
#[allow(dead_code, reason = "the peer tests use what the benchmark does not")]
#[path = "../../tests/peers/room.rs"]
mod room;
#[path = "../../tests/peers/words.rs"]
mod words;

use std::process::ExitCode;

use case::Case;
use options::Options;
use stage::Stage;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    if options.list {
        table::list();
        return ExitCode::SUCCESS;
    }
    match house::inside() {
        Some(place) => measure(&Stage::open(place), &options),
        None => house::open_and_wait(),
    }
}

/// Success when rcon was in every table.
fn measure(stage: &Stage, options: &Options) -> ExitCode {
    table::machine(&stage.place.dir);
    let mut complete = true;
    for case in &options.cases {
        complete &= one(stage, case, options.rounds.unwrap_or(case.rounds));
        stage.sweep();
    }
    ExitCode::from(u8::from(!complete))
}

fn one(stage: &Stage, case: &Case, rounds: usize) -> bool {
    table::heading(case, rounds);
    let mut legs = match (case.legs)(stage) {
        Ok(legs) => legs,
        Err(why) => {
            println!("Left out: {why}.");
            return false;
        }
    };
    leg::race(&mut legs, case.warm_up, rounds);
    table::print(case, &legs)
}
