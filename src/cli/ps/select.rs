//! `--filter`: which containers are shown.

use std::cmp::Ordering;
use std::path::Path;

use regex_lite::Regex;

use super::{ports, row, status};
use crate::cli::listing::Listed;
use crate::container::{Config, Id, MountKind, State, Status, Timestamp};
use crate::error::{Error, Result};
use crate::format::filter::{self, Filters};
use crate::store::Store;

const KNOWN: &[&str] = &[
    "ancestor", "before", "exited", "expose", "health", "id", "label", "label!", "name", "network",
    "publish", "since", "status", "volume",
];

const STATES: [Status; 7] = [
    Status::Created,
    Status::Running,
    Status::Paused,
    Status::Restarting,
    Status::Exited,
    Status::Removing,
    Status::Dead,
];

/// What was filtered by, understood.
#[derive(Debug)]
pub struct Select {
    filters: Filters,
    names: Vec<Regex>,
    ids: Vec<Regex>,
    exited: Vec<i32>,
    published: Vec<Ports>,
    exposed: Vec<Ports>,
    networks: Vec<String>,
    before: Option<(Timestamp, Id)>,
    since: Option<(Timestamp, Id)>,
}

/// `80`, `80-90/udp`.
#[derive(Debug)]
struct Ports {
    first: u16,
    last: u16,
    protocol: String,
}

impl Select {
    /// Reads the values of `--filter`.
    pub fn new(store: &Store, given: &[String]) -> Result<Self> {
        let filters = Filters::parse(given, KNOWN)?;
        check_words(&filters, "status", &STATES.map(Status::word))?;
        let health = ["none", "starting", "healthy", "unhealthy"];
        check_words(&filters, "health", &health)?;
        Ok(Self {
            names: filters.patterns("name")?,
            ids: filters.patterns("id")?,
            exited: each(&filters, "exited", code)?,
            published: each(&filters, "publish", port_range)?,
            exposed: each(&filters, "expose", port_range)?,
            before: limit(store, &filters, "before", Ordering::Less)?,
            since: limit(store, &filters, "since", Ordering::Greater)?,
            networks: filters.get("network").to_vec(),
            filters,
        })
    }

    /// Whether containers that are not up are meant, too.
    pub fn asks_for_ended(&self) -> bool {
        !self.exited.is_empty() || !self.filters.get("status").is_empty()
    }

    /// What can be said by the state alone.
    pub fn may_match(&self, state: &State) -> bool {
        let ended = state.status == Status::Exited && self.exited.contains(&state.exit_code);
        (self.exited.is_empty() || ended)
            && self.filters.any("status", |s| state.status.word() == s)
            && self
                .filters
                .any("health", |h| status::health_word(state) == h)
    }

    /// The rest.
    pub fn matches(&self, c: &Listed) -> bool {
        let config = &c.config;
        any(&self.names, |r| is_called(r, &c.name))
            && any(&self.ids, |r| r.is_match(c.id().as_str()))
            && self.filters.labels(&config.labels)
            && self.filters.any("ancestor", |image| is_from(config, image))
            && self.filters.any("volume", |v| has_volume(config, v))
            && any(&self.networks, |n| row::networks(config).contains(n))
            && self.ports_match(c)
            && self.is_between(c)
    }

    fn ports_match(&self, c: &Listed) -> bool {
        if self.published.is_empty() && self.exposed.is_empty() {
            return true;
        }
        let open = ports::of(&c.config, &c.state);
        let is_public = |p: &ports::Port, wanted: &Ports| {
            let public = p.public.as_ref().is_some_and(|(_, n)| wanted.has(*n));
            public && p.protocol == wanted.protocol
        };
        let is_exposed = |p: &ports::Port, w: &Ports| w.has(p.private) && p.protocol == w.protocol;
        any(&self.published, |w| open.iter().any(|p| is_public(p, w)))
            && any(&self.exposed, |w| open.iter().any(|p| is_exposed(p, w)))
    }

    fn is_between(&self, c: &Listed) -> bool {
        let own = (c.config.created, c.id().clone());
        let early = self.before.as_ref().is_none_or(|limit| own.0 < limit.0);
        let late = self.since.as_ref().is_none_or(|limit| own.0 > limit.0);
        let other = |limit: &Option<(Timestamp, Id)>| limit.as_ref().is_none_or(|l| l.1 != own.1);
        early && late && other(&self.before) && other(&self.since)
    }
}

impl Ports {
    fn has(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

fn any<T>(wanted: &[T], holds: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(holds)
}

fn each<T>(filters: &Filters, key: &str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    let values = filters.get(key).iter();
    values
        .map(|value| read(value).ok_or_else(|| invalid(key, value)))
        .collect()
}

fn invalid(key: &str, value: &str) -> Error {
    filter::invalid(&format!("\"{key}={value}\""))
}

fn check_words(filters: &Filters, key: &str, known: &[&str]) -> Result<()> {
    match filters
        .get(key)
        .iter()
        .find(|v| !known.contains(&v.as_str()))
    {
        None => Ok(()),
        Some(value) => {
            Err(invalid(key, value).hint(format!("{key} is one of {}", known.join(", "))))
        }
    }
}

fn code(text: &str) -> Option<i32> {
    text.parse().ok()
}

fn port_range(text: &str) -> Option<Ports> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    let fine = first <= last && matches!(protocol, "tcp" | "udp" | "sctp");
    fine.then(|| Ports {
        first,
        last,
        protocol: protocol.to_owned(),
    })
}

/// Docker's names begin with a slash, and people's patterns may.
fn is_called(pattern: &Regex, name: &str) -> bool {
    pattern.is_match(name) || pattern.is_match(&format!("/{name}"))
}

/// By reference, where `:latest` goes without saying, or by id.
fn is_from(config: &Config, wanted: &str) -> bool {
    let Some(image) = &config.image else {
        return row::image(config) == wanted;
    };
    let digits = |id: &str| id.strip_prefix("sha256:").unwrap_or(id).to_owned();
    let by_id = wanted.len() >= 4 && digits(&image.id).starts_with(&digits(wanted));
    tagged(&image.reference) == tagged(wanted) || by_id
}

fn tagged(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains(':') || reference.contains('@') {
        return reference.to_owned();
    }
    format!("{reference}:latest")
}

/// By name, by place on the host, or by place in the container.
fn has_volume(config: &Config, wanted: &str) -> bool {
    config.mounts.iter().any(|mount| {
        let bind = matches!(
            mount.kind,
            MountKind::Bind { .. } | MountKind::Volume { .. }
        );
        let named = row::mount_name(mount).is_some_and(|name| name == wanted);
        bind && (named || mount.target == Path::new(wanted))
    })
}

/// The container that bounds the others. Of several, the one farther out.
fn limit(
    store: &Store,
    filters: &Filters,
    key: &str,
    farther: Ordering,
) -> Result<Option<(Timestamp, Id)>> {
    let mut found: Option<(Timestamp, Id)> = None;
    for wanted in filters.get(key) {
        let config = store.find(wanted)?.config()?;
        let out = |(other, _): &(Timestamp, Id)| config.created.cmp(other) == farther.reverse();
        if found.as_ref().is_none_or(out) {
            found = Some((config.created, config.id));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample;
    use crate::container::Image;

    fn select(given: &[&str]) -> Result<Select> {
        let given: Vec<String> = given.iter().map(|s| (*s).to_owned()).collect();
        Select::new(&sample::store(), &given)
    }

    fn shown(given: &str, c: &Listed) -> bool {
        let select = select(&[given]).unwrap();
        select.may_match(&c.state) && select.matches(c)
    }

    #[test]
    fn each_filter_lets_through_what_it_says() {
        let mut c = sample::listed();
        c.state.network = serde_json::json!(
            {"ports": {"53/udp": [{"HostIp": "0.0.0.0", "HostPort": "5353"}]}}
        );
        c.config.image = Some(Image {
            reference: "alpine".to_owned(),
            id: "sha256:abcdef".to_owned(),
        });
        for (yes, no) in [
            ("name=e", "name=x"),
            ("name=^/web$", "name=^/we$"),
            ("name=^web$", "name=^eb"),
            ("id=0123", "id=^123"),
            ("status=running", "status=exited"),
            ("health=none", "health=healthy"),
            ("label=a", "label=c"),
            ("label=a=1", "label=a=2"),
            ("label!=c", "label!=a"),
            ("ancestor=alpine:latest", "ancestor=alpine:3"),
            ("ancestor=sha256:abcd", "ancestor=abce"),
            ("volume=data", "volume=dat"),
            ("volume=/mnt", "volume=/tmp"),
            ("volume=/a/very/long/path/there", "volume=/a"),
            ("network=bridge", "network=host"),
            ("publish=5353/udp", "publish=53/udp"),
            ("publish=5000-6000/udp", "publish=5353"),
            ("expose=80", "expose=81"),
            ("expose=53/udp", "expose=80/udp"),
        ] {
            assert!(shown(yes, &c), "{yes}");
            assert!(!shown(no, &c), "{no}");
        }
        assert!(!shown("exited=0", &c), "it runs");
        c.state.status = Status::Exited;
        assert!(shown("exited=0", &c));
        assert!(!shown("exited=1", &c));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            "status=up",
            "health=fine",
            "exited=x",
            "name=(",
            "publish=x",
            "publish=9-1",
            "expose=1/icmp",
            "before=nobody",
            "is-task=true",
            "isolation=x",
        ] {
            assert!(select(&[bad]).is_err(), "{bad}");
        }
        assert!(select(&["exited=1"]).unwrap().asks_for_ended());
        assert!(!select(&["name=1"]).unwrap().asks_for_ended());
    }
}
