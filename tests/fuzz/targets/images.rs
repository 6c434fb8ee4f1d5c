//! What registries send and people type of images: manifests, indexes,
//! configurations, names.

use rcon::image::manifest::{
    Content, DOCKER_LIST, DOCKER_MANIFEST, Document, OCI_INDEX, OCI_MANIFEST,
};
use rcon::image::platform::Platform;
use rcon::image::reference::{Digest, Reference};
use rcon::image::{ImageConfig, config, instruction};

use super::{check_error, text};

/// Fields and values of documents.
pub const WORDS: &[&str] = &[
    "\"schemaVersion\":2",
    "\"schemaVersion\":1",
    "\"mediaType\":",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "\"manifests\":[]",
    "\"layers\":[]",
    "\"config\":{}",
    "\"digest\":\"sha256:../x\"",
    "\"size\":-1",
    "\"size\":18446744073709551615",
    "\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}",
    "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}",
    "\"Healthcheck\":{\"Test\":[\"CMD\"]}",
    "\"Env\":[\"A=b\"]",
    "\"ExposedPorts\":{\"80/tcp\":{}}",
    "\"created\":\"2024-01-02T03:04:05Z\"",
    "null",
    "[[[[[[",
    "{\"\":",
    "1e999",
    "\\u0000",
    "\\ud800",
];

/// Pieces of names.
pub const NAMES: &[&str] = &[
    "docker.io/",
    "library/",
    "localhost:5000/",
    "[::1]:5000/",
    ":latest",
    "@sha256:",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "sha512:",
    "/",
    "..",
    "__",
    "--",
    "linux/arm64/v8",
    "index.docker.io/",
    "CMD ",
    "ENV a=b",
    "LABEL a=b c=\"d\"",
    "EXPOSE 80/tcp",
    "HEALTHCHECK --interval=1s CMD ",
    "[\"a\", \"b\"]",
];

/// A document is one thing beyond doubt, has the sum of its bytes for a name,
/// and says the same when we write what it says.
pub fn manifest(bytes: &[u8]) {
    let told = [
        None,
        Some(OCI_MANIFEST),
        Some(OCI_INDEX),
        Some(DOCKER_MANIFEST),
        Some(DOCKER_LIST),
        Some("text/plain"),
    ];
    let mut meanings = Vec::new();
    for told in told {
        let document = match Document::read(bytes.to_vec(), told) {
            Ok(document) => document,
            Err(e) => {
                check_error(&e);
                continue;
            }
        };
        let descriptor = document.descriptor();
        assert_eq!(descriptor.digest, Digest::of(bytes));
        assert_eq!(descriptor.size, bytes.len() as u64);
        match document.content() {
            Ok(content) => meanings.push(content),
            Err(e) => check_error(&e),
        }
    }
    let Some(first) = meanings.first() else {
        return;
    };
    assert!(
        meanings.iter().all(|m| m == first),
        "it can be read in two ways"
    );
    if let Content::Manifest(manifest) = first {
        let again = Document::of_manifest(manifest).and_then(|d| d.content());
        assert_eq!(&again.expect("ours can be read"), first);
    }
}

/// A configuration is the same when it has been stored.
pub fn config(bytes: &[u8]) {
    let config = match ImageConfig::parse(bytes) {
        Ok(config) => config,
        Err(e) => return check_error(&e),
    };
    let stored = config.to_bytes().expect("it can be written");
    let again = ImageConfig::parse(&stored).expect("what we write can be read");
    assert_eq!(again, config);
    let _ = (config.created_at(), config.platform(), config.defaults());
}

/// A name means the same however we write it.
pub fn reference(bytes: &[u8]) {
    let text = text(bytes);
    match Reference::parse(&text) {
        Ok(reference) => {
            for form in [reference.full(), reference.familiar()] {
                let again = Reference::parse(&form).expect("our own form of a name");
                assert_eq!(again, reference, "{form}");
            }
            let _ = (reference.host(), reference.identifier());
            // It becomes part of an address.
            let safe = |c: char| c.is_ascii_graphic() && !"?#%\\".contains(c);
            assert!(reference.path().chars().all(safe) && reference.domain().chars().all(safe));
            assert!(!reference.path().split('/').any(|part| part == ".."));
        }
        Err(e) => check_error(&e),
    }
    if let Ok(digest) = Digest::parse(&text) {
        assert_eq!(digest.to_string(), text);
        assert!(!digest.hex().contains(['/', '.']));
    }
    if let Ok(platform) = Platform::parse(&text) {
        let again = Platform::parse(&platform.to_string()).expect("our own form");
        assert_eq!(again, platform);
    }
    if let Some(moment) = config::moment(&text) {
        assert_eq!(config::moment(&moment.to_string()), Some(moment));
    }
    if let Err(e) = instruction::apply(&mut config::Execution::default(), &text) {
        check_error(&e);
    }
}
