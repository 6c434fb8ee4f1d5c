//! The name server with real sockets, and a resolver that the test plays.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use super::Names;
use crate::network::worker::reactor::Reactor;
use crate::network::worker::{Resolver, Worker};

#[derive(Default, Clone)]
struct Table {
    names: BTreeMap<String, Vec<IpAddr>>,
    resolvers: Vec<SocketAddr>,
}

impl Names for Table {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        self.names.get(name).cloned()
    }

    fn names(&self, address: IpAddr) -> Option<Vec<String>> {
        let ours = |a: &IpAddr| matches!(a, IpAddr::V4(a) if a.octets()[0] == 10);
        let has = |list: &[IpAddr]| list.contains(&address);
        ours(&address).then(|| {
            let found = self.names.iter().filter(|(_, list)| has(list));
            found.map(|(name, _)| name.clone()).collect()
        })
    }

    fn resolvers(&self) -> Vec<SocketAddr> {
        self.resolvers.clone()
    }
}

fn table(resolvers: Vec<SocketAddr>) -> Table {
    let of = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect();
    Table {
        names: BTreeMap::from([
            ("web".to_owned(), of(&["10.0.0.2", "10.0.0.3", "fd00::2"])),
            ("four".to_owned(), of(&["10.0.0.9"])),
        ]),
        resolvers,
    }
}

/// A server, and a client that speaks to it.
fn serve(table: Table) -> (UdpSocket, SocketAddr) {
    // One port for both: another's connection may have that number.
    let both = || {
        let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let streams = TcpListener::bind(datagrams.local_addr().unwrap()).ok()?;
        Some((datagrams, streams))
    };
    let (datagrams, streams) = std::iter::repeat_with(both).flatten().next().unwrap();
    let address = datagrams.local_addr().unwrap();
    thread::spawn(move || {
        let names: Rc<dyn Names> = Rc::new(table);
        let resolver = Resolver {
            datagrams,
            streams,
            names,
        };
        Worker::new(Vec::new(), Some(resolver)).unwrap().serve()
    });
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.connect(address).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(15)))
        .unwrap();
    (client, address)
}

fn question(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&[0, 1]);
    bytes
}

fn ask(client: &UdpSocket, message: &[u8]) -> Vec<u8> {
    client.send(message).unwrap();
    let mut buffer = [0; 4096];
    let length = client.recv(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

/// Outcome, and how many records.
fn said(answer: &[u8]) -> (u8, u8) {
    (answer[3] & 0x0f, answer[7])
}

#[test]
fn what_the_network_knows_is_answered() {
    let (client, _) = serve(table(Vec::new()));
    assert_eq!(said(&ask(&client, &question(1, "web", 1))), (0, 2));
    assert_eq!(said(&ask(&client, &question(2, "WEB", 28))), (0, 1));
    // A known name without such an address is no unknown name.
    assert_eq!(said(&ask(&client, &question(3, "four", 28))), (0, 0));
    let answer = ask(&client, &question(4, "9.0.0.10.in-addr.arpa", 12));
    assert_eq!(said(&answer), (0, 1));
    assert!(answer.ends_with(b"\x04four\0"));
    let nobody = ask(&client, &question(5, "99.0.0.10.in-addr.arpa", 12));
    assert_eq!(said(&nobody), (3, 0));
}

#[test]
fn without_an_outside_nobody_is_asked() {
    let (client, _) = serve(table(Vec::new()));
    assert_eq!(said(&ask(&client, &question(9, "example.com", 1))), (3, 0));
}

/// A resolver that answers each question with itself and one mark, from
/// `socket`, and says what it was asked.
fn play(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    let mut answer = buffer[..length].to_vec();
    answer[2] |= 0x80;
    let mut forged = answer.clone();
    forged[1] ^= 1;
    socket.send_to(&forged, from).unwrap();
    let mut other = answer.clone();
    other[13] ^= 1;
    socket.send_to(&other, from).unwrap();
    answer.extend_from_slice(b"the rest");
    socket.send_to(&answer, from).unwrap();
    buffer[..length].to_vec()
}

#[test]
fn a_stranger_is_asked_about_and_forgeries_are_passed_over() {
    let resolver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    // The first in the list is not there: the next one is asked.
    let nobody = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let list = vec![nobody.local_addr().unwrap(), resolver.local_addr().unwrap()];
    drop(nobody);
    let (client, _) = serve(table(list));
    let playing = thread::spawn(move || play(&resolver));
    let asked = question(0x0a0b, "example.com", 1);
    let answer = ask(&client, &asked);
    assert!(answer.ends_with(b"the rest"));
    assert_eq!(answer[..2], asked[..2]);
    let passed_on = playing.join().unwrap();
    assert_eq!(passed_on[2..], asked[2..]);
}

#[test]
fn nobody_answers_outside() {
    let nobody = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let list = vec![nobody.local_addr().unwrap()];
    drop(nobody);
    let (client, _) = serve(table(list));
    assert_eq!(said(&ask(&client, &question(9, "example.com", 1))), (2, 0));
}

#[test]
fn a_silent_resolver_is_waited_for_and_then_passed_over() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (client, _) = serve(table(vec![silent.local_addr().unwrap()]));
    assert_eq!(said(&ask(&client, &question(9, "example.com", 1))), (2, 0));
}

#[test]
fn who_cannot_be_asked_at_all_is_passed_over() {
    // Nobody may speak to everybody who has not said that this is meant.
    let (client, _) = serve(table(vec!["255.255.255.255:53".parse().unwrap()]));
    assert_eq!(said(&ask(&client, &question(9, "example.com", 1))), (2, 0));
}

#[test]
fn a_silent_resolver_is_passed_over_by_tcp_too() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (_, address) = serve(table(vec![silent.local_addr().unwrap()]));
    let mut client = TcpStream::connect(address).unwrap();
    let limit = Some(Duration::from_secs(15));
    client.set_read_timeout(limit).unwrap();
    client
        .write_all(&framed(&question(3, "example.com", 1)))
        .unwrap();
    assert_eq!(said(&read_framed(&mut client)), (2, 0));
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = (message.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(message);
    bytes
}

fn read_framed(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message).unwrap();
    message
}

#[test]
fn questions_by_tcp_are_answered_and_passed_on() {
    let resolver = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (_, address) = serve(table(vec![resolver.local_addr().unwrap()]));
    let playing = thread::spawn(move || {
        let (mut conn, _) = resolver.accept().unwrap();
        let mut answer = read_framed(&mut conn);
        answer[2] |= 0x80;
        answer.resize(20_000, 7);
        conn.write_all(&framed(&answer)).unwrap();
    });
    let mut client = TcpStream::connect(address).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(15)))
        .unwrap();
    // Two at once, and the second in pieces.
    let first = framed(&question(1, "web", 1));
    let second = framed(&question(2, "example.com", 1));
    client
        .write_all(&[&first[..], &second[..7]].concat())
        .unwrap();
    assert_eq!(said(&read_framed(&mut client)), (0, 2));
    client.write_all(&second[7..]).unwrap();
    let long = read_framed(&mut client);
    assert_eq!((long.len(), long[1]), (20_000, 2));
    playing.join().unwrap();
}

#[test]
fn nonsense_is_survived() {
    let (client, _) = serve(table(Vec::new()));
    for bytes in [&b""[..], b"x", &[0xff; 600], &question(1, "web", 1)[..14]] {
        client.send(bytes).unwrap();
    }
    let mut buffer = [0; 4096];
    // The last one had a header to answer to.
    let length = client.recv(&mut buffer).unwrap();
    assert_eq!(said(&buffer[..length]), (1, 0));
    assert_eq!(said(&ask(&client, &question(7, "web", 1))), (0, 2));
}

/// One question after the other, on one connection: what is waited for does not
/// pile up.
#[test]
fn a_connection_with_many_questions_is_called_no_more_often() {
    let resolver = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let names: Rc<dyn Names> = Rc::new(table(vec![resolver.local_addr().unwrap()]));
    thread::spawn(move || {
        for mut asked in resolver.incoming().flatten() {
            let mut length = [0; 2];
            asked.read_exact(&mut length).unwrap();
            let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
            asked.read_exact(&mut message).unwrap();
            asked.write_all(&[&length[..], &message].concat()).unwrap();
        }
    });
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut asker = TcpStream::connect(door.local_addr().unwrap()).unwrap();
    let mut reactor = Reactor::new().unwrap();
    door.set_nonblocking(true).unwrap();
    super::stream::Door::serve(door, names, &mut reactor).unwrap();
    let asking = thread::spawn(move || {
        for n in 0..100 {
            let message = question(n, "example.com", 1);
            let length = (message.len() as u16).to_be_bytes();
            asker.write_all(&[&length[..], &message].concat()).unwrap();
            let mut answer = vec![0; 2 + message.len()];
            asker.read_exact(&mut answer).unwrap();
        }
        asker
    });
    while !asking.is_finished() {
        reactor.turn(Some(Duration::from_millis(10))).unwrap();
    }
    drop(asking.join().unwrap());
    assert!(reactor.times() < 10, "{}", reactor.times());
}
