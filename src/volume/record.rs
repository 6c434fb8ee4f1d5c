//! What is kept of a volume. Plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::container::{Timestamp, VolumeWish};
use crate::error::{Error, Result};

/// The version of the records this rcon writes, and the only one it reads.
pub const VERSION: u32 = 1;

/// A name is a directory's.
const LONGEST_NAME: usize = 255;

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Of this record's form; see [`VERSION`].
    pub version: u32,
    /// What it is called, for ever.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Nobody gave it its name.
    pub anonymous: bool,
    /// For people to find it by.
    pub labels: BTreeMap<String, String>,
    /// What the driver was told; see [`super::options`].
    pub options: BTreeMap<String, String>,
}

impl Volume {
    /// One that is made now.
    pub fn new(name: &str, anonymous: bool, wish: &VolumeWish) -> Self {
        Self {
            version: VERSION,
            name: name.to_owned(),
            created: Timestamp::now(),
            anonymous,
            labels: wish.labels.clone(),
            options: wish.options.clone(),
        }
    }
}

/// Whether a volume can have this name: Docker's rule, which also keeps it
/// from meaning anything as a path.
pub fn check_name(name: &str) -> Result<()> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let fine = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if starts_well && (2..=LONGEST_NAME).contains(&name.len()) && name.chars().all(fine) {
        return Ok(());
    }
    Err(Error::user(format!("{name:?} is not a volume's name"))
        .hint("a name has two or more letters, digits, and _ . - which it does not begin with"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_paths() {
        for good in ["data", "a1", "9", "my.vol-1_x", "lock", &"n".repeat(255)] {
            assert_eq!(check_name(good).is_ok(), good.len() > 1, "{good}");
        }
        let long = "n".repeat(256);
        for bad in [
            "", "a", ".a", "..", "-a", "_a", "a/b", "a b", "a\0b", "ä1", &long,
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
