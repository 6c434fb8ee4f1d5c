//! Against Debian's docker-registry, with skopeo on the other side.

use std::io::Cursor;
use std::sync::atomic::AtomicBool;

use rcon::image::platform::Platform;
use rcon::registry::{Client, Kept, Pushed, Watch};

use super::support::{Dir, Image, Notes, Registry, client, config, have, run};

/// Pushes both blobs and the manifest of an image.
fn push(client: &Client, to: &rcon::image::reference::Reference, image: &Image) -> [Pushed; 2] {
    let blob = |descriptor, bytes: &[u8]| {
        let mut source = Cursor::new(bytes.to_vec());
        client
            .push_blob(to, &descriptor, &mut source, &[], Watch::none())
            .unwrap()
    };
    let pushed = [
        blob(image.config_descriptor(), &image.config),
        blob(image.layer_descriptor(), &image.layer),
    ];
    client.push_document(to, &image.document).unwrap();
    pushed
}

fn pull(client: &Client, from: &rcon::image::reference::Reference) -> (Vec<u8>, Vec<u8>) {
    let found = client.resolve(from, &Platform::host()).unwrap();
    let config = client
        .fetch_bytes(from, &found.manifest.config, 1 << 20)
        .unwrap();
    let mut layer = Vec::new();
    client
        .fetch_blob(from, &found.manifest.layers[0], &mut layer, Watch::none())
        .unwrap();
    (config, layer)
}

#[test]
fn what_is_pushed_is_what_is_pulled_whole_and_in_pieces() {
    if !have(&["docker-registry"]) {
        return;
    }
    let registry = Registry::plain();
    for (n, chunk) in [(1, u64::MAX), (2, 10_000), (3, 25_000)] {
        let mut config = config();
        config.chunk = chunk;
        let client = Client::new(config);
        let image = Image::new(50_000, n);
        let name = registry.name(&format!("team/app{n}:v1"));
        assert_eq!(push(&client, &name, &image), [Pushed::Uploaded; 2]);
        assert_eq!(push(&client, &name, &image), [Pushed::Existed; 2]);
        assert!(pull(&client, &name) == (image.config.clone(), image.layer.clone()));
        let exact = name.with_digest(image.document.digest.clone());
        assert_eq!(client.document(&exact).unwrap(), image.document);
    }
}

#[test]
fn a_blob_of_another_repository_is_mounted() {
    if !have(&["docker-registry"]) {
        return;
    }
    let registry = Registry::plain();
    let (client, image) = (client(), Image::new(10_000, 1));
    push(&client, &registry.name("one/app"), &image);
    let to = registry.name("two/app");
    let mut source = Cursor::new(image.layer.clone());
    let notes = Notes::default();
    let stop = AtomicBool::new(false);
    let watch = Watch {
        progress: &notes,
        stop: &stop,
    };
    let from = ["none/such", "one/app"];
    let done = client.push_blob(&to, &image.layer_descriptor(), &mut source, &from, watch);
    assert_eq!(done.unwrap(), Pushed::Mounted);
    assert_eq!(*notes.bytes.lock().unwrap(), 0, "nothing was sent");
    assert!(
        client
            .has_blob(&to, &image.layer_descriptor().digest)
            .unwrap()
    );
    assert!(
        !client
            .has_blob(&to, &image.config_descriptor().digest)
            .unwrap()
    );
}

#[test]
fn a_blob_that_is_not_what_it_says_is_refused() {
    if !have(&["docker-registry"]) {
        return;
    }
    let registry = Registry::plain();
    let image = Image::new(1_000, 1);
    let mut source = Cursor::new(vec![0; 1_000]);
    let to = registry.name("a");
    let e = client().push_blob(
        &to,
        &image.layer_descriptor(),
        &mut source,
        &[],
        Watch::none(),
    );
    assert!(e.unwrap_err().to_string().contains("digest"));
    assert!(
        !client()
            .has_blob(&to, &image.layer_descriptor().digest)
            .unwrap()
    );
}

#[test]
fn skopeo_reads_what_was_pushed_and_the_other_way_round() {
    if !have(&["docker-registry", "skopeo"]) {
        return;
    }
    let registry = Registry::plain();
    let (client, image) = (client(), Image::new(30_000, 1));
    push(&client, &registry.name("ours:1"), &image);
    let skopeo = |args: &[&str]| run("skopeo", args);
    let (host, dir) = (&registry.host, registry.dir.0.display());
    let there = format!("docker://{host}/ours:1");
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &there]);
    assert_eq!(raw.as_bytes(), image.document.bytes);
    let layout = format!("oci:{dir}/layout:1");
    let insecure = [
        "copy",
        "--insecure-policy",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
    ];
    skopeo(&[&insecure[..], &[&there, &layout]].concat());
    let back = format!("docker://{host}/theirs:2");
    // Docker's own format on the way back, compressed as skopeo does it.
    skopeo(&[&insecure[..], &["--format", "v2s2", &layout, &back]].concat());
    let found = client
        .resolve(&registry.name("theirs:2"), &Platform::host())
        .unwrap();
    assert_eq!(
        found.document.media_type,
        rcon::image::manifest::DOCKER_MANIFEST
    );
    let mut layer = Vec::new();
    let blob = &found.manifest.layers[0];
    client
        .fetch_blob(&registry.name("theirs"), blob, &mut layer, Watch::none())
        .unwrap();
    assert_eq!(layer.len() as u64, blob.size);
}

#[test]
fn what_is_not_there_is_told() {
    if !have(&["docker-registry"]) {
        return;
    }
    let registry = Registry::plain();
    let e = client()
        .resolve(&registry.name("no/such:1"), &Platform::host())
        .unwrap_err();
    let text = e.to_string();
    assert!(
        text.contains("no image") && text.contains("no/such:1"),
        "{text}"
    );
}

#[test]
fn with_a_password() {
    if !have(&["docker-registry", "htpasswd"]) {
        return;
    }
    let dir = Dir::new();
    let users = run("htpasswd", &["-Bbn", "me", "secret"]);
    let file = dir.write("htpasswd", &users);
    let auth = format!(
        "auth:\n  htpasswd: {{realm: test, path: {}}}\n",
        file.display()
    );
    let registry = Registry::start(dir, "", &auth);
    let (name, image) = (registry.name("a:1"), Image::new(1_000, 1));
    let mut config = config();
    let kept = registry.dir.0.join("docker/config.json");
    config.auth_files = vec![kept.clone()];
    let host = &registry.host;
    let e = Client::new(config.clone())
        .resolve(&name, &Platform::host())
        .unwrap_err();
    assert!(e.to_string().contains("rcon login"), "{e}");
    let e = Client::login(&config, host, "me", "wrong")
        .unwrap_err()
        .to_string();
    assert!(e.contains("does not let us in"), "{e}");
    assert!(!kept.exists(), "a wrong password is not kept");
    assert_eq!(
        Client::login(&config, host, "me", "secret").unwrap(),
        Kept::File(kept)
    );
    let client = Client::new(config.clone());
    push(&client, &name, &image);
    assert!(pull(&client, &name).1 == image.layer);
    assert!(Client::logout(&config, host).unwrap());
    assert!(
        Client::new(config)
            .resolve(&name, &Platform::host())
            .is_err()
    );
}

#[test]
fn with_a_credential_helper() {
    if !have(&["docker-registry", "htpasswd"]) {
        return;
    }
    // The helper is found on PATH, which belongs to the whole process: so the
    // test calls itself with another one.
    if std::env::var_os("RCON_TEST_HELPER").is_none() {
        let dir = Dir::new();
        let helper = dir.write(
            "docker-credential-rcontest",
            "#!/bin/sh\nread server\n[ \"$1\" = get ] || exit 1\n\
             echo \"{\\\"ServerURL\\\":\\\"$server\\\",\\\"Username\\\":\\\"me\\\",\\\"Secret\\\":\\\"secret\\\"}\"\n",
        );
        run("chmod", &["755", helper.to_str().unwrap()]);
        let path = format!("{}:{}", dir.0.display(), std::env::var("PATH").unwrap());
        let again = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "real::with_a_credential_helper", "--nocapture"])
            .env("PATH", path)
            .env("RCON_TEST_HELPER", "1")
            .output()
            .unwrap();
        assert!(
            again.status.success(),
            "{}",
            String::from_utf8_lossy(&again.stderr)
        );
        return;
    }
    let dir = Dir::new();
    let file = dir.write("htpasswd", &run("htpasswd", &["-Bbn", "me", "secret"]));
    let auth = format!(
        "auth:\n  htpasswd: {{realm: test, path: {}}}\n",
        file.display()
    );
    let registry = Registry::start(dir, "", &auth);
    let mut config = config();
    config.auth_files = vec![
        registry
            .dir
            .write("config.json", "{\"credsStore\": \"rcontest\"}"),
    ];
    push(
        &Client::new(config),
        &registry.name("a:1"),
        &Image::new(100, 1),
    );
}
