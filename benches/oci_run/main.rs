//! How long a container takes: rcon's OCI runtime beside crun, runc, bwrap
//! and unshare, in turn, on the same root file system.
//!
//! `cargo bench --bench oci_run -- --rounds 100 --case plain`. What lives
//! here: which cases there are and which runtimes take part. It measures and
//! prints; it asserts nothing about time. `docs/benchmarks.md` says how to
//! read the tables.

mod bundle;
mod docker;
mod leg;
mod options;
mod place;
mod runtimes;
mod table;

// The room, where a private Docker can be asked for its settings and where
// everything the benchmark writes is removed at the end, is the peer tests'.
#[allow(dead_code, reason = "the peer tests use what the benchmark does not")]
#[path = "../../tests/peers/cgroups.rs"]
mod cgroups;
#[allow(dead_code, reason = "the peer tests use what the benchmark does not")]
#[path = "../../tests/peers/image.rs"]
mod image;
#[allow(dead_code, reason = "the peer tests use what the benchmark does not")]
#[path = "../../tests/peers/needs.rs"]
mod needs;
#[allow(dead_code, reason = "the peer tests use what the benchmark does not")]
#[path = "../../tests/peers/outcome.rs"]
mod outcome;
#[allow(dead_code, reason = "the peer tests use what the benchmark does not")]
#[path = "../../tests/peers/room.rs"]
mod room;
#[path = "../../tests/peers/words.rs"]
mod words;

use std::process::ExitCode;

use leg::Leg;
use options::{Case, Options};
use room::Room;
use runtimes::Set;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    if !needs::met(room::NEEDS) {
        return ExitCode::SUCCESS;
    }
    let room = Room::open();
    table::machine(&options);
    let mut complete = true;
    for &case in &options.cases {
        complete &= measure(&room, case, &options);
    }
    ExitCode::from(u8::from(!complete))
}

/// Prints one case's table; true when rcon was in it.
fn measure(room: &Room, case: Case, options: &Options) -> bool {
    let set = Set::new(room);
    let legs = match case {
        Case::Plain => set.run(&bundle::plain(room)),
        Case::Docker => match docker::settings(room) {
            Ok(settings) => set.run(&bundle::docker(room, &settings)),
            Err(why) => return table::left_out(case, &why),
        },
        Case::Exec => set.exec(&bundle::plain(room)),
        Case::Lifecycle => set.lifecycle(&bundle::plain(room)),
    };
    let results = rounds(legs, options);
    table::print(case, &results)
}

/// Every leg once a round, in turn, so that what slows the machine for a
/// while slows all of them. The kernel still tears down one container's
/// namespaces while the next is timed; so each round begins with another leg
/// and every other round goes backwards, and nobody always has the same
/// neighbour.
fn rounds(mut legs: Vec<Leg>, options: &Options) -> Vec<Leg> {
    let count = legs.len();
    for round in 0..options.warm_up + options.rounds {
        for turn in 0..count {
            let turn = if round % 2 == 0 {
                turn
            } else {
                count - 1 - turn
            };
            legs[(round / 2 + turn) % count].go(round < options.warm_up);
        }
    }
    legs
}
