//! Who holds a port of this machine's: asked only when somebody else wants it.
//!
//! The kernel lists sockets with a number each (`/proc/net/tcp`), and each
//! process its descriptors with the numbers behind them (`/proc/PID/fd`).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::publish::Taken;
use crate::container::Protocol;

/// A process that holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: i32,
    /// What it calls itself.
    pub name: String,
}

/// All processes that hold the port, or a part of it.
pub fn holders(taken: Taken) -> Vec<Holder> {
    let names = match taken.protocol {
        Protocol::Tcp => ["tcp", "tcp6"],
        Protocol::Udp => ["udp", "udp6"],
    };
    let mut inodes = Vec::new();
    for name in names {
        // That of the thread: another could be in another network.
        let table = fs::read_to_string(format!("/proc/thread-self/net/{name}"));
        inodes.extend(sockets(&table.unwrap_or_default(), taken));
    }
    if inodes.is_empty() {
        return Vec::new();
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|e| e.file_name().to_str()?.parse().ok());
    pids.filter(|pid| holds(*pid, &inodes))
        .map(|pid| Holder {
            pid,
            name: name_of(pid),
        })
        .collect()
}

fn name_of(pid: i32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    // It is the process that chooses it.
    name.trim().escape_debug().to_string()
}

fn holds(pid: i32, inodes: &[u64]) -> bool {
    let fds = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten();
    fds.flatten().any(|fd| {
        let target = fs::read_link(fd.path()).unwrap_or_default();
        let inode = target
            .to_str()
            .and_then(|t| t.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
        inode.is_some_and(|i| inodes.contains(&i))
    })
}

/// The numbers of the sockets in a table of the kernel's that stand in the
/// way.
fn sockets(table: &str, taken: Taken) -> Vec<u64> {
    let lines = table.lines().skip(1);
    lines.filter_map(|line| socket(line, taken)).collect()
}

/// `sl local_address rem_address st … uid timeout inode …`
fn socket(line: &str, taken: Taken) -> Option<u64> {
    const LISTENS: &str = "0A";
    let words: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = words.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let address = address_of(address)?;
    let wanted = taken.at.ip();
    let same_kind = address.is_ipv4() == wanted.is_ipv4();
    let any = address.is_unspecified() || wanted.is_unspecified();
    let meets = address == wanted || (any && (same_kind || address.is_ipv6()));
    let open = taken.protocol == Protocol::Udp || *words.get(3)? == LISTENS;
    if port != taken.at.port() || !meets || !open {
        return None;
    }
    words.get(9)?.parse().ok()
}

/// Words of four bytes, as they lie in memory.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |n: usize| {
        let digits = hex.get(n * 8..n * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    if hex.len() == 8 {
        return Some(Ipv4Addr::from(word(0)?).into());
    }
    let mut bytes = [0; 16];
    for n in 0..4 {
        bytes[n * 4..n * 4 + 4].copy_from_slice(&word(n)?);
    }
    Some(Ipv6Addr::from(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn a_process_that_listens_is_found() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("[::1]:0").unwrap();
        for (at, protocol) in [
            (tcp.local_addr().unwrap(), Protocol::Tcp),
            (udp.local_addr().unwrap(), Protocol::Udp),
        ] {
            let found = holders(Taken { at, protocol });
            let me = std::process::id() as i32;
            assert!(found.iter().any(|h| h.pid == me), "{found:?}");
        }
    }

    #[test]
    fn only_what_stands_in_the_way_counts() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
           0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1\n\
           1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 222 1\n\
           2: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1\n\
           3: nonsense\n";
        let of = |at: &str| {
            let taken = Taken {
                at: at.parse().unwrap(),
                protocol: Protocol::Tcp,
            };
            sockets(table, taken)
        };
        assert_eq!(of("127.0.0.1:8080"), [111]);
        assert_eq!(of("0.0.0.0:8080"), [111, 333]);
        assert!(of("127.0.0.1:8081").is_empty());
    }
}
