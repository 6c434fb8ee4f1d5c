//! Who may see a registry's password.
//!
//! A registry that wants tokens names the place that hands them out, its
//! realm, and the password goes there and not to the registry. That place is
//! named by an answer from the network, so it is not believed: runtimes that
//! did have handed passwords to strangers (CVE-2020-15157, CVE-2019-10214,
//! CVE-2026-33540). The rule:
//!
//! - the same host and port, with TLS unless the registry has none either;
//! - else with TLS, at the usual port or the registry's own, a host of the same
//!   domain: `auth.docker.io` for `registry-1.docker.io`, `gitlab.example.com`
//!   for `registry.example.com`, `auth.quay.io` for `quay.io`. An address is no
//!   domain, and neither is something like `co.uk`;
//! - else a host that the machine's owner has named in `token-hosts`.
//!
//! Anybody else is asked for a token, but without a password.

use crate::registry::config::Config;
use crate::registry::url::{Url, is_loopback};

/// Whether the password for the registry at `home` may be sent to `realm`.
pub(super) fn may_see(config: &Config, home: &Url, realm: &Url) -> bool {
    let same = home.authority() == realm.authority();
    if same && (realm.secure() || !home.secure()) {
        return true;
    }
    let named = |r: &crate::registry::config::Registry| {
        let mut hosts = r.token_hosts.iter();
        hosts.any(|host| host.eq_ignore_ascii_case(realm.authority()))
    };
    if config.registry(home.authority()).is_some_and(named) {
        return realm.secure() || config.plain_allowed(realm.authority());
    }
    let port = |url: &Url| url.authority()[url.host().len()..].to_owned();
    let usual = realm.usual_port() || port(home) == port(realm);
    realm.secure() && usual && related(home.host(), realm.host())
}

/// Whether a realm may be asked at all: not in the clear, and not inside this
/// machine on the word of somebody outside.
pub(super) fn may_be_asked(config: &Config, home: &Url, realm: &Url) -> bool {
    let plain = realm.secure() || config.plain_allowed(realm.authority());
    plain && (!is_loopback(realm.host()) || is_loopback(home.host()))
}

fn related(home: &str, realm: &str) -> bool {
    let name = |host: &str| host.contains('.') && host.bytes().any(|b| b.is_ascii_alphabetic());
    // An address in brackets has letters, too.
    if !name(home) || !name(realm) || home.contains(':') || realm.contains(':') {
        return false;
    }
    let within = |domain: &str| {
        realm == domain
            || realm
                .strip_suffix(domain)
                .is_some_and(|front| front.ends_with('.'))
    };
    let parent = home.split_once('.').map(|(_, parent)| parent);
    within(home) || parent.filter(|p| is_owned(p)).is_some_and(within)
}

/// Whether somebody owns the domain, rather than everybody in a country.
fn is_owned(domain: &str) -> bool {
    match domain.split('.').collect::<Vec<_>>()[..] {
        [] | [_] => false,
        [second, top] => top.len() > 2 || second.len() > 3,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sees(home: &str, realm: &str) -> bool {
        let mut config = Config::default();
        config
            .add(
                "[registry.\"named.net\"]\ntoken-hosts = [\"login.org\", \"10.0.0.1:99\"]\n",
                "x",
            )
            .unwrap();
        let url = |text| Url::parse(text).unwrap();
        may_see(&config, &url(home), &url(realm))
    }

    #[test]
    fn who_may_see_a_password() {
        for (home, realm) in [
            (
                "https://registry-1.docker.io/",
                "https://auth.docker.io/token",
            ),
            (
                "https://registry.example.com/",
                "https://gitlab.example.com/jwt",
            ),
            ("https://registry.example.com/", "https://example.com/jwt"),
            (
                "https://registry.example.co.uk/",
                "https://auth.example.co.uk/",
            ),
            ("https://quay.io/", "https://quay.io/v2/auth"),
            ("https://quay.io/", "https://auth.quay.io/"),
            ("https://h.example.com:5050/", "https://h.example.com/jwt"),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5000/token"),
            ("http://h:5000/", "https://h:5000/token"),
            ("https://named.net/", "https://login.org/"),
        ] {
            assert!(sees(home, realm), "{realm} for {home}");
        }
    }

    #[test]
    fn who_may_not() {
        for (home, realm) in [
            ("https://quay.io/", "https://docker.io/"),
            ("https://quay.io/", "https://evilquay.io/"),
            ("https://a.example.com/", "https://a.example.com.evil.net/"),
            ("https://a.example.com/", "http://a.example.com/"),
            ("https://a.example.com/", "http://auth.example.com/"),
            ("https://a.example.com/", "https://auth.example.com:8443/"),
            ("https://evil.co.uk/", "https://bank.co.uk/"),
            ("https://evil.com/", "https://com/"),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5001/token"),
            ("https://10.0.0.1/", "https://11.0.0.1/"),
            ("https://[fe80::1.2.3.4]/", "https://[fe81::1.2.3.4]/"),
            ("https://localhost/", "https://otherhost/"),
            ("https://named.net/", "http://login.org/"),
            ("https://named.net/", "http://10.0.0.1:99/"),
            ("https://other.net/", "https://login.org/"),
        ] {
            assert!(!sees(home, realm), "{realm} for {home}");
        }
    }

    #[test]
    fn nobody_outside_sends_us_inside() {
        let config = Config::default();
        let ask = |home, realm| {
            let url = |text| Url::parse(text).unwrap();
            may_be_asked(&config, &url(home), &url(realm))
        };
        assert!(ask("https://a.net/", "https://b.net/"));
        assert!(ask("http://127.0.0.1:1/", "http://127.0.0.1:2/"));
        assert!(!ask("https://a.net/", "http://b.net/"));
        assert!(!ask("https://a.net/", "https://127.0.0.1/"));
        assert!(!ask("https://a.net/", "https://localhost:80/"));
    }

    proptest! {
        #[test]
        fn without_a_common_domain_nobody_sees_anything(
            home in "[a-m]{4,8}\\.[a-m]{4,8}\\.(com|org)", realm in "[n-z]{4,8}\\.[n-z]{4,8}\\.(com|org)",
        ) {
            let (home, realm) = (format!("https://{home}/"), format!("https://{realm}/"));
            prop_assert!(!sees(&home, &realm));
        }
    }
}
