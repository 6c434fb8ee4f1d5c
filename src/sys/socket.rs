//! Local sockets: pairs, and descriptors sent through them.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    UnixAddr, accept4, bind, connect, listen, recvmsg, sendmsg, setsockopt, socket, socketpair,
    sockopt::SendTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::{SysError, SysResult, fd, syscall};

/// Two connected ends that carry whole messages in order.
pub fn message_pair() -> SysResult<(OwnedFd, OwnedFd)> {
    pair(SockType::SeqPacket)
}

/// Two connected ends that carry a stream of bytes.
pub fn stream_pair() -> SysResult<(OwnedFd, OwnedFd)> {
    pair(SockType::Stream)
}

fn pair(kind: SockType) -> SysResult<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|e| SysError::new(e, format!("socketpair(AF_UNIX, {kind:?})")))
}

/// Connects to the stream socket at `path`.
pub fn connect_stream(path: &Path) -> SysResult<OwnedFd> {
    with_short_path(path, SockType::Stream, |sock, addr| {
        connect(sock.as_raw_fd(), addr)
    })
}

/// Connects to the message socket at `path`.
pub fn connect_messages(path: &Path) -> SysResult<OwnedFd> {
    with_short_path(path, SockType::SeqPacket, |sock, addr| {
        connect(sock.as_raw_fd(), addr)
    })
}

/// Connects to the message socket at `path`; `EAGAIN` when whoever listens
/// there has let nobody in for so long.
pub fn connect_messages_within(path: &Path, patience: Duration) -> SysResult<OwnedFd> {
    with_short_path(path, SockType::SeqPacket, |sock, addr| {
        let limit = |time: Duration| {
            let time = TimeVal::milliseconds(time.as_millis() as i64);
            setsockopt(sock, SendTimeout, &time)
        };
        limit(patience)?;
        connect(sock.as_raw_fd(), addr)?;
        limit(Duration::ZERO)
    })
}

/// Makes a message socket at `path` that others can connect to.
pub fn listen_messages(path: &Path) -> SysResult<OwnedFd> {
    with_short_path(path, SockType::SeqPacket, |sock, addr| {
        bind(sock.as_raw_fd(), addr)?;
        listen(sock, Backlog::new(64)?)
    })
}

/// An address holds only 108 bytes, less than many a path: long ones go
/// through a descriptor of their directory.
fn with_short_path(
    path: &Path,
    kind: SockType,
    act: impl FnOnce(&OwnedFd, &UnixAddr) -> nix::Result<()>,
) -> SysResult<OwnedFd> {
    let failed = |e: Errno| SysError::new(e, format!("{kind:?} socket at {}", path.display()));
    let sock = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).map_err(failed)?;
    let dir;
    let addr = if let Ok(addr) = UnixAddr::new(path) {
        addr
    } else {
        let parent = path.parent().unwrap_or(Path::new("."));
        dir = fd::open(parent, libc::O_PATH | libc::O_DIRECTORY)?;
        let name = path.file_name().unwrap_or_default();
        UnixAddr::new(&fd::proc_path(&dir).join(name)).map_err(failed)?
    };
    act(&sock, &addr).map_err(failed)?;
    Ok(sock)
}

/// Takes the next connection to a listening socket.
pub fn accept(listener: impl AsFd) -> SysResult<OwnedFd> {
    let raw = listener.as_fd().as_raw_fd();
    loop {
        match accept4(raw, SockFlag::SOCK_CLOEXEC) {
            Ok(conn) => return Ok(fd::own(i64::from(conn))),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(SysError::new(e, format!("accept4({})", fd::show(raw)))),
        }
    }
}

/// Takes the next connection to a listening socket, if one is there; neither
/// of the two waits for anything.
pub fn accept_ready(listener: impl AsFd) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let conn = accept4(listener.as_fd().as_raw_fd(), flags)?;
    Ok(fd::own(i64::from(conn)))
}

/// Has what is sent first over a connection that is still to be made be the
/// last step of making it, which saves a packet. If nothing is sent, whoever
/// listens hears of the connection a little later.
pub fn answer_with_data(sock: impl AsFd) {
    let off: libc::c_int = 0;
    // SAFETY: the option is as large as is said, and alive for the call. A
    // failure is no harm: there is one packet more.
    unsafe {
        libc::setsockopt(
            sock.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_QUICKACK,
            (&raw const off).cast(),
            size_of_val(&off) as libc::socklen_t,
        );
    }
}

/// Sends one message, with descriptors if there are any.
pub fn send(sock: impl AsFd, bytes: &[u8], fds: &[i32]) -> SysResult<()> {
    let raw = sock.as_fd().as_raw_fd();
    let iov = [std::io::IoSlice::new(bytes)];
    let control = [ControlMessage::ScmRights(fds)];
    let control: &[ControlMessage<'_>] = if fds.is_empty() { &[] } else { &control };
    loop {
        match sendmsg::<()>(raw, &iov, control, MsgFlags::MSG_NOSIGNAL, None) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(e) => {
                let call = format!("sendmsg({}, {} bytes)", fd::show(raw), bytes.len());
                return Err(SysError::new(e, call));
            }
        }
    }
}

/// As [`send`], but fails with `EAGAIN` rather than wait for room.
pub fn send_now(sock: impl AsFd, bytes: &[u8]) -> SysResult<()> {
    let raw = sock.as_fd().as_raw_fd();
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    loop {
        match nix::sys::socket::send(raw, bytes, flags) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(e) => {
                let call = format!("send({}, {} bytes)", fd::show(raw), bytes.len());
                return Err(SysError::new(e, call));
            }
        }
    }
}

/// Writes one message, for whoever may write but not send. Where the other
/// side is gone, that ends this process, unless it ignores `SIGPIPE`.
pub fn write(sock: impl AsFd, bytes: &[u8]) -> SysResult<()> {
    let raw = sock.as_fd().as_raw_fd();
    loop {
        match nix::unistd::write(sock.as_fd(), bytes) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(e) => {
                let call = format!("write({}, {} bytes)", fd::show(raw), bytes.len());
                return Err(SysError::new(e, call));
            }
        }
    }
}

/// Receives one message, of which at most `most` bytes are kept. With
/// `MSG_DONTWAIT` among the `flags` the answer may be EAGAIN.
///
/// Nothing means that the other side is gone. Descriptors that come along are
/// not taken. The kernel is asked for the length first: nearly all messages
/// are short, and a buffer for the longest would take longer to clear.
pub fn receive_whole(sock: impl AsFd, most: usize, flags: MsgFlags) -> SysResult<Vec<u8>> {
    let raw = sock.as_fd().as_raw_fd();
    let receive = |buf: &mut [u8], flags| loop {
        match nix::sys::socket::recv(raw, buf, flags) {
            Err(Errno::EINTR) => {}
            done => return done.map_err(|e| SysError::new(e, format!("recv({})", fd::show(raw)))),
        }
    };
    let look = flags | MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC;
    let length = receive(&mut [], look)?;
    let mut message = vec![0; length.min(most)];
    let received = receive(&mut message, flags)?;
    message.truncate(received);
    Ok(message)
}

/// Receives one message, at most `buf` long, and at most one descriptor.
///
/// No bytes and no descriptor means that the other side is gone.
pub fn receive(sock: impl AsFd, buf: &mut [u8]) -> SysResult<(usize, Option<OwnedFd>)> {
    let raw = sock.as_fd().as_raw_fd();
    let mut space = nix::cmsg_space!(i32);
    let mut iov = [std::io::IoSliceMut::new(buf)];
    let failed = |e| SysError::new(e, format!("recvmsg({})", fd::show(raw)));
    let msg = loop {
        match recvmsg::<()>(raw, &mut iov, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            other => break other.map_err(failed)?,
        }
    };
    let mut passed = None;
    for control in msg.cmsgs().map_err(failed)? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            // Every descriptor received is owned, so that none leaks.
            let mut owned = fds.into_iter().map(|n| fd::own(i64::from(n)));
            passed = owned.next();
        }
    }
    Ok((msg.bytes, passed))
}

/// A socket to the kernel: `protocol` is `NETLINK_…`. What goes wrong is told
/// in words where the kernel has any, and requests are not repeated to us.
pub fn netlink(protocol: i32) -> SysResult<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    let raw = syscall!(
        || format!("socket(AF_NETLINK, SOCK_RAW, {protocol})"),
        libc::SYS_socket,
        libc::AF_NETLINK,
        kind,
        protocol
    )?;
    let sock = fd::own(raw);
    for option in [
        libc::NETLINK_EXT_ACK,
        libc::NETLINK_CAP_ACK,
        libc::NETLINK_GET_STRICT_CHK,
    ] {
        // An older kernel without one of them says less, and that is all.
        let _ = set_option(&sock, libc::SOL_NETLINK, option, 1);
    }
    Ok(sock)
}

fn set_option(sock: &OwnedFd, level: i32, option: i32, value: i32) -> SysResult<()> {
    let raw = sock.as_raw_fd();
    syscall!(
        || format!("setsockopt({}, {level}, {option}, {value})", fd::show(raw)),
        libc::SYS_setsockopt,
        raw,
        level,
        option,
        &raw const value,
        size_of::<i32>()
    )
    .map(drop)
}
