//! `ADD`: archives, addresses and repositories.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use rcon::image::reference::Digest;

use crate::common::{Need, needs_met};
use crate::site::{Site, is_cached};

/// A server of one file, on this machine's own loopback.
struct Server {
    url: String,
}

impl Server {
    fn of(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = [0; 4096];
                let n = stream.read(&mut request).unwrap_or(0);
                let first = String::from_utf8_lossy(&request[..n]).into_owned();
                let (head, body) = if first.starts_with("GET /moved") {
                    ("302 Found\r\nLocation: /dir/file.bin?x=1", &b""[..])
                } else if first.starts_with("GET /dir/file.bin") {
                    (
                        "200 OK\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT",
                        &body[..],
                    )
                } else {
                    ("404 Not Found", &b""[..])
                };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                let _ = stream.write_all(head.as_bytes());
                let _ = stream.write_all(body);
            }
        });
        Self {
            url: format!("http://127.0.0.1:{port}"),
        }
    }
}

/// Makes an archive of a file `in/f` beside the context.
fn archive(site: &Site, name: &str, flags: &str) {
    let dir = site.bed.path("packed");
    std::fs::create_dir_all(dir.join("in")).unwrap();
    std::fs::write(dir.join("in/f"), "inside").unwrap();
    let to = site.path(name);
    let done = Command::new("tar")
        .args([flags, &to.to_string_lossy(), "--owner=5", "--group=6"])
        .args(["-C", &dir.to_string_lossy(), "in"])
        .status()
        .unwrap();
    assert!(done.success());
}

#[test]
fn archives_are_unpacked_where_they_are_added() {
    let Some(site) = Site::new() else { return };
    archive(&site, "plain.tar", "-cf");
    archive(&site, "packed.tgz", "-czf");
    archive(&site, "packed.tar.xz", "-cJf");
    archive(&site, "packed.tbz", "-cjf");
    site.file("text.tar", "no archive at all");
    site.build(
        "FROM base\nADD plain.tar /a\nADD packed.tgz text.tar /b/\nCOPY plain.tar /c/\n\
         ADD --unpack=false packed.tgz /d/\nADD --chown=user packed.tgz /e\n\
         ADD packed.tar.xz /f\nADD packed.tbz /g\n",
        &[],
    );
    assert_eq!(
        site.sh("cat /a/in/f /b/in/f /f/in/f /g/in/f; ls /c /d; stat -c %u:%g /a/in/f /e/in/f"),
        "insideinsideinsideinside/c:\nplain.tar\n\n/d:\npacked.tgz\n5:6\n1000:1000\n"
    );
    // What cannot be unpacked is a file like any other.
    std::fs::write(site.path("x.tar.xz"), b"\xfd7zXZ\0more").unwrap();
    site.build("FROM base\nADD x.tar.xz text.tar /a/\n", &[]);
    assert_eq!(
        site.sh("cat /a/text.tar; wc -c </a/x.tar.xz"),
        "no archive at all10\n"
    );
}

#[test]
fn a_context_is_fetched_from_the_web() {
    let Some(site) = Site::new() else { return };
    archive(&site, "packed.tar.xz", "-cJf");
    let packed = std::fs::read(site.path("packed.tar.xz")).unwrap();
    let archive = Server::of(packed).url + "/dir/file.bin";
    site.bed
        .call(&["build", "-t", "made", "-f", "-", &archive])
        .stdin("FROM base\nCOPY in/f /f\n")
        .output()
        .ok();
    assert_eq!(site.says(&["cat", "/f"]), "inside");
    let lone = Server::of(*b"FROM base\nCMD echo lone\n").url;
    site.bed
        .rcon(&["build", "-t", "made", &(lone.clone() + "/moved")])
        .ok();
    assert_eq!(site.says(&[]), "lone\n");
    let missing = site.bed.rcon(&["build", &(lone + "/missing")]);
    let missing = missing.code(1);
    assert!(missing.stderr.contains("404"), "{missing}");
    site.assert_whole();
}

#[test]
fn a_file_is_fetched_from_the_web() {
    let Some(site) = Site::new() else { return };
    let server = Server::of(b"from the web");
    let url = &server.url;
    let text =
        format!("FROM base\nADD {url}/moved {url}/dir/file.bin?y /d/\nADD {url}/dir/file.bin /e\n");
    site.build(&text, &[]);
    assert_eq!(
        site.sh("cat /d/moved /d/file.bin /e; stat -c '%a %u %Y' /e"),
        "from the webfrom the webfrom the web600 0 784111777\n"
    );
    assert!(is_cached(&site.build(&text, &[]), "/dir/file.bin /e"));
    site.fails(
        &format!("FROM base\nADD {url}/missing /d\n"),
        &[],
        &["Dockerfile:2:1", "404"],
    );
    site.assert_whole();
}

#[test]
fn a_sum_is_checked() {
    let Some(site) = Site::new() else { return };
    let server = Server::of(b"from the web");
    let url = &server.url;
    let sum = Digest::of(b"from the web");
    let text = format!("FROM base\nADD --checksum={sum} {url}/dir/file.bin /d\n");
    site.build(&text, &[]);
    assert_eq!(site.says(&["cat", "/d"]), "from the web");
    // What is known by its sum need not even be there any more.
    let gone = text.replace(url.as_str(), "http://127.0.0.1:1");
    assert!(!site.call(&gone, &["--no-cache"]).output().status.success());
    let wrong = Digest::of(b"something else");
    let text = format!("FROM base\nADD --checksum={wrong} {url}/dir/file.bin /d\n");
    site.fails(&text, &[], &["not what --checksum says", &sum.to_string()]);
}

#[test]
fn a_repository_that_cannot_be_reached_is_told() {
    if !needs_met(&[Need::Tool("git")]) {
        return;
    }
    let Some(site) = Site::new() else { return };
    site.fails(
        "FROM base\nADD git://127.0.0.1:1/x.git /d\n",
        &[],
        &["Dockerfile:2:1", "127.0.0.1"],
    );
    site.assert_whole();
}
