//! `--mount type=image`: the files of one image in a container of another.

use crate::common::{Need, needs_met};
use crate::place::Place;

#[test]
fn an_image_is_seen_in_a_container_and_stays_while_it_is() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let tools = place.publish(
        "tools:1",
        &[("/one", b"1"), ("/two", b"2"), ("/one", b"11")],
    );
    let root = bed.rootfs("");
    let root = root.to_str().unwrap();
    let mount = format!("type=image,source={tools},target=/tools");
    let refused = [
        "run", "--pull", "never", "--mount", &mount, "--rootfs", root,
    ];
    bed.rcon(&[&refused[..], &["true"]].concat())
        .code(125)
        .fails_naming(&["No such image", "tools:1"]);
    // It is fetched as the container's own image is.
    let script = "cat /tools/one /tools/two; ls -d /tools/bin; touch /tools/x || exit 7";
    let named = ["run", "-d", "--name", "web", "--mount", &mount];
    let program = ["--rootfs", root, "sh", "-c", "sleep 600"];
    bed.rcon(&[&named[..], &program].concat()).ok();
    let out = bed.rcon(&["exec", "web", "sh", "-c", script]).code(7);
    assert_eq!(out.stdout, "112/tools/bin\n");
    assert!(out.stderr.contains("Read-only file system"), "{out}");
    let shown = bed.rcon(&["inspect", "web"]).ok().json();
    let mounts = &shown[0]["Mounts"][0];
    assert_eq!(mounts["Type"], "image");
    assert_eq!(mounts["Source"], tools.as_str());
    assert_eq!(
        (&mounts["RW"], &mounts["Destination"]),
        (&false.into(), &"/tools".into())
    );
    // Who has it mounted has it.
    bed.rcon(&["rmi", &tools])
        .code(1)
        .fails_naming(&["is using its referenced image"]);
    bed.rcon(&["image", "prune", "-af"]).ok();
    bed.rcon(&["rmi", "-f", &tools]).ok();
    bed.rcon(&["restart", "-t", "0", "web"]).ok();
    let again = bed.says(&["exec", "web", "cat", "/tools/one", "/tools/two"]);
    assert_eq!(again, "112");
    bed.rcon(&["rm", "-f", "web"]).ok();
    bed.rcon(&["image", "prune", "-af"]).ok();
    place.assert_empty();
}

#[test]
fn one_image_twice_and_beside_the_containers_own() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let name = place.publish("app:1", &[("/v", b"1")]);
    let (one, two) = (
        format!("type=image,source={name},target=/one"),
        format!("type=image,source={name},target=/two"),
    );
    let args = ["run", "--rm", "--mount", &one, "--mount", &two, &name];
    let script = "echo 2 > /v; cat /one/v /two/v /v";
    let out = bed.rcon(&[&args[..], &["sh", "-c", script]].concat()).ok();
    assert_eq!(out.stdout, "112\n");
    // In a user namespace its files are root's there, too.
    if needs_met(&[Need::MappedMounts]) {
        let users = ["--userns", "100000:65536", "--mount", &one, &name];
        let stat = ["stat", "-c", "%u:%g", "/one/v"];
        let out = bed.rcon(&[&["run", "--rm"], &users[..], &stat].concat());
        assert_eq!(out.ok().stdout, "0:0\n");
    }
    let idmap = format!("{one},idmap");
    bed.rcon(&["run", "--rm", "--mount", &idmap, &name, "true"])
        .code(125)
        .fails_naming(&["keep their owners"]);
    place.assert_whole();
}
