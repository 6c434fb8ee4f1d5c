//! The power fails: what the disk had not been given is gone, and what it had
//! is there, in whichever order the file system gave it.

use crate::chance::{Chance, asked};
use crate::deeds::{furnish, three_at_work};
use crate::machine::{Machine, ext4};
use crate::place::Place;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

impl Machine {
    /// Has an image come that is like no other.
    #[track_caller]
    pub fn import(&self, number: u64) {
        let place = &self.place;
        let file = place.bed.rootfs("number");
        let lines: Vec<String> = (0..20_000).map(|n| format!("{number}.{n}\n")).collect();
        fs::write(&file, lines.concat()).expect("our root file system");
        let root = place.text("image/rootfs");
        place.ok(&["import", &root, &format!("image{number}")]);
        fs::remove_file(file).expect("just made");
    }
}

/// An image is there, and its files are what they were.
#[track_caller]
pub fn assert_image(place: &Place, number: u64) {
    let name = format!("image{number}");
    let shown = place.ok(&["run", "--rm", &name, "tail", "-n", "1", "/number"]);
    assert_eq!(shown, format!("{number}.19999"));
    place.ok(&["save", "-o", "/dev/null", &name]);
}

#[test]
fn what_a_command_said_was_kept_is_there_after_a_power_failure() {
    let Some(mut machine) = Machine::new(&ext4("commit=300")) else {
        return;
    };
    for round in 0..4 {
        let place = &machine.place;
        let (volume, network) = (format!("v{round}"), format!("n{round}"));
        // The last has nobody after it who could sync for it.
        let last = round % 3;
        for turn in [last + 1, last + 2, last + 3] {
            match turn % 3 {
                0 => machine.import(round),
                1 => drop(place.ok(&["volume", "create", &volume])),
                _ => drop(place.ok(&["network", "create", &network])),
            }
        }
        machine.fail(Vec::new());
        let place = &machine.place;
        assert_image(place, round);
        place.ok(&["volume", "inspect", &volume]);
        place.ok(&["network", "inspect", &network]);
        place.repair("after a power failure");
        place.assert_lists("after a power failure");
    }
    machine.place.assert_goes();
}

/// A file system has a name on the disk within the second, and the content
/// when it likes.
#[test]
fn what_is_young_is_whole_after_a_power_failure() {
    let Some(mut machine) = Machine::new(&ext4("commit=1")) else {
        return;
    };
    let place = &machine.place;
    // First, for it waits for all that is to be written.
    place
        .rcon(&["run", "--name", "seven", "base", "sh", "-c", "exit 7"])
        .code(7);
    place.ok(&["commit", "seven", "committed"]);
    let size = place.ok(&["images", "--format", "{{.Size}}", "base"]);
    place.ok(&[
        "create", "--name", "waits", "-v", "/unnamed", "base", "echo", "waited",
    ]);
    place.sleeper("web", &["-v", "/unnamed", "-p", "127.0.0.1::80"]);
    place.ok(&["create", "--name", "old", "base", "true"]);
    place.ok(&["rename", "old", "new"]);
    place.ok(&["update", "--restart", "on-failure:2", "new"]);
    std::thread::sleep(Duration::from_millis(2500));
    machine.fail(Vec::new());
    let place = &machine.place;
    let found = place.findings(&[]);
    let lost: Vec<_> = found
        .iter()
        .filter(|l| !l.contains("keeper was killed") && !l.contains("start was cut short"))
        .collect();
    assert!(lost.is_empty(), "{lost:#?}");
    let shown = place.ok(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
    let mut shown: Vec<&str> = shown.lines().collect();
    shown.sort_unstable();
    assert_eq!(
        shown,
        ["new created", "seven exited", "waits created", "web exited"]
    );
    assert_eq!(place.ok(&["start", "-a", "waits"]), "waited");
    place.rcon(&["start", "-a", "seven"]).code(7);
    place.ok(&["start", "web"]);
    let policy = "{{.HostConfig.RestartPolicy.Name}}";
    assert_eq!(place.ok(&["inspect", "-f", policy, "new"]), "on-failure");
    assert_eq!(place.ok(&["images", "--format", "{{.Size}}", "base"]), size);
    assert_eq!(
        place.ok(&["run", "--rm", "committed", "echo", "whole"]),
        "whole"
    );
    place.assert_lists("after a power failure");
    place.assert_goes();
}

/// The power fails while three commands are at work. After that `mend` does what
/// no command does by itself.
fn at_random_instants(options: &'static str, name: u64, mend: fn(&Place)) {
    let Some(mut machine) = Machine::new(&ext4(options)) else {
        return;
    };
    furnish(&machine.place);
    machine.place.ok(&["network", "create", "keepers"]);
    let mut chance = Chance::new(name);
    let mut known = BTreeSet::new();
    for round in 0..asked("RCON_TEST_ROUNDS", 150) / 25 {
        let place = &machine.place;
        let (deeds, running) = three_at_work(place, &mut chance);
        let when = format!("round {round}, after {deeds:?}");
        // Beyond the second in which a journal is committed.
        std::thread::sleep(chance.instant(Duration::from_millis(1500)));
        known.extend(place.ids());
        machine.fail(running);
        let place = &machine.place;
        mend(place);
        place.repair(&when);
        place.assert_lists(&when);
        place.assert_runs(&when);
    }
    machine.place.assert_goes();
    let groups = Place::cgroups(&known);
    assert!(groups.is_empty(), "{groups:?}");
}

#[test]
fn the_power_fails_at_random_instants() {
    at_random_instants("commit=1", 10, |_| {});
}

/// Names and contents come to the disk in no order at all: a record can come
/// back as something else that was there once.
#[test]
fn the_power_fails_where_contents_come_late() {
    at_random_instants("commit=1,data=writeback", 11, Place::remove_spoilt);
}

/// What few file systems do: each record there is comes back empty.
#[test]
fn an_empty_record_keeps_nothing_from_working() {
    after_a_loss_of_each_record(|path| fs::write(path, ""));
}

/// What others do: a directory comes back without it.
#[test]
fn a_missing_record_keeps_nothing_from_working() {
    after_a_loss_of_each_record(|path| match fs::remove_file(path) {
        // The journal is there only while images change.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    });
}

fn after_a_loss_of_each_record(lose: fn(&Path) -> std::io::Result<()>) {
    let Some(place) = Place::new() else { return };
    place.ok(&["volume", "create", "data"]);
    place.ok(&["network", "create", "net"]);
    for record in [
        "version",
        "containers/config.json",
        "containers/state.json",
        "containers/name",
        "volumes/config.json",
        "networks/config.json",
        "images/journal",
        "images/oci-layout",
        "layers/size",
        "run/endpoint",
    ] {
        place.sleeper(
            "box",
            &["--network", "net", "-v", "data:/data", "-v", "/unnamed"],
        );
        place.ok(&["exec", "box", "sh", "-c", "echo kept > /data/word"]);
        place.ok(&["kill", "box"]);
        place.ok(&["wait", "box"]);
        for path in paths_of(&place, record) {
            lose(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
        place.repair(record);
        // Of a network nothing is left but its name, and that can be given anew.
        place.rcon(&["network", "create", "net"]);
        place.assert_lists(record);
        place.assert_runs(record);
        if record != "containers/config.json" {
            place.ok(&["start", "box"]);
        }
        let shown = [
            "run",
            "--rm",
            "-v",
            "data:/data",
            "base",
            "cat",
            "/data/word",
        ];
        assert_eq!(place.ok(&shown), "kept", "{record}");
        place.ok(&["rm", "-fv", "box"]);
    }
    place.assert_goes();
}

#[test]
fn a_volume_whose_files_are_gone_has_a_place_for_others() {
    let Some(place) = Place::new() else { return };
    let lose = || {
        place.ok(&["volume", "create", "data"]);
        let files = place.bed.root().join("volumes/data/_data");
        fs::remove_dir(files).expect("an empty volume");
    };
    lose();
    let found = place.findings(&[]);
    assert_eq!(found, ["volume data: the place of its files is gone"]);
    place.repair("after a loss");
    let write = "echo x >/d/x && cat /d/x";
    assert_eq!(
        place.ok(&["run", "--rm", "-v", "data:/d", "base", "sh", "-c", write]),
        "x"
    );
    place.ok(&["volume", "rm", "data"]);
    lose();
    place.ok(&["volume", "prune", "-af"]);
    place.assert_goes();
}

/// All records of a kind.
fn paths_of(place: &Place, record: &str) -> Vec<std::path::PathBuf> {
    let root = place.bed.root();
    let (dir, name) = record.rsplit_once('/').unwrap_or(("", record));
    let files = place.files().into_iter();
    let fits = |file: &String| match record {
        "version" | "images/oci-layout" => file == record,
        "layers/size" => Path::new(file).extension().is_some_and(|e| e == "size"),
        _ => file.starts_with(dir) && file.ends_with(&format!("/{name}")),
    };
    match record {
        "images/journal" => vec![root.join(record)],
        "run/endpoint" => {
            let net = place.ok(&["network", "inspect", "-f", "{{.Id}}", "net"]);
            let of = root.join("run/networks").join(net).join("endpoints");
            fs::create_dir_all(&of).expect("our store");
            vec![of.join(format!("{}.json", "0".repeat(64)))]
        }
        _ => files.filter(fits).map(|file| root.join(file)).collect(),
    }
}
