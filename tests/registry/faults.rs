//! What goes wrong on the way, and what registries have tried.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rcon::image::manifest::{DOCKER_MANIFEST, Descriptor, OCI_INDEX, OCI_MANIFEST};
use rcon::image::platform::Platform;
use rcon::image::reference::Digest;
use rcon::parallel;
use rcon::registry::Watch;
use serde_json::json;

use super::support::{Image, LAYER, Notes, client, config, noise};
use crate::common::fake::{Answer, Asked, Fake};

/// Fetches one blob from a fake; the bytes or the error.
fn fetch(
    length: usize,
    answer: impl Fn(&Asked, &[u8]) -> Answer + Send + Sync + 'static,
) -> (Result<Vec<u8>, String>, Fake, Vec<u8>) {
    let bytes = noise(length, 1);
    let blob = Descriptor::new(LAYER, length as u64, Digest::of(&bytes));
    let truth = bytes.clone();
    let fake = Fake::start(move |asked| answer(asked, &bytes));
    let mut got = Vec::new();
    let done = client().fetch_blob(&fake.name("a/b"), &blob, &mut got, Watch::none());
    (done.map(|()| got).map_err(|e| e.to_string()), fake, truth)
}

fn rest(asked: &Asked, bytes: &[u8]) -> Answer {
    match asked.from() {
        0 => Answer::new(200, bytes),
        from => Answer::new(206, &bytes[from..]).header(
            "content-range",
            format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()),
        ),
    }
}

#[test]
fn a_connection_that_drops_is_taken_up_where_it_broke() {
    let (got, fake, truth) = fetch(100_000, |asked, bytes| Answer {
        drop_after: 9_000,
        ..rest(asked, bytes)
    });
    assert!(got.unwrap() == truth);
    let from: Vec<_> = fake.asked().iter().map(Asked::from).collect();
    assert_eq!(from.len(), 12);
    assert_eq!(from[1], 9_000);
}

#[test]
fn a_registry_without_ranges_is_asked_from_the_start() {
    let tries = AtomicUsize::new(0);
    let (got, _fake, truth) = fetch(50_000, move |_, bytes| {
        let n = tries.fetch_add(1, Ordering::Relaxed);
        Answer {
            drop_after: 10_000 * (n + 1),
            ..Answer::new(200, bytes)
        }
    });
    assert!(got.unwrap() == truth);
}

#[test]
fn one_that_stalls_is_left_and_asked_again() {
    let start = Instant::now();
    let (got, _fake, truth) = fetch(20_000, |asked, bytes| match asked.from() {
        0 => Answer {
            body: bytes[..5_000].to_vec(),
            stall: Duration::from_secs(60),
            ..rest(asked, bytes)
        },
        _ => rest(asked, bytes),
    });
    assert!(got.unwrap() == truth);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn one_that_always_drops_is_given_up() {
    let (got, fake, _) = fetch(1_000, |asked, bytes| Answer {
        drop_after: 0,
        ..rest(asked, bytes)
    });
    let e = got.unwrap_err();
    assert!(e.contains("broke"), "{e}");
    assert_eq!(fake.asked().len(), 4);
}

#[test]
fn wrong_bytes_and_lengths_are_refused() {
    type Lie = fn(&Asked, &[u8]) -> Answer;
    let lies: [(Lie, &str); 6] = [
        (
            |_, b| Answer::new(200, [&b[1..], b"x"].concat()),
            "not what it should be",
        ),
        (|_, b| Answer::new(200, &b[1..]), "has not the length"),
        (
            |_, b| Answer::new(200, [b, b"more"].concat()),
            "has not the length",
        ),
        (
            |_, b| Answer {
                length: None,
                ..Answer::new(200, [b, b"more"].concat())
            },
            "more bytes",
        ),
        (
            |_, b| Answer {
                length: None,
                ..Answer::new(200, &b[1..])
            },
            "broke",
        ),
        (
            |_, b| Answer {
                length: None,
                endless: true,
                ..Answer::new(200, b)
            },
            "more bytes",
        ),
    ];
    for (lie, why) in lies {
        let (got, ..) = fetch(10_000, lie);
        let e = got.unwrap_err();
        assert!(e.contains(why), "{e} instead of {why}");
    }
}

#[test]
fn a_rest_that_is_another_part_is_refused() {
    let (got, ..) = fetch(10_000, |asked, bytes| match asked.from() {
        0 => Answer {
            drop_after: 100,
            ..Answer::new(200, bytes)
        },
        _ => Answer::new(206, &bytes[50..]).header("content-range", "bytes 50-9999/10000"),
    });
    let e = got.unwrap_err();
    assert!(e.contains("asked for the rest"), "{e}");
}

#[test]
fn busy_registries_are_asked_again_as_they_say() {
    for status in [429, 500, 502, 503, 504] {
        let tries = AtomicUsize::new(0);
        let start = Instant::now();
        let (got, _fake, truth) = fetch(100, move |asked, bytes| {
            match tries.fetch_add(1, Ordering::Relaxed) {
                0 if status == 429 => Answer::new(status, "").header("retry-after", "1"),
                0 | 1 => Answer::new(status, ""),
                _ => rest(asked, bytes),
            }
        });
        assert!(got.unwrap() == truth, "{status}");
        let waited = start.elapsed() >= Duration::from_secs(1);
        assert_eq!(waited, status == 429);
    }
}

#[test]
fn busy_for_good_is_told() {
    for (status, why) in [
        (429, "too many requests"),
        (503, "is in trouble: status 503"),
    ] {
        let (got, fake, _) = fetch(10, move |_, _| {
            Answer::new(
                status,
                r#"{"errors":[{"code":"X","message":"come \u001b[31mlater"}]}"#,
            )
        });
        let e = got.unwrap_err();
        assert!(
            e.contains(why) && e.contains("later") && !e.contains('\x1b'),
            "{e}"
        );
        assert_eq!(fake.asked().len(), 4);
    }
    let (got, fake, _) = fetch(10, |_, _| {
        Answer::new(429, "").header("retry-after", "3600")
    });
    assert!(got.unwrap_err().contains("too many"));
    assert_eq!(fake.asked().len(), 1, "an hour is not waited for");
}

#[test]
fn what_a_status_means_is_told_with_a_remedy() {
    for (status, why) in [
        (404, "has lost the blob"),
        (403, "does not allow"),
        (418, "status 418"),
        (401, "does not say how"),
        (307, "invalid address"),
    ] {
        let (got, ..) = fetch(10, move |_, _| {
            Answer::new(status, "").header("location", "http://u:p@x/")
        });
        let e = got.unwrap_err();
        assert!(e.contains(why), "{e} instead of {why}");
    }
}

#[test]
fn a_manifest_is_what_was_asked_for() {
    let image = Image::new(10, 1);
    let (bytes, digest) = (image.document.bytes.clone(), image.document.digest.clone());
    let said = digest.to_string();
    let fake = Fake::start(move |asked| {
        let answer = Answer::document(&bytes, OCI_MANIFEST);
        match asked.path.rsplit('/').next().unwrap() {
            "lies" => answer.header("docker-content-digest", Digest::of(b"else").to_string()),
            "odd" => answer.header("docker-content-digest", "sha256:../../x"),
            "type" => Answer::document(&bytes, OCI_INDEX),
            "html" => Answer::document(b"<html>", "text/html"),
            "gone" => Answer::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
            "huge" => Answer {
                endless: true,
                length: None,
                ..Answer::new(200, vec![b' '; 1 << 20])
            },
            "long" => Answer {
                length: Some(1 << 40),
                ..Answer::new(200, "x")
            },
            "both" => Answer::document(
                br#"{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}"#,
                OCI_MANIFEST,
            ),
            "old" => Answer::document(
                br#"{"schemaVersion":1}"#,
                "application/vnd.docker.distribution.manifest.v1+prettyjws",
            ),
            _ => answer.header("docker-content-digest", said.clone()),
        }
    });
    let resolve = |name: &str| client().resolve(&fake.name(name), &Platform::host());
    assert_eq!(resolve("a:good").unwrap().document, image.document);
    assert_eq!(*resolve(&format!("a@{digest}")).unwrap().digest(), digest);
    for (name, why) in [
        (
            format!("a@{}", Digest::of(b"other")),
            "not what it should be",
        ),
        ("a:lies".into(), "not what it should be"),
        ("a:odd".into(), "invalid digest"),
        ("a:type".into(), "sent as"),
        ("a:html".into(), "not a JSON object"),
        ("a:gone".into(), "no image"),
        ("a:huge".into(), "more than"),
        ("a:long".into(), "more than"),
        ("a:both".into(), "both a manifest and an index"),
        ("a:old".into(), "schema 1"),
    ] {
        let e = resolve(&name).unwrap_err().to_string();
        assert!(e.contains(why), "{name}: {e} instead of {why}");
    }
    let accept = fake.asked()[0].header("accept").unwrap().to_owned();
    assert!(accept.contains(OCI_INDEX) && accept.contains(DOCKER_MANIFEST));
}

#[test]
fn indexes_are_followed_but_not_for_ever() {
    let image = Image::new(10, 1);
    let mut documents = vec![image.document.clone()];
    for _ in 0..4 {
        let below = documents.last().unwrap().descriptor();
        let mut entry = serde_json::to_value(&below).unwrap();
        entry["platform"] = json!({"os": "linux", "architecture": "s390x"});
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
        let index = rcon::image::manifest::Document::read(index.to_string().into_bytes(), None);
        documents.push(index.unwrap());
    }
    let all = documents.clone();
    let fake = Fake::start(move |asked| {
        let name = asked.path.rsplit('/').next().unwrap();
        let found = all.iter().find(|d| d.digest.to_string() == name);
        found.map_or(Answer::new(404, ""), |d| {
            Answer::document(&d.bytes, &d.media_type)
        })
    });
    let resolve = |depth: usize, platform: &str| {
        let name = fake.name("a").with_digest(documents[depth].digest.clone());
        client().resolve(&name, &Platform::parse(platform).unwrap())
    };
    let found = resolve(3, "s390x").unwrap();
    assert_eq!((found.indexes.len(), &found.document), (3, &image.document));
    let deep = resolve(4, "s390x").unwrap_err().to_string();
    assert!(deep.contains("nested too deep"), "{deep}");
    let other = resolve(1, "amd64").unwrap_err().to_string();
    assert!(other.contains("there is linux/s390x"), "{other}");
}

#[test]
fn a_redirect_is_followed_without_the_pass() {
    let bytes = noise(1000, 1);
    let blob = Descriptor::new(LAYER, 1000, Digest::of(&bytes));
    let elsewhere = Fake::start(move |_| Answer::new(200, bytes.clone()));
    let to = format!("http://{}/somewhere?sig=1", elsewhere.host);
    let fake = Fake::start(move |asked| match asked.header("authorization") {
        None => Answer::new(401, "").header("www-authenticate", "Basic realm=\"x\""),
        Some(_) => Answer::new(307, "").header("location", to.clone()),
    });
    let dir = super::support::Dir::new();
    let mut config = config();
    config.auth_files = vec![super::auth::file(&dir, &fake.host)];
    let client = rcon::registry::Client::new(config);
    let mut got = Vec::new();
    client
        .fetch_blob(&fake.name("a"), &blob, &mut got, Watch::none())
        .unwrap();
    assert_eq!(got.len(), 1000);
    let there = elsewhere.asked();
    assert_eq!(there[0].path, "/somewhere?sig=1");
    assert!(there.iter().all(|a| a.header("authorization").is_none()));
}

#[test]
fn redirects_in_circles_and_to_nowhere_end() {
    let (got, ..) = fetch(10, |_, _| {
        Answer::new(302, "").header("location", "/v2/again")
    });
    assert!(got.unwrap_err().contains("in circles"));
    for to in ["http://203.0.113.1/x", "ftp://x/", "file:///etc/passwd"] {
        let (got, ..) = fetch(10, move |_, _| Answer::new(302, "").header("location", to));
        let e = got.unwrap_err();
        assert!(
            e.contains("nobody should be sent") || e.contains("invalid address"),
            "{e}"
        );
    }
}

#[test]
fn a_mirror_that_fails_is_made_up_for() {
    let image = Image::new(5_000, 1);
    let (document, layer) = (image.document.clone(), image.layer.clone());
    let truth = move |asked: &Asked| {
        if asked.path.contains("/manifests/") {
            return Answer::document(&document.bytes, OCI_MANIFEST);
        }
        rest(asked, &layer)
    };
    let half = image.layer.clone();
    let mirror = Fake::start(move |asked| {
        if !asked.path.contains("/blobs/") || asked.from() > 0 {
            return Answer::new(404, "");
        }
        Answer {
            drop_after: 2_000,
            ..Answer::new(200, half.clone())
        }
    });
    let fake = Fake::start(truth);
    let mut config = config();
    let text = format!(
        "[registry.{:?}]\nmirrors = [{:?}]\n",
        fake.host, mirror.host
    );
    config.add(&text, "test").unwrap();
    let client = rcon::registry::Client::new(config);
    let found = client.resolve(&fake.name("a"), &Platform::host()).unwrap();
    let mut got = Vec::new();
    client
        .fetch_blob(
            &fake.name("a"),
            &found.manifest.layers[0],
            &mut got,
            Watch::none(),
        )
        .unwrap();
    assert!(got == image.layer);
    assert!(mirror.asked().len() >= 2);
    assert_eq!(fake.asked().last().unwrap().from(), 2_000);
}

#[test]
fn a_mirror_that_is_dead_is_named_where_the_registry_fails_too() {
    let fake = Fake::start(|_| Answer::new(404, ""));
    let mirror = format!("127.0.0.1:{}", super::support::free_port());
    let mut config = config();
    let text = format!("[registry.{:?}]\nmirrors = [{mirror:?}]\n", fake.host);
    config.add(&text, "test").unwrap();
    let client = rcon::registry::Client::new(config);
    let e = client.resolve(&fake.name("a"), &Platform::host());
    let e = e.unwrap_err().to_string();
    assert!(e.starts_with(&format!("no image {}", fake.host)), "{e}");
    let told = format!("asked before: {mirror} refuses connections");
    assert!(e.contains(&told), "{e}");
}

#[test]
fn a_list_of_tags_is_read_to_its_last_page() {
    let fake = Fake::start(|asked| {
        let (page, next) = match asked.path.rsplit_once("last=") {
            None if asked.path == "/v2/a/b/tags/list" => (json!(["1", "2"]), Some("2")),
            Some((_, "2")) => (json!(null), Some("3")),
            Some((_, "3")) => (json!(["2", "4"]), None),
            _ => return Answer::new(404, ""),
        };
        let answer = Answer::new(200, json!({"name": "a/b", "tags": page}).to_string());
        match next {
            Some(last) => answer.header(
                "link",
                format!("</v2/a/b/tags/list?n=2&last={last}>; rel=\"next\""),
            ),
            None => answer,
        }
    });
    let tags = client().tags(&fake.name("a/b")).unwrap();
    let tags: Vec<_> = tags.iter().filter_map(|t| t.tag()).collect();
    assert_eq!(tags, ["1", "2", "4"]);
    assert!(client().tags(&fake.name("none")).is_err());
    for (body, link, why) in [
        ("{\"tags\":[\"a b\"]}", "", "invalid tag"),
        ("nonsense", "", "no list of tags"),
        (
            "{}",
            "<http://elsewhere.example/x>; rel=\"next\"",
            "elsewhere",
        ),
        ("{}", "</v2/a/b/tags/list>; rel=\"next\"", ""),
    ] {
        let fake = Fake::start(move |_| Answer::new(200, body).header("link", link));
        let done = client().tags(&fake.name("a/b"));
        if why.is_empty() {
            assert!(done.unwrap().is_empty(), "one that goes in circles ends");
        } else {
            let e = done.unwrap_err().to_string();
            assert!(e.contains(why), "{e}");
        }
    }
}

#[test]
fn one_failure_stops_the_others_and_leaves_no_thread() {
    let bytes = noise(100_000, 1);
    let good = Descriptor::new(LAYER, 100_000, Digest::of(&bytes));
    let lost = Descriptor::new(LAYER, 1, Digest::of(b"lost"));
    let (name, held) = (lost.digest.to_string(), good.digest.to_string());
    let fake = Fake::start(move |asked| {
        if asked.path.ends_with(&name) {
            return Answer::new(404, "");
        }
        Answer {
            length: Some(100_000),
            stall: Duration::from_secs(60),
            ..Answer::new(200, &bytes[..99_000])
        }
    });
    let client = client();
    let notes = Notes::default();
    let blobs = [good.clone(), lost, good];
    let e = parallel::each(&blobs, 3, |blob, stop| {
        let watch = Watch {
            progress: &notes,
            stop,
        };
        client.fetch_blob(&fake.name("a"), blob, &mut Vec::new(), watch)
    });
    let e = e.unwrap_err().to_string();
    assert!(e.contains("has lost the blob"), "{e}");
    // Each alone would have asked four times.
    let asked = fake.asked();
    let for_good = asked.iter().filter(|a| a.path.ends_with(&held)).count();
    assert!(for_good < 8, "{asked:?}");
    let lines = notes.lines.lock().unwrap();
    let count = |what: &str| lines.iter().filter(|l| l.starts_with(what)).count();
    assert_eq!(count("start"), count("done"));
}

#[test]
fn nobody_there_and_nobody_known() {
    let port = super::support::free_port();
    for (host, why) in [
        (format!("127.0.0.1:{port}"), "refuses connections"),
        ("no-such-host.invalid".to_owned(), "cannot find the host"),
    ] {
        let name = rcon::image::reference::Reference::parse(&format!("{host}/a")).unwrap();
        let e = client()
            .resolve(&name, &Platform::host())
            .unwrap_err()
            .to_string();
        assert!(e.contains(why) && e.contains(&host), "{e}");
    }
}
