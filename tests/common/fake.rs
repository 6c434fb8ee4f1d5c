//! A registry that does what each test tells it to: one closure from a request
//! to what is sent, byte by byte.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::registry::read_head;

/// A request, without its body.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// Where a `Range` begins.
    pub fn from(&self) -> usize {
        let range = self.header("range").and_then(|r| r.strip_prefix("bytes="));
        range.map_or(0, |r| r.trim_end_matches('-').parse().unwrap())
    }
}

/// What is sent back.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// What `Content-Length` says, if not the truth; none for none.
    pub length: Option<usize>,
    /// After so many bytes of the body the connection is closed.
    pub drop_after: usize,
    /// After the body nothing happens for so long, or until the other hangs up.
    pub stall: Duration,
    /// The body over and over.
    pub endless: bool,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self {
            status,
            headers: Vec::new(),
            length: Some(body.len()),
            body,
            drop_after: usize::MAX,
            stall: Duration::ZERO,
            endless: false,
        }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// A manifest as it should be sent.
    pub fn document(bytes: &[u8], media_type: &str) -> Self {
        Self::new(200, bytes).header("content-type", media_type)
    }

    fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} x\r\n", self.status);
        for (name, value) in &self.headers {
            head += &(name.clone() + ": " + value + "\r\n");
        }
        if let Some(length) = self.length {
            head += &("content-length: ".to_owned() + &length.to_string() + "\r\n");
        }
        head += "connection: close\r\n\r\n";
        stream.write_all(head.as_bytes())?;
        loop {
            let end = self.body.len().min(self.drop_after);
            stream.write_all(&self.body[..end])?;
            if !self.endless {
                break;
            }
        }
        stream.flush()?;
        if !self.stall.is_zero() {
            stream.set_read_timeout(Some(self.stall))?;
            while stream.read(&mut [0; 1024])? > 0 {}
        }
        Ok(())
    }
}

/// The fake, until it is dropped.
pub struct Fake {
    pub host: String,
    pub asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, over) = (asked.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                for stream in listener.incoming() {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let (seen, answer) = (&seen, &answer);
                    scope.spawn(move || serve(stream.unwrap(), seen, answer));
                }
            });
        });
        Self {
            host,
            asked,
            stop,
            thread: Some(thread),
        }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.host);
        let _ = self.thread.take().unwrap().join();
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Answer) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
    let mut first = [0];
    // A handshake is not for us.
    if !matches!(stream.peek(&mut first), Ok(1)) || first[0] == 0x16 {
        let _ = stream.write_all(b"HTTP/1.1 400 no\r\n\r\n");
        return;
    }
    let lines = read_head(&stream);
    let Some((start, rest)) = lines.split_first() else {
        return;
    };
    let mut words = start.split(' ').map(str::to_owned);
    let headers = rest.iter().filter_map(|l| l.split_once(':'));
    let asked = Asked {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        headers: headers
            .map(|(k, v)| (k.to_ascii_lowercase(), v.trim().to_owned()))
            .collect(),
    };
    seen.lock().unwrap().push(asked.clone());
    if answer(&asked).send(&mut stream).is_ok() {
        let _ = stream.shutdown(Shutdown::Write);
        // Closing with unread bytes would take the answer away from the other.
        let _ = stream.read(&mut [0; 1024]);
    }
}
