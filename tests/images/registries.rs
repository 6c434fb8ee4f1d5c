//! Registries that lie, and what is left then; platforms; pushing.

use std::fs;

use serde_json::json;

use crate::common::eventually;
use crate::common::fake::{Answer, Fake};
use crate::common::registry::free_port;
use crate::common::store::StoreBed;
use crate::place::{ByHand, MANIFEST, Place, names, tar};
use rcon::image::reference::Digest;

/// A registry of these images: `NAME:anything` is the image of that name.
pub fn serve(images: Vec<(&'static str, ByHand)>) -> Fake {
    Fake::start(move |asked| {
        let (_, rest) = asked.path.split_at("/v2/".len().min(asked.path.len()));
        for (name, image) in &images {
            let Some(rest) = rest.strip_prefix(name).and_then(|r| r.strip_prefix('/')) else {
                continue;
            };
            if rest.starts_with("manifests/") {
                return Answer::document(&image.manifest, MANIFEST);
            }
            let blob = image
                .blobs
                .iter()
                .find(|b| rest == format!("blobs/{}", Digest::of(b)));
            if let Some(blob) = blob {
                return Answer::new(200, blob.clone());
            }
        }
        Answer::new(404, "")
    })
}

#[test]
fn a_registry_that_lies_leaves_nothing() {
    let Some(place) = Place::new() else { return };
    let layer = tar(&place.bed.rootfs(""));
    let honest = || ByHand::new(std::slice::from_ref(&layer), &json!({}));
    let wrong = {
        let mut image = honest();
        // Served by another's sum, of the same length.
        image.blobs[0][600] ^= 1;
        image
    };
    let digest = Digest::of(&layer).to_string();
    let fake = Fake::start(move |asked| {
        if asked.path.contains("/manifests/") {
            return Answer::document(&wrong.manifest, MANIFEST);
        }
        if asked.path.ends_with(&digest) {
            return Answer::new(200, wrong.blobs[0].clone());
        }
        Answer::new(200, wrong.blobs[1].clone())
    });
    let name = format!("{}/a:1", fake.host);
    place
        .bed
        .rcon(&["pull", "-q", &name])
        .fails_naming(&["is not what it should be"]);
    place.assert_empty();
    // The configuration of another image: layers do not fit.
    let other = ByHand::new(&[layer.clone(), layer.clone()], &json!({}));
    let one = json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": layer.len(),
        "digest": Digest::of(&layer).to_string()});
    let mut manifest: serde_json::Value = serde_json::from_slice(&other.manifest).unwrap();
    manifest["layers"] = json!([one]);
    let uneven = ByHand {
        manifest: manifest.to_string().into_bytes(),
        blobs: other.blobs,
    };
    let garbage = ByHand::new(&[b"no archive at all".repeat(100)], &json!({}));
    let fake = serve(vec![("uneven", uneven), ("garbage", garbage)]);
    for (name, why) in [
        ("uneven", "same number of layers"),
        ("garbage", "sha256:"),
        ("none", "none"),
    ] {
        let name = format!("{}/{name}:1", fake.host);
        place.bed.rcon(&["pull", "-q", &name]).fails_naming(&[why]);
        place.assert_empty();
    }
}

#[test]
fn an_image_for_each_kind_of_machine() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let layer = tar(&bed.rootfs(""));
    let image = |arch: &str| {
        ByHand::new(
            std::slice::from_ref(&layer),
            &json!({"architecture": arch, "config": {"Env": ["PATH=/bin"]}}),
        )
    };
    let (here, there) = (image("amd64"), image("arm64"));
    let entry = |i: &ByHand, arch: &str| {
        json!({"mediaType": MANIFEST, "size": i.manifest.len(), "digest": i.digest(),
            "platform": {"os": "linux", "architecture": arch}})
    };
    let media = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": media,
        "manifests": [entry(&there, "arm64"), entry(&here, "amd64")]})
    .to_string();
    let top = Digest::of(index.as_bytes()).to_string();
    let fake = Fake::start(move |asked| {
        for image in [&here, &there] {
            if asked.path.ends_with(&image.digest()) {
                return Answer::document(&image.manifest, MANIFEST);
            }
            if let Some(blob) = image
                .blobs
                .iter()
                .find(|b| asked.path.ends_with(&Digest::of(b).to_string()))
            {
                return Answer::new(200, blob.clone());
            }
        }
        if asked.path.ends_with("/manifests/1") {
            return Answer::document(index.as_bytes(), media);
        }
        Answer::new(404, "")
    });
    let name = format!("{}/a:1", fake.host);
    let out = bed.says(&["pull", &name]);
    assert!(out.contains(&format!("Digest: {top}\n")), "{out}");
    assert_eq!(
        bed.says(&["image", "inspect", "-f", "{{.Architecture}}", &name]),
        "amd64\n"
    );
    // By its sum, all of it is here already.
    let repository = name.trim_end_matches(":1");
    assert_eq!(
        bed.says(&[
            "run",
            "--rm",
            "--pull",
            "never",
            &format!("{repository}@{top}"),
            "echo",
            "x"
        ]),
        "x\n"
    );
    bed.rcon(&[
        "create",
        "--pull",
        "never",
        "--platform",
        "linux/arm64",
        &name,
    ])
    .code(125)
    .fails_naming(&["wanted linux/arm64, actual: linux/amd64"]);
    bed.rcon(&["pull", "-q", "--platform", "linux/arm64", &name])
        .ok();
    assert_eq!(
        bed.says(&["image", "inspect", "-f", "{{.Architecture}}", &name]),
        "arm64\n"
    );
    bed.rcon(&["pull", "-q", "--platform", "linux/s390x", &name])
        .fails_naming(&["linux/s390x", "linux/arm64"]);
    assert_eq!(bed.says(&["images", "-q"]).lines().count(), 2);
    place.assert_whole();
}

#[test]
fn an_image_of_another_machine_is_not_called_up_to_date() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let name = place.publish("app:1", &[("/v", b"1")]);
    let why = "does not match the specified platform: wanted linux/arm64, actual: linux/amd64";
    let pull = ["pull", "--platform", "linux/arm64", &name];
    let run = ["run", "-q", "--platform", "linux/arm64", &name, "true"];
    bed.rcon(&pull).code(1).fails_naming(&[why]);
    bed.rcon(&["pull", "-q", &name]).ok();
    let out = bed.rcon(&pull).code(1).fails_naming(&[why]);
    assert!(!out.stdout.contains("up to date"), "{out}");
    bed.rcon(&run).code(125).fails_naming(&[why]);
    let never = [&run[..1], &["--pull", "never"], &run[1..]].concat();
    bed.rcon(&never).code(125).fails_naming(&[why]);
    let bogus = ["run", "--platform", "bogus", &name, "true"];
    bed.rcon(&bogus)
        .code(125)
        .fails_naming(&["bogus", "unknown operating system or architecture"]);
    place.assert_whole();
}

#[test]
fn all_tags_of_a_repository_are_pulled() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let mut names: Vec<String> = ["1", "2", "latest"]
        .map(|tag| place.publish(&format!("team/app:{tag}"), &[("/v", tag.as_bytes())]))
        .to_vec();
    let repository = place.name("team/app");
    let said = bed.says(&["pull", "-a", &repository]);
    assert_eq!(
        said.matches("Status: Downloaded newer image for ").count(),
        3
    );
    assert!(said.ends_with(&format!("\n{repository}\n")), "{said}");
    let listed = bed.says(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    names.sort();
    assert_eq!(listed, names);
    assert_eq!(bed.says(&["run", "--rm", &names[1], "cat", "/v"]), "2");
    bed.rcon(&["pull", "-a", &names[0]])
        .fails_naming(&["--all-tags"]);
    place.assert_whole();
}

#[test]
fn a_connection_that_drops_again_and_again_brings_the_image_all_the_same() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let layer = tar(&bed.rootfs(""));
    let config = json!({"config": {"Env": ["PATH=/bin"]}});
    let image = ByHand::new(std::slice::from_ref(&layer), &config);
    // A layer comes in five pieces, and from "dead" nothing at all.
    let piece = layer.len() / 5 + 1;
    let fake = Fake::start(move |asked| {
        if asked.path.contains("/manifests/") {
            return Answer::document(&image.manifest, MANIFEST);
        }
        let mut blobs = image.blobs.iter();
        let blob = blobs.find(|b| asked.path.ends_with(&Digest::of(b).to_string()));
        let Some(blob) = blob else {
            return Answer::new(404, "");
        };
        let is_config = blob.len() < 10_000;
        let answer = match asked.from() {
            0 => Answer::new(200, blob.clone()),
            from => Answer::new(206, &blob[from..]).header(
                "content-range",
                format!("bytes {from}-{}/{}", blob.len() - 1, blob.len()),
            ),
        };
        let dead = asked.path.contains("/dead/") && !is_config;
        Answer {
            drop_after: if dead { 0 } else { piece },
            ..answer
        }
    });
    let dead = format!("{}/dead:1", fake.host);
    bed.rcon(&["pull", "-q", &dead])
        .code(1)
        .fails_naming(&["broke"]);
    place.assert_empty();
    let name = format!("{}/app:1", fake.host);
    let out = bed.rcon(&["pull", &name]).ok();
    assert!(out.stderr.contains("; again in "), "{out}");
    let ranges = fake.asked().iter().filter(|a| a.from() > 0).count();
    assert_eq!(ranges, 4);
    assert_eq!(bed.says(&["run", "--rm", &name, "echo", "up"]), "up\n");
    place.assert_whole();
}

#[test]
fn a_push_to_one_who_takes_their_time_holds_nobody_up() {
    let Some(bed) = StoreBed::new() else { return };
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let fake = Fake::start(move |asked| {
        if asked.path.contains("/blobs/") {
            // Until the sender is gone.
            let _ = wait.lock().unwrap().recv();
        }
        Answer::new(404, "")
    });
    let name = format!("{}/app:1", fake.host);
    let root = bed.rootfs("").display().to_string();
    bed.rcon(&["import", &root, &name]).ok();
    let push = bed.call(&["push", "-q", &name]).spawn();
    eventually("it asks for a blob", || {
        fake.asked().iter().any(|a| a.path.contains("/blobs/"))
    });
    bed.rcon(&["tag", &name, "meanwhile"]).ok();
    bed.rcon(&["rmi", &name, "meanwhile"]).ok();
    assert!(
        !names(&bed.root().join("images/blobs/sha256")).is_empty(),
        "what is being pushed stays"
    );
    drop(go);
    push.wait().fails_naming(&[&fake.host]);
    assert_eq!(names(&bed.root().join("images/stage")), [""; 0]);
}

#[test]
fn who_has_no_network_is_told_first_that_the_image_is_not_here() {
    let Some(bed) = StoreBed::new() else { return };
    let name = format!("127.0.0.1:{}/app:1", free_port());
    let here = format!("no image {name} is on this machine");
    let words = [here.as_str(), "refuses connections"];
    bed.rcon(&["run", "-q", &name, "true"])
        .code(125)
        .fails_naming(&words);
    let dir = bed.path("context");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("Dockerfile"), format!("FROM {name}\n")).unwrap();
    let dir = dir.to_str().unwrap();
    let out = bed.rcon(&["build", "-q", dir]).code(1);
    assert!(words.iter().all(|w| out.stderr.contains(w)), "{out}");
}

#[test]
fn what_is_pushed_has_the_same_sum() {
    let Some(place) = Place::new() else { return };
    let bed = &place.bed;
    let name = place.publish("from/app:1", &[("/v", b"1")]);
    let pulled = bed.says(&["pull", &name]);
    let digest = pulled
        .lines()
        .find_map(|l| l.strip_prefix("Digest: "))
        .unwrap();
    let to = place.name("to/app:2");
    bed.rcon(&["tag", &name, &to]).ok();
    let out = bed.rcon(&["push", &to]).ok();
    assert!(
        out.stdout.contains(&format!("2: digest: {digest} size: ")),
        "{out}"
    );
    assert!(out.stderr.contains("mounted"), "{out}");
    let again = bed.rcon(&["push", &to]).ok();
    assert!(
        again.stderr.contains("already there") && !again.stderr.contains("pushed"),
        "{again}"
    );
    bed.rcon(&["rmi", "-f", "to/app:2", &name, &to]).ok();
    let pulled = bed.says(&["pull", &to]);
    assert!(pulled.contains(&format!("Digest: {digest}\n")), "{pulled}");
    bed.rcon(&["push", &place.name("absent:1")])
        .fails_naming(&["does not exist locally"]);
}
