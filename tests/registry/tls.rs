//! TLS, with an authority that is known to this test alone.

use rcon::image::platform::Platform;
use rcon::registry::{Client, Watch};

use super::support::{Dir, Image, Registry, config, have, run};

/// A registry with a certificate for 127.0.0.1, signed by `ca.crt`. A strict
/// one wants such a certificate from those who ask, too.
fn start(strict: bool) -> Registry {
    let dir = Dir::new();
    let path = |name: &str| dir.0.join(name).display().to_string();
    let (ca, ca_key) = (path("ca.crt"), path("ca.key"));
    let (key, request, cert) = (path("key.pem"), path("req.pem"), path("cert.pem"));
    let curve = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    let openssl = |args: &[&str]| run("openssl", args);
    openssl(
        &[
            &[
                "req",
                "-x509",
                "-days",
                "2",
                "-subj",
                "/CN=rcon-test-ca",
                "-keyout",
                &ca_key,
                "-out",
                &ca,
            ],
            &curve[..],
        ]
        .concat(),
    );
    openssl(
        &[
            &[
                "req",
                "-subj",
                "/CN=rcon-test",
                "-keyout",
                &key,
                "-out",
                &request,
            ],
            &curve[..],
        ]
        .concat(),
    );
    let names = dir
        .write("names", "subjectAltName=IP:127.0.0.1\n")
        .display()
        .to_string();
    openssl(&[
        "x509",
        "-req",
        "-days",
        "2",
        "-in",
        &request,
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-CAcreateserial",
        "-extfile",
        &names,
        "-out",
        &cert,
    ]);
    let clients = if strict {
        format!(", clientcas: [{ca}]")
    } else {
        String::new()
    };
    let http = format!("  tls: {{certificate: {cert}, key: {key}{clients}}}\n");
    Registry::start(dir, &http, "")
}

#[test]
fn an_authority_must_be_known() {
    if !have(&["docker-registry", "openssl"]) {
        return;
    }
    let registry = start(false);
    let (host, ca) = (&registry.host, registry.dir.0.join("ca.crt"));
    let (name, image) = (registry.name("a:1"), Image::new(1_000, 1));
    let ask = |config| {
        let client = Client::new(config);
        let mut source = std::io::Cursor::new(image.layer.clone());
        client.push_blob(
            &name,
            &image.layer_descriptor(),
            &mut source,
            &[],
            Watch::none(),
        )
    };
    let e = ask(config()).unwrap_err().to_string();
    assert!(
        e.contains("unknown authority") && e.contains(&format!("certs.d/{host}/ca.crt")),
        "{e}"
    );

    let mut named = config();
    let text = format!("[registry.{host:?}]\nca = {ca:?}\n");
    named.add(&text, "test").unwrap();
    ask(named).unwrap();

    let mut placed = config();
    let certs = registry.dir.0.join("certs.d");
    std::fs::create_dir_all(certs.join(host)).unwrap();
    std::fs::copy(&ca, certs.join(host).join("own.crt")).unwrap();
    placed.certs = vec![certs];
    ask(placed).unwrap();

    let mut careless = config();
    careless
        .add(&format!("[registry.{host:?}]\ninsecure = true\n"), "test")
        .unwrap();
    ask(careless).unwrap();
}

#[test]
fn a_certificate_file_without_one_is_told() {
    let dir = Dir::new();
    let file = dir.write("ca.pem", "nothing");
    let mut config = config();
    config
        .add(
            &format!("[registry.\"127.0.0.1:1\"]\nca = {file:?}\n"),
            "test",
        )
        .unwrap();
    let name = rcon::image::reference::Reference::parse("127.0.0.1:1/a").unwrap();
    let e = Client::new(config)
        .resolve(&name, &Platform::host())
        .unwrap_err()
        .to_string();
    assert!(e.contains("has no certificate in it"), "{e}");
}

#[test]
fn a_registry_is_shown_who_we_are() {
    if !have(&["docker-registry", "openssl"]) {
        return;
    }
    let registry = start(true);
    let (host, dir) = (&registry.host, &registry.dir.0);
    let (ca, cert, key) = (
        dir.join("ca.crt"),
        dir.join("cert.pem"),
        dir.join("key.pem"),
    );
    let (name, image) = (registry.name("a:1"), Image::new(1_000, 1));
    let ask = |named: &str, certs: &[std::path::PathBuf]| {
        let mut config = config();
        let text = format!("[registry.{host:?}]\nca = {ca:?}\n{named}");
        config.add(&text, "test").unwrap();
        config.certs = certs.to_vec();
        let mut source = std::io::Cursor::new(image.layer.clone());
        let layer = image.layer_descriptor();
        Client::new(config).push_blob(&name, &layer, &mut source, &[], Watch::none())
    };
    let own = |cert, key| format!("client-cert = {cert:?}\nclient-key = {key:?}\n");
    ask("", &[]).unwrap_err();
    ask(&own(&cert, &key), &[]).unwrap();
    // Where Docker has them.
    let certs = dir.join("certs.d");
    std::fs::create_dir_all(certs.join(host)).unwrap();
    std::fs::copy(&cert, certs.join(host).join("me.cert")).unwrap();
    ask("", std::slice::from_ref(&certs)).unwrap_err();
    std::fs::copy(&key, certs.join(host).join("me.key")).unwrap();
    ask("", &[certs]).unwrap();
    // What cannot be used is told before anybody is asked.
    let other = dir.join("ca.key");
    for (cert, key, why) in [
        (&cert, &other, "cannot be used together"),
        (&cert, &cert, "no private key"),
        (&key, &key, "no certificate"),
    ] {
        let e = ask(&own(cert, key), &[]).unwrap_err().to_string();
        assert!(e.contains(why), "{e}");
    }
}
