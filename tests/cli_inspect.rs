//! `inspect` and `port`: everything about a container.

mod common;
use common::store::StoreBed;
use common::*;

#[test]
fn a_running_container_is_described_as_docker_does() {
    let Some(bed) = StoreBed::new() else { return };
    let id = bed.sleeper("web", &["-e", "A=1", "-m", "64m", "--label", "x=y"]);
    let all = bed.rcon(&["inspect", "web"]).ok().json();
    let one = &all[0];
    let pid = one["State"]["Pid"].as_i64().expect("a number") as i32;
    assert_eq!(host::proc_file(pid, "comm").trim(), "sleep");
    for (pointer, want) in [
        ("/Id", json!(id)),
        ("/Name", json!("/web")),
        ("/Path", json!("sleep")),
        ("/Args", json!(["600"])),
        ("/State/Status", json!("running")),
        ("/State/Running", json!(true)),
        ("/State/ExitCode", json!(0)),
        ("/Config/Labels", json!({"x": "y"})),
        ("/HostConfig/Memory", json!(64 << 20)),
        ("/HostConfig/ReadonlyRootfs", json!(false)),
    ] {
        assert_eq!(one.pointer(pointer), Some(&want), "{pointer}");
    }
    let env = one["Config"]["Env"].as_array().expect("a list");
    assert!(env.contains(&json!("A=1")), "{env:?}");
    let masked = one["HostConfig"]["MaskedPaths"].as_array().expect("a list");
    assert!(masked.contains(&json!("/proc/kcore")), "{masked:?}");
    let hosts = one["HostsPath"].as_str().expect("a path");
    assert!(std::fs::read_to_string(hosts).is_ok(), "{hosts}");
}

#[test]
fn an_ended_one_says_how_it_ended() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper("web", &[]);
    bed.rcon(&["kill", "web"]).ok();
    eventually("it ends", || {
        bed.says(&["inspect", "-f", "{{.State.Status}}", "web"]) == "exited\n"
    });
    let format = "{{.State.ExitCode}} {{.State.Running}} {{.State.Pid}} {{.State.StartedAt}}";
    let text = bed.says(&["inspect", "--format", format, "web"]);
    assert!(text.starts_with("137 false 0 20"), "{text}");
}

#[test]
fn those_that_are_there_are_shown_and_the_others_told() {
    let Some(bed) = StoreBed::new() else { return };
    bed.make_container(&["create", "--name", "aa"], &["true"]);
    bed.make_container(&["create", "--name", "bb"], &["true"]);
    let out = bed.rcon(&["container", "inspect", "-f", "{{.Name}}", "aa", "no", "bb"]);
    let out = out.code(1);
    assert_eq!(out.stdout, "/aa\n/bb\n");
    assert!(out.stderr.contains("No such container: no"), "{out}");
    let out = bed.rcon(&["inspect", "no"]).code(1);
    assert_eq!(out.stdout, "[]\n");
    assert_eq!(out.stderr.lines().count(), 1, "{out}");
    let both = bed
        .rcon(&["inspect", "--type", "container", "aa", "bb"])
        .ok();
    assert_eq!(both.json().as_array().map(Vec::len), Some(2));
    bed.rcon(&["inspect", "-f", "{{.Nope}}", "aa"])
        .fails_naming(&["Nope"]);
    bed.rcon(&["inspect", "-f", "{{.Name", "aa"])
        .fails_naming(&["template"]);
}

#[test]
fn how_large_it_is_is_told_when_asked() {
    let Some(bed) = StoreBed::new() else { return };
    bed.make_container(&["create", "--name", "aa"], &["true"]);
    let format = "{{.SizeRootFs}}";
    let size = bed.says(&["inspect", "-s", "-f", format, "aa"]);
    let busybox = std::fs::metadata(bed.rootfs("bin/busybox")).expect("busybox");
    let size: u64 = size.trim().parse().expect("a number");
    assert!(size >= busybox.len(), "{size}");
    bed.rcon(&["inspect", "-f", format, "aa"])
        .fails_naming(&["SizeRootFs"]);
}

#[test]
fn a_port_that_is_not_published_is_an_error() {
    let Some(bed) = StoreBed::new() else { return };
    bed.sleeper("web", &["--expose", "80"]);
    assert_eq!(bed.says(&["port", "web"]), "");
    let out = bed.rcon(&["port", "web", "80"]).code(1);
    assert!(out.stderr.contains("No public port '80/tcp'"), "{out}");
    bed.rcon(&["port", "web", "x"])
        .fails_naming(&["invalid port"]);
}

#[test]
fn a_list_that_is_not_there_is_shown_as_go_shows_it() {
    let Some(bed) = StoreBed::new() else { return };
    bed.make_container(&["create", "--name", "aa"], &["true"]);
    for (format, want) in [
        ("{{.HostConfig.Binds}}", "[]\n"),
        ("{{json .HostConfig.Binds}}", "null\n"),
        ("{{.HostConfig.CapAdd}}{{.ExecIDs}}", "[][]\n"),
        (
            "{{.HostConfig.PidsLimit}} {{.State.Health}}",
            "<nil> <nil>\n",
        ),
        ("{{.Config.Labels.none}}", "<no value>\n"),
    ] {
        assert_eq!(bed.says(&["inspect", "-f", format, "aa"]), want, "{format}");
    }
}
