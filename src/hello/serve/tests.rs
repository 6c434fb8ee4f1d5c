//! The server with real sockets, in this process.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::*;

const PATIENCE: Duration = Duration::from_millis(300);

/// A server on a port of its own, which ends with this.
struct Bed {
    address: SocketAddr,
    end: Option<std::io::PipeWriter>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Bed {
    fn new() -> Self {
        let listeners = listen::everywhere(0).unwrap();
        let port = listeners[0].local_addr().unwrap().port();
        let (wakeup, end) = std::io::pipe().unwrap();
        let thread = std::thread::spawn(move || {
            let manner = Manner {
                patience: PATIENCE,
                tell: false,
            };
            Server::new(&listeners, manner).run(&wakeup.into(), |_| true);
        });
        Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            end: Some(end),
            thread: Some(thread),
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        let far = Some(Duration::from_secs(20));
        stream.set_read_timeout(far).unwrap();
        stream
    }

    fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        rest(stream)
    }

    fn get(&self, path: &str) -> String {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes())
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        drop(self.end.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn the_three_documents() {
    let bed = Bed::new();
    let page = bed.get("/");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("Content-Type: text/html; charset=utf-8\r\n"));
    assert!(body(&page).starts_with("<!DOCTYPE html>"));
    let text = bed.get("/text?x");
    assert!(body(&text).contains("\nNamespaces\n"), "{text}");
    let json = bed.get("/json");
    let facts: serde_json::Value = serde_json::from_str(body(&json)).unwrap();
    assert_eq!(facts["process"]["pid"], std::process::id());
}

#[test]
fn the_head_alone_tells_the_length_of_all() {
    let bed = Bed::new();
    let head = bed.send(b"HEAD /text HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && body(&head).is_empty());
    let length = head.split("Content-Length: ").nth(1).unwrap();
    assert_ne!(length.split("\r\n").next(), Some("0"));
}

#[test]
fn what_is_refused() {
    let bed = Bed::new();
    for (request, begins) in [
        (&b"GET /etc/passwd HTTP/1.1\r\n\r\n"[..], "HTTP/1.1 404 "),
        (b"DELETE / HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "),
        (b"\x16\x03\x01\xfe\n\n", "HTTP/1.1 400 "),
        (b"GET / HTTP/2.0\r\n\r\n", "HTTP/1.1 505 "),
    ] {
        let answer = bed.send(request);
        assert!(answer.starts_with(begins), "{answer}");
    }
}

#[test]
fn a_head_without_end_is_cut_and_told() {
    let bed = Bed::new();
    let mut stream = bed.connect();
    // Far more than is read: the answer must arrive nevertheless.
    let endless = vec![b'a'; 200 * 1024];
    let _ = stream.write_all(&endless);
    assert!(rest(stream).starts_with("HTTP/1.1 431 "));
}

#[test]
fn a_body_is_not_needed_but_does_not_hurt() {
    let bed = Bed::new();
    let mut request = b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n".to_vec();
    request.resize(request.len() + 100_000, b'x');
    assert!(bed.send(&request).starts_with("HTTP/1.1 405 "));
}

#[test]
fn a_request_in_pieces_is_put_together() {
    let bed = Bed::new();
    let mut stream = bed.connect();
    for piece in ["GE", "T /te", "xt HTTP/1.1\r", "\nHost: h\r\n\r", "\n"] {
        stream.write_all(piece.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(rest(stream).starts_with("HTTP/1.1 200 "));
}

#[test]
fn whoever_is_slow_holds_nobody_up_and_is_sent_away() {
    let bed = Bed::new();
    let begun = Instant::now();
    let mut half = bed.connect();
    half.write_all(b"GET / HT").unwrap();
    let silent = bed.connect();
    assert!(bed.get("/").starts_with("HTTP/1.1 200 "));
    assert!(begun.elapsed() < PATIENCE, "the others were waited for");
    assert!(rest(half).starts_with("HTTP/1.1 408 "));
    assert_eq!(rest(silent), "");
    assert!(begun.elapsed() >= PATIENCE);
}

/// One that never reads its answer is given up like any other.
#[test]
fn whoever_does_not_take_the_answer_is_sent_away() {
    let bed = Bed::new();
    let mut deaf = bed.connect();
    deaf.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    std::thread::sleep(PATIENCE * 2);
    // The server has closed: what is sent now is answered with a reset.
    let closed = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        deaf.write_all(b"x").is_err()
    });
    assert!(closed);
}

#[test]
fn the_oldest_leaves_when_there_are_too_many() {
    let bed = Bed::new();
    let first = bed.connect();
    let begun = Instant::now();
    let _crowd: Vec<TcpStream> = (0..MOST).map(|_| bed.connect()).collect();
    assert!(bed.get("/").starts_with("HTTP/1.1 200 "));
    assert_eq!(rest(first), "");
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn version_6_is_served_on_the_same_port() {
    let bed = Bed::new();
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, bed.address.port()));
    // A machine without version 6 has nothing to show here.
    let Ok(mut stream) = TcpStream::connect(address) else {
        assert!(std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err());
        return;
    };
    stream.write_all(b"GET /text HTTP/1.1\r\n\r\n").unwrap();
    assert!(rest(stream).starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_port_in_use_is_told_with_a_way_out() {
    let bed = Bed::new();
    let port = bed.address.port();
    let e = listen::everywhere(port).unwrap_err().to_string();
    assert_eq!(
        e,
        format!(
            "cannot listen on port {port}: Address already in use (hello --serve PORT takes another)"
        )
    );
}
