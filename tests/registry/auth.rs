//! Who is let in, and who sees a password.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcon::image::manifest::OCI_MANIFEST;
use rcon::image::platform::Platform;
use rcon::registry::{Client, Config};
use serde_json::json;

use super::support::{Dir, Image, config};
use crate::common::fake::{Answer, Asked, Fake};

/// A file with the password of `host`.
pub fn file(dir: &Dir, host: &str) -> PathBuf {
    let auths = json!({"auths": {host: {"auth": STANDARD.encode("me:secret")}}});
    dir.write("config.json", &auths.to_string())
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode("me:secret"))
}

/// A registry that wants tokens from `realm`, and has one image for who
/// brings `Bearer good`.
fn guarded(realm: impl Into<String>) -> Fake {
    let image = Image::new(10, 1).document;
    let challenge = format!(
        "Bearer realm=\"{}\",service=\"svc\",scope=\"repository:a:*\"",
        realm.into()
    );
    Fake::start(move |asked| match asked.header("authorization") {
        Some("Bearer good") => Answer::document(&image.bytes, OCI_MANIFEST),
        _ => Answer::new(401, "").header("www-authenticate", challenge.clone()),
    })
}

fn resolve(config: &Config, fake: &Fake) -> Result<(), String> {
    let found = Client::new(config.clone()).resolve(&fake.name("a"), &Platform::host());
    found.map(drop).map_err(|e| e.to_string())
}

fn token(asked: &Asked) -> Answer {
    let known = asked.header("authorization") == Some(&basic());
    let token = if known { "good" } else { "anonymous" };
    Answer::new(200, format!("{{\"token\":\"{token}\",\"expires_in\":300}}"))
}

#[test]
fn a_realm_elsewhere_gets_no_password() {
    let realm = Fake::start(token);
    let fake = guarded(format!("http://{}/token", realm.host));
    let dir = Dir::new();
    let mut config = config();
    config.auth_files = vec![file(&dir, &fake.host)];
    let e = resolve(&config, &fake).unwrap_err();
    assert!(
        e.contains("was not shown to") && e.contains("token-hosts"),
        "{e}"
    );
    assert!(!realm.asked().is_empty());
    for asked in realm.asked().iter().chain(&fake.asked()) {
        let shown = asked.header("authorization").unwrap_or_default();
        assert!(!shown.starts_with("Basic"), "{asked:?}");
        assert!(!asked.path.contains("me"), "{asked:?}");
    }
    // The machine's owner may say otherwise.
    let allow = format!(
        "[registry.{:?}]\ntoken-hosts = [{:?}]\n",
        fake.host, realm.host
    );
    config.add(&allow, "test").unwrap();
    resolve(&config, &fake).unwrap();
    let asked = realm.asked().pop().unwrap();
    assert_eq!(asked.header("authorization"), Some(basic().as_str()));
    assert_eq!(
        asked.path,
        "/token?service=svc&scope=repository%3Aa%3Apull&account=me"
    );
}

#[test]
fn a_token_is_used_until_it_is_no_good() {
    let image = Image::new(10, 1).document;
    let asked_for = std::sync::Arc::new(AtomicUsize::new(0));
    let count = asked_for.clone();
    // The realm is the registry itself, so that it may see the password.
    let fake = Fake::start(move |asked| {
        let host = asked.header("host").unwrap();
        let current = format!("Bearer t{}", count.load(Ordering::Relaxed));
        if asked.path.starts_with("/token") {
            assert_eq!(asked.header("authorization"), Some(basic().as_str()));
            let n = count.fetch_add(1, Ordering::Relaxed) + 1;
            return Answer::new(
                200,
                format!("{{\"access_token\":\"t{n}\",\"expires_in\":300}}"),
            );
        }
        match asked.header("authorization") {
            Some(pass) if pass == current && !asked.path.ends_with("/old") => {
                Answer::document(&image.bytes, OCI_MANIFEST)
            }
            Some("Bearer t2") => Answer::document(&image.bytes, OCI_MANIFEST),
            _ => Answer::new(401, "").header(
                "www-authenticate",
                format!("Bearer realm=\"http://{host}/token\""),
            ),
        }
    });
    let dir = Dir::new();
    let mut config = config();
    config.auth_files = vec![file(&dir, &fake.host)];
    let client = Client::new(config);
    let resolve = |name| client.resolve(&fake.name(name), &Platform::host()).unwrap();
    resolve("a:x");
    resolve("a:y");
    assert_eq!(asked_for.load(Ordering::Relaxed), 1, "one token for both");
    resolve("a:old");
    assert_eq!(
        asked_for.load(Ordering::Relaxed),
        2,
        "a new one when it is refused"
    );
}

#[test]
fn realms_that_nobody_should_be_sent_to() {
    for (realm, why) in [
        ("http://203.0.113.9/token", "where nobody should be sent"),
        ("file:///etc/shadow", "invalid address"),
        ("", "invalid address"),
        ("http://u:p@127.0.0.1/", "invalid address"),
    ] {
        let e = resolve(&config(), &guarded(realm)).unwrap_err();
        assert!(e.contains(why), "{realm}: {e}");
    }
}

#[test]
fn realms_that_answer_nonsense() {
    for (answer, why) in [
        ("", "no token"),
        ("{}", "no token"),
        ("{\"token\":\"a\\r\\nx: y\"}", "no token"),
        ("[1]", "no token"),
    ] {
        let realm = Fake::start(move |_| Answer::new(200, answer));
        let e = resolve(&config(), &guarded(format!("http://{}/", realm.host))).unwrap_err();
        assert!(e.contains(why), "{answer}: {e}");
    }
    let realm = Fake::start(|_| Answer {
        endless: true,
        length: None,
        ..Answer::new(200, vec![b' '; 1 << 16])
    });
    let e = resolve(&config(), &guarded(format!("http://{}/", realm.host))).unwrap_err();
    assert!(e.contains("more than"), "{e}");
}

#[test]
fn a_wrong_password_is_told_and_not_tried_for_ever() {
    let fake = Fake::start(|_| Answer::new(401, "").header("www-authenticate", "Basic realm=x"));
    let dir = Dir::new();
    let mut config = config();
    let e = resolve(&config, &fake).unwrap_err();
    assert!(
        e.contains("wants to know who asks") && e.contains("rcon login"),
        "{e}"
    );
    config.auth_files = vec![file(&dir, &fake.host)];
    let before = fake.asked().len();
    let e = resolve(&config, &fake).unwrap_err();
    assert!(e.contains("does not let us in"), "{e}");
    assert_eq!(fake.asked().len() - before, 2);
}

#[test]
fn an_identity_token_is_exchanged_at_home_only() {
    let image = Image::new(10, 1).document;
    let fake = Fake::start(move |asked| {
        let host = asked.header("host").unwrap();
        match (asked.path.as_str(), asked.header("authorization")) {
            ("/token", None) if asked.method == "POST" => {
                Answer::new(200, "{\"access_token\":\"ok\"}")
            }
            (_, Some("Bearer ok")) => Answer::document(&image.bytes, OCI_MANIFEST),
            _ => Answer::new(401, "").header(
                "www-authenticate",
                format!("Bearer realm=\"http://{host}/token\""),
            ),
        }
    });
    let dir = Dir::new();
    let mut config = config();
    let auths = json!({"auths": {fake.host.as_str(): {"identitytoken": "idt"}}});
    config.auth_files = vec![dir.write("config.json", &auths.to_string())];
    resolve(&config, &fake).unwrap();
}
