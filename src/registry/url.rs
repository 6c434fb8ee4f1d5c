//! Addresses of the web, as far as registries use them: `http` and `https`, a
//! host, a path. Credentials inside an address are refused: nobody sees where
//! they go.

use std::fmt;
use std::net::IpAddr;

use crate::error::{Error, Result};

/// The longest that is followed.
const LONGEST: usize = 8192;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    secure: bool,
    authority: String,
    /// With the query; begins with a slash.
    path: String,
}

impl Url {
    /// An address on a registry's host.
    pub fn new(secure: bool, authority: &str, path: &str) -> Self {
        Self {
            secure,
            authority: canonical(secure, authority),
            path: path.to_owned(),
        }
    }

    /// Reads a whole address.
    pub fn parse(text: &str) -> Result<Self> {
        split(text).ok_or_else(|| Error::environment(format!("invalid address {text:?}")))
    }

    /// Where a `Location` seen at this address leads.
    pub fn join(&self, location: &str) -> Result<Self> {
        let location = without_fragment(location);
        if location.contains("://") && !location.starts_with('/') {
            return Self::parse(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            let scheme = if self.secure { "https" } else { "http" };
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        let path = if location.starts_with('/') {
            location.to_owned()
        } else if location.starts_with('?') {
            format!("{}{location}", self.bare_path())
        } else {
            let bare = self.bare_path();
            let dir = bare.rfind('/').map_or("", |at| &bare[..at]);
            format!("{dir}/{location}")
        };
        Self::parse(&format!("{}{path}", self.origin()))
    }

    /// The same with one more word in the query.
    #[must_use]
    pub fn with_query(&self, key: &str, value: &str) -> Self {
        let mark = if self.path.contains('?') { '&' } else { '?' };
        Self {
            path: format!("{}{mark}{key}={}", self.path, encoded(value)),
            ..self.clone()
        }
    }

    /// The same at `http` instead of `https`, or the other way round.
    #[must_use]
    pub fn with_security(&self, secure: bool) -> Self {
        Self::new(secure, &self.authority, &self.path)
    }

    /// Whether what is sent there cannot be read on the way.
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// `host` or `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host without its port.
    pub fn host(&self) -> &str {
        host_of(&self.authority)
    }

    /// Whether the port is the usual one.
    pub fn usual_port(&self) -> bool {
        self.host() == self.authority
    }

    /// Scheme and host.
    pub fn origin(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    fn bare_path(&self) -> &str {
        self.path.split('?').next().unwrap_or("/")
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

/// The host of `host:port`, where the host may be `[::1]`.
pub(crate) fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}

/// Whether nothing leaves this machine on the way to `host`.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = bare.eq_ignore_ascii_case("localhost");
    name || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// For a query: everything but letters, digits and `-._~` as `%XX`.
pub(crate) fn encoded(text: &str) -> String {
    use fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn split(text: &str) -> Option<Url> {
    let visible = |b: u8| b.is_ascii_graphic() && b != b'\\';
    if text.len() > LONGEST || !text.bytes().all(visible) {
        return None;
    }
    let (scheme, rest) = without_fragment(text).split_once("://")?;
    let secure = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    if !is_authority(authority) {
        return None;
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Some(Url::new(secure, authority, &format!("{slash}{path}")))
}

fn is_authority(text: &str) -> bool {
    let host = host_of(text);
    let port = text[host.len()..].strip_prefix(':');
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
    !host.is_empty() && host.bytes().all(fine) && port.is_none_or(|p| p.parse::<u16>().is_ok())
}

/// In lower case, and without a port that goes without saying.
fn canonical(secure: bool, authority: &str) -> String {
    let lower = authority.to_ascii_lowercase();
    let usual = if secure { ":443" } else { ":80" };
    match lower.strip_suffix(usual) {
        Some(host) if host_of(&lower) == host => host.to_owned(),
        _ => lower,
    }
}

fn without_fragment(text: &str) -> &str {
    text.split('#').next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, shown) in [
            ("https://a.b/x?y=1#z", "https://a.b/x?y=1"),
            ("HTTP://A.b:80", "http://a.b/"),
            ("https://a:443/x", "https://a/x"),
            ("https://a:80/", "https://a:80/"),
            ("http://[::1]:5000?q", "http://[::1]:5000/?q"),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "a",
            "ftp://a/",
            "http://",
            "http:///x",
            "http://u:p@a/",
            "http://a b/",
            "http://a:99999/",
            "http://a\\b/",
            "http://é/",
            "http://a/\r\nx",
        ] {
            assert!(Url::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_location_is_followed_from_where_it_was_seen() {
        let base = Url::parse("https://h:1/v2/a/blobs/uploads/?x=1").unwrap();
        for (location, leads) in [
            ("/v2/x", "https://h:1/v2/x"),
            ("http://o/p", "http://o/p"),
            ("//o/p", "https://o/p"),
            ("id?_s=2", "https://h:1/v2/a/blobs/uploads/id?_s=2"),
            ("?y", "https://h:1/v2/a/blobs/uploads/?y"),
            ("/r?u=http://z/", "https://h:1/r?u=http://z/"),
        ] {
            assert_eq!(base.join(location).unwrap().to_string(), leads);
        }
        let more = base.with_query("digest", "sha256:a/b").to_string();
        assert!(more.ends_with("?x=1&digest=sha256%3Aa%2Fb"), "{more}");
    }

    #[test]
    fn loopback_is_what_stays_here() {
        for host in ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "LOCALHOST"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "127.0.0.1.example.com",
            "localhost.example.com",
            "10.0.0.1",
            "0.0.0.0",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,40}|https?://[a-z:@/?#\\[\\]0-9.]{0,30}") {
            if let Ok(url) = Url::parse(&text) {
                prop_assert_eq!(&Url::parse(&url.to_string()).unwrap(), &url);
                prop_assert!(!url.authority().contains('@'));
            }
            let base = Url::new(true, "h", "/a/b");
            let _ = base.join(&text);
        }
    }
}
