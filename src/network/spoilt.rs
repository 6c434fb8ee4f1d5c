//! Networks whose record cannot be read: cut short by a power failure, written
//! into by hand, or of another version. They are in nobody's way; somebody only
//! has to be able to see them and to take them away.

use std::fs;

use super::netlink::Socket;
use super::store::{Networks, used_by};
use super::{bridge, record};
use crate::container::Id;
use crate::error::{Error, Result};
use crate::store::{Lock, files};

/// One of them.
#[derive(Debug, Clone)]
pub struct Spoilt {
    /// That is still known: its directory's name.
    pub id: Id,
    /// What people call it, if a link says so.
    pub name: Option<String>,
    /// It is whole, but of another version.
    pub is_anothers: bool,
    why: Error,
}

impl Spoilt {
    /// What there is to call it by.
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(self.id.short())
    }

    /// What is wrong with it.
    pub fn as_error(&self) -> Error {
        let called = self.called();
        let error = Error::environment(format!(
            "network {called} cannot be read: {}",
            self.why.what()
        ));
        let removal = format!("`rcon network rm {called}` takes it away");
        error.hint(if self.is_anothers {
            format!("use the rcon that made it; {removal}")
        } else {
            removal
        })
    }
}

impl Networks<'_> {
    /// All that cannot be read.
    pub fn spoilt(self) -> Result<Vec<Spoilt>> {
        let mut all = Vec::new();
        for id in self.ids()? {
            match self.read(&id) {
                // It was removed while we looked.
                Err(_) if !self.of(&id).exists() => {}
                Err(why) => all.push(Spoilt {
                    name: self.name_of(&id),
                    is_anothers: self.is_of_another_version(&id),
                    id,
                    why,
                }),
                Ok(_) => {}
            }
        }
        Ok(all)
    }

    /// The one that is meant by a name, an id or the beginning of one.
    pub fn find_spoilt(self, wanted: &str) -> Result<Option<Spoilt>> {
        let mut all = self.spoilt()?;
        let named = |s: &Spoilt| s.name.as_deref() == Some(wanted) || s.id.as_str() == wanted;
        if let Some(at) = all.iter().position(named) {
            return Ok(Some(all.swap_remove(at)));
        }
        all.retain(|s| Id::is_prefix(wanted) && s.id.as_str().starts_with(wanted));
        Ok(all.pop().filter(|_| all.is_empty()))
    }

    /// The name that leads to it.
    fn name_of(self, id: &Id) -> Option<String> {
        let links = files::list(&self.dir().join("names")).ok()?.into_iter();
        let mut links = links.filter(|e| {
            let target = fs::read_link(e.path()).unwrap_or_default();
            target.file_name().is_some_and(|n| n == id.as_str())
        });
        links.find_map(|e| e.file_name().into_string().ok())
    }

    fn is_of_another_version(self, id: &Id) -> bool {
        let bytes = files::read(&self.of(id).join("config.json")).unwrap_or_default();
        let value = serde_json::from_slice::<serde_json::Value>(&bytes);
        let version = value.ok().and_then(|v| v["version"].as_u64());
        version.is_some_and(|v| v != u64::from(record::VERSION))
    }

    /// Forgets one nobody is in, with what carries its mark.
    pub fn remove_spoilt(self, spoilt: &Spoilt) -> Result<()> {
        let dir = self.of(&spoilt.id);
        let _lock = Lock::take(&dir)?;
        if let Some(one) = self.present_in(&spoilt.id).first() {
            return Err(used_by(spoilt.called(), one).hint("stop the container first"));
        }
        let mark = self.mark(&spoilt.id);
        let links = Socket::route()?.links()?;
        let bridge = links.into_iter().find(|l| l.alias == mark);
        let short = spoilt.id.short();
        let usual = || format!("{}{short}", bridge::PREFIX);
        let name = bridge.map_or_else(usual, |link| link.name);
        bridge::remove(&name, &format!("rcon-{short}"), &mark)?;
        self.discard(&spoilt.id, spoilt.name.as_deref().unwrap_or_default())
    }
}
