//! Archives that lie, and those that are beyond measure.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::common::store::StoreBed;
use crate::common::*;
use crate::{Text, bed_with_base, id_of, other, tool};

/// Packs what `change` makes of a saved image.
fn spoilt(bed: &StoreBed, name: &str, change: impl FnOnce(&Path)) -> String {
    let saved = bed.text_of("saved.tar");
    bed.rcon(&["save", "-o", &saved, "base"]).ok();
    let dir = bed.path(name);
    fs::create_dir(&dir).unwrap();
    let dir_text = dir.to_str().unwrap();
    tool("tar", &["-C", dir_text, "-xf", &saved]);
    change(&dir);
    let archive = format!("{dir_text}.tar");
    tool("tar", &["-C", dir_text, "-cf", &archive, "."]);
    archive
}

fn blobs(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir.join("blobs/sha256")).unwrap();
    let mut all: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    all.sort_by_key(|p| fs::metadata(p).unwrap().len());
    all
}

/// Changes the manifest of an archive that has one image, and what names it.
fn renewed(dir: &Path, change: impl FnOnce(&mut Value)) {
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let index = dir.join("index.json");
    let mut top = read(&index);
    let hex = |top: &Value| top["manifests"][0]["digest"].as_str().unwrap()[7..].to_owned();
    let old = dir.join("blobs/sha256").join(hex(&top));
    let mut manifest = read(&old);
    change(&mut manifest);
    let text = manifest.to_string();
    let digest = rcon::image::reference::Digest::of(text.as_bytes());
    top["manifests"][0]["digest"] = json!(digest.to_string());
    top["manifests"][0]["size"] = json!(text.len());
    fs::write(dir.join("blobs/sha256").join(hex(&top)), text).unwrap();
    fs::write(index, top.to_string()).unwrap();
    fs::remove_file(dir.join("manifest.json")).unwrap();
}

/// Changes the configuration of such an archive.
fn reconfigured(dir: &Path, change: impl FnOnce(&mut Value)) {
    renewed(dir, |manifest| configured(dir, manifest, change));
}

/// Changes the configuration that a manifest names.
fn configured(dir: &Path, manifest: &mut Value, change: impl FnOnce(&mut Value)) {
    let blobs = dir.join("blobs/sha256");
    let old = manifest["config"]["digest"].as_str().unwrap()[7..].to_owned();
    let mut config: Value = serde_json::from_slice(&fs::read(blobs.join(old)).unwrap()).unwrap();
    change(&mut config);
    let text = config.to_string();
    let digest = rcon::image::reference::Digest::of(text.as_bytes());
    manifest["config"]["digest"] = json!(digest.to_string());
    manifest["config"]["size"] = json!(text.len());
    fs::write(blobs.join(digest.hex()), text).unwrap();
}

#[test]
fn a_configuration_beyond_measure_is_refused() {
    let Some(bed) = bed_with_base(&[Need::Tool("tar")]) else {
        return;
    };
    let variables = |n: usize| -> Vec<String> { (0..n).map(|i| format!("A{i}=1")).collect() };
    let absurd = spoilt(&bed, "absurd", |dir| {
        reconfigured(dir, |config| {
            config["config"]["Env"] = json!(variables(200_000));
        });
    });
    other(&bed, &["load", "-i", &absurd]).fails_naming(&["Env", "200000"]);
    assert_eq!(other(&bed, &["images", "-aq"]).ok().stdout, "");
    let large = spoilt(&bed, "large", |dir| {
        reconfigured(dir, |config| {
            config["config"]["Env"] = json!(variables(10_000));
        });
    });
    other(&bed, &["load", "-i", &large]).ok();
    let said = other(&bed, &["run", "--rm", "base", "sh", "-c", "echo $A9999"]);
    assert_eq!(said.ok().stdout, "1\n");
}

#[test]
fn a_digest_that_is_not_the_images_is_no_name_of_it() {
    let Some(bed) = bed_with_base(&[Need::Tool("tar")]) else {
        return;
    };
    let name = |dir: &Path, digest: &str| {
        let index = dir.join("index.json");
        let mut top: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
        let own = top["manifests"][0]["digest"].as_str().unwrap().to_owned();
        let digest = if digest.is_empty() { &own } else { digest };
        top["manifests"][0]["annotations"] =
            json!({"io.containerd.image.name": format!("example.org/h@{digest}")});
        fs::write(index, top.to_string()).unwrap();
        fs::remove_file(dir.join("manifest.json")).unwrap();
    };
    let zeros = format!("sha256:{}", "0".repeat(64));
    let wrong = spoilt(&bed, "wrong", |dir| name(dir, &zeros));
    let out = other(&bed, &["load", "-i", &wrong]).ok();
    let id = id_of(&bed, "base");
    assert_eq!(out.stdout, format!("Loaded image ID: {id}\n"));
    assert!(out.stderr.contains("which it is not"), "{out}");
    other(&bed, &["rmi", &format!("example.org/h@{zeros}")]).fails_naming(&["No such image"]);
    let right = spoilt(&bed, "right", |dir| name(dir, ""));
    let out = other(&bed, &["load", "-i", &right]).ok();
    let start = "Loaded image: example.org/h@sha256:";
    assert!(out.stdout.starts_with(start), "{out}");
    let name = out.stdout.trim().trim_start_matches("Loaded image: ");
    other(&bed, &["run", "--rm", name, "true"]).ok();
}

#[test]
fn a_hole_in_an_archive_is_no_way_to_fill_the_disk() {
    let Some(bed) = bed_with_base(&[Need::Tool("tar")]) else {
        return;
    };
    // One that no disk here has room for, and one that perhaps has.
    for (size, why) in [("8T", "free on the disk"), ("3G", "")] {
        let (hole, archive) = (bed.text_of("hole"), bed.text_of("hole.tar"));
        tool("truncate", &["-s", size, &hole]);
        let dir = bed.text_of("");
        tool("tar", &["-C", &dir, "--sparse", "-cf", &archive, "hole"]);
        fs::remove_file(&hole).unwrap();
        other(&bed, &["load", "-i", &archive]).fails_naming(&["reading \"hole\"", why]);
    }
    let stages = fs::read_dir(bed.path("other/images/stage")).unwrap();
    assert_eq!(stages.count(), 0);
}

#[test]
fn a_spoilt_archive_is_refused_and_leaves_nothing() {
    let Some(bed) = bed_with_base(&[Need::Tool("tar")]) else {
        return;
    };
    let bytes = spoilt(&bed, "bytes", |dir| {
        let layer = blobs(dir).pop().unwrap();
        let mut all = fs::read(&layer).unwrap();
        let middle = all.len() / 2;
        all[middle] ^= 1;
        fs::write(&layer, all).unwrap();
    });
    // The same without an index, as Docker's own archives are: then nothing but
    // the configuration says what the layer is.
    let dockers = spoilt(&bed, "dockers", |dir| {
        let layer = blobs(dir).pop().unwrap();
        let mut all = fs::read(&layer).unwrap();
        *all.last_mut().unwrap() ^= 1;
        fs::write(&layer, all).unwrap();
        fs::remove_file(dir.join("index.json")).unwrap();
    });
    let missing = spoilt(&bed, "missing", |dir| {
        fs::remove_file(blobs(dir).pop().unwrap()).unwrap();
    });
    let document = spoilt(&bed, "document", |dir| {
        let first = blobs(dir).remove(0);
        let all = fs::read_to_string(&first).unwrap();
        fs::write(&first, format!("{all} ")).unwrap();
    });
    let length = spoilt(&bed, "length", |dir| {
        renewed(dir, |manifest| manifest["layers"][0]["size"] = json!(10));
    });
    let linked = spoilt(&bed, "linked", |dir| {
        let layer = blobs(dir).pop().unwrap();
        fs::remove_file(&layer).unwrap();
        symlink("../../../../../../../../etc/passwd", &layer).unwrap();
    });
    let none = spoilt(&bed, "none", |dir| {
        fs::remove_file(dir.join("index.json")).unwrap();
        fs::remove_file(dir.join("manifest.json")).unwrap();
    });
    for (archive, words) in [
        (&bytes, &["blob"][..]),
        (&dockers, &["not what"]),
        (&missing, &["lacks"]),
        (&document, &["sha256"]),
        (&length, &["its manifest says 10"]),
        (&linked, &["lacks"]),
        (&none, &["rcon import"]),
    ] {
        other(&bed, &["load", "-i", archive]).fails_naming(words);
        assert_eq!(other(&bed, &["images", "-aq"]).ok().stdout, "", "{archive}");
    }
    let cut = bed.text_of("cut.tar");
    let whole = fs::read(bed.path("saved.tar")).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    other(&bed, &["load", "-i", &cut]).fails_naming(&["archive"]);
    let stages = fs::read_dir(bed.path("other/images/stage")).unwrap();
    assert_eq!(stages.count(), 0);
}

/// Each of its parts is here already, and is what it should be; but not as what
/// the image says.
#[test]
fn a_blob_that_is_here_is_no_other_layer_that_is_here() {
    let Some(bed) = bed_with_base(&[Need::Tool("tar")]) else {
        return;
    };
    let dir = bed.path("second");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("file"), "second").unwrap();
    bed.rcon(&["import", dir.to_str().unwrap(), "second"]).ok();
    let shown = bed.rcon(&["inspect", "-f", "{{index .RootFS.Layers 0}}", "second"]);
    let second = json!(shown.ok().text());
    let other_layer = spoilt(&bed, "other", |dir| {
        reconfigured(dir, |config| {
            config["rootfs"]["diff_ids"][0] = second.clone();
        });
    });
    // The layer twice, as two blobs.
    let twice = spoilt(&bed, "twice", |dir| {
        renewed(dir, |manifest| {
            let mut blob = manifest["layers"][0].clone();
            blob["digest"] = second.clone();
            blob["size"] = json!(blob_size(&bed, &second));
            manifest["layers"].as_array_mut().unwrap().push(blob);
            configured(dir, manifest, |config| {
                let diffs = config["rootfs"]["diff_ids"].as_array_mut().unwrap();
                diffs.push(diffs[0].clone());
                config["history"] = json!([]);
            });
        });
    });
    for archive in [other_layer, twice] {
        let out = bed.rcon(&["load", "-i", &archive]).code(1);
        out.fails_naming(&["not what the image's configuration says"]);
        bed.rcon(&["load", "-i", &bed.text_of("saved.tar")]).ok();
    }
    let listed = bed.rcon(&["images", "-aq"]).ok();
    assert_eq!(listed.stdout.lines().count(), 2, "{listed}");
}

/// Of a blob in the store, by its sum.
fn blob_size(bed: &StoreBed, digest: &Value) -> u64 {
    let blob = digest.as_str().unwrap().replace(':', "/");
    let path = bed.root().join("images/blobs").join(blob);
    fs::metadata(path).unwrap().len()
}
