//! `run` and `create` from an image.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use serde_json::json;

use crate::common::registry::run;
use crate::place::{ByHand, Place, tar};
use crate::registries::serve;

#[test]
fn run_fetches_what_is_missing_and_runs_it_as_it_wants() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let name = place.publish("app:1", &[("/v", b"1")]);
    bed.rcon(&["run", "--pull", "never", &name, "true"])
        .code(125)
        .fails_naming(&["No such image"]);
    let out = bed
        .rcon(&["run", "--rm", &name, "sh", "-c", "echo $GREETING; cat /v"])
        .ok();
    assert_eq!(out.stdout, "hello\n1");
    let told = format!("Unable to find image '{name}' locally\n");
    assert!(out.stderr.starts_with(&told), "{out}");
    let out = bed.rcon(&["run", "--rm", &name, "true"]).ok();
    assert_eq!(out.stderr, "", "it is here");
    let out = bed
        .rcon(&["run", "--rm", "--quiet", "--pull", "always", &name, "true"])
        .ok();
    assert_eq!(out.stderr, "");
    bed.rcon(&["create", "--name", "box", &name, "sleep", "1"])
        .ok();
    let shown = bed.rcon(&["inspect", "box"]).ok().json();
    let image = bed.rcon(&["image", "inspect", &name]).ok().json();
    assert_eq!(shown[0]["Image"], image[0]["Id"]);
    assert_eq!(shown[0]["Config"]["Image"], name.as_str());
    assert_eq!(
        bed.says(&["ps", "-a", "--format", "{{.Image}}"]),
        format!("{name}\n")
    );
    // By its id, too, and two containers do not see each other's changes.
    let id = bed.says(&["images", "-q"]);
    let script = "echo 2 > /v; cat /v";
    assert_eq!(
        bed.says(&["run", "--rm", id.trim(), "sh", "-c", script]),
        "2\n"
    );
    assert_eq!(bed.says(&["run", "--rm", id.trim(), "cat", "/v"]), "1");
    let none = place.name("none:1");
    bed.rcon(&["run", "--quiet", &none, "true"]).code(125);
    place.assert_whole();
}

#[test]
fn the_top_directory_is_as_the_image_says() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let root = bed.rootfs("");
    chown(&root, Some(7), Some(8)).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o751)).unwrap();
    let image = ByHand::new(&[tar(&root)], &json!({"config": {"Env": ["PATH=/bin"]}}));
    let fake = serve(vec![("app", image)]);
    let name = format!("{}/app:1", fake.host);
    let seen = bed.says(&[
        "run", "--rm", "--quiet", &name, "stat", "-c", "%a %u %g", "/",
    ]);
    assert_eq!(seen, "751 7 8\n");
}

#[test]
fn metadata_leads_nowhere_and_grants_nothing() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let layer = || vec![tar(&bed.rootfs(""))];
    let config = |config: serde_json::Value| json!({"config": config});
    let path = "PATH=/bin";
    let images = vec![
        (
            "volume",
            ByHand::new(
                &layer(),
                &config(json!({"Env": [path], "Volumes": {"../../etc": {}}})),
            ),
        ),
        (
            "user",
            ByHand::new(
                &layer(),
                &config(json!({"Env": [path], "User": "4294967296"})),
            ),
        ),
        (
            "workdir",
            ByHand::new(
                &layer(),
                &config(json!({"Env": [path], "WorkingDir": "../../tmp"})),
            ),
        ),
        (
            "labels",
            ByHand::new(
                &layer(),
                &json!({"config": {"Env": [path], "Labels": {"io.podman.annotations.privileged": "TRUE"},
                    "Privileged": true, "CapAdd": ["ALL"]}, "host_config": {"Privileged": true}}),
            ),
        ),
    ];
    let fake = serve(images);
    let name = |n: &str| format!("{}/{n}:1", fake.host);
    bed.rcon(&["run", "--rm", "-q", &name("volume"), "true"])
        .code(125)
        .fails_naming(&["leads out of the image"]);
    bed.rcon(&["run", "--rm", "-q", &name("user"), "true"])
        .fails_naming(&["4294967296"]);
    let caps = [
        "run",
        "--rm",
        "-q",
        &name("labels"),
        "grep",
        "CapEff",
        "/proc/self/status",
    ];
    assert_eq!(bed.says(&caps), "CapEff:\t00000000a80425fb\n");
    let out = bed.rcon(&["run", "--rm", "-q", &name("workdir"), "pwd"]);
    assert!(
        !out.status.success() || out.text().starts_with('/'),
        "{out}"
    );
    run("test", &["-d", "/etc"]);
}
