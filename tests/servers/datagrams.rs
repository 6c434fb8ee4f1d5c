//! An echo of datagrams, small and large, for many clients at once.

use crate::common::eventually;
use crate::programs::world_with;
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;

const ECHO: &str = "use IO::Socket::INET; \
    my $s = IO::Socket::INET->new(Proto => 'udp', LocalPort => 7) or die; \
    while ($s->recv(my $d, 65535)) { $s->send($d) }";

const ASK: &str = "use IO::Socket::INET; \
    my $s = IO::Socket::INET->new(Proto => 'udp', PeerAddr => $ARGV[0], PeerPort => 7) or die; \
    $s->send('by name'); $s->recv(my $d, 100); print $d";

fn client(limit: Duration) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect("127.0.0.1:7000").unwrap();
    client.set_read_timeout(Some(limit)).unwrap();
    client
}

#[test]
fn every_client_gets_its_own_back() {
    let Some(world) = world_with(&["perl"]) else {
        return;
    };
    world.says(&["network", "create", "shop"]);
    let flags = [
        "--user",
        "1000",
        "--network",
        "shop",
        "-p",
        "127.0.0.1:7000:7/udp",
    ];
    world.serve("echo", &flags, &["/usr/bin/perl", "-e", ECHO]);
    let first = client(Duration::from_millis(100));
    let mut buffer = vec![0; 65_536];
    eventually("it answers", || {
        let _ = first.send(b"there?");
        first.recv(&mut buffer).is_ok()
    });
    let limit = Duration::from_secs(10);
    let mut sizes = BTreeSet::new();
    let clients: Vec<UdpSocket> = (0..200).map(|_| client(limit)).collect();
    for (n, one) in clients.iter().enumerate() {
        let text = format!("client {n} ").repeat(1 + n % 5 * 1000);
        one.send(text.as_bytes()).unwrap();
        let length = one.recv(&mut buffer).unwrap();
        assert!(buffer[..length] == *text.as_bytes(), "client {n}");
        sizes.insert(length / 10_000);
    }
    assert!(sizes.contains(&0) && sizes.contains(&4), "{sizes:?}");
    // And once more: nobody's place was given to another.
    for (n, one) in clients.iter().enumerate() {
        one.send(&n.to_le_bytes()).unwrap();
    }
    for (n, one) in clients.iter().enumerate() {
        let length = one.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..length], n.to_le_bytes());
    }
    let line = format!("/usr/bin/perl -e \"{}\" echo", ASK.replace('$', "\\$"));
    assert_eq!(world.client(&["--network", "shop"], &line), "by name");
    world.remove(&["echo"]);
}
