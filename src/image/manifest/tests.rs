use super::*;
use proptest::prelude::*;
use serde_json::json;

fn sum() -> String {
    Digest::of(b"").to_string()
}

fn a_manifest() -> Value {
    json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": CONFIGS[0], "size": 2, "digest": sum()},
        "layers": [{"mediaType": LAYERS[1], "size": 3, "digest": sum(), "urls": ["https://elsewhere/"]}],
    })
}

fn an_index() -> Value {
    json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [{"mediaType": OCI_MANIFEST, "size": 3, "digest": sum(),
            "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}],
    })
}

fn read(value: &Value, told: Option<&str>) -> Result<Document> {
    Document::read(value.to_string().into_bytes(), told)
}

/// Why a document is refused.
fn refusal(value: &Value, told: Option<&str>) -> String {
    let e = read(value, told).and_then(|d| d.content()).unwrap_err();
    e.to_string()
}

#[test]
fn a_manifest_is_read() {
    let d = read(
        &a_manifest(),
        Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
    );
    let Content::Manifest(m) = d.unwrap().content().unwrap() else {
        panic!("an index")
    };
    assert_eq!((m.config.size, m.layers.len()), (2, 1));
    // What a layer says of other places is gone.
    assert!(
        !serde_json::to_string(&m.layers[0])
            .unwrap()
            .contains("elsewhere")
    );
}

#[test]
fn an_index_is_read_whatever_it_is_sent_as() {
    for told in [None, Some(""), Some("text/plain"), Some(OCI_INDEX)] {
        let d = read(&an_index(), told).unwrap();
        let Content::Index(entries) = d.content().unwrap() else {
            panic!("a manifest")
        };
        assert_eq!(
            entries[0].platform.as_ref().unwrap().to_string(),
            "linux/arm64/v8"
        );
        assert!(d.descriptor().is_index());
    }
}

#[test]
fn without_a_media_type_its_shape_tells() {
    for (mut value, want) in [(a_manifest(), OCI_MANIFEST), (an_index(), OCI_INDEX)] {
        value.as_object_mut().unwrap().remove("mediaType");
        assert_eq!(read(&value, None).unwrap().media_type, want);
    }
}

#[test]
fn what_is_in_doubt_is_refused() {
    let both = |base: Value, field: &str| {
        let mut v = base;
        v[field] = json!([]);
        v
    };
    let with = |field: &str, value: Value| {
        let mut v = a_manifest();
        v[field] = value;
        v
    };
    for (value, told, why) in [
        (
            both(a_manifest(), "manifests"),
            None,
            "both a manifest and an index",
        ),
        (
            both(an_index(), "layers"),
            None,
            "both a manifest and an index",
        ),
        (
            both(an_index(), "config"),
            Some(OCI_INDEX),
            "both a manifest and an index",
        ),
        (a_manifest(), Some(OCI_INDEX), "sent as"),
        (with("mediaType", json!(OCI_INDEX)), None, "not those of"),
        (with("mediaType", json!(7)), None, "not a text"),
        (with("mediaType", json!("x/y")), None, "unknown"),
        (with("schemaVersion", json!(1)), None, "schema 1"),
        (
            a_manifest(),
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
            "schema 1",
        ),
        (with("schemaVersion", json!(3)), None, "schemaVersion"),
        (json!({"schemaVersion": 2}), None, "neither"),
        (json!([]), None, "not a JSON object"),
    ] {
        let got = refusal(&value, told);
        assert!(got.contains(why), "{got} instead of {why}");
    }
}

#[test]
fn parts_that_cannot_be_are_refused() {
    let part = |media: &str, size: Value, digest: &str| json!({"mediaType": media, "size": size, "digest": digest});
    let layer = |media: &str, size: Value, digest: &str| {
        let mut v = a_manifest();
        v["layers"] = json!([part(media, size, digest)]);
        v
    };
    let config = |media: &str, size: Value| {
        let mut v = a_manifest();
        v["config"] = part(media, size, &sum());
        v
    };
    let mut deep = a_manifest();
    deep["layers"] = Value::Array(vec![part(LAYERS[0], json!(1), &sum()); 501]);
    for (value, why) in [
        (layer(LAYERS[1], json!(-1), &sum()), "layers"),
        (layer(LAYERS[1], json!(1u64 << 41), &sum()), "cannot be"),
        (
            layer(LAYERS[1], json!(1), "sha256:../../etc/passwd"),
            "invalid digest",
        ),
        (layer("text/html", json!(1), &sum()), "a layer is"),
        (
            config(CONFIGS[0], json!(10_000_000_000u64)),
            "larger than 8 MiB",
        ),
        (
            config("application/vnd.cncf.helm.config.v1+json", json!(2)),
            "not an image that can run",
        ),
        (deep, "more than 500 layers"),
    ] {
        let got = refusal(&value, None);
        assert!(got.contains(why), "{got} instead of {why}");
    }
    let huge = vec![b' '; 4 << 20 | 1];
    let e = Document::read(huge, None).unwrap_err().to_string();
    assert!(e.contains("4 MiB"), "{e}");
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Document::read(bytes, None).and_then(|d| d.content());
    }
}
