//! The net worker: one process for everything a container's network needs
//! while the container is up. It moves the bytes of published ports and
//! answers the container's questions about names.
//!
//! It is handed sockets that are bound already, so nothing here can fail for
//! a reason that whoever started the container should have been told. It has
//! one thread, which waits in `reactor`. It knows no records and no files:
//! what the networks know comes through [`dns::Names`].

pub mod datagram;
pub mod dns;
mod flow;
mod inside;
mod pipes;
mod reactor;
mod target;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub use inside::Inside;
pub use target::{Target, Way};

use std::net::{TcpListener, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

use crate::sys::SysResult;
use dns::Names;
use reactor::Reactor;

/// How long nothing happens before memory is given back.
const CALM: Duration = Duration::from_millis(100);

/// A socket of the host's that is bound, and where what comes there goes.
pub enum Published {
    /// Connections.
    Tcp(TcpListener, Target),
    /// Datagrams.
    Udp(UdpSocket, Target),
}

/// A name server's sockets, made inside the container, and what it knows.
pub struct Resolver {
    /// For most questions.
    pub datagrams: UdpSocket,
    /// For long answers.
    pub streams: TcpListener,
    /// What is known.
    pub names: Rc<dyn Names>,
}

/// Everything one worker does.
pub struct Worker {
    reactor: Reactor,
    pipes: pipes::Pipes,
    /// Who makes sockets inside the container.
    inside: Option<Rc<Inside>>,
}

impl Worker {
    /// Takes over the ports and the name server.
    pub fn new(ports: Vec<Published>, resolver: Option<Resolver>) -> SysResult<Self> {
        let mut reactor = Reactor::new()?;
        let pipes = pipes::Pipes::default();
        // One container, one thread there.
        let inside = ports.iter().find_map(|port| match port {
            Published::Tcp(_, target) | Published::Udp(_, target) => target.inside().cloned(),
        });
        for port in ports {
            match port {
                Published::Tcp(listener, target) => {
                    not_waiting(&listener)?;
                    tcp::Port::serve(listener, target, &pipes, &mut reactor)?;
                }
                Published::Udp(socket, target) => {
                    not_waiting(&socket)?;
                    udp::Port::serve(socket, target, udp::SILENCE, &mut reactor)?;
                }
            }
        }
        if let Some(resolver) = resolver {
            not_waiting(&resolver.datagrams)?;
            not_waiting(&resolver.streams)?;
            dns::Server::serve(
                resolver.datagrams,
                resolver.streams,
                resolver.names,
                &mut reactor,
            )?;
        }
        Ok(Self {
            reactor,
            pipes,
            inside,
        })
    }

    /// Serves until the process is ended from outside.
    pub fn serve(mut self) -> SysResult<std::convert::Infallible> {
        // What it took to become a worker, or to serve many, is not needed to
        // wait for the next.
        let mut calm = false;
        loop {
            let busy = self.reactor.turn((!calm).then_some(CALM))?;
            calm = !busy;
            if calm {
                self.pipes.clear();
                if let Some(inside) = &self.inside {
                    inside.clear();
                }
                self.reactor.rest();
            }
        }
    }
}

fn not_waiting(socket: impl std::os::fd::AsFd) -> SysResult<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let failed = |e| crate::sys::SysError::new(e, "fcntl(O_NONBLOCK)");
    let flags = fcntl(socket.as_fd(), FcntlArg::F_GETFL).map_err(failed)?;
    let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
    fcntl(socket.as_fd(), FcntlArg::F_SETFL(flags)).map_err(failed)?;
    Ok(())
}
