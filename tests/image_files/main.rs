//! Images as files: `import`, `commit`, `save` and `load`, and what other
//! tools make of them.

#[path = "../common/mod.rs"]
mod common;
mod spoilt;

use common::store::StoreBed;
use common::*;

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

/// A bed with the image `base` in it, made from its root file system.
fn bed_with_base(needs: &[Need]) -> Option<StoreBed> {
    if !needs_met(needs) {
        return None;
    }
    let bed = StoreBed::new()?;
    let root = bed.text_of("image/rootfs");
    let args = ["import", "-c", "CMD [\"sh\"]", "-c", "ENV A=1"];
    bed.rcon(&[&args[..], &[&root, "base"]].concat()).ok();
    Some(bed)
}

trait Text {
    fn text_of(&self, name: &str) -> String;
}

impl Text for StoreBed {
    fn text_of(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

fn tool(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{program} {args:?}: {errors}");
    String::from_utf8(out.stdout).unwrap()
}

fn id_of(bed: &StoreBed, image: &str) -> String {
    let id = bed.says(&["image", "inspect", "-f", "{{.Id}}", image]);
    id.trim().to_owned()
}

/// A second store in the same bed.
fn other(bed: &StoreBed, args: &[&str]) -> Output {
    bed.call(args)
        .env("RCON_ROOT", &bed.text_of("other"))
        .output()
}

#[test]
fn a_directory_becomes_an_image_and_runs() {
    let Some(bed) = bed_with_base(&[]) else {
        return;
    };
    let out = bed.says(&[
        "run",
        "--rm",
        "base",
        "sh",
        "-c",
        "echo $A; cat /proc/1/comm",
    ]);
    assert_eq!(out, "1\ncat\n");
    assert!(bed.says(&["images", "-q", "base"]).len() > 10);
}

#[test]
fn an_archive_becomes_an_image_however_it_is_packed() {
    let Some(bed) = bed_with_base(&[Need::Tool("tar"), Need::Tool("zstd")]) else {
        return;
    };
    let (root, plain) = (bed.text_of("image/rootfs"), bed.text_of("r.tar"));
    tool("tar", &["-C", &root, "--sort=name", "-cf", &plain, "."]);
    let packed = bed.text_of("r.tar.zst");
    tool("zstd", &["-q", &plain, "-o", &packed]);
    tool("gzip", &["-k", &plain]);
    let gzipped = format!("{plain}.gz");
    let mut ids = Vec::new();
    for source in [&plain, &packed, &gzipped] {
        let call = bed.call(&["import", "-m", "same", source, "r"]);
        ids.push(
            call.env("SOURCE_DATE_EPOCH", "1700000000")
                .output()
                .ok()
                .stdout,
        );
    }
    assert!(ids.windows(2).all(|w| w[0] == w[1]), "{ids:?}");
    let created = bed.says(&["image", "inspect", "-f", "{{.Created}}", "r"]);
    assert!(created.starts_with("2023-11-14T22:13:20"), "{created}");
    let piped = bed.call(&["import", "-", "piped"]);
    let piped = piped.with(|c| {
        c.stdin(File::open(&gzipped).unwrap());
    });
    piped.output().ok();
    assert_eq!(bed.says(&["run", "--rm", "piped", "echo", "up"]), "up\n");
}

#[test]
fn what_cannot_be_imported_leaves_nothing() {
    let Some(bed) = bed_with_base(&[]) else {
        return;
    };
    let junk = bed.text_of("junk");
    fs::write(&junk, vec![0x55; 3000]).unwrap();
    let before = bed.says(&["images", "-aq"]);
    for command in [&["import", &junk, "junk"][..], &["load", "-i", &junk]] {
        bed.rcon(command)
            .fails_naming(&["no tar archive", "gzip, bzip2, xz or zstd"]);
    }
    bed.rcon(&["import", "/nonexistent", "x"])
        .fails_naming(&["/nonexistent"]);
    bed.rcon(&["import", "-c", "RUN make", &junk])
        .fails_naming(&["RUN"]);
    bed.rcon(&["import", "https://example.com/x.tar"])
        .fails_naming(&["curl"]);
    assert_eq!(bed.says(&["images", "-aq"]), before);
    let stages = fs::read_dir(bed.root().join("images/stage")).unwrap();
    assert_eq!(stages.count(), 0);
}

#[test]
fn a_commit_holds_what_the_container_changed_and_nothing_of_rcons_own() {
    let Some(bed) = bed_with_base(&[]) else {
        return;
    };
    let script = "echo new > /new; rm /bin/ls; mkdir /d; chmod 700 /d; echo x > /etc/mine";
    bed.rcon(&[
        "run",
        "--name",
        "one",
        "-e",
        "B=2",
        "-v",
        "/usr:/mnt/usr:ro",
        "base",
        "sh",
        "-c",
        script,
    ])
    .ok();
    let change = "ENTRYPOINT [\"sh\", \"-c\"]";
    bed.rcon(&[
        "commit", "-a", "me", "-m", "why", "-c", change, "one", "made:1",
    ])
    .ok();
    let look = "cat /new; test -e /bin/ls || echo gone; stat -c %a /d; echo $A$B; ls /mnt | wc -l";
    let look = look.replace("ls /mnt", "busybox ls /mnt");
    let said = bed.says(&["run", "--rm", "made:1", &look]);
    assert_eq!(said, "new\ngone\n700\n12\n0\n");
    let layers = bed.says(&["image", "inspect", "-f", "{{len .RootFS.Layers}}", "made:1"]);
    assert_eq!(layers.trim(), "2");
    let history = bed.says(&["history", "--no-trunc", "made:1"]);
    assert!(history.contains("why"), "{history}");
    // The container still stands on its own image.
    bed.rcon(&["rmi", "made:1"]).ok();
    bed.rcon(&["start", "-a", "one"]);
    bed.rcon(&["rm", "one"]).ok();
}

#[test]
fn a_running_container_is_committed_while_it_stands_still() {
    let Some(bed) = bed_with_base(&[]) else {
        return;
    };
    let script = "while :; do echo x >> /grows; done";
    bed.rcon(&["run", "-d", "--name", "one", "base", "sh", "-c", script])
        .ok();
    eventually("it writes", || {
        bed.rcon(&["exec", "one", "test", "-s", "/grows"])
            .status
            .success()
    });
    bed.rcon(&["commit", "one", "made"]).ok();
    let status = bed.says(&["inspect", "-f", "{{.State.Status}}", "one"]);
    assert_eq!(status.trim(), "running");
    bed.rcon(&["kill", "one"]).ok();
    let size = bed.says(&["run", "--rm", "made", "wc", "-c", "/grows"]);
    assert!(
        size.split_whitespace()
            .next()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 0
    );
}

#[test]
fn a_container_of_a_directory_is_committed_as_a_whole() {
    let Some(bed) = bed_with_base(&[]) else {
        return;
    };
    let root = format!("{}:O", bed.text_of("image/rootfs"));
    let script = "echo kept > /kept";
    bed.rcon(&[
        "run", "--name", "one", "--rootfs", &root, "sh", "-c", script,
    ])
    .ok();
    bed.rcon(&["commit", "one", "whole"]).ok();
    assert_eq!(
        bed.says(&["run", "--rm", "whole", "cat", "/kept"]),
        "kept\n"
    );
}

#[test]
fn what_is_saved_is_loaded_again_with_the_same_sums() {
    let Some(bed) = bed_with_base(&[]) else {
        return;
    };
    bed.rcon(&["run", "--name", "one", "base", "sh", "-c", "echo 2 > /two"])
        .ok();
    bed.rcon(&["commit", "one", "two:a"]).ok();
    bed.rcon(&["tag", "two:a", "two:b"]).ok();
    let archive = bed.text_of("all.tar");
    bed.rcon(&["save", "-o", &archive, "base", "two"]).ok();
    let again = bed.path("again.tar");
    let piped = bed.call(&["save", "base", "two"]).with(|c| {
        c.stdout(File::create(&again).unwrap());
    });
    piped.spawn_as_is().wait().ok();
    let same = fs::read(&archive).unwrap() == fs::read(&again).unwrap();
    assert!(same, "not the same archive every time");
    let said = other(&bed, &["load", "-i", &archive]).ok().stdout;
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    let want = ["base:latest", "two:a", "two:b"].map(|n| format!("Loaded image: {n}"));
    assert_eq!(lines, want);
    let id = other(&bed, &["image", "inspect", "-f", "{{.Id}}", "two:b"])
        .ok()
        .stdout;
    assert_eq!(id.trim(), id_of(&bed, "two:a"));
    assert_eq!(
        other(&bed, &["run", "--rm", "two:b", "cat", "/two"])
            .ok()
            .stdout,
        "2\n"
    );
    other(&bed, &["rmi", "-f", "base", "two:a", "two:b"]).ok();
}

/// Layers are fetched out of an archive that lies still; one that passes is
/// taken as it comes.
#[test]
fn an_archive_is_loaded_from_wherever_it_comes() {
    let Some(bed) = bed_with_base(&[Need::Tool("tar")]) else {
        return;
    };
    let id = id_of(&bed, "base");
    let saved = bed.text_of("saved.tar");
    bed.rcon(&["save", "-o", &saved, "base"]).ok();
    let dir = bed.text_of("parts");
    fs::create_dir(&dir).unwrap();
    tool("tar", &["-C", &dir, "-xf", &saved]);
    let dockers = bed.text_of("dockers.tar");
    tool(
        "tar",
        &["-C", &dir, "-cf", &dockers, "blobs", "manifest.json"],
    );
    for archive in [&saved, &dockers] {
        let bytes = fs::read(archive).unwrap();
        let behind = bed.text_of("behind");
        fs::write(&behind, [&[7; 1000][..], &bytes].concat()).unwrap();
        let mut standing = File::open(&behind).unwrap();
        std::io::Seek::seek_relative(&mut standing, 1000).unwrap();
        let (from, mut to) = std::io::pipe().unwrap();
        let writing = std::thread::spawn(move || std::io::Write::write_all(&mut to, &bytes));
        let inputs = [
            Stdio::from(File::open(archive).unwrap()),
            Stdio::from(standing),
            Stdio::from(from),
        ];
        for (at, input) in inputs.into_iter().enumerate() {
            let call = bed.call(&["load"]).env("RCON_ROOT", &bed.text_of("other"));
            let call = call.with(|c| {
                c.stdin(input);
            });
            let said = call.output().ok().stdout;
            assert_eq!(said, "Loaded image: base:latest\n", "{archive} {at}");
            let inspect = ["image", "inspect", "-f", "{{.Id}}", "base"];
            assert_eq!(other(&bed, &inspect).ok().stdout.trim(), id);
            let run = other(&bed, &["run", "--rm", "base", "echo", "up"]);
            assert_eq!(run.ok().stdout, "up\n");
            other(&bed, &["rmi", "base"]).ok();
        }
        writing.join().unwrap().unwrap();
    }
}

#[test]
fn an_image_without_a_name_is_told_by_its_id() {
    let Some(bed) = bed_with_base(&[]) else {
        return;
    };
    let id = id_of(&bed, "base");
    let archive = bed.text_of("x.tar");
    bed.rcon(&["save", "-o", &archive, &id[7..19]]).ok();
    let said = other(&bed, &["load", "-qi", &archive]).ok().stdout;
    assert_eq!(said, format!("Loaded image ID: {id}\n"));
}

#[test]
fn what_is_not_there_is_not_saved() {
    let Some(bed) = bed_with_base(&[]) else {
        return;
    };
    let archive = bed.text_of("x.tar");
    bed.rcon(&["save", "-o", &archive, "base", "nobody"])
        .fails_naming(&["nobody"]);
    assert!(!Path::new(&archive).exists());
    bed.rcon(&["save", "-o", "/nonexistent/x", "base"])
        .fails_naming(&["/nonexistent/x"]);
}

const SKOPEO: &[Need] = &[Need::Tool("skopeo")];

#[test]
fn skopeo_reads_and_writes_both_kinds() {
    let Some(bed) = bed_with_base(SKOPEO) else {
        return;
    };
    let id = id_of(&bed, "base");
    let saved = bed.text_of("saved.tar");
    bed.rcon(&["save", "-o", &saved, "base"]).ok();
    let kinds = [
        ("oci-archive", ""),
        ("docker-archive", ":skopeo.example/made:1"),
    ];
    for (kind, name) in kinds {
        let there = bed.text_of(&format!("{kind}.tar"));
        let (from, to) = (format!("{kind}:{saved}"), format!("{kind}:{there}{name}"));
        let policy = ["--insecure-policy", "copy", "-q", &from, &to];
        tool("skopeo", &policy);
        other(&bed, &["load", "-i", &there]).ok();
        let ids = other(&bed, &["images", "-aq", "--no-trunc"]).ok().stdout;
        assert!(ids.contains(&id), "{kind}: {ids} without {id}");
        other(&bed, &["rmi", "-f", &id]).ok();
    }
}

#[test]
fn podman_and_docker_formats_are_the_same_image() {
    let Some(bed) = bed_with_base(&[Need::Tool("skopeo"), Need::Tool("tar")]) else {
        return;
    };
    // As Docker wrote before it knew OCI: a directory per layer, a link
    // where a layer is the same as one before.
    let saved = bed.text_of("saved.tar");
    bed.rcon(&["save", "-o", &saved, "base"]).ok();
    let dir = bed.text_of("old");
    fs::create_dir(&dir).unwrap();
    tool("tar", &["-C", &dir, "-xf", &saved]);
    let list: Value =
        serde_json::from_slice(&fs::read(bed.path("old/manifest.json")).unwrap()).unwrap();
    let config = list[0]["Config"].as_str().unwrap().to_owned();
    let layer = list[0]["Layers"][0].as_str().unwrap().to_owned();
    let mut text: Value =
        serde_json::from_slice(&fs::read(bed.path("old").join(&config)).unwrap()).unwrap();
    let diff = text["rootfs"]["diff_ids"][0].clone();
    text["rootfs"]["diff_ids"] = json!([diff, diff]);
    let old = bed.path("older");
    fs::create_dir_all(old.join("aaa")).unwrap();
    fs::create_dir_all(old.join("bbb")).unwrap();
    fs::write(old.join("c.json"), text.to_string()).unwrap();
    fs::rename(bed.path("old").join(&layer), old.join("aaa/layer.tar")).unwrap();
    symlink("../aaa/layer.tar", old.join("bbb/layer.tar")).unwrap();
    let list = json!([{"Config": "c.json", "RepoTags": ["old:1", "old:2"],
                       "Layers": ["aaa/layer.tar", "bbb/layer.tar"]}]);
    fs::write(old.join("manifest.json"), list.to_string()).unwrap();
    let archive = bed.text_of("older.tar.gz");
    tool("tar", &["-C", old.to_str().unwrap(), "-czf", &archive, "."]);
    let said = bed.says(&["load", "-i", &archive]);
    assert_eq!(said, "Loaded image: old:1\nLoaded image: old:2\n");
    assert_eq!(
        bed.says(&["run", "--rm", "old:2", "echo", "runs"]),
        "runs\n"
    );
}

#[test]
fn what_other_tools_write_is_loaded() {
    let Some(bed) = bed_with_base(&[Need::Tool("umoci"), Need::Tool("tar")]) else {
        return;
    };
    let (layout, bundle) = (bed.text_of("layout"), bed.text_of("bundle"));
    tool("umoci", &["init", "--layout", &layout]);
    let image = format!("{layout}:one");
    tool("umoci", &["new", "--image", &image]);
    tool("umoci", &["unpack", "--image", &image, &bundle]);
    let root = bed.path("bundle/rootfs");
    tool(
        "cp",
        &[
            "-a",
            &format!("{}/.", bed.text_of("image/rootfs")),
            root.to_str().unwrap(),
        ],
    );
    tool("umoci", &["repack", "--image", &image, &bundle]);
    let archive = bed.text_of("layout.tar");
    tool("tar", &["-C", &layout, "-cf", &archive, "."]);
    let said = bed.says(&["load", "-i", &archive]);
    // A bare tag names no repository.
    let id = said
        .trim()
        .strip_prefix("Loaded image ID: ")
        .unwrap()
        .to_owned();
    assert_eq!(bed.says(&["run", "--rm", &id, "echo", "hi"]), "hi\n");
}

#[test]
fn who_reads_an_archive_slowly_holds_nobody_up() {
    let Some(bed) = bed_with_base(&[]) else {
        return;
    };
    let call = bed.call(&["save", "base"]);
    let (mut from, to) = std::io::pipe().unwrap();
    let saving = call.with(|c| {
        c.stdout(to);
    });
    let saving = saving.spawn_as_is();
    let mut first = [0];
    std::io::Read::read_exact(&mut from, &mut first).unwrap();
    // It has written something and waits for its reader.
    bed.rcon(&["tag", "base", "meanwhile"]).ok();
    bed.rcon(&["rmi", "base", "meanwhile"]).ok();
    let mut all = first.to_vec();
    std::io::Read::read_to_end(&mut from, &mut all).unwrap();
    saving.wait().ok();
    let archive = bed.text_of("slow.tar");
    fs::write(&archive, all).unwrap();
    bed.rcon(&["load", "-i", &archive]).ok();
    assert_eq!(bed.says(&["run", "--rm", "base", "echo", "up"]), "up\n");
}

#[test]
fn killed_in_the_middle_of_a_load_the_store_is_whole() {
    let Some(bed) = bed_with_base(&[]) else {
        return;
    };
    let big = bed.path("image/rootfs/big");
    let bytes: Vec<u8> = (0..8_000_000_u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    fs::write(&big, bytes).unwrap();
    bed.rcon(&["import", &bed.text_of("image/rootfs"), "big"])
        .ok();
    let archive = bed.text_of("big.tar");
    bed.rcon(&["save", "-o", &archive, "base", "big"]).ok();
    for round in 0..12_u64 {
        let call = bed.call(&["load", "-i", &archive]);
        let call = call.env("RCON_ROOT", &bed.text_of("other"));
        let mut child = call.spawn_as_is();
        std::thread::sleep(std::time::Duration::from_millis(3 + round * 9));
        if !child.has_ended() {
            child.signal(nix::sys::signal::Signal::SIGKILL);
        }
        child.wait();
        // Every image that is listed is whole: it runs.
        let names = other(&bed, &["images", "--format", "{{.Repository}}"])
            .ok()
            .stdout;
        for name in names.lines() {
            other(&bed, &["run", "--rm", name, "true"]).ok();
        }
    }
    other(&bed, &["load", "-i", &archive]).ok();
    // What is only just there is left alone: it could be being made.
    eventually("what killed commands left is gone", || {
        other(&bed, &["ps"]).ok();
        let mut stages = fs::read_dir(bed.path("other/images/stage")).unwrap();
        stages.next().is_none()
    });
    let mode = fs::metadata(bed.path("other/images"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    other(&bed, &["rmi", "-f", "base", "big"]).ok();
    let layers = fs::read_dir(bed.path("other/layers")).unwrap();
    let left: Vec<_> = layers.flatten().map(|e| e.file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_terminal_is_no_place_for_archives() {
    let Some(bed) = bed_with_base(&[]) else {
        return;
    };
    // Without a terminal there is no such complaint, but an empty archive.
    let call = bed.call(&["load"]).with(|c| {
        c.stdin(Stdio::null());
    });
    call.output().fails_naming(&["archive"]);
}
