//! A small HTTP client: until somebody answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Asks until the whole first line of an answer is good.
pub(crate) fn until_answered(port: u16) -> Result<(), String> {
    let start = Instant::now();
    while !answered(port) {
        if start.elapsed() > Duration::from_secs(20) {
            return Err(format!("nobody answers at port {port}"));
        }
        sleep(Duration::from_micros(200));
    }
    Ok(())
}

fn answered(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(5)) else {
        return false;
    };
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok();
    let mut answer = String::new();
    stream
        .write_all(b"GET / HTTP/1.0\r\nHost: bench\r\n\r\n")
        .is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer
            .lines()
            .next()
            .is_some_and(|line| line.ends_with("200 OK"))
}
