//! From a host's name to its addresses, without a thread: the usual resolver
//! of the HTTP library leaves one behind, and who forks must be alone.

use std::net::ToSocketAddrs;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver as Resolves};
use ureq::unversioned::transport::NextTimeout;

/// More addresses are not tried.
const MOST: usize = 16;

/// Asks as every program on this machine asks.
#[derive(Debug)]
pub(super) struct Resolver;

impl Resolves for Resolver {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let usual = if uri.scheme_str() == Some("http") {
            80
        } else {
            443
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let all = (bare, uri.port_u16().unwrap_or(usual)).to_socket_addrs();
        let mut addresses = self.empty();
        for address in all.map_err(|_| ureq::Error::HostNotFound)?.take(MOST) {
            addresses.push(address);
        }
        if addresses.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        Ok(addresses)
    }
}
