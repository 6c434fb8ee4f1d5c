//! `host` and `none`: they stand in every listing and need no record. Their
//! ids follow from their names, so that whoever lists ids and asks for each
//! finds these, too.

use serde_json::{Map, Value, json};

use crate::cli::listing::{self, rfc3339};
use crate::container::{Id, NetworkMode};
use crate::error::{Error, Result};
use crate::image::reference::Digest;
use crate::network::connection::endpoint_id;
use crate::store::Store;

/// A network that is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// What people call it.
    pub name: &'static str,
    /// What Docker says it is made of.
    pub driver: &'static str,
}

/// All of them.
pub const ALL: [BuiltIn; 2] = [
    BuiltIn {
        name: "host",
        driver: "host",
    },
    BuiltIn {
        name: "none",
        driver: "null",
    },
];

/// With fewer digits a volume or image of that name would rarely be meant.
const FEWEST_DIGITS: usize = 4;

/// The one that is meant by a name or the beginning of an id.
pub fn find(wanted: &str) -> Option<BuiltIn> {
    ALL.into_iter().find(|b| {
        let is_id = wanted.len() >= FEWEST_DIGITS && b.digits().starts_with(wanted);
        b.name == wanted || is_id
    })
}

impl BuiltIn {
    /// 64 digits, the same everywhere.
    pub fn digits(self) -> String {
        let text = format!("the network {} of every machine", self.name);
        Digest::of(text.as_bytes()).hex().to_owned()
    }

    /// That it stays as it is.
    pub fn stays(self) -> Error {
        let what = format!(
            "{} is a pre-defined network and cannot be removed",
            self.name
        );
        Error::user(what).hint("nothing is kept for it that could be removed")
    }

    /// That nobody comes or goes later.
    pub fn is_for_life(self) -> Error {
        let what = "a container cannot be connected to host or none, or disconnected from them";
        let name = self.name;
        Error::user(what).hint(format!("make it anew, with --network {name} or without"))
    }

    /// As `inspect` shows it.
    pub fn shape(self, store: &Store) -> Result<Value> {
        let id = Id::try_from(self.digits())?;
        let mode = match self.name {
            "host" => NetworkMode::Host,
            _ => NetworkMode::None,
        };
        let up = listing::all(store, |state| state.status.is_up())?;
        let members = up.iter().filter(|c| c.config.network.mode == mode);
        let containers: Map<String, Value> = members
            .map(|c| {
                let member = json!({
                    "Name": c.name,
                    "EndpointID": endpoint_id(&id, c.id()),
                    "MacAddress": "",
                    "IPv4Address": "",
                    "IPv6Address": "",
                });
                (c.id().to_string(), member)
            })
            .collect();
        Ok(json!({
            "Name": self.name,
            "Id": id,
            "Created": rfc3339(None),
            "Scope": "local",
            "Driver": self.driver,
            "EnableIPv4": true,
            "EnableIPv6": false,
            "IPAM": {"Driver": "default", "Options": null, "Config": null},
            "Internal": false,
            "Attachable": false,
            "Ingress": false,
            "ConfigFrom": {"Network": ""},
            "ConfigOnly": false,
            "Containers": containers,
            "Options": {},
            "Labels": {},
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_found_by_name_and_by_id() {
        for one in ALL {
            assert_eq!(find(one.name), Some(one));
            assert_eq!(find(&one.digits()), Some(one));
            assert_eq!(find(&one.digits()[..12]), Some(one));
            assert_eq!(find(&one.digits()[..3]), None);
        }
        assert_eq!(find("bridge"), None);
        assert_eq!(find(""), None);
    }
}
