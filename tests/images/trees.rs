//! An unpacked layer, file by file and byte by byte as GNU tar unpacks it.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::common::registry::run;
use crate::place::{ByHand, Place, names, tar};
use crate::registries::serve;

const TREE: &str = r#"
mkdir -p usr/bin "$(printf 'dir/%0100d/%0100d/%0100d' 1 2 3)" sticky empty
echo hello > usr/bin/tool; chmod 4755 usr/bin/tool; chown 12:34 usr/bin/tool
ln usr/bin/tool usr/bin/twin
ln -s ../../etc/passwd usr/link; ln -s "$(printf 'x%.0s' $(seq 200))" usr/long
mknod usr/null c 1 3; mkfifo usr/pipe; mknod usr/disk b 7 0
touch -d '1999-01-02 03:04:05.123456789' usr/old; chmod 000 usr/old
chmod 1777 sticky; chown 99:98 empty; chmod 2710 empty
truncate -s 3M usr/sparse; printf end >> usr/sparse
printf 'name with\nnewline' > "$(printf 'usr/a\nb')"
printf x > "$(printf 'usr/\303\244')"
head -c 300000 /dev/urandom > usr/noise
"#;

/// Everything that can be seen of a tree, a line each.
fn listing(dir: &std::path::Path) -> String {
    let form = "%P|%y|%m|%U|%G|%s|%T@|%l|%n\\0";
    let out = Command::new("find")
        .arg(dir)
        .args(["-printf", form])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let mut lines: Vec<&str> = text.split('\0').collect();
    // A directory's own size is the file system's affair.
    lines.sort_unstable();
    let line = |l: &&str| {
        let parts: Vec<&str> = l.split('|').collect();
        if parts.get(1) == Some(&"d") {
            let keep = [0, 1, 2, 3, 4, 6].map(|n| parts[n]);
            keep.join("|")
        } else {
            (*l).to_owned()
        }
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_tree_is_as_gnu_tar_unpacks_it() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let (from, like) = (bed.path("from"), bed.path("like"));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&like).unwrap();
    let made = Command::new("sh")
        .args(["-ec", TREE])
        .current_dir(&from)
        .status()
        .unwrap();
    assert!(made.success());
    let archive = tar(&from);
    let file = bed.path("archive.tar");
    fs::write(&file, &archive).unwrap();
    let (file, to) = (file.to_string_lossy(), like.to_string_lossy());
    run(
        "tar",
        &["-xpf", &file, "-C", &to, "--numeric-owner", "--xattrs"],
    );
    let fake = serve(vec![("app", ByHand::new(&[archive], &json!({})))]);
    bed.rcon(&["pull", "-q", &format!("{}/app:1", fake.host)])
        .ok();
    let layers = bed.root().join("layers");
    let name = names(&layers)
        .into_iter()
        .find(|n| !n.contains('.'))
        .unwrap();
    let ours = layers.join(name);
    assert_eq!(listing(&ours), listing(&like));
    let ours = ours.to_string_lossy();
    // Contents; special files are compared above.
    run(
        "diff",
        &[
            "-r",
            "--no-dereference",
            "-x",
            "null",
            "-x",
            "disk",
            "-x",
            "pipe",
            &ours,
            &to,
        ],
    );
    for node in ["usr/null", "usr/disk"] {
        let seen = |dir: &str| run("stat", &["-c", "%t:%T", &format!("{dir}/{node}")]);
        assert_eq!(seen(&ours), seen(&to), "{node}");
    }
}
