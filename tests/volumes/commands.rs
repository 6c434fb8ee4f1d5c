//! `rcon volume …`, and what other commands know of volumes.

use crate::common::Value;
use crate::place::{PLAIN, Place, WITH};

/// Where names are on the disk before contents, a power failure can bring a file
/// back with what was there before.
#[test]
fn the_record_of_another_volume_is_none() {
    let Some(place) = Place::new() else { return };
    for name in ["kept", "other"] {
        place.says(&["volume", "create", name]);
    }
    std::fs::write(place.data("kept").join("file"), "x").unwrap();
    let record = |name: &str| place.data(name).with_file_name("config.json");
    std::fs::copy(record("other"), record("kept")).unwrap();
    let out = place.rcon(&["volume", "ls", "-q"]).ok();
    assert_eq!(out.text(), "other");
    assert!(out.stderr.contains("the record of volume other"), "{out}");
    let found = place.rcon(&["system", "check"]).code(1);
    assert!(found.stdout.starts_with("volume kept: "), "{found}");
    let mended = place.rcon(&["system", "check", "--repair"]).ok();
    assert!(mended.stdout.ends_with(": mended\n"), "{mended}");
    assert_eq!(place.says(&["volume", "ls", "-q"]), "kept\nother");
    assert!(place.data("kept").join("file").exists());
    place.rcon(&["volume", "prune", "-af"]).ok();
    assert_eq!(place.says(&["volume", "ls", "-q"]), "");
}

#[test]
fn making_and_looking_at_volumes() {
    let Some(place) = Place::new() else { return };
    assert_eq!(
        place.says(&["volume", "create", "--label", "a=1", "data"]),
        "data"
    );
    assert_eq!(
        place.says(&["volume", "create", "data"]),
        "data",
        "as in Docker"
    );
    assert_eq!(
        place.says(&["volume", "create", "--name", "other"]),
        "other"
    );
    let made_up = place.says(&["volume", "create"]);
    assert_eq!(made_up.len(), 64);
    let all = place.says(&["volume", "ls"]);
    let lines: Vec<Vec<&str>> = all
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["DRIVER", "VOLUME", "NAME"]);
    assert!(lines.contains(&vec!["local", "data"]), "{all}");
    let found: Value = place.rcon(&["volume", "inspect", "data"]).ok().json();
    let one = &found[0];
    assert_eq!(one["Name"], "data");
    assert_eq!(one["Labels"]["a"], "1");
    assert_eq!(
        (&one["Driver"], &one["Scope"], &one["Options"]),
        (&"local".into(), &"local".into(), &Value::Null)
    );
    assert_eq!(one["Mountpoint"], place.data("data").to_str().unwrap());
    assert!(one["CreatedAt"].as_str().unwrap().starts_with("20"));
    assert_eq!(
        place.says(&["inspect", "--type", "volume", "-f", "{{.Name}}", "data"]),
        "data"
    );
    assert_eq!(
        place.says(&["inspect", "-f", "{{.Driver}}", "data"]),
        "local"
    );
    let out = place.rcon(&["volume", "inspect", "data", "nil"]).code(1);
    assert!(out.stderr.contains("No such volume: nil"), "{out}");
    assert_eq!(out.json()[0]["Name"], "data");
    place
        .rcon(&["volume", "create", "a/b"])
        .code(1)
        .fails_naming(&["a/b"]);
    place
        .rcon(&["volume", "create", "-d", "nfs", "cc"])
        .code(1)
        .fails_naming(&["nfs"]);
}

#[test]
fn filters_and_formats() {
    let Some(place) = Place::new() else { return };
    for (name, label) in [("one", "k=1"), ("two", "k=2"), ("three", "other")] {
        place.says(&["volume", "create", "--label", label, name]);
    }
    place.create("user", &["-v", "two:/x"], PLAIN, "true");
    let listed = |filter: &str| {
        place
            .says(&["volume", "ls", "-q", "-f", filter])
            .replace('\n', " ")
    };
    for (filter, want) in [
        ("name=o", "one two"),
        ("name=^one$", "one"),
        ("name=^(one|t.*)$", "one three two"),
        ("name=^o$", ""),
        ("label=k", "one two"),
        ("label=k=2", "two"),
        ("label!=k", "three"),
        ("driver=local", "one three two"),
        ("driver=nfs", ""),
        ("dangling=true", "one three"),
        ("dangling=false", "two"),
    ] {
        assert_eq!(listed(filter), want, "{filter}");
    }
    place
        .rcon(&["volume", "ls", "-f", "colour=red"])
        .code(125)
        .fails_naming(&["colour"]);
    let format = "{{.Name}} {{.Driver}} {{.Label \"k\"}} {{.Links}}";
    let shown = place.says(&["volume", "ls", "-f", "name=two", "--format", format]);
    assert_eq!(shown, "two local 2 1");
    let line: Value = place
        .rcon(&["volume", "ls", "-f", "name=two", "--format", "json"])
        .ok()
        .json();
    assert_eq!(line["Name"], "two");
    let shown = place.says(&["volume", "inspect", "-f", "{{.Labels.k}}", "one"]);
    assert_eq!(shown, "1");
}

#[test]
fn a_volume_in_use_stays() {
    let Some(place) = Place::new() else { return };
    place.create("first", &["-v", "data:/x"], PLAIN, "true");
    place.start("second", &["-v", "data:/x"], PLAIN);
    let out = place.rcon(&["volume", "rm", "data"]).code(1);
    out.fails_naming(&["data", "in use", "first", "second"]);
    let out = place.rcon(&["volume", "rm", "-f", "data"]).code(1);
    out.fails_naming(&["in use"]);
    assert!(!place.says(&["volume", "prune", "-af"]).contains("data"));
    place.says(&["rm", "-f", "first", "second"]);
    assert_eq!(place.says(&["volume", "rm", "data"]), "data");
    place
        .rcon(&["volume", "rm", "data"])
        .code(1)
        .fails_naming(&["No such volume: data"]);
    place.rcon(&["volume", "rm", "-f", "data"]).ok();
    place
        .rcon(&["volume", "rm", "../x"])
        .code(1)
        .fails_naming(&["No such volume"]);
}

#[test]
fn prune_takes_what_it_says() {
    let Some(place) = Place::new() else { return };
    place.says(&["volume", "create", "--label", "keep", "named"]);
    place.says(&["volume", "create", "plain"]);
    let made_up = place.says(&["volume", "create"]);
    std::fs::write(place.data(&made_up).join("x"), [0; 4000]).unwrap();
    let out = place
        .bed
        .call(&["volume", "prune"])
        .stdin("n\n")
        .output()
        .code(1);
    assert!(out.stdout.contains("anonymous"), "{out}");
    let out = place.says(&["volume", "prune", "-f"]);
    assert_eq!(
        out,
        format!("Deleted Volumes:\n{made_up}\n\nTotal reclaimed space: 4kB")
    );
    let out = place.says(&["volume", "prune", "-f", "-a", "--filter", "label!=keep"]);
    assert!(out.contains("plain") && !out.contains("named"), "{out}");
    let out = place.says(&["volume", "prune", "-f", "--filter", "all=1"]);
    assert!(out.contains("named"), "{out}");
    assert_eq!(
        place.says(&["volume", "prune", "-f"]),
        "Total reclaimed space: 0B"
    );
}

#[test]
fn what_other_commands_say_of_volumes() {
    let Some(place) = Place::new() else { return };
    place.start("web", &["-v", "data:/var/data:ro"], WITH);
    place.says(&["volume", "create", "idle"]);
    let mounts = place.mounts("web");
    let named = mounts.iter().find(|m| m["Name"] == "data").unwrap();
    for (field, want) in [
        ("Type", "volume".into()),
        ("Driver", "local".into()),
        ("Destination", "/var/data".into()),
        ("Mode", "ro".into()),
        ("RW", Value::Bool(false)),
        ("Source", place.data("data").to_str().unwrap().into()),
        ("Propagation", "".into()),
    ] {
        assert_eq!(named[field], want, "{field}");
    }
    let with =
        |filter: &str| place.says(&["ps", "-a", "--format", "{{.Names}}", "--filter", filter]);
    assert_eq!(
        (with("volume=data"), with("volume=/var/data")),
        ("web".into(), "web".into())
    );
    assert_eq!(with("volume=idle"), "");
    let shown = place.says(&["ps", "--format", "{{.Mounts}} {{.LocalVolumes}}"]);
    assert!(shown.contains("data") && shown.ends_with(" 2"), "{shown}");
    let df = place.says(&[
        "system",
        "df",
        "--format",
        "{{.Type}} {{.TotalCount}} {{.Active}}",
    ]);
    assert!(df.contains("Local Volumes 3 2"), "{df}");
    let df = place.says(&["system", "df", "-v"]);
    assert!(df.contains("VOLUME NAME") && df.contains("idle"), "{df}");
    assert_eq!(
        place.says(&["info", "--format", "{{.Volumes}} {{.Plugins.Volume}}"]),
        "3 [local]"
    );
    place.says(&["rm", "-f", "web"]);
    let out = place.says(&["system", "prune", "-f"]);
    assert!(!out.contains("Volumes"), "{out}");
    let out = place.says(&["system", "prune", "-f", "--volumes"]);
    assert!(out.contains("Deleted Volumes"), "{out}");
    assert_eq!(place.volumes(), ["data", "idle"]);
}

#[test]
fn what_happens_to_a_volume_is_told() {
    let Some(place) = Place::new() else { return };
    place.run(&["-v", "data:/x:ro"], PLAIN, "true").ok();
    place.says(&["volume", "rm", "data"]);
    let format = "{{.Action}} {{.Actor.ID}} {{index .Actor.Attributes \"read/write\"}}";
    let args = [
        "events",
        "--since",
        "1h",
        "--until",
        "0s",
        "--filter",
        "type=volume",
        "--format",
        format,
    ];
    let told = place.says(&args);
    let want = "create data \nmount data false\nunmount data \ndestroy data";
    assert_eq!(told, want);
    let at = place.rcon(&[
        "events",
        "--since",
        "1h",
        "--until",
        "0s",
        "--filter",
        "type=volume",
    ]);
    assert!(at.stdout.contains("destination=/x"), "{at}");
}

#[test]
fn a_shell_completes_them() {
    let Some(place) = Place::new() else { return };
    let script = place.says(&["completion", "bash"]);
    for word in ["volume", "prune", "--volume-driver"] {
        assert!(script.contains(word), "{word}");
    }
}
