//! Uploads that registries send on, and pieces whose answer is lost.

use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcon::registry::{Client, Pushed, Watch};

use super::support::{Dir, Image, config};
use crate::common::fake::{Answer, Fake};

fn push(client: &Client, fake: &Fake, image: &Image) -> Result<Pushed, String> {
    let mut source = Cursor::new(image.layer.clone());
    let blob = image.layer_descriptor();
    let done = client.push_blob(&fake.name("a"), &blob, &mut source, &[], Watch::none());
    done.map_err(|e| e.to_string())
}

#[test]
fn an_upload_elsewhere_gets_the_bytes_and_no_pass() {
    // It would like to see a password, too.
    let elsewhere = Fake::start(|asked| match asked.header("authorization") {
        Some(_) => Answer::new(500, ""),
        None => Answer::new(201, ""),
    });
    let to = format!("http://{}/up?sig=1", elsewhere.host);
    let fake = Fake::start(move |asked| match asked.method.as_str() {
        _ if asked.header("authorization").is_none() => {
            Answer::new(401, "").header("www-authenticate", "Basic realm=x")
        }
        "HEAD" => Answer::new(404, ""),
        _ => Answer::new(202, "").header("location", to.clone()),
    });
    let dir = Dir::new();
    let mut config = config();
    config.auth_files = vec![super::auth::file(&dir, &fake.host)];
    let image = Image::new(100, 1);
    let done = push(&Client::new(config), &fake, &image);
    assert_eq!(done, Ok(Pushed::Uploaded));
    let asked = elsewhere.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].path.starts_with("/up?sig=1&digest=sha256%3A"));
    assert_eq!(asked[0].header("content-length"), Some("100"));
    assert_eq!(asked[0].header("authorization"), None);
}

#[test]
fn one_elsewhere_that_asks_for_a_password_gets_none() {
    let elsewhere =
        Fake::start(|_| Answer::new(401, "").header("www-authenticate", "Basic realm=x"));
    let to = format!("http://{}/up", elsewhere.host);
    let fake = Fake::start(move |asked| match asked.method.as_str() {
        "HEAD" => Answer::new(404, ""),
        _ => Answer::new(202, "").header("location", to.clone()),
    });
    let dir = Dir::new();
    let mut config = config();
    config.auth_files = vec![super::auth::file(&dir, &fake.host)];
    assert!(push(&Client::new(config), &fake, &Image::new(100, 1)).is_err());
    let asked = elsewhere.asked();
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|a| a.header("authorization").is_none()));
}

#[test]
fn a_piece_that_has_arrived_is_not_sent_again() {
    let tries = AtomicUsize::new(0);
    let fake = Fake::start(move |asked| match asked.method.as_str() {
        "HEAD" => Answer::new(404, ""),
        "POST" => Answer::new(202, "").header("location", "/up/0"),
        // The first piece arrives, but who sent it hears of trouble.
        "PATCH" if tries.fetch_add(1, Ordering::Relaxed) == 0 => Answer::new(503, ""),
        "PATCH" => Answer::new(202, "").header("location", "/up/2"),
        "GET" => Answer::new(204, "")
            .header("range", "0-99")
            .header("location", "/up/1"),
        _ => Answer::new(201, ""),
    });
    let mut config = config();
    config.chunk = 100;
    let done = push(&Client::new(config), &fake, &Image::new(200, 1));
    assert_eq!(done, Ok(Pushed::Uploaded));
    let asked = fake.asked();
    let pieces: Vec<_> = asked
        .iter()
        .filter_map(|a| a.header("content-range"))
        .collect();
    assert_eq!(pieces, ["0-99", "100-199"]);
    let last = asked.last().unwrap();
    assert!(last.method == "PUT" && last.path.starts_with("/up/2?digest="));
}

#[test]
fn a_registry_that_does_not_say_where_to_is_told() {
    let fake = Fake::start(|asked| match asked.method.as_str() {
        "HEAD" => Answer::new(404, ""),
        _ => Answer::new(202, ""),
    });
    let e = push(&Client::new(config()), &fake, &Image::new(10, 1)).unwrap_err();
    assert!(e.contains("does not say where"), "{e}");
}
