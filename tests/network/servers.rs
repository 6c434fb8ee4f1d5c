//! Small servers for containers, and clients for the machine.

use crate::common::host::becomes_true;
use crate::world::World;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// Sends datagrams back; it runs on what every Debian has.
const UDP_ECHO: &str = "use IO::Socket::INET; \
    my $s = IO::Socket::INET->new(Proto => 'udp', LocalPort => $ARGV[0]) or die; \
    while ($s->recv(my $d, 65535)) { $s->send($ARGV[1] . $d) }";

/// For a container that runs the machine's own programs.
const PROGRAMS: [&str; 10] = [
    "-v",
    "/usr:/usr:ro",
    "-v",
    "/lib:/lib:ro",
    "-v",
    "/lib64:/lib64:ro",
    // Who does not mean it does not say it.
    "--stop-signal",
    "KILL",
    "--log-driver",
    "json-file",
];

impl World {
    /// Starts a container that answers each connection to `port` with its
    /// `word` and then with what it is sent.
    #[track_caller]
    pub fn serve(&self, name: &str, flags: &[&str], port: u16, word: &str) -> String {
        let line = format!("while :; do nc -l -p {port} -e sh -c 'echo {word}; exec cat'; done");
        self.start_line(name, flags, &line)
    }

    /// Starts a container that runs a line of the shell.
    #[track_caller]
    pub fn start_line(&self, name: &str, flags: &[&str], line: &str) -> String {
        let root = format!("{}:O", self.bed.rootfs("").display());
        let own = ["--stop-signal", "KILL", "--rootfs", &root, "sh", "-c", line];
        self.says(&[&["run", "-d", "--name", name], flags, &own].concat())
    }

    /// Starts a container that sends datagrams to `port` back, with `word`
    /// before them.
    #[track_caller]
    pub fn echo_datagrams(&self, name: &str, flags: &[&str], port: u16, word: &str) {
        let root = format!("{}:O", self.bed.rootfs("").display());
        let port = port.to_string();
        let own = [
            "--rootfs",
            &root,
            "/usr/bin/perl",
            "-e",
            UDP_ECHO,
            &port,
            word,
        ];
        self.says(&[&["run", "-d", "--name", name], &PROGRAMS[..], flags, &own].concat());
    }

    /// Where the host has a port of a container's.
    #[track_caller]
    pub fn host_port(&self, name: &str, port: &str) -> u16 {
        let all = self.says(&["port", name, port]);
        let first = all.lines().next().expect("an address");
        first.rsplit(':').next().unwrap().parse().expect("a port")
    }
}

/// Connects, and reads the first line of what is said.
pub fn first_line(to: impl Into<SocketAddr>) -> std::io::Result<String> {
    let mut line = Vec::new();
    let mut client = connect(to.into())?;
    let mut byte = [0];
    while client.read(&mut byte)? == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// Connects; nothing that is done with it takes for ever.
pub fn connect(to: SocketAddr) -> std::io::Result<TcpStream> {
    let limit = Duration::from_secs(20);
    let client = TcpStream::connect_timeout(&to, limit)?;
    client.set_read_timeout(Some(limit))?;
    client.set_write_timeout(Some(limit))?;
    Ok(client)
}

/// Sends `bytes`, ends, and reads to the end.
pub fn exchange(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut client = connect(to).expect("a connection");
    client.write_all(bytes).expect("to be read");
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).expect("an answer");
    all
}

/// Sends a datagram until it is answered: while the program starts it is lost.
#[track_caller]
pub fn datagram(to: SocketAddr, text: &str) -> String {
    let local = if to.is_ipv4() {
        "127.0.0.1:0"
    } else {
        "[::1]:0"
    };
    let socket = UdpSocket::bind(local).unwrap();
    socket.connect(to).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut buffer = [0; 1000];
    let mut answer = None;
    becomes_true(Duration::from_secs(20), || {
        let _ = socket.send(text.as_bytes());
        answer = socket.recv(&mut buffer).ok();
        answer.is_some()
    });
    let length = answer.unwrap_or_else(|| panic!("no answer from {to}"));
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}
