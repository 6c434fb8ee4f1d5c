//! The host's side of published ports: sockets that are bound before the
//! program starts, so that a port which is taken is an error at the start and
//! not a surprise later. What comes there is for [`super::worker`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
    sockopt,
};
use serde_json::{Map, Value, json};

use super::worker::datagram;
use crate::container::{Port, Protocol};
use crate::error::{Error, Result};
use crate::sys::{SysError, SysResult};

/// How often a free port is looked for that is free for both kinds of address.
const ATTEMPTS: usize = 32;

/// A port of the host's that is held for a container.
#[derive(Debug)]
pub struct Bound {
    /// Where.
    pub at: SocketAddr,
    /// Of the container.
    pub container_port: u16,
    /// The socket.
    pub socket: Socket,
}

/// A socket that is bound.
#[derive(Debug)]
pub enum Socket {
    /// For connections.
    Tcp(TcpListener),
    /// For datagrams.
    Udp(UdpSocket),
}

impl Socket {
    /// Over what.
    pub fn protocol(&self) -> Protocol {
        match self {
            Socket::Tcp(_) => Protocol::Tcp,
            Socket::Udp(_) => Protocol::Udp,
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Udp(socket) => socket.as_fd(),
        }
    }
}

/// Somebody else has the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Where it was wanted.
    pub at: SocketAddr,
    /// Over what.
    pub protocol: Protocol,
}

/// Why a port could not be had.
#[derive(Debug)]
pub enum Failure {
    /// Others have it, or all that would do.
    Taken(Vec<Taken>),
    /// Anything else.
    Other(Error),
}

/// Binds every one of `ports`, or none.
pub fn bind_all(ports: &[Port]) -> std::result::Result<Vec<Bound>, Failure> {
    // Whoever can have one of several must not take the only one of another.
    let mut choosy: Vec<&Port> = ports.iter().collect();
    choosy.sort_by_key(|port| match (port.host_port, port.host_last) {
        (Some(_), None) => 0,
        (Some(first), Some(last)) => u32::from(last.saturating_sub(first)) + 1,
        (None, _) => u32::MAX,
    });
    let mut all = Vec::with_capacity(ports.len() * 2);
    for port in choosy {
        all.extend(bind_one(port)?);
    }
    Ok(all)
}

/// What is bound, as the container's record has it:
/// `{"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}`.
pub fn describe(bound: &[Bound]) -> Value {
    let mut all: Map<String, Value> = Map::new();
    for one in bound {
        let key = format!("{}/{}", one.container_port, one.socket.protocol().word());
        let binding = json!({
            "HostIp": one.at.ip().to_string(),
            "HostPort": one.at.port().to_string(),
        });
        match all.entry(key).or_insert_with(|| json!([])) {
            Value::Array(list) => list.push(binding),
            _ => unreachable!("only lists were put there"),
        }
    }
    Value::Object(all)
}

/// The sockets of one port: two where no address was named, one for each kind
/// of address.
fn bind_one(port: &Port) -> std::result::Result<Vec<Bound>, Failure> {
    let ips: &[IpAddr] = match &port.host_ip {
        Some(ip) => std::slice::from_ref(ip),
        None => &[
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ],
    };
    let mut taken = Vec::new();
    for number in candidates(port) {
        match bind_at(port, number, ips) {
            Err(Failure::Taken(more)) => taken.extend(more),
            done => return done,
        }
    }
    if port.host_port.is_none() {
        taken.truncate(1);
    }
    Err(Failure::Taken(taken))
}

/// What is tried, one after the other; 0 is any that is free. The first kind of
/// address has one that is free, and the second must have the same.
fn candidates(port: &Port) -> Vec<u16> {
    match (port.host_port, port.host_last) {
        (None, _) => vec![0; ATTEMPTS],
        (Some(first), last) => (first..=last.unwrap_or(first)).collect(),
    }
}

fn bind_at(
    port: &Port,
    mut number: u16,
    ips: &[IpAddr],
) -> std::result::Result<Vec<Bound>, Failure> {
    let mut all: Vec<Bound> = Vec::new();
    for ip in ips {
        let at = SocketAddr::new(*ip, number);
        let socket = match open(at, port.protocol) {
            Ok(socket) => socket,
            // A machine that knows only one kind of address.
            Err(e) if !all.is_empty() && is_absent(e.errno) => continue,
            Err(e) => return Err(explain(&e, at, port.protocol)),
        };
        let local = match &socket {
            Socket::Tcp(socket) => socket.local_addr(),
            Socket::Udp(socket) => socket.local_addr(),
        };
        let local = local.map_err(|e| Failure::Other(Error::environment(e.to_string())))?;
        number = local.port();
        all.push(Bound {
            at: local,
            container_port: port.container_port,
            socket,
        });
    }
    Ok(all)
}

fn is_absent(errno: Errno) -> bool {
    matches!(errno, Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL)
}

fn open(at: SocketAddr, protocol: Protocol) -> SysResult<Socket> {
    let (family, kind) = match (at, protocol) {
        (SocketAddr::V4(_), Protocol::Tcp) => (AddressFamily::Inet, SockType::Stream),
        (SocketAddr::V4(_), Protocol::Udp) => (AddressFamily::Inet, SockType::Datagram),
        (SocketAddr::V6(_), Protocol::Tcp) => (AddressFamily::Inet6, SockType::Stream),
        (SocketAddr::V6(_), Protocol::Udp) => (AddressFamily::Inet6, SockType::Datagram),
    };
    let failed = |e| SysError::new(e, format!("bind({at}/{})", protocol.word()));
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let sock = socket(family, kind, flags, None).map_err(failed)?;
    if at.is_ipv6() {
        // The other kind of address has a socket of its own.
        setsockopt(&sock, sockopt::Ipv6V6Only, &true).map_err(failed)?;
    }
    if protocol == Protocol::Tcp {
        // Connections of an earlier holder may still be on their way out.
        setsockopt(&sock, sockopt::ReuseAddr, &true).map_err(failed)?;
    }
    if protocol == Protocol::Udp {
        // The first to come is answered from the address it asked, too.
        datagram::tell_destination(&sock)?;
    }
    bind(sock.as_raw_fd(), &SockaddrStorage::from(at)).map_err(failed)?;
    Ok(match protocol {
        Protocol::Udp => Socket::Udp(OwnedFd::into(sock)),
        Protocol::Tcp => {
            listen(&sock, Backlog::MAXCONN).map_err(failed)?;
            Socket::Tcp(OwnedFd::into(sock))
        }
    })
}

fn explain(e: &SysError, at: SocketAddr, protocol: Protocol) -> Failure {
    let word = protocol.word();
    let (ip, port) = (at.ip(), at.port());
    Failure::Other(match e.errno {
        Errno::EADDRINUSE => return Failure::Taken(vec![Taken { at, protocol }]),
        Errno::EADDRNOTAVAIL => Error::user(format!(
            "cannot publish on {ip}: this machine has no such address"
        ))
        .hint("`ip address` lists those it has; without one, all of them are meant"),
        Errno::EACCES | Errno::EPERM => {
            Error::environment(format!("may not publish port {port}/{word}"))
                .hint("ports below net.ipv4.ip_unprivileged_port_start are root's")
        }
        Errno::EMFILE | Errno::ENFILE => Error::environment(format!(
            "cannot publish port {port}/{word}: too many open files"
        ))
        .hint("each port takes two descriptors: `ulimit -n` says how many there may be"),
        _ => Error::environment(e.to_string()),
    })
}

/// That a port is taken, and by whom; or that all are that would do.
pub fn taken(taken: &[Taken], by: Option<&str>) -> Error {
    let (Some(Taken { at, protocol }), Some(last)) = (taken.first(), taken.last()) else {
        return Error::internal("nobody has the port that is taken");
    };
    if taken.len() > 1 {
        return Error::user(format!(
            "all ports from {} to {}/{} of {} are in use",
            at.port(),
            last.at.port(),
            protocol.word(),
            at.ip()
        ))
        .hint("publish another range, or none and a free one is taken (-p CONTAINER_PORT)");
    }
    let by = by.map_or_else(|| "another process".to_owned(), str::to_owned);
    Error::user(format!(
        "port {}/{} of {} is already in use by {by}",
        at.port(),
        protocol.word(),
        at.ip()
    ))
    .hint("publish another one, or none and a free one is taken (-p CONTAINER_PORT)")
}

/// Checks that what is asked for does not contradict itself: the same port of
/// the host twice.
pub fn check(ports: &[Port]) -> Result<()> {
    let clash = |a: &Port, b: &Port| {
        let same_place = match (a.host_ip, b.host_ip) {
            (Some(one), Some(other)) => {
                let all = one.is_unspecified() || other.is_unspecified();
                one == other || (all && one.is_ipv4() == other.is_ipv4())
            }
            _ => true,
        };
        a.host_port.is_some()
            && a.host_last.or(b.host_last).is_none()
            && a.host_port == b.host_port
            && a.protocol == b.protocol
            && same_place
    };
    for (n, port) in ports.iter().enumerate() {
        if ports[..n].iter().any(|other| clash(port, other)) {
            let number = port.host_port.unwrap_or_default();
            return Err(Error::user(format!(
                "port {number}/{} of this machine is published twice",
                port.protocol.word()
            ))
            .hint("a port of the host's leads to one port of the container's"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: Option<&str>, host: Option<u16>, protocol: Protocol) -> Port {
        Port {
            host_ip: ip.map(|ip| ip.parse().unwrap()),
            host_port: host,
            host_last: None,
            container_port: 80,
            protocol,
        }
    }

    fn one_of(first: u16, last: u16) -> Port {
        Port {
            host_last: Some(last),
            ..port(Some("127.0.0.1"), Some(first), Protocol::Tcp)
        }
    }

    /// The first of four numbers that nobody has just now.
    fn four_free() -> u16 {
        let all = |first: u16| -> Option<Vec<TcpListener>> {
            let at = |n| TcpListener::bind(("127.0.0.1", n)).ok();
            (first..first + 4).map(at).collect()
        };
        let mut places = (20_000..30_000).step_by(4);
        places
            .find(|first| all(*first).is_some())
            .expect("four free ports")
    }

    fn bound(ports: &[Port]) -> Vec<Bound> {
        bind_all(ports).unwrap_or_else(|e| panic!("{e:?}"))
    }

    #[test]
    fn both_kinds_of_address_have_the_same_port() {
        let all = bound(&[port(None, None, Protocol::Tcp)]);
        assert!(all.iter().all(|b| b.at.port() == all[0].at.port()));
        assert_eq!(all[0].at.ip().to_string(), "0.0.0.0");
        let told = describe(&all);
        assert_eq!(told["80/tcp"][0]["HostIp"], "0.0.0.0");
        assert_eq!(told["80/tcp"].as_array().unwrap().len(), all.len());
    }

    #[test]
    fn who_comes_second_is_told_what_is_taken() {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let first = bound(&[port(Some("127.0.0.1"), None, protocol)]);
            let number = first[0].at.port();
            let again = bind_all(&[port(Some("127.0.0.1"), Some(number), protocol)]);
            let Err(Failure::Taken(found)) = again else {
                panic!("{again:?}");
            };
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].at.port(), found[0].protocol), (number, protocol));
            let told = taken(&found, Some("container web")).to_string();
            assert!(told.contains("already in use by container web"), "{told}");
            drop(first);
            bound(&[port(Some("127.0.0.1"), Some(number), protocol)]);
        }
    }

    #[test]
    fn of_several_ports_the_first_that_is_free_is_had() {
        let first = four_free();
        let held = TcpListener::bind(("127.0.0.1", first)).unwrap();
        let range = one_of(first, first + 2);
        // The one that has no choice comes first, wherever it stands.
        let only = port(Some("127.0.0.1"), Some(first + 1), Protocol::Tcp);
        let all = bound(&[range.clone(), only]);
        let ports: Vec<u16> = all.iter().map(|b| b.at.port()).collect();
        assert_eq!(ports, [first + 1, first + 2]);
        let Err(Failure::Taken(found)) = bind_all(&[range]) else {
            panic!("all of them are taken");
        };
        let told = taken(&found, None).to_string();
        let want = format!("all ports from {first} to {}/tcp of 127.0.0.1", first + 2);
        assert!(told.contains(&want), "{told}");
        drop((held, all));
    }

    #[test]
    fn an_address_of_somebody_else_is_refused() {
        let e = bind_all(&[port(Some("192.0.2.77"), None, Protocol::Udp)]).unwrap_err();
        let Failure::Other(e) = e else {
            panic!("{e:?}")
        };
        assert!(e.to_string().contains("no such address"), "{e}");
    }

    #[test]
    fn a_port_of_the_host_leads_to_one_place() {
        let tcp = |ip, host| port(ip, host, Protocol::Tcp);
        for (one, other, fine) in [
            (tcp(None, Some(80)), tcp(None, Some(80)), false),
            (tcp(None, Some(80)), tcp(Some("127.0.0.1"), Some(80)), false),
            (
                tcp(Some("127.0.0.1"), Some(80)),
                tcp(Some("::1"), Some(80)),
                true,
            ),
            (
                tcp(None, Some(80)),
                port(None, Some(80), Protocol::Udp),
                true,
            ),
            (tcp(None, None), tcp(None, None), true),
            (one_of(80, 90), one_of(80, 90), true),
            (tcp(None, Some(80)), one_of(80, 90), true),
        ] {
            let checked = check(&[one.clone(), other.clone()]);
            assert_eq!(checked.is_ok(), fine, "{one:?} {other:?}");
        }
    }
}
