//! `ps` and `container ls`: which containers there are, and how they fare.

mod common;
use common::store::StoreBed;

use std::process::Stdio;

/// One that runs, one that has ended, and one that was never started.
fn three() -> Option<StoreBed> {
    let bed = StoreBed::new()?;
    bed.sleeper("web", &["--label", "tier=front", "--expose", "80-81"]);
    let run = ["run", "--name", "done"];
    let root = bed.rootfs("").to_string_lossy().into_owned();
    let ended = [&run[..], &["--rootfs", &root, "sh", "-c", "exit 3"]].concat();
    bed.rcon(&ended).code(3);
    bed.make_container(&["create", "--name", "new"], &["cat", "a b"]);
    Some(bed)
}

fn names(bed: &StoreBed, args: &[&str]) -> String {
    let args = [&["ps", "--format", "{{.Names}}"], args].concat();
    let text = bed.says(&args);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_table_is_docker_s() {
    let Some(bed) = three() else { return };
    let text = bed.says(&["ps", "-a"]);
    let lines: Vec<&str> = text.lines().collect();
    let titles = "CONTAINER ID   IMAGE";
    assert!(lines[0].starts_with(titles), "{text}");
    assert!(lines[0].ends_with("NAMES"), "{text}");
    let at = |title: &str| lines[0].find(title).expect("a title");
    for (line, parts) in [
        (
            1,
            [
                ("COMMAND", "\"cat 'a b'\" "),
                ("STATUS", "Created  "),
                ("NAMES", "new"),
            ],
        ),
        (
            2,
            [
                ("COMMAND", "\"sh -c 'exit 3'\" "),
                ("STATUS", "Exited (3) "),
                ("NAMES", "done"),
            ],
        ),
        (
            3,
            [("PORTS", "80-81/tcp "), ("STATUS", "Up "), ("NAMES", "web")],
        ),
    ] {
        for (title, want) in parts {
            let cell = &lines[line][at(title)..];
            assert!(cell.starts_with(want), "{title} of line {line}:\n{text}");
        }
    }
    // Made from a directory, not from an image.
    let root = bed.rootfs("").to_string_lossy().into_owned();
    assert!(lines[1].contains(root.trim_end_matches('/')), "{text}");
    assert_eq!(lines.len(), 4);
}

#[test]
fn flags_choose_which_are_shown() {
    let Some(bed) = three() else { return };
    for (args, want) in [
        (&[][..], "web"),
        (&["-a"], "new done web"),
        (&["-l"], "new"),
        (&["-n", "2"], "new done"),
        (&["-n", "-1"], "web"),
        (&["--filter", "status=exited"], "done"),
        (&["-f", "status=exited", "-f", "status=created"], "new done"),
        (&["--filter", "exited=3"], "done"),
        (&["--filter", "exited=0"], ""),
        (&["-a", "--filter", "name=^/?(done|new)$"], "new done"),
        (&["-a", "--filter", "label=tier=front"], "web"),
        (&["-a", "--filter", "before=done"], "web"),
        (&["-a", "--filter", "since=done"], "new"),
        (&["--filter", "expose=80"], "web"),
        (&["--filter", "network=none"], ""),
    ] {
        assert_eq!(names(&bed, args), want, "{args:?}");
    }
    let id = bed.says(&["ps", "-q"]);
    assert_eq!(id.trim().len(), 12);
    let whole = bed.says(&["container", "ls", "-q", "--no-trunc"]);
    assert!(whole.trim().len() == 64 && whole.starts_with(id.trim()));
    for alias in ["ls", "ps", "list"] {
        assert_eq!(bed.says(&["container", alias, "-q"]), id, "{alias}");
    }
}

#[test]
fn a_paused_one_is_up() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper("web", &[]);
    bed.rcon(&["pause", "web"]).ok();
    let text = bed.says(&["ps", "--format", "{{.State}} {{.Status}}"]);
    assert!(
        text.starts_with("paused Up ") && text.ends_with(" (Paused)\n"),
        "{text}"
    );
    bed.rcon(&["unpause", "web"]).ok();
    assert_eq!(names(&bed, &["--filter", "status=running"]), "web");
}

#[test]
fn formats_are_docker_s() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper("web", &["--label", "a.b=c"]);
    let json = bed.rcon(&["ps", "--format", "json"]).ok().json();
    assert_eq!(json["Names"], "web");
    assert_eq!(json["Labels"], "a.b=c");
    assert_eq!(json["State"], "running");
    let text = bed.says(&["ps", "--format", r#"table {{.Names}}\t{{.Label "a.b"}}"#]);
    assert_eq!(text, "NAMES     b\nweb       c\n");
    let text = bed.says(&["ps", "-s", "--format", "{{.Size}}"]);
    assert!(text.starts_with("0B (virtual "), "{text}");
    bed.rcon(&["ps", "--format", "{{.Nope}}"])
        .fails_naming(&["Nope"]);
    bed.rcon(&["ps", "--filter", "nope=1"])
        .fails_naming(&["nope", "name, network"]);
    bed.rcon(&["ps", "--filter", "before=nobody"])
        .fails_naming(&["No such container: nobody"]);
}

#[test]
fn one_spoilt_record_does_not_hide_the_others() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper("web", &[]);
    let spoilt = bed.make_container(&["create", "--name", "bad"], &["true"]);
    let record = bed
        .root()
        .join("containers")
        .join(&spoilt)
        .join("config.json");
    std::fs::write(record, "{").expect("our store");
    let out = bed.rcon(&["ps", "-a", "--format", "{{.Names}}"]).ok();
    assert_eq!(out.stdout, "web\n");
    assert_eq!(out.stderr.lines().count(), 1, "{out}");
    assert!(out.stderr.contains(&spoilt[..12]), "{out}");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let Some(bed) = StoreBed::new() else { return };
    bed.make_container(&["create"], &["true"]);
    let (reader, writer) = nix::unistd::pipe().expect("a pipe");
    drop(reader);
    let call = bed.call(&["ps", "-a"]).with(|c| {
        c.stdout(Stdio::from(writer)).stderr(Stdio::null());
    });
    call.spawn_as_is().wait().ok();
}
