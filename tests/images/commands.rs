//! Listing, naming, showing and removing.

use crate::place::Place;

#[test]
fn an_image_comes_is_shown_and_goes() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let name = place.publish("team/app:1", &[("/one", b"1")]);
    let pulled = bed.rcon(&["pull", &name]).ok();
    let status = format!("Status: Downloaded newer image for {name}\n{name}\n");
    assert!(pulled.stdout.ends_with(&status), "{pulled}");
    assert!(pulled.stdout.starts_with("Digest: sha256:"), "{pulled}");
    let again = bed.says(&["pull", &name]);
    assert!(
        again.contains("Status: Image is up to date for "),
        "{again}"
    );
    assert_eq!(bed.says(&["pull", "-q", &name]), format!("{name}\n"));
    let listed = bed.says(&[
        "images",
        "--format",
        "{{.Repository}} {{.Tag}} {{.Containers}}",
    ]);
    assert_eq!(listed, format!("{} 1 0\n", place.name("team/app")));
    let table = bed.says(&["image", "ls"]);
    let head = table.lines().next().unwrap().split_whitespace();
    assert_eq!(
        head.collect::<Vec<_>>(),
        ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    );
    let id = bed.says(&["images", "-q", "--no-trunc"]);
    let shown = bed.rcon(&["inspect", "--type", "image", &name]).ok().json();
    assert_eq!(shown[0]["Id"], id.trim());
    assert_eq!(shown[0]["RepoTags"][0], name.as_str());
    assert_eq!(shown[0]["Config"]["Labels"]["made"], "here");
    assert_eq!(shown[0]["RootFS"]["Layers"].as_array().unwrap().len(), 2);
    assert_eq!(
        bed.rcon(&["image", "inspect", id.trim()]).ok().json(),
        shown
    );
    let steps = bed.says(&["history", "--format", "{{.CreatedBy}} {{.Size}}", &name]);
    assert!(steps.contains("umoci insert 1B\n"), "{steps}");
    let events = bed.says(&[
        "events",
        "--since",
        "1h",
        "--until",
        "0s",
        "--format",
        "{{.Type}} {{.Action}}",
    ]);
    assert!(events.starts_with("image pull\n"), "{events}");
    let gone = bed.says(&["rmi", &name]);
    assert!(
        gone.starts_with(&format!("Untagged: {name}\nUntagged: ")),
        "{gone}"
    );
    assert!(gone.contains(&format!("\nDeleted: {id}")), "{gone}");
    place.assert_empty();
    bed.rcon(&["rmi", &name]).fails_naming(&["No such image"]);
    let silent = bed.rcon(&["rmi", "-f", &name]).ok();
    assert_eq!((&silent.stdout[..], &silent.stderr[..]), ("", ""));
    bed.rcon(&["inspect", &name])
        .code(1)
        .fails_naming(&["No such object"]);
}

#[test]
fn names_filters_and_prune() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let old = place.publish("app:1", &[("/v", b"old")]);
    bed.rcon(&["pull", "-q", &old]).ok();
    bed.rcon(&["tag", &old, "short:2"]).ok();
    let names = |args: &[&str]| {
        bed.says(&[&["images", "--format", "{{.Repository}}:{{.Tag}}"], args].concat())
    };
    assert_eq!(names(&["short"]), "short:2\n");
    assert_eq!(names(&["-f", "reference=sho*:*"]), "short:2\n");
    assert_eq!(names(&["nothing"]), "");
    assert_eq!(names(&["*/*/*"]), "", "it has no host and no second part");
    assert_eq!(names(&["docker.io/library/short"]), "short:2\n");
    assert_eq!(names(&["-f", "label=made=there"]), "");
    assert_eq!(
        bed.says(&["images", "-q"]).lines().count(),
        1,
        "two names, one image"
    );
    assert_eq!(bed.says(&["rmi", "short:2"]), "Untagged: short:2\n");
    // The name moves on; the old image is left without.
    place.publish("app:1", &[("/v", b"newer")]);
    bed.rcon(&["pull", "-q", &old]).ok();
    assert_eq!(names(&["-f", "dangling=true"]), "<none>:<none>\n");
    let id = bed.says(&["images", "-q", "-f", "dangling=true"]);
    assert_eq!(
        names(&["-f", &format!("since={}", id.trim())]),
        format!("{old}\n")
    );
    let df = bed.says(&[
        "system",
        "df",
        "--format",
        "{{.Type}} {{.TotalCount}} {{.Active}}",
    ]);
    assert!(df.starts_with("Images 2 0\n"), "{df}");
    assert_eq!(bed.says(&["info", "-f", "{{.Images}}"]), "2\n");
    let pruned = bed.says(&["image", "prune", "-f"]);
    assert!(
        pruned.starts_with("Deleted Images:\ndeleted: sha256:"),
        "{pruned}"
    );
    assert!(pruned.contains("\nTotal reclaimed space: "), "{pruned}");
    assert_eq!(names(&[]), format!("{old}\n"));
    let asked = bed.call(&["image", "prune", "-a"]).stdin("n\n").output();
    assert!(asked.stdout.contains("at least one container"), "{asked}");
    bed.rcon(&["system", "prune", "-a", "-f"]).ok();
    place.assert_empty();
}

#[test]
fn what_a_container_was_made_from_stays() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let name = place.publish("app:1", &[("/v", b"1")]);
    let run = ["run", "-d", "--name", "box", &name, "sleep", "600"];
    bed.rcon(&run).ok();
    bed.rcon(&["rmi", &name]).fails_naming(&[
        "conflict: unable to remove",
        "must force",
        "container",
    ]);
    let id = bed.says(&["images", "-q"]);
    bed.rcon(&["rmi", "-f", id.trim()])
        .fails_naming(&["cannot be forced", "running container"]);
    bed.rcon(&["image", "prune", "-a", "-f"]).ok();
    assert_eq!(bed.says(&["images", "-q"]), id);
    bed.rcon(&["stop", "-t", "0", "box"]).ok();
    bed.rcon(&["rmi", id.trim()])
        .fails_naming(&["must be forced", "stopped container"]);
    bed.rcon(&["rmi", "-f", &name]).ok();
    assert_eq!(bed.says(&["images", "-q"]), "");
    bed.rcon(&["image", "prune", "-a", "-f"]).ok();
    // Its layers are there as long as it is.
    bed.rcon(&["start", "box"]).ok();
    assert_eq!(bed.says(&["exec", "box", "cat", "/v"]), "1");
    bed.rcon(&["rm", "-f", "box"]).ok();
    bed.rcon(&["image", "prune", "-f"]).ok();
    place.assert_empty();
}
