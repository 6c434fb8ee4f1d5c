//! The container's net worker: the process that moves what comes to published
//! ports and answers look-ups (see [`crate::network::worker`]).
//!
//! The keeper holds the sockets: those of the host from the first start to the
//! last end, so that a program that is started again keeps its ports, and
//! those of the name server anew for each start, because they are inside. It
//! makes the process when somebody knocks at one of them for the first time;
//! most containers are never asked anything, and cost nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{Keeper, confine};
use crate::container::NetworkMode;
use crate::container::Protocol;
use crate::error::{Error, Result};
use crate::network::connection::Connection;
use crate::network::holder::{self, Holder};
use crate::network::inquiry::{Answering, Asking};
use crate::network::interface;
use crate::network::knowledge::Knowledge;
use crate::network::publish::{self, Bound, Failure, Socket, Taken};
use crate::network::record::Driver;
use crate::network::worker::dns::Names;
use crate::network::worker::{self, Inside, Published, Resolver, Target, Worker};
use crate::network::{resolver, source};
use crate::sys::process::{Forked, exit_now, fork, try_wait, wait};
use crate::sys::{fd, identity, socket, title};

/// What `ps` shows.
const NAME: &std::ffi::CStr = c"rcon:net";
/// Descriptors for everything but ports.
const SPARE: u64 = 256;
/// A worker that ends sooner was ended by something that will happen again.
const QUICK: Duration = Duration::from_secs(1);
/// So many of them in a row are enough for now.
const MOST_QUICK: u32 = 5;
/// How long nobody is served then; twice as long each time, up to the longest.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);
/// How long a port is waited for that a container still holds which has just
/// been ended.
const PATIENCE: Duration = Duration::from_millis(500);

/// A limit before it was raised: soft and hard.
pub(super) type Limit = (u64, u64);

/// All that a worker is made of.
#[derive(Default)]
pub(super) struct Net {
    /// Ports of the host's; nothing before the first start.
    bound: Option<Vec<Bound>>,
    /// What there is for this start of the program.
    inside: Option<Place>,
    running: Option<Running>,
    /// Workers that ended at once.
    quick: u32,
    /// Until when no other is made.
    rests_until: Option<Instant>,
    /// How many descriptors there might be before ours were more.
    pub(super) limit: Option<Limit>,
}

/// The container's network, and what we have there.
struct Place {
    namespace: OwnedFd,
    server: Option<(UdpSocket, TcpListener)>,
    /// Is ready when somebody knocks.
    door: Epoll,
}

struct Running {
    pidfd: OwnedFd,
    /// What it asks; nothing, once it has gone.
    asks: Option<Answering>,
    since: Instant,
    /// Where connections go; another worker is needed if that changes.
    way: Way,
}

/// How the program is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// At these addresses; beside each, that of the bridge.
    Bridge(Vec<(IpAddr, Option<IpAddr>)>),
    /// On its loopback, from inside its network.
    Inside,
}

impl Net {
    /// Is ready when somebody knocks and nobody opens yet.
    pub(super) fn door(&self) -> Option<BorrowedFd<'_>> {
        let closed = self.running.is_some() || self.rest().is_some();
        let inside = self.inside.as_ref().filter(|_| !closed);
        inside.map(|inside| inside.door.0.as_fd())
    }

    /// Until when nobody is served, if that is still to come.
    pub(super) fn rest(&self) -> Option<Instant> {
        self.rests_until.filter(|until| Instant::now() < *until)
    }

    /// One more worker has ended at once. Whether that makes it so many that
    /// it is better to wait than to try again: what ends them may pass, and
    /// whoever has knocked waits at the door meanwhile.
    fn count_quick_end(&mut self) -> bool {
        self.quick += 1;
        let Some(rests) = self.quick.checked_sub(MOST_QUICK) else {
            return false;
        };
        let rest = FIRST_REST * 2_u32.saturating_pow(rests.min(8));
        self.rests_until = Some(Instant::now() + rest.min(LONGEST_REST));
        true
    }

    /// Is ready when the worker has ended.
    pub(super) fn process(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref().map(|r| r.pidfd.as_fd())
    }

    /// Is ready when the worker asks something.
    pub(super) fn questions(&self) -> Option<BorrowedFd<'_>> {
        let asks = self.running.as_ref().and_then(|r| r.asks.as_ref());
        asks.map(AsFd::as_fd)
    }

    /// Answers the worker.
    pub(super) fn answer(&mut self) {
        let Some(running) = &mut self.running else {
            return;
        };
        // Who has gone asks no more; its end is seen elsewhere.
        running.asks.take_if(|asks| asks.answer().is_err());
    }

    fn bound(&self) -> &[Bound] {
        self.bound.as_deref().unwrap_or_default()
    }

    /// Ends the worker, if there is one.
    fn end_worker(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = fd::pidfd_send_signal(&running.pidfd, libc::SIGKILL);
            let _ = wait(&running.pidfd);
        }
    }
}

impl Keeper {
    /// Binds the ports that are to be published. Once for a keeper's life.
    pub(super) fn bind_ports(&mut self) -> Result<()> {
        if self.net.bound.is_some() {
            return Ok(());
        }
        let wanted = match self.config.network.mode {
            // They are the host's own.
            NetworkMode::Host => Vec::new(),
            _ => self.config.network.published(),
        };
        self.net.limit = make_room(wanted.len())?;
        let until = Instant::now() + PATIENCE;
        let bound = loop {
            match publish::bind_all(&wanted) {
                Ok(bound) => break bound,
                Err(Failure::Other(e)) => return Err(e),
                Err(Failure::Taken(taken)) => {
                    let mut holders: Vec<Whose> =
                        taken.iter().map(|taken| self.holder(*taken)).collect();
                    let dying = holders.contains(&Whose::Dying);
                    if !dying || Instant::now() > until {
                        let words = holders.pop().and_then(|holder| holder.words());
                        return Err(publish::taken(&taken, words.as_deref()));
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        };
        if !bound.is_empty() {
            self.state.network["ports"] = publish::describe(&bound);
        }
        self.net.bound = Some(bound);
        Ok(())
    }

    /// Who has a port that is wanted.
    fn holder(&self, taken: Taken) -> Whose {
        let mut all = holder::holders(taken);
        // A worker holds what its keeper does.
        all.sort_by_key(|h| h.name != "rcon:keeper");
        let Some(first) = all.into_iter().next() else {
            return Whose::Nobody;
        };
        if !first.name.starts_with("rcon:") {
            return Whose::Process(first);
        }
        let entries = self.store.all().unwrap_or_default();
        let keeps = |e: &&crate::store::Entry| {
            e.recorded().is_ok_and(|s| s.keeper == first.pid) && e.is_held()
        };
        match entries.iter().find(keeps) {
            Some(entry) => Whose::Container(entry.name().unwrap_or_default()),
            // The worker outlives its keeper for an instant.
            None if first.name == "rcon:net" => Whose::Dying,
            None => Whose::Process(first),
        }
    }

    /// Arranges for this start of the program, whose first process is `pid`:
    /// its name server is there, and whoever knocks from now on is heard.
    pub(super) fn open_doors(&mut self, pid: i32) -> Result<()> {
        self.close_doors();
        let answers = !self.connections().is_empty();
        if self.net.bound().is_empty() && !answers {
            return Ok(());
        }
        let namespace = interface::namespace_of(pid)?;
        if self.config.network.keep_source && !self.net.bound().is_empty() {
            source::prepare(&namespace, self.publishes_datagrams())?;
        }
        let server = answers.then(|| resolver::make(&namespace)).transpose()?;
        let door = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        let door = door.map_err(|e| Error::environment(format!("epoll_create1(): {e}")))?;
        let watch = |socket: BorrowedFd<'_>| {
            let added = door.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, 0));
            added.map_err(|e| Error::environment(format!("epoll_ctl(): {e}")))
        };
        for bound in self.net.bound() {
            watch(bound.socket.as_fd())?;
        }
        if let Some((datagrams, streams)) = &server {
            watch(datagrams.as_fd())?;
            watch(streams.as_fd())?;
        }
        self.net.inside = Some(Place {
            namespace,
            server,
            door,
        });
        Ok(())
    }

    /// The program has ended: nobody is served until the next one.
    pub(super) fn close_doors(&mut self) {
        self.net.end_worker();
        self.net.inside = None;
    }

    /// The ports are anybody's again.
    pub(super) fn give_ports_back(&mut self) {
        self.close_doors();
        self.net.bound = None;
    }

    /// The networks have changed: a container that had none has a name server
    /// now, and published ports may lead another way.
    pub(super) fn change_doors(&mut self) -> Result<()> {
        let pid = self.state.pid;
        if pid == 0 {
            return Ok(());
        }
        let serves = |net: &Net| {
            let inside = net.inside.as_ref();
            inside.is_some_and(|inside| inside.server.is_some())
        };
        if serves(&self.net) == self.connections().is_empty() {
            let text = super::prepare::own_resolv_conf(&self.config, self.connections());
            self.entry.write_file("resolv.conf", &text)?;
            return self.open_doors(pid);
        }
        let way = self.way();
        if self.net.running.as_ref().is_some_and(|r| r.way != way) {
            // Connections over an address that is gone are over, too.
            self.net.end_worker();
        }
        Ok(())
    }

    /// Somebody knocks: from here on the worker sees to it.
    pub(super) fn open(&mut self) {
        let way = self.way();
        let Ok((ours, theirs)) = socket::message_pair() else {
            return self.see_quick_end();
        };
        match fork(confine::NAMESPACES, None) {
            Ok(Forked::Child) => {
                drop(ours);
                let code = i32::from(self.work(&way, Asking::new(theirs)).is_err());
                exit_now(code);
            }
            Ok(Forked::Parent { pidfd, .. }) => {
                let (store, id) = (&self.store, self.entry.id());
                let knowledge = Knowledge::of(store, id, &self.config.network.dns);
                self.net.running = Some(Running {
                    pidfd,
                    asks: Some(Answering::new(ours, knowledge)),
                    since: Instant::now(),
                    way,
                });
            }
            Err(_) => self.see_quick_end(),
        }
    }

    /// The worker has ended, by itself or by somebody's hand. The next who
    /// knocks is served by another one.
    pub(super) fn see_worker_end(&mut self) {
        let Some(running) = &self.net.running else {
            return;
        };
        if !matches!(try_wait(&running.pidfd), Ok(Some(_))) {
            return;
        }
        let quick = running.since.elapsed() < QUICK;
        self.net.running = None;
        if quick {
            self.see_quick_end();
        } else {
            self.net.quick = 0;
        }
    }

    fn see_quick_end(&mut self) {
        let first = self.net.quick + 1 == MOST_QUICK;
        if !self.net.count_quick_end() {
            std::thread::sleep(Duration::from_millis(10));
        } else if first {
            self.note("net-worker-failed", &[]);
        }
    }

    fn way(&self) -> Way {
        let open = |c: &&Connection| c.network.driver == Driver::Bridge && !c.network.internal;
        match self.connections().iter().find(open) {
            Some(c) => Way::Bridge(addresses(c)),
            None => Way::Inside,
        }
    }

    /// We are the worker.
    fn work(&mut self, way: &Way, names: Asking) -> Result<std::convert::Infallible> {
        let _ = title::set(NAME, self.entry.id().short());
        let place = self.net.inside.take().ok_or_else(nothing_to_do)?;
        let bound = self.net.bound.take().unwrap_or_default();
        keep_only(&place, &bound, &names)?;
        raise_limit(Resource::RLIMIT_NOFILE)?;
        let keeps = self.config.network.keep_source;
        let reach = Reach::make(way, place.namespace, &bound, keeps)?;
        // Whoever becomes another user has to ask for that anew.
        identity::set_parent_death_signal(libc::SIGKILL)?;
        if !names.is_heard() {
            return Err(Error::internal("the keeper is gone"));
        }
        let names: Rc<dyn Names> = Rc::new(names);
        let ports = bound.into_iter().map(|one| {
            let to = reach.target(&one);
            match one.socket {
                Socket::Tcp(listener) => Published::Tcp(listener, to),
                Socket::Udp(socket) => Published::Udp(socket, to),
            }
        });
        let resolver = place.server.map(|(datagrams, streams)| Resolver {
            datagrams,
            streams,
            names,
        });
        Ok(Worker::new(ports.collect(), resolver)?.serve()?)
    }

    fn publishes_datagrams(&self) -> bool {
        let mut all = self.net.bound().iter();
        all.any(|b| b.socket.protocol() == Protocol::Udp)
    }
}

/// A container's addresses in a network, and who it sees this machine as there.
fn addresses(connection: &Connection) -> Vec<(IpAddr, Option<IpAddr>)> {
    let subnets = &connection.network.subnets;
    let bridge = |own: IpAddr| {
        let of = subnets.iter().find(|s| s.subnet.contains(own));
        of.and_then(|s| s.gateway)
    };
    let all = connection.endpoint.addresses.iter();
    all.map(|a| (a.address, bridge(a.address))).collect()
}

fn nothing_to_do() -> Error {
    Error::internal("a worker without anything to do")
}

/// Whose a port is.
#[derive(Debug, PartialEq, Eq)]
enum Whose {
    /// It cannot be seen.
    Nobody,
    Process(Holder),
    Container(String),
    /// A container's that is just coming to its end.
    Dying,
}

impl Whose {
    fn words(&self) -> Option<String> {
        match self {
            Whose::Nobody => None,
            Whose::Process(Holder { pid, name }) => Some(format!("{name} (process {pid})")),
            Whose::Container(name) => Some(format!("container {name}")),
            Whose::Dying => Some("a container that is being stopped".to_owned()),
        }
    }
}

/// How what comes to a port gets to the program.
struct Reach<'a> {
    way: &'a Way,
    /// Nothing, where all that is spoken to can be reached from here.
    inside: Option<Rc<Inside>>,
    keeps: bool,
}

impl<'a> Reach<'a> {
    /// Goes where it has to, and then gives up all power: who speaks with
    /// strangers has none.
    fn make(way: &'a Way, namespace: OwnedFd, bound: &[Bound], keeps: bool) -> Result<Self> {
        let streams = bound.iter().any(|b| b.socket.protocol() == Protocol::Tcp);
        let wanted = !bound.is_empty() && (*way == Way::Inside || streams || keeps);
        // Inside a connection is made faster than over the bridge. A network
        // that cannot be prepared for that is spoken to from here.
        let prepared = *way != Way::Inside && source::prepare(&namespace, false).is_ok();
        let foreign = keeps || prepared;
        confine::leave_files()?;
        identity::no_new_privs()?;
        let goes = wanted && (*way == Way::Inside || foreign);
        let inside = goes
            .then(|| Inside::enter(namespace, foreign))
            .transpose()?;
        confine::give_up_power()?;
        Ok(Self {
            way,
            inside: inside.map(Rc::new),
            keeps,
        })
    }

    /// Where what comes to a port goes.
    fn target(&self, bound: &Bound) -> Target {
        let port = bound.container_port;
        let streams = bound.socket.protocol() == Protocol::Tcp;
        match (self.way, &self.inside) {
            (Way::Bridge(addresses), inside) => {
                // Someone who comes by the newer kind of address is served by
                // the older where the container has no other.
                let same = addresses
                    .iter()
                    .find(|a| a.0.is_ipv4() == bound.at.is_ipv4());
                let any = same.or(addresses.first()).copied();
                let (ip, bridge) = any.unwrap_or((Ipv4Addr::LOCALHOST.into(), None));
                let way = match (inside, bridge.filter(|_| streams)) {
                    (Some(inside), Some(bridge)) => worker::Way::InsideAs(inside.clone(), bridge),
                    _ => worker::Way::Outside,
                };
                Target {
                    address: SocketAddr::new(ip, port),
                    way,
                    keeps: inside.clone().filter(|_| self.keeps),
                }
            }
            (Way::Inside, Some(inside)) => Target {
                address: (Ipv4Addr::LOCALHOST, port).into(),
                way: worker::Way::Inside(inside.clone()),
                // Without a way out, an answer by a datagram has none to begin with.
                keeps: Some(inside.clone()).filter(|_| self.keeps && streams),
            },
            (Way::Inside, None) => Target::outside((Ipv4Addr::LOCALHOST, port).into()),
        }
    }
}

/// The worker holds nothing of its keeper's but what it serves: whoever waits
/// for the end of anything else would wait for the worker, too.
fn keep_only(inside: &Place, bound: &[Bound], names: &Asking) -> Result<()> {
    let mut keep = vec![inside.namespace.as_raw_fd(), names.as_fd().as_raw_fd()];
    keep.extend(bound.iter().map(|b| b.socket.as_fd().as_raw_fd()));
    if let Some((datagrams, streams)) = &inside.server {
        keep.extend([datagrams.as_raw_fd(), streams.as_raw_fd()]);
    }
    keep.sort_unstable();
    Ok(fd::close_all_but(3, &keep)?)
}

/// Room for so many ports. The limit as it was, if it had to be raised.
fn make_room(ports: usize) -> Result<Option<Limit>> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)
        .map_err(|e| Error::environment(format!("getrlimit(RLIMIT_NOFILE): {e}")))?;
    if ports as u64 * 2 + SPARE <= soft {
        return Ok(None);
    }
    raise_limit(Resource::RLIMIT_NOFILE)?;
    Ok(Some((soft, hard)))
}

fn raise_limit(resource: Resource) -> Result<()> {
    let raised = getrlimit(resource).and_then(|(_, hard)| setrlimit(resource, hard, hard));
    raised.map_err(|e| Error::environment(format!("setrlimit({resource:?}): {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_again_and_again_is_given_time_and_not_given_up() {
        let mut net = Net::default();
        for _ in 1..MOST_QUICK {
            assert!(!net.count_quick_end());
            assert!(net.rest().is_none());
        }
        let mut last = Duration::ZERO;
        for _ in 0..60 {
            assert!(net.count_quick_end());
            let left = net.rest().unwrap() - Instant::now();
            assert!(left > last.mul_f32(1.5) || left > LONGEST_REST / 2);
            assert!(left <= LONGEST_REST);
            last = left;
        }
        // It is over some day.
        net.rests_until = Some(Instant::now());
        assert!(net.rest().is_none());
    }
}
