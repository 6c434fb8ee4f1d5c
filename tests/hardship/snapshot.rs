//! What a disk has been given at some instant, while commands are at work, is a
//! store that can be used: pictures of a whole disk are taken without stopping
//! anybody, and a machine is started from each. Also where the store is not on
//! ext4.

use crate::chance::{Chance, asked};
use crate::deeds::{Deed, furnish, three_at_work};
use crate::machine::{Kind, Machine, ext4};
use crate::place::Place;
use crate::power::assert_image;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

// The other file shares all blocks of this one, from one instant on.
nix::ioctl_write_int!(share_all, 0x94, 9);

const XFS: Kind = Kind {
    name: "xfs",
    maker: &["mkfs.xfs", "-q", "-f"],
    options: "defaults",
    size: 320 << 20,
};

const BTRFS: Kind = Kind {
    name: "btrfs",
    maker: &["mkfs.btrfs", "-q", "-f"],
    options: "commit=1",
    size: 320 << 20,
};

/// Where disks lie. Their files share what is the same in them.
const SHELF: Kind = Kind {
    size: 4 << 30,
    ..XFS
};

/// Pictures of a machine's disk in one round.
const PICTURES: usize = 3;

/// Takes a picture of a disk: all of it is of the same instant.
fn photograph(disk: &Path, picture: &Path) {
    let from = File::open(disk).expect("a disk");
    let to = File::create(picture).expect("our directory");
    let from = u64::try_from(from.as_raw_fd()).expect("a descriptor");
    // SAFETY: both descriptors are open.
    unsafe { share_all(to.as_raw_fd(), from) }.expect("a picture of a disk");
}

/// Three commands at work, and pictures taken meanwhile. What they were.
fn work(machine: &Machine, disk: &Path, chance: &mut Chance) -> Vec<(u32, &'static Deed)> {
    let (deeds, running) = three_at_work(&machine.place, chance);
    for n in 0..PICTURES {
        // Beyond the second in which a journal is committed.
        std::thread::sleep(chance.instant(Duration::from_millis(1200)));
        photograph(disk, &machine.disk(&format!("picture{n}")));
    }
    drop(running);
    deeds
}

/// A machine is started from each picture that is taken.
fn at_random_instants(kind: &Kind, name: u64) {
    let Some(mut machine) = Machine::shelved(kind, &SHELF) else {
        return;
    };
    furnish(&machine.place);
    machine.place.ok(&["network", "create", "keepers"]);
    let mut chance = Chance::new(name);
    let mut known = BTreeSet::new();
    let mut disk = machine.disk("disk");
    for round in 0..asked("RCON_TEST_ROUNDS", 50) / 25 {
        let deeds = work(&machine, &disk, &mut chance);
        known.extend(machine.place.ids());
        for n in 0..PICTURES {
            let when = format!("{kind:?}, round {round}, picture {n} of {deeds:?}");
            // Never the picture itself: it is the next round's disk.
            let copy = machine.disk(&format!("copy{n}"));
            photograph(&machine.disk(&format!("picture{n}")), &copy);
            machine.start_again(Some(&copy));
            let place = &machine.place;
            known.extend(place.ids());
            place.repair(&when);
            place.assert_lists(&when);
            place.assert_runs(&when);
        }
        // What was mended there and what was not goes on from here.
        fs::rename(machine.disk("picture2"), machine.disk("disk")).expect("our directory");
        disk = machine.disk("disk");
        machine.start_again(Some(&disk));
        machine.place.repair("from a picture");
    }
    machine.place.assert_goes();
    let groups = Place::cgroups(&known);
    assert!(groups.is_empty(), "{groups:?}");
}

/// What a command has said that it did is in the picture that is taken when it
/// has ended.
fn what_was_said_is_there(kind: &Kind) {
    let Some(mut machine) = Machine::shelved(kind, &SHELF) else {
        return;
    };
    let mut disk = machine.disk("disk");
    for round in 0..6 {
        let place = &machine.place;
        let (volume, network) = (format!("v{round}"), format!("n{round}"));
        match round % 3 {
            0 => machine.import(round),
            1 => drop(place.ok(&["volume", "create", &volume])),
            _ => drop(place.ok(&["network", "create", &network])),
        }
        let picture = machine.disk(&format!("picture{round}"));
        photograph(&disk, &picture);
        machine.start_again(Some(&picture));
        disk = picture;
        let place = &machine.place;
        let of_volume = ["run", "--rm", "-v", &format!("{volume}:/d"), "base", "true"];
        match round % 3 {
            0 => assert_image(place, round),
            1 => {
                place.ok(&["volume", "inspect", &volume]);
                place.ok(&of_volume);
            }
            _ => drop(place.ok(&["network", "inspect", &network])),
        }
        let when = format!("{kind:?}, round {round}");
        // What was being removed may be half there.
        place.repair(&when);
        place.assert_lists(&when);
    }
    machine.place.assert_goes();
}

#[test]
fn what_a_command_said_was_kept_is_in_the_next_picture() {
    what_was_said_is_there(&ext4("commit=300"));
}

#[test]
fn what_a_command_said_was_kept_is_in_the_next_picture_of_xfs() {
    what_was_said_is_there(&XFS);
}

#[test]
fn what_a_command_said_was_kept_is_in_the_next_picture_of_btrfs() {
    let patient = Kind {
        options: "commit=300",
        ..BTRFS
    };
    what_was_said_is_there(&patient);
}

#[test]
fn a_picture_of_a_disk_is_a_store() {
    at_random_instants(&ext4("commit=1"), 12);
}

#[test]
fn a_picture_of_a_disk_with_xfs_is_a_store() {
    at_random_instants(&XFS, 13);
}

#[test]
fn a_picture_of_a_disk_with_btrfs_is_a_store() {
    at_random_instants(&BTRFS, 14);
}
