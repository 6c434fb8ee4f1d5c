//! What is here, through everything that can be done to it, and cut short.

use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::image::manifest::OCI_MANIFEST;
use crate::image::testing::{Bed, Packed, bring_as, entry, tar};

/// An image of one layer with one file.
fn image(bed: &Bed, text: &str, names: &[&str]) -> Image {
    let layer = Packed::plain(tar(&[entry("f", text.as_bytes())]));
    bring_as(&bed.images, &[layer], names).unwrap()
}

fn names(bed: &Bed) -> Vec<String> {
    let all = bed.images.list().unwrap();
    let mut names: Vec<String> = all
        .iter()
        .flat_map(|i| match &i.names[..] {
            [] => vec!["<none>".to_owned()],
            names => names.iter().map(Name::to_string).collect(),
        })
        .collect();
    names.sort();
    names
}

/// Files in the layout and layers: what takes room.
fn things(bed: &Bed) -> usize {
    let store = bed.images.store();
    let blobs = place::names(&store.images().join("blobs/sha256")).len();
    blobs + place::names(&store.layers()).len()
}

/// A blob or layer that is older than anybody who could be at it.
fn age(path: &Path) {
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    File::open(path).unwrap().set_modified(old).unwrap();
}

use std::path::Path;

#[test]
fn an_image_is_found_by_whatever_means_it() {
    let bed = Bed::new();
    let a = image(&bed, "a", &["x:1", "host:5000/y"]);
    let b = image(&bed, "b", &["x"]);
    let id = a.id();
    for wanted in [
        "x:1",
        "docker.io/library/x:1",
        "host:5000/y:latest",
        "host:5000/y",
        id.hex(),
        id.short(),
        &id.to_string(),
        &format!("sha256:{}", id.short()),
        &a.target.digest.to_string(),
        &format!("x@{}", a.target.digest),
    ] {
        assert_eq!(bed.images.find(wanted).unwrap().id(), id, "{wanted}");
    }
    assert_eq!(bed.images.find("x").unwrap().id(), b.id());
    for wanted in [
        "z",
        "x:2",
        "",
        "../x",
        "sha256:",
        "y@sha256:0",
        &format!("z@{}", a.target.digest),
    ] {
        let e = bed.images.find(wanted).unwrap_err();
        assert!(e.what().starts_with("No such image: "), "{e}");
    }
}

#[test]
fn a_name_moves_on_and_leaves_an_image_without() {
    let bed = Bed::new();
    let old = image(&bed, "a", &["x"]);
    image(&bed, "b", &["x"]);
    assert_eq!(names(&bed), ["<none>", "x:latest"]);
    bed.images
        .tag(&old, &Reference::parse("y:1").unwrap())
        .unwrap();
    assert_eq!(names(&bed), ["x:latest", "y:1"]);
    let digest = Reference::parse("y")
        .unwrap()
        .with_digest(old.target.digest.clone());
    assert!(bed.images.tag(&old, &digest).is_err());
}

#[test]
fn the_last_name_takes_the_image_along_but_not_what_others_share() {
    let bed = Bed::new();
    let shared = || Packed::plain(tar(&[entry("base", b"1234")]));
    let own = |text: &[u8]| Packed::plain(tar(&[entry("own", text)]));
    let a = bring_as(&bed.images, &[shared(), own(b"a")], &["a:1", "a:2"]).unwrap();
    let b = bring_as(&bed.images, &[shared(), own(b"b")], &["b"]).unwrap();
    let removed = bed.images.remove("a:1", false).unwrap();
    assert_eq!(removed.untagged, ["a:1"]);
    assert!(removed.images.is_empty() && removed.layers.is_empty());
    let removed = bed.images.remove("a:2", false).unwrap();
    assert_eq!(removed.images, [a.id().clone()]);
    assert_eq!(removed.layers, [format!("sha256:{}", a.layers()[0])]);
    assert!(bed.images.store().layer(&b.layers()[1]).is_dir());
    // Manifest, configuration, two blobs; two layers with their sizes.
    assert_eq!(things(&bed), 4 + 4);
    bed.images.remove(b.id().short(), false).unwrap();
    assert_eq!(things(&bed), 0);
    assert!(!bed.images.store().images().join("journal").exists());
}

#[test]
fn an_id_with_several_repositories_needs_force() {
    let bed = Bed::new();
    let a = image(&bed, "a", &["a:1", "b"]);
    let e = bed.images.remove(a.id().short(), false).unwrap_err();
    assert!(e.what().contains("multiple repositories"), "{e}");
    assert_eq!(names(&bed), ["a:1", "b:latest"]);
    assert_eq!(
        bed.images
            .remove(a.id().short(), true)
            .unwrap()
            .images
            .len(),
        1
    );
    assert_eq!(things(&bed), 0);
}

#[test]
fn prune_takes_those_without_a_name_and_what_nobody_has() {
    let bed = Bed::new();
    image(&bed, "a", &["x"]);
    image(&bed, "b", &["x"]);
    let stray = bed.images.blob_path(&Digest::of(b"stray"));
    fs::write(&stray, b"stray").unwrap();
    let dangling = |i: &Image| i.names.is_empty();
    bed.images.prune(&dangling).unwrap();
    assert_eq!(names(&bed), ["x:latest"]);
    assert!(stray.exists(), "another tool may be writing it just now");
    age(&stray);
    assert_eq!(bed.images.prune(&dangling).unwrap().bytes, 5);
    assert!(!stray.exists());
    assert_eq!(bed.images.prune(&|_| true).unwrap().images.len(), 1);
    assert_eq!(things(&bed), 0);
}

#[test]
fn what_a_stage_counts_on_is_not_taken_away() {
    let bed = Bed::new();
    let a = image(&bed, "a", &["a"]);
    let stage = bed.images.stage().unwrap();
    let blob = a.manifest.layers[0].digest.clone();
    assert!(stage.has(&blob).unwrap() && !stage.has(&Digest::of(b"none")).unwrap());
    stage.layers(&a.manifest, &a.config).unwrap();
    bed.images.remove("a", false).unwrap();
    assert!(bed.images.blob(&blob).is_ok());
    assert!(bed.images.store().layer(&a.layers()[0]).is_dir());
    drop(stage);
    age(&bed.images.blob_path(&blob));
    bed.images.repair().unwrap();
    assert_eq!(things(&bed), 0);
}

#[test]
fn a_stage_that_lacks_something_is_not_committed() {
    let bed = Bed::new();
    let a = image(&bed, "a", &["a"]);
    let stage = bed.images.stage().unwrap();
    let target = stage.bytes(
        &a.target.media_type,
        &bed.images.document(&a.manifest_digest).unwrap().bytes,
    );
    bed.images.remove("a", false).unwrap();
    let e = stage
        .commit(&[], &target.unwrap(), &a.manifest_digest)
        .unwrap_err();
    assert!(e.to_string().contains("not in the stage"), "{e}");
    assert!(names(&bed).is_empty());
    assert_eq!(things(&bed), 0);
}

#[test]
fn a_change_that_was_cut_short_is_settled() {
    let bed = Bed::new();
    let a = image(&bed, "a", &["a"]);
    let images = bed.images.store().images();
    // As after a crash of a commit: moved in, announced, not entered.
    let (stray, layer) = (Digest::of(b"stray"), "e".repeat(64));
    fs::write(bed.images.blob_path(&stray), b"stray").unwrap();
    fs::create_dir(bed.images.store().layer(&layer)).unwrap();
    fs::write(bed.images.size_path(&layer), "1").unwrap();
    let journal = json!({"blobs": [stray, a.config_digest], "layers": [layer, a.layers()[0]]});
    fs::write(images.join("journal"), journal.to_string()).unwrap();
    fs::write(images.join(".index.json.new"), "half").unwrap();
    // Who died in the middle of it had claimed what was moved in.
    let dead = images.join("stage/0123456789abcdef");
    let claims = dead.join("claims");
    fs::create_dir_all(&claims).unwrap();
    fs::write(dead.join("lock"), "").unwrap();
    let blob = format!("blob-sha256-{}", stray.hex());
    for name in [blob, format!("layer-{layer}")] {
        fs::write(claims.join(name), "").unwrap();
    }
    bed.images.sweep().unwrap();
    assert_eq!(things(&bed), 3 + 2);
    assert!(!images.join("journal").exists() && !images.join(".index.json.new").exists());
    assert_eq!(names(&bed), ["a:latest"]);
    // One that makes no sense: everything is looked at.
    fs::write(bed.images.blob_path(&stray), b"stray").unwrap();
    fs::write(images.join("journal"), "half").unwrap();
    bed.images.tag(&a, &Reference::parse("b").unwrap()).unwrap();
    assert_eq!(things(&bed), 3 + 2);
}

#[test]
fn what_the_dead_have_left_is_swept_and_the_living_are_let_be() {
    let bed = Bed::new();
    let stage = bed.images.stage().unwrap();
    let layers = bed.images.store().layers();
    let dead = bed.images.store().images().join("stage/0123456789abcdef");
    fs::create_dir_all(dead.join("claims")).unwrap();
    fs::write(dead.join("lock"), "").unwrap();
    fs::write(dead.join("1.part"), "half").unwrap();
    let half = layers.join(".tmp-0123456789abcdef-0");
    let lost = layers.join(".tmp-00000000000000ff-0");
    for dir in [&half, &lost] {
        fs::create_dir_all(dir.join("usr/bin")).unwrap();
    }
    bed.images.sweep().unwrap();
    assert!(half.exists(), "its maker may be about to lock it");
    assert!(!lost.exists());
    age(&dead);
    assert_eq!(bed.images.leftovers().unwrap().len(), 2);
    bed.images.sweep().unwrap();
    assert!(!dead.exists() && !half.exists());
    assert!(bed.images.leftovers().unwrap().is_empty());
    assert!(stage.has(&Digest::of(b"x")).is_ok(), "ours is still there");
    drop(stage);
    assert!(place::names(&bed.images.store().images().join("stage")).is_empty());
}

#[test]
fn nobody_changes_anything_while_somebody_looks() {
    let bed = Bed::new();
    image(&bed, "a", &["a"]);
    let guard = bed.images.share().unwrap();
    let second = bed.images.share().unwrap();
    assert!(Change::try_begin(&bed.images).unwrap().is_none());
    drop((guard, second));
    assert!(Change::try_begin(&bed.images).unwrap().is_some());
}

#[test]
fn an_image_by_another_tool_is_understood_and_unpacked_when_it_is_needed() {
    let bed = Bed::new();
    let a = image(&bed, "a", &["a"]);
    let path = bed.images.store().images().join("index.json");
    let entry = json!({"mediaType": a.target.media_type, "size": a.target.size,
        "digest": a.target.digest, "annotations": {"org.opencontainers.image.ref.name": "latest"}});
    fs::write(
        &path,
        json!({"schemaVersion": 2, "manifests": [entry]}).to_string(),
    )
    .unwrap();
    fs::remove_dir_all(bed.images.store().layer(&a.layers()[0])).unwrap();
    let found = bed.images.find("latest").unwrap();
    assert_eq!(found.names, [Name::Plain("latest".to_owned())]);
    assert!(!found.is_unpacked());
    bed.images.unpack(&found).unwrap();
    assert!(bed.images.find("latest").unwrap().is_unpacked());
    let written: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        written["manifests"],
        json!([entry]),
        "its entry is as it was"
    );
    assert_eq!(
        bed.images.remove("latest", false).unwrap().untagged,
        ["latest"]
    );
    assert_eq!(things(&bed), 0);
}

#[test]
fn a_damaged_image_does_not_hide_the_others() {
    let bed = Bed::new();
    let a = image(&bed, "a", &["a"]);
    image(&bed, "b", &["b"]);
    fs::write(bed.images.blob_path(&a.config_digest), "{}").unwrap();
    assert_eq!(names(&bed), ["b:latest"]);
    assert!(
        bed.images
            .config_bytes(&a)
            .unwrap_err()
            .to_string()
            .contains("is damaged")
    );
    assert_eq!(
        bed.images.remove("a", false).unwrap().untagged,
        ["a:latest"]
    );
    assert!(!bed.images.blob_path(&a.config_digest).exists());
}

#[test]
fn every_document_of_an_image_is_looked_at() {
    let bed = Bed::new();
    let a = image(&bed, "a", &["a"]);
    assert!(bed.images.damage().unwrap().is_empty());
    for digest in [&a.manifest_digest, &a.config_digest] {
        let path = bed.images.blob_path(digest);
        let whole = fs::read(&path).unwrap();
        for is_there in [true, false] {
            fs::remove_file(&path).unwrap();
            if is_there {
                fs::write(&path, "{}").unwrap();
            }
            let told = bed.images.damage().unwrap();
            assert_eq!(told.len(), 1, "{told:?}");
            let parts = ["image a:latest: ", digest.hex(), "`rcon rmi a:latest`"];
            assert!(parts.iter().all(|part| told[0].contains(part)), "{told:?}");
            fs::write(&path, &whole).unwrap();
        }
    }
    // Layers are not read: that would take minutes.
    fs::write(bed.images.blob_path(&a.manifest.layers[0].digest), "").unwrap();
    assert!(bed.images.damage().unwrap().is_empty());
}

/// All of an image into a stage, as it comes from elsewhere.
fn bring_into(stage: &Stage, parts: &[(&str, Vec<u8>)]) -> Descriptor {
    let mut last = None;
    for (media_type, bytes) in parts {
        last = Some(stage.bytes(media_type, bytes).unwrap());
    }
    last.unwrap()
}

/// The blobs of an image of one layer, its manifest the last.
fn parts(bed: &Bed, image: &Image) -> Vec<(&'static str, Vec<u8>)> {
    let read = |digest: &Digest| fs::read(bed.images.blob_path(digest)).unwrap();
    vec![
        ("layer", read(&image.manifest.layers[0].digest)),
        ("config", read(&image.config_digest)),
        (OCI_MANIFEST, read(&image.manifest_digest)),
    ]
}

#[test]
fn what_a_stage_has_committed_stays_for_its_next_image() {
    let bed = Bed::new();
    let a = image(&bed, "a", &["a"]);
    let parts = parts(&bed, &a);
    bed.images.remove("a", false).unwrap();
    assert_eq!(things(&bed), 0);
    let stage = bed.images.stage().unwrap();
    let target = bring_into(&stage, &parts);
    for name in ["x", "y", "z"] {
        let name = [Reference::parse(name).unwrap()];
        stage.layers(&a.manifest, &a.config).unwrap();
        let image = stage.commit(&name, &target, &a.manifest_digest).unwrap();
        assert_eq!(image.id(), a.id());
        assert!(image.is_unpacked());
        // As somebody does who tidies up at the same time.
        bed.images.prune(&|_| true).unwrap();
        assert!(names(&bed).is_empty());
    }
    drop(stage);
    for blob in [&a.config_digest, &a.manifest_digest] {
        age(&bed.images.blob_path(blob));
    }
    age(&bed.images.blob_path(&a.manifest.layers[0].digest));
    bed.images.repair().unwrap();
    assert_eq!(things(&bed), 0);
}

#[test]
fn a_length_that_lies_is_found_also_where_the_blob_was_here_before() {
    let bed = Bed::new();
    let a = image(&bed, "a", &["a"]);
    let bytes = bed.images.document(&a.manifest_digest).unwrap().bytes;
    for part in ["/layers/0/size", "/config/size"] {
        let mut lying: Value = serde_json::from_slice(&bytes).unwrap();
        *lying.pointer_mut(part).unwrap() = json!(10);
        let stage = bed.images.stage().unwrap();
        let target = stage
            .bytes(OCI_MANIFEST, lying.to_string().as_bytes())
            .unwrap();
        let digest = target.digest.clone();
        let e = stage.commit(&[], &target, &digest).unwrap_err();
        assert!(e.to_string().contains("its manifest says 10"), "{e}");
    }
    assert_eq!(names(&bed), ["a:latest"]);
}

#[test]
fn a_document_of_an_image_that_stays_is_no_image_that_went() {
    let bed = Bed::new();
    let a = image(&bed, "a", &["a"]);
    let bytes = bed.images.document(&a.manifest_digest).unwrap().bytes;
    let mut other: Value = serde_json::from_slice(&bytes).unwrap();
    other["annotations"] = json!({"by": "another tool"});
    let stage = bed.images.stage().unwrap();
    let target = stage
        .bytes(OCI_MANIFEST, other.to_string().as_bytes())
        .unwrap();
    let digest = target.digest.clone();
    stage.commit(&[], &target, &digest).unwrap();
    drop(stage);
    let removed = bed.images.prune(&|i| i.names.is_empty()).unwrap();
    assert_eq!(removed.documents, [digest]);
    assert!(removed.images.is_empty() && removed.layers.is_empty());
    let removed = bed.images.prune(&|_| true).unwrap();
    assert_eq!(removed.images, [a.id().clone()]);
    assert!(removed.documents.is_empty());
    assert_eq!(things(&bed), 0);
}

#[test]
fn who_needs_layers_for_long_does_not_hold_the_others_up() {
    let bed = Bed::new();
    let a = image(&bed, "a", &["a"]);
    let guard = bed.images.share().unwrap();
    let guard = guard.for_long(&bed.images, a.layers()).unwrap();
    bed.images.remove("a", false).unwrap();
    assert!(bed.images.store().layer(&a.layers()[0]).is_dir());
    drop(guard);
    bed.images.repair().unwrap();
    assert!(!bed.images.store().layer(&a.layers()[0]).exists());
}

/// The blob of an image that another tool has put there was never summed.
#[test]
fn a_blob_that_was_here_before_is_not_believed() {
    let bed = Bed::new();
    let a = image(&bed, "a", &["a"]);
    fs::remove_dir_all(bed.images.store().layer(&a.layers()[0])).unwrap();
    let layer = &a.manifest.layers[0].digest;
    assert_eq!(*layer, a.config.rootfs.diff_ids[0], "it is not packed");
    let blob = bed.images.blob_path(layer);
    let mut bytes = fs::read(&blob).unwrap();
    bytes[512] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let found = bed.images.find("a").unwrap();
    let e = bed.images.unpack(&found).unwrap_err().to_string();
    assert!(e.contains("not what the image's configuration says"), "{e}");
}

#[test]
fn an_image_that_went_meanwhile_is_not_there_to_be_unpacked() {
    let bed = Bed::new();
    let a = image(&bed, "a", &["a"]);
    fs::remove_dir_all(bed.images.store().layer(&a.layers()[0])).unwrap();
    let found = bed.images.find("a").unwrap();
    bed.images.remove("a", false).unwrap();
    let e = bed.images.unpack(&found).unwrap_err();
    assert!(e.what().starts_with("No such image"), "{e}");
    assert_eq!(things(&bed), 0);
}

#[test]
fn a_layer_that_another_has_brought_sooner_is_in_nobodys_way() {
    let bed = Bed::new();
    let (a, b) = (image(&bed, "a", &["a"]), image(&bed, "b", &["b"]));
    let (of_a, of_b) = (parts(&bed, &a), parts(&bed, &b));
    bed.images.prune(&|_| true).unwrap();
    let stage = bed.images.stage().unwrap();
    let target = bring_into(&stage, &of_a);
    stage.layers(&a.manifest, &a.config).unwrap();
    image(&bed, "a", &["sooner"]);
    let commit = |target: &Descriptor, image: &Image| {
        stage.commit(&[], target, &image.manifest_digest).unwrap();
    };
    commit(&target, &a);
    let target = bring_into(&stage, &of_b);
    stage.layers(&b.manifest, &b.config).unwrap();
    commit(&target, &b);
    drop(stage);
    assert_eq!(names(&bed), ["<none>", "sooner:latest"]);
}
