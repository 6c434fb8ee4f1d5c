//! `info`, `version`, `system df`, `prune`, `events`, completion and manual.

mod common;
use common::store::StoreBed;
use common::*;

use std::collections::BTreeMap;
use std::process::Command;

use rcon::events::record;
use rcon::store::Store;

#[test]
fn prune_asks_first_and_takes_only_what_is_over() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper("web", &[]);
    let new = bed.make_container(&["create", "--name", "new"], &["true"]);
    bed.make_container(&["create", "--name", "kept", "--label", "keep"], &["true"]);
    for answer in ["n\n", "", "what?\n"] {
        let out = bed.call(&["container", "prune"]).stdin(answer).output();
        let out = out.code(1);
        assert!(
            out.stdout
                .contains("This will remove all stopped containers"),
            "{out}"
        );
        assert!(out.stderr.contains("cancelled"), "{out}");
    }
    assert_eq!(bed.says(&["ps", "-aq"]).lines().count(), 3);
    let args = ["container", "prune", "--filter", "label!=keep"];
    let out = bed.call(&args).stdin("y\n").output().ok();
    assert!(
        out.stdout
            .contains(&format!("Deleted Containers:\n{new}\n")),
        "{out}"
    );
    assert!(out.stdout.contains("\nTotal reclaimed space: "), "{out}");
    let none = ["container", "prune", "-f", "--filter", "until=24h"];
    assert_eq!(bed.says(&none), "Total reclaimed space: 0B\n");
    assert!(
        bed.says(&["system", "prune", "-f"])
            .contains("Deleted Containers:")
    );
    assert_eq!(bed.says(&["ps", "-a", "--format", "{{.Names}}"]), "web\n");
    bed.rcon(&["container", "prune", "-f", "--filter", "name=x"])
        .fails_naming(&["name"]);
}

#[test]
fn df_knows_what_containers_have_written() {
    let Some(bed) = StoreBed::new() else { return };
    let root = format!("{}:O", bed.rootfs("").display());
    let script = "head -c 100000 /dev/zero > /tmp/file";
    bed.rcon(&[
        "run", "--name", "big", "--rootfs", &root, "sh", "-c", script,
    ])
    .ok();
    let text = bed.says(&[
        "system",
        "df",
        "--format",
        "{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}}",
    ]);
    assert!(text.contains("\nContainers 1 0 100kB\n"), "{text}");
    let each = bed.says(&["system", "df", "-v"]);
    assert!(each.contains("100kB") && each.contains("big"), "{each}");
    let size = bed.says(&["ps", "-a", "--size", "--format", "{{.Size}}"]);
    assert!(size.starts_with("100kB (virtual "), "{size}");
    let freed = bed.says(&["container", "prune", "--force"]);
    assert!(freed.ends_with("Total reclaimed space: 100kB\n"), "{freed}");
}

#[test]
fn info_and_version_tell_about_this_machine() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper("web", &[]);
    bed.make_container(&["create"], &["true"]);
    let format = "{{.Containers}} {{.ContainersRunning}} {{.ContainersStopped}} {{.KernelVersion}}";
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel");
    assert_eq!(bed.says(&["info", "-f", format]), format!("2 1 1 {kernel}"));
    assert!(bed.says(&["system", "info"]).contains(" Running: 1\n"));
    let version = bed.says(&["version", "--format", "{{.Client.Version}}"]);
    assert_eq!(version.trim(), env!("CARGO_PKG_VERSION"));
    assert!(bed.says(&["version"]).starts_with("Client:\n"));
    let json = bed.rcon(&["version", "--format", "json"]).ok().json();
    assert_eq!(json["Client"]["OciVersion"], "1.2.0");
    assert_eq!(json["Server"], json["Client"]);
}

fn note(bed: &StoreBed, action: &str, name: &str) {
    let store = Store::open(Some(bed.root()), None).expect("our store");
    let name = BTreeMap::from([("name".to_owned(), name.to_owned())]);
    record(&store, "container", action, &"a".repeat(64), &name);
}

#[test]
fn events_are_shown_as_they_happen() {
    let Some(bed) = StoreBed::new() else { return };
    note(&bed, "create", "early");
    let format = [
        "events",
        "--format",
        "{{.Action}} {{.Actor.Attributes.name}}",
    ];
    let follower = bed
        .call(&[&format[..], &["--filter", "event=die"]].concat())
        .spawn();
    // It has begun when it sees one of those that are noted over and over.
    eventually("somebody dies", || {
        note(&bed, "start", "web");
        note(&bed, "die", "web");
        follower.stdout().contains("die web\n")
    });
    assert!(
        !follower.stdout().contains("start"),
        "{}",
        follower.stdout()
    );
    assert!(
        !follower.stdout().contains("early"),
        "{}",
        follower.stdout()
    );
    drop(follower);
    let past = [&format[..], &["--since", "1h", "--until", "0s"]].concat();
    assert!(
        bed.says(&past)
            .starts_with("create early\nstart web\ndie web\n")
    );
    let line = bed.says(&[
        "system",
        "events",
        "--until",
        "0s",
        "--filter",
        "event=create",
    ]);
    assert!(
        line.ends_with(" (name=early)\n") && line.contains("Z container create aaaa"),
        "{line}"
    );
    bed.rcon(&["events", "--since", "whenever"])
        .fails_naming(&["--since", "whenever"]);
}

#[test]
fn bash_completes_commands_and_containers() {
    let Some(bed) = StoreBed::new() else { return };
    bed.make_container(&["create", "--name", "webserver"], &["true"]);
    let script = bed.path("completion");
    std::fs::write(&script, bed.says(&["completion", "bash"])).expect("the bed is writable");
    let program = env!("CARGO_BIN_EXE_rcon");
    let complete = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let test = format!(
            "source '{}'; COMP_WORDS=('{program}' {}); COMP_CWORD={}; COMPREPLY=(); \
             _rcon_with_containers '{program}' '{}' ''; echo \"${{COMPREPLY[*]}}\"",
            script.display(),
            words
                .iter()
                .map(|w| format!("'{w}'"))
                .collect::<Vec<_>>()
                .join(" "),
            words.len(),
            words.last().unwrap_or(&""),
        );
        let out = Command::new("bash")
            .args(["--norc", "-c", &test])
            .env("RCON_ROOT", bed.root())
            .output();
        String::from_utf8_lossy(&out.expect("bash").stdout)
            .trim()
            .to_owned()
    };
    assert_eq!(complete("stop we"), "webserver");
    assert_eq!(complete("container rm w"), "webserver");
    assert_eq!(complete("stop x"), "");
    assert!(complete("in").contains("inspect"));
    for shell in ["zsh", "fish"] {
        assert!(bed.says(&["completion", shell]).contains("rcon"), "{shell}");
    }
    bed.rcon(&["completion", "tcsh"]).code(1);
}

#[test]
fn there_is_a_page_for_every_command() {
    let Some(bed) = StoreBed::new() else { return };
    assert!(bed.says(&["man"]).contains(".TH rcon 1"));
    let dir = bed.path("man");
    bed.rcon(&["man", "--dir", &dir.to_string_lossy()]).ok();
    for page in [
        "rcon.1",
        "rcon-ps.1",
        "rcon-run.1",
        "rcon-container-prune.1",
    ] {
        let text = std::fs::read_to_string(dir.join(page)).unwrap_or_default();
        assert!(text.contains(".SH NAME"), "{page}");
    }
    bed.rcon(&["man", "--dir", "/proc/none"])
        .fails_naming(&["/proc/none"]);
}
