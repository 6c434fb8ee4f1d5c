//! GNU tar as the other opinion: what we pack it extracts the same, what it
//! packs we extract the same, and both list the same names.

use crate::layers::list;
use crate::support::{Room, names, room, tree};
use rcon::archive::{Pack, Unpack, pack};
use rcon::sys::{fd, xattr};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// A tree with everything in it that an archive can carry.
fn make_tree(room: &Room) {
    room.sh(
        "mkdir -p src/d/deep src/shut; cd src
         echo hello >d/file; ln d/file d/second; ln -s ../d/file d/link; ln -s /nowhere dangling
         long=$(printf 'n%.0s' $(seq 200)); mkdir $long; echo x >$long/$long; ln -s $long/$long longlink
         ln $long/$long longhard; printf 'y%.0s' $(seq 100) >exact; mv exact $(printf 'e%.0s' $(seq 100))
         mkfifo pipe; mknod null c 1 3; mknod loop b 7 0; : >empty; head -c 513 /dev/zero >odd
         touch \"$(printf 'new\\nline')\" 'ü' \"$(printf 'raw\\377')\" ' leading'
         chown 3000000:4000000 empty; chown -h 7:8 dangling; chown 5:6 odd; chmod 6755 odd
         touch -d '1960-01-01 00:00:00.25' d/deep; touch -d '2262-01-01' empty; touch -h -d '2001-01-01 00:00:00.5' dangling
         truncate -s 3M sparse; printf a | dd of=sparse bs=1 seek=1000000 conv=notrunc status=none
         for i in $(seq 0 40); do printf $i | dd of=holes bs=1 seek=$((i*65536)) conv=notrunc status=none; done
         chmod 500 shut",
    );
    for (name, value) in [("src/d/file", &b"value"[..]), ("src/d", b"dir")] {
        let file = fd::open(&room.path(name), libc::O_RDONLY).unwrap();
        xattr::set(file, b"user.note", value).unwrap();
    }
}

fn note(room: &Room, name: &str) -> Vec<u8> {
    let file = fd::open(&room.path(name), libc::O_RDONLY).unwrap();
    xattr::get(file, b"user.note").unwrap().unwrap()
}

#[track_caller]
fn same(room: &Room, a: &str, b: &str) {
    let (a, b) = (tree(&room.path(a)), tree(&room.path(b)));
    for (path, line) in &a {
        assert_eq!(Some(line), b.get(path), "{path:?}");
    }
    assert_eq!(a.len(), b.len());
}

#[test]
fn what_we_pack_gnu_tar_extracts_the_same() {
    let Some(room) = room() else { return };
    make_tree(&room);
    let options = Pack {
        name: b".".to_vec(),
        ..Pack::default()
    };
    let file = fs::File::create(room.path("ours.tar")).unwrap();
    pack(&room.open("src"), b".", file, &options).unwrap();
    room.sh("tar --xattrs --xattrs-include='*' -xpf ours.tar -C in --same-owner");
    same(&room, "src", "in");
    assert_eq!(note(&room, "in/d/file"), b"value");
    let ours = list(&fs::read(room.path("ours.tar")).unwrap());
    let theirs = room.sh("tar --quoting-style=literal --null -tf ours.tar | wc -l");
    // One name has a newline in it.
    assert_eq!(theirs.trim(), (ours.len() + 1).to_string());
}

#[test]
fn what_gnu_tar_packs_we_extract_the_same() {
    for (format, same_times) in [
        ("posix --xattrs --xattrs-include=user.*", true),
        ("posix --sparse", true),
        ("gnu", false),
        ("gnu --sparse", false),
    ] {
        let Some(room) = room() else { return };
        make_tree(&room);
        if !same_times {
            room.sh("find src -exec touch -h -d '2001-01-01' {} +");
        }
        room.sh(&format!("tar --format={format} -cf theirs.tar -C src ."));
        let archive = fs::read(room.path("theirs.tar")).unwrap();
        room.unpack(
            &archive,
            &Unpack {
                layer: true,
                ..Unpack::default()
            },
        )
        .unwrap();
        same(&room, "src", "in");
        if format.contains("--xattrs") {
            assert_eq!(note(&room, "in/d"), b"dir");
        }
        if format.contains("sparse") {
            let blocks = fs::metadata(room.path("in/sparse")).unwrap().blocks();
            assert!(blocks * 512 < 1 << 20, "holes are filled");
            assert!(archive.len() < 2 << 20, "it packed no holes");
        }
    }
}

#[test]
fn ustar_with_its_prefix_is_read() {
    let Some(room) = room() else { return };
    let deep = format!("{}/{}", "p".repeat(90), "q".repeat(90));
    room.sh(&format!("mkdir -p src/{deep}; echo x >src/{deep}/f; cd src; tar --format=ustar -cf ../u.tar *; tar --format=v7 -cf ../v.tar --files-from /dev/null; mkdir s; tar --format=v7 -rf ../v.tar s"));
    for archive in ["u.tar", "v.tar"] {
        let archive = fs::read(room.path(archive)).unwrap();
        room.unpack(&archive, &Unpack::default()).unwrap();
    }
    assert_eq!(room.text(&format!("in/{deep}/f")), "x\n");
    assert!(room.path("in/s").is_dir());
}

#[test]
fn a_file_larger_than_the_header_can_say_is_read_and_packed() {
    let Some(room) = room() else { return };
    room.sh("mkdir src; truncate -s 9G src/huge; printf z | dd of=src/huge bs=1 seek=9000000000 conv=notrunc status=none
             tar --format=posix --sparse -cf s.tar -C src huge");
    let archive = fs::read(room.path("s.tar")).unwrap();
    room.unpack(&archive, &Unpack::default()).unwrap();
    room.sh("test $(stat -c %s in/huge) = $((9<<30)); test $(dd if=in/huge bs=1 skip=9000000000 count=1 status=none) = z");
    // Of nine gigabytes the headers are enough.
    let mut first = vec![0; 2048];
    let mut rest = &mut first[..];
    pack(
        &room.open("in"),
        b"huge",
        &mut rest,
        &Pack {
            name: b"huge".to_vec(),
            ..Pack::default()
        },
    )
    .unwrap_err();
    fs::write(room.path("head.tar"), &first).unwrap();
    assert!(
        room.sh("tar tvf head.tar 2>/dev/null || true")
            .contains(" 9663676416 ")
    );
}

#[test]
fn the_same_tree_gives_the_same_bytes_in_the_order_of_names() {
    let Some(room) = room() else { return };
    room.sh(
        "mkdir a b; for i in 3 1 2; do echo $i >a/$i; done; for i in 1 2 3; do echo $i >b/$i; done
             find a b -exec touch -d 2001-01-01 {} +",
    );
    let options = Pack::default();
    let packed = ["a", "b"].map(|name| {
        let mut archive = Vec::new();
        pack(&room.open(name), b".", &mut archive, &options).unwrap();
        archive
    });
    assert!(packed[0] == packed[1]);
    assert_eq!(list(&packed[0]), ["1", "2", "3"]);
    assert_eq!(names(&room.path("a")), ["1", "2", "3"]);
}
