//! Ids and names.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sys;

/// 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Id(String);

impl Id {
    /// A new one that nobody can guess and nobody else has.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        sys::random(&mut bytes)?;
        let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
        let digits = digits.filter_map(|d| char::from_digit(d.into(), 16));
        Ok(Self(digits.collect()))
    }

    /// As people see it: the first twelve digits.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }

    /// In full.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this could be the beginning of an id.
    pub fn is_prefix(text: &str) -> bool {
        !text.is_empty() && text.len() <= 64 && text.bytes().all(is_digit)
    }
}

fn is_digit(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'a'..=b'f')
}

impl TryFrom<String> for Id {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        if text.len() == 64 && text.bytes().all(is_digit) {
            return Ok(Self(text));
        }
        Err(Error::user(format!("{text:?} is not a container's id")))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What people call a container.
pub type Name = String;

/// A name is a word that can stand in a path, a URL and a command line.
pub fn check_name(name: &str) -> Result<()> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let fine = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if starts_well && name.len() > 1 && name.len() <= 253 && name.chars().all(fine) {
        return Ok(());
    }
    let short: String = name.chars().take(64).collect();
    Err(Error::user(format!("invalid container name {short:?}"))
        .hint("a name has two or more letters, digits, and _ . - which it does not begin with"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_long_and_never_twice_the_same() {
        let (a, b) = (Id::random().unwrap(), Id::random().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), 64);
        assert!(Id::is_prefix(a.short()));
    }

    #[test]
    fn an_id_from_outside_is_checked() {
        for bad in ["", "abc", "../../etc", &"g".repeat(64), &"A".repeat(64)] {
            assert!(Id::try_from((*bad).to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_lead_nowhere() {
        for bad in [
            "", "a", "-ab", ".ab", "_ab", "a/b", "..", "a b", "ä1", "a\n",
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["ab", "a.b-c_d", "1web", "Web2"] {
            assert!(check_name(good).is_ok(), "{good:?}");
        }
    }
}
