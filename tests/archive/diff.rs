//! `docker diff`: the changes in a real overlayfs's upper directory.

use crate::layers::Overlay;
use crate::support::{Room, room};
use rcon::archive::{Change, changes};

fn diff(room: &Room, lowers: &[&str]) -> Vec<String> {
    let lowers: Vec<_> = lowers.iter().map(|l| room.open(l)).collect();
    let line = |c: Change| format!("{} {}", c.kind.letter(), c.path.display());
    changes(&room.open("upper"), &lowers)
        .unwrap()
        .into_iter()
        .map(line)
        .collect()
}

/// What is done in a container over two layers, and what is to be shown.
#[track_caller]
fn shows(script: &str, wanted: &[&str]) {
    let Some(room) = room() else { return };
    room.sh(
        "mkdir -p base/etc/sub base/etc2 base/usr/bin base/hidden over/etc; echo old >base/etc/hosts; echo s >base/etc/sub/s
         echo x >base/usr/bin/x; echo y >base/usr/bin/y; ln -s usr/bin base/bin; echo h >base/hidden/h
         mknod over/hidden c 0 0; echo more >over/etc/more; find base over -exec touch -h -d 2001-01-01 {} +",
    );
    let mounted = Overlay::mount(&room, &["over", "base"], Some("upper"));
    room.sh(&format!("cd merged; {script}"));
    drop(mounted);
    assert_eq!(diff(&room, &["over", "base"]), wanted, "{script}");
}

#[test]
fn added_changed_and_deleted() {
    shows("true", &[]);
    shows("echo a >new", &["A /new"]);
    shows(
        "mkdir -p new/deep; echo a >new/deep/f",
        &["A /new", "A /new/deep", "A /new/deep/f"],
    );
    shows("echo a >>etc/hosts", &["C /etc", "C /etc/hosts"]);
    shows(
        "chmod 600 usr/bin/x",
        &["C /usr", "C /usr/bin", "C /usr/bin/x"],
    );
    shows("rm usr/bin/x", &["C /usr", "C /usr/bin", "D /usr/bin/x"]);
    shows("rm -r usr", &["D /usr"]);
    shows("rm etc/more; rm bin", &["D /bin", "C /etc", "D /etc/more"]);
    shows("rm -r etc2; echo file >etc2", &["C /etc2"]);
    shows("chmod 700 etc2", &["C /etc2"]);
    shows("echo t >tmp; rm tmp", &[]);
}

#[test]
fn an_opaque_directory_shows_what_is_gone() {
    let made_anew = "rm -r etc; mkdir etc; echo a >etc/a; echo again >etc/hosts";
    shows(
        made_anew,
        &[
            "C /etc",
            "A /etc/a",
            "C /etc/hosts",
            "D /etc/more",
            "D /etc/sub",
        ],
    );
    let with_sub = "rm -r etc; mkdir -p etc/sub; echo a >etc/sub/a";
    let wanted = [
        "C /etc",
        "D /etc/hosts",
        "D /etc/more",
        "C /etc/sub",
        "A /etc/sub/a",
        "D /etc/sub/s",
    ];
    shows(with_sub, &wanted);
}

#[test]
fn what_a_lower_layer_hides_is_not_there() {
    shows(
        "mkdir hidden; echo h >hidden/h",
        &["A /hidden", "A /hidden/h"],
    );
}
