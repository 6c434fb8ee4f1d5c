//! Other tools open the store in place, and rcon what they wrote into it.

use crate::common::registry::run;
use crate::place::Place;

#[test]
fn skopeo_and_umoci_read_and_write_the_layout_in_place() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let name = place.publish("app:1", &[("/v", b"1")]);
    let pulled = bed.says(&["pull", &name]);
    let digest = pulled
        .lines()
        .find_map(|l| l.strip_prefix("Digest: "))
        .unwrap();
    let layout = place.images();
    let layout = layout.display();
    let there = format!("oci:{layout}:{name}");
    let seen = run("skopeo", &["inspect", "--format", "{{.Digest}}", &there]);
    assert_eq!(seen.trim(), digest);
    let tags = run("umoci", &["ls", "--layout", &layout.to_string()]);
    assert_eq!(tags, format!("{name}\n"));
    // What skopeo and umoci write there is an image like the others.
    let copy = format!("oci:{layout}:copied");
    run(
        "skopeo",
        &[
            "copy",
            &format!("docker://{name}"),
            &copy,
            "--src-tls-verify=false",
        ],
    );
    let more = bed.path("file");
    std::fs::write(&more, "more").unwrap();
    let image = format!("{layout}:copied");
    run(
        "umoci",
        &[
            "insert",
            "--image",
            &image,
            &more.to_string_lossy(),
            "/more",
        ],
    );
    let listed = bed.says(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert!(listed.contains("copied:latest\n"), "{listed}");
    assert_eq!(bed.says(&["run", "--rm", "copied", "cat", "/more"]), "more");
    let entries = std::fs::read_to_string(place.images().join("index.json")).unwrap();
    bed.rcon(&["rmi", "copied"]).ok();
    assert!(entries.contains("\"copied\""), "{entries}");
    let seen = run("skopeo", &["inspect", "--format", "{{.Digest}}", &there]);
    assert_eq!(seen.trim(), digest);
    assert_eq!(bed.says(&["run", "--rm", &name, "cat", "/v"]), "1");
}
