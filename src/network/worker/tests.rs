//! The worker with real sockets on loopback. It serves in a thread of the
//! test's, as it would in its process.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, send, setsockopt, sockopt};

use super::pipes::FEW;
use super::reactor::Reactor;
use super::{Published, Target, Worker, udp};

const LIMIT: Duration = Duration::from_secs(20);

fn local() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

fn to(address: SocketAddr) -> Target {
    Target::outside(address)
}

/// Serves a port that leads to `program`; the thread ends with the test.
fn publish(program: SocketAddr) -> SocketAddr {
    let listener = local();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let worker = Worker::new(vec![Published::Tcp(listener, to(program))], None).unwrap();
        worker.serve()
    });
    address
}

fn client(port: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(port).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.set_write_timeout(Some(LIMIT)).unwrap();
    client
}

#[test]
fn bytes_go_through_in_both_directions_and_ends_are_passed_on() {
    let program = local();
    let port = publish(program.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let (mut conn, _) = program.accept().unwrap();
        let mut all = Vec::new();
        // Reads to the end before it answers: only a half-close lets it.
        conn.read_to_end(&mut all).unwrap();
        conn.write_all(&all).unwrap();
    });
    let mut client = client(port);
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7) as u8).collect();
    client.write_all(&sent).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut back = Vec::new();
    client.read_to_end(&mut back).unwrap();
    assert!(back == sent, "{} of {} bytes", back.len(), sent.len());
    serving.join().unwrap();
}

#[test]
fn a_reader_that_is_slow_holds_the_writer_back_and_nobody_else() {
    let program = local();
    let port = publish(program.local_addr().unwrap());
    let slow = client(port);
    slow.set_nonblocking(true).unwrap();
    let (held, _) = program.accept().unwrap();
    let mut sent = 0_u64;
    let full = Instant::now();
    while full.elapsed() < Duration::from_millis(500) {
        match (&slow).write(&[7; 8192]) {
            Ok(n) => sent += n as u64,
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
    // Socket buffers and one pipe are all there is to fill.
    assert!(sent > 0 && sent < 64 << 20, "{sent} bytes");
    let mut quick = client(port);
    quick.write_all(b"hello").unwrap();
    let (mut other, _) = program.accept().unwrap();
    let mut five = [0; 5];
    other.read_exact(&mut five).unwrap();
    assert_eq!(&five, b"hello");
    // All that was sent arrives once it is read.
    slow.shutdown(Shutdown::Write).unwrap();
    held.set_read_timeout(Some(LIMIT)).unwrap();
    let arrived = std::io::copy(&mut (&held), &mut std::io::sink()).unwrap();
    assert_eq!(arrived, sent);
}

#[test]
fn a_program_that_begins_to_listen_later_is_waited_for() {
    let place = local().local_addr().unwrap();
    let port = publish(place);
    let mut early = client(port);
    early.write_all(b"early").unwrap();
    thread::sleep(Duration::from_millis(150));
    let program = TcpListener::bind(place).unwrap();
    let (mut conn, _) = program.accept().unwrap();
    let mut five = [0; 5];
    conn.read_exact(&mut five).unwrap();
    assert_eq!(&five, b"early");
    // One that has ended is not waited for.
    drop((program, conn));
    let start = Instant::now();
    let mut late = client(port);
    let broken = late.read(&mut five);
    assert!(!matches!(broken, Ok(n) if n > 0));
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_connection_that_breaks_breaks_on_the_other_side() {
    let program = local();
    let port = publish(program.local_addr().unwrap());
    let mut client = client(port);
    client.write_all(b"x").unwrap();
    let (conn, _) = program.accept().unwrap();
    // Closed with bytes unread: a reset.
    thread::sleep(Duration::from_millis(50));
    drop(conn);
    let mut byte = [0];
    let kind = client.read(&mut byte).map_err(|e| e.kind());
    assert_eq!(kind, Err(std::io::ErrorKind::ConnectionReset));
}

/// As a server does that turns a large request down.
#[test]
fn what_was_said_before_a_break_is_heard() {
    let program = local();
    let port = publish(program.local_addr().unwrap());
    thread::spawn(move || {
        for conn in program.incoming().flatten() {
            // Goes with bytes unread, which is a reset.
            (&conn).write_all(b"too large").unwrap();
        }
    });
    for round in 0..200 {
        let mut client = client(port);
        let _ = client.write_all(&[b'x'; 100]);
        thread::sleep(Duration::from_micros(round * 10));
        let _ = client.write_all(&[b'x'; 100]);
        let mut told = Vec::new();
        let _ = client.read_to_end(&mut told);
        assert_eq!(told, b"too large", "round {round}");
    }
}

/// Whatever the last piece is, and however the end comes with it.
#[test]
fn the_last_bytes_come_with_the_end() {
    let program = local();
    let port = publish(program.local_addr().unwrap());
    let lengths = [0, 1, 6, FEW - 1, FEW, FEW + 1, 2 * FEW, 100_000];
    let answers = lengths.map(|length| vec![length as u8; length]);
    let told = answers.clone();
    thread::spawn(move || {
        for (conn, answer) in program.incoming().flatten().zip(told.iter().cycle()) {
            // Half of them after a question, half of them unasked.
            let mut asked = Vec::new();
            (&conn).read_to_end(&mut asked).unwrap();
            assert!(asked.is_empty() || asked == *answer);
            (&conn).write_all(answer).unwrap();
        }
    });
    for round in 0..5 {
        for answer in &answers {
            let mut client = client(port);
            if round % 2 == 0 {
                client.write_all(answer).unwrap();
            }
            client.shutdown(Shutdown::Write).unwrap();
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap();
            assert!(all == *answer, "{} of {}", all.len(), answer.len());
        }
    }
}

/// An urgent byte is for who looks for it, which nobody here does; what is read
/// stops in front of it all the same.
#[test]
fn what_is_behind_an_urgent_byte_arrives() {
    for length in [3, FEW - 1, FEW, 200_000] {
        let place = local().local_addr().unwrap();
        let port = publish(place);
        let early = client(port);
        // A program that listens late has all of it come at once.
        let part = vec![b'a'; length];
        (&early).write_all(&part).unwrap();
        let sent = send(early.as_raw_fd(), b"!", MsgFlags::MSG_OOB);
        assert_eq!(sent, Ok(1));
        (&early).write_all(&part).unwrap();
        early.shutdown(Shutdown::Write).unwrap();
        let program = TcpListener::bind(place).unwrap();
        let (conn, _) = program.accept().unwrap();
        conn.set_read_timeout(Some(LIMIT)).unwrap();
        let mut all = Vec::new();
        (&conn).read_to_end(&mut all).unwrap();
        assert!(all == part.repeat(2), "{} of {length} twice", all.len());
    }
}

/// Or half an answer would pass for a whole one.
#[test]
fn a_break_behind_the_last_bytes_is_no_end() {
    let program = local();
    let listener = local();
    let mut client = client(listener.local_addr().unwrap());
    let mut reactor = Reactor::new().unwrap();
    let pipes = super::pipes::Pipes::default();
    super::not_waiting(&listener).unwrap();
    let target = to(program.local_addr().unwrap());
    super::tcp::Port::serve(listener, target, &pipes, &mut reactor).unwrap();
    while reactor.turn(Some(Duration::from_millis(200))).unwrap() {}
    let (conn, _) = program.accept().unwrap();
    (&conn).write_all(b"half").unwrap();
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&conn, sockopt::Linger, &at_once).unwrap();
    // Both are there before anybody looks.
    drop(conn);
    while reactor.turn(Some(Duration::from_millis(200))).unwrap() {}
    let mut all = Vec::new();
    let end = client.read_to_end(&mut all).map_err(|e| e.kind());
    assert_eq!(end, Err(std::io::ErrorKind::ConnectionReset));
    assert_eq!(all, b"half");
}

/// Pipes go from one connection to the next, also from those that broke off
/// in the middle.
#[test]
fn no_connection_hears_what_was_another_s() {
    let program = local();
    let port = publish(program.local_addr().unwrap());
    thread::spawn(move || {
        for conn in program.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut &conn, &mut &conn));
        }
    });
    let one = move |number: u8| {
        for round in 0..12 {
            let client = client(port);
            let sent = vec![number; 700_000];
            if round % 3 == 0 {
                // Nobody reads: pipes are full when it goes.
                client.set_nonblocking(true).unwrap();
                while (&client).write(&sent).is_ok_and(|n| n > 0) {}
                continue;
            }
            let writing = client.try_clone().unwrap();
            let writer = thread::spawn(move || {
                (&writing).write_all(&sent).unwrap();
                writing.shutdown(Shutdown::Write).unwrap();
            });
            let mut back = Vec::new();
            (&client).read_to_end(&mut back).unwrap();
            writer.join().unwrap();
            assert_eq!(back.len(), 700_000);
            assert!(back.iter().all(|byte| *byte == number));
        }
    };
    let all: Vec<_> = (1..=6).map(|n| thread::spawn(move || one(n))).collect();
    for thread in all {
        thread.join().unwrap();
    }
}

#[test]
fn many_connections_leave_no_descriptor() {
    let program = local();
    let address = program.local_addr().unwrap();
    thread::spawn(move || {
        for conn in program.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut &conn, &mut &conn));
        }
    });
    let listener = local();
    let port = listener.local_addr().unwrap();
    let mut reactor = Reactor::new().unwrap();
    let pipes = super::pipes::Pipes::default();
    super::not_waiting(&listener).unwrap();
    super::tcp::Port::serve(listener, to(address), &pipes, &mut reactor).unwrap();
    let clients = thread::spawn(move || {
        let mut open: Vec<TcpStream> = (0..100).map(|_| client(port)).collect();
        for conn in &mut open {
            conn.write_all(b"ping").unwrap();
        }
        for conn in &mut open {
            let mut four = [0; 4];
            conn.read_exact(&mut four).unwrap();
            assert_eq!(&four, b"ping");
        }
    });
    let until = Instant::now() + LIMIT;
    let mut most = 0;
    while !(clients.is_finished() && reactor.len() == 1) {
        reactor.turn(Some(Duration::from_millis(20))).unwrap();
        most = most.max(reactor.len());
        assert!(Instant::now() < until, "{} are left", reactor.len());
    }
    clients.join().unwrap();
    assert!(most > 10);
}

#[test]
fn datagrams_find_their_way_back() {
    let program = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = program.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = program.recv_from(&mut buffer) {
            buffer[..length].reverse();
            program.send_to(&buffer[..length], from).unwrap();
        }
    });
    let port = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let number = port.local_addr().unwrap().port();
    thread::spawn(move || {
        let ports = vec![Published::Udp(port, to(address))];
        Worker::new(ports, None).unwrap().serve()
    });
    let clients: Vec<UdpSocket> = (0..20)
        .map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
        .collect();
    for (n, client) in clients.iter().enumerate() {
        client.set_read_timeout(Some(LIMIT)).unwrap();
        client.connect((Ipv4Addr::LOCALHOST, number)).unwrap();
        client.send(format!("number-{n}").as_bytes()).unwrap();
    }
    for (n, client) in clients.iter().enumerate() {
        let mut buffer = [0; 64];
        let length = client.recv(&mut buffer).unwrap();
        let want: Vec<u8> = format!("number-{n}").bytes().rev().collect();
        assert_eq!(buffer[..length], want);
    }
}

#[test]
fn a_silent_client_is_forgotten() {
    let program = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    program.set_read_timeout(Some(LIMIT)).unwrap();
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.connect(port.local_addr().unwrap()).unwrap();
    let mut reactor = Reactor::new().unwrap();
    super::not_waiting(&port).unwrap();
    let silence = Duration::from_millis(60);
    let target = to(program.local_addr().unwrap());
    udp::Port::serve(port, target, silence, &mut reactor).unwrap();
    let mut first_from = None;
    for round in 0..2 {
        client.send(b"x").unwrap();
        let until = Instant::now() + silence * 3;
        while Instant::now() < until {
            reactor.turn(Some(Duration::from_millis(5))).unwrap();
        }
        let (_, from) = program.recv_from(&mut [0; 8]).unwrap();
        match first_from {
            None => first_from = Some(from),
            // Another socket: the first one was closed in between.
            Some(first) => assert_ne!(first, from, "round {round}"),
        }
    }
}
