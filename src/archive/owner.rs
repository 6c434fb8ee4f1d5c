//! Whose files are: owners in an archive, and owners on this host.

use crate::error::{Error, Result};

/// A range of ids: so many from `inside` on are those from `outside` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// The first id in the container, and in archives.
    pub inside: u32,
    /// The first id on the host.
    pub outside: u32,
    /// How many.
    pub size: u32,
}

/// How the ids of a user namespace map to those of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdMaps {
    /// Users.
    pub uids: Vec<IdRange>,
    /// Groups.
    pub gids: Vec<IdRange>,
}

/// Who owns what is unpacked, or is said to own what is packed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ownership {
    /// The same ids.
    #[default]
    Keep,
    /// One user and group for everything.
    Fixed(u32, u32),
    /// Those that a user namespace maps them to. An id outside of the map is
    /// an error: there is nobody it could be given to.
    Mapped(IdMaps),
}

impl Ownership {
    /// From an archive to the host.
    pub fn outward(&self, uid: u32, gid: u32) -> Result<(u32, u32)> {
        match self {
            Self::Keep => Ok((uid, gid)),
            Self::Fixed(uid, gid) => Ok((*uid, *gid)),
            Self::Mapped(maps) => Ok((outside(&maps.uids, uid)?, outside(&maps.gids, gid)?)),
        }
    }

    /// From the host to an archive.
    pub fn inward(&self, uid: u32, gid: u32) -> Result<(u32, u32)> {
        match self {
            Self::Keep => Ok((uid, gid)),
            Self::Fixed(uid, gid) => Ok((*uid, *gid)),
            Self::Mapped(maps) => Ok((inside(&maps.uids, uid)?, inside(&maps.gids, gid)?)),
        }
    }

    /// The host's user who is root in the container, where that is not root.
    fn other_root(&self) -> Result<Option<u32>> {
        match self {
            Self::Mapped(maps) => outside(&maps.uids, 0).map(|id| Some(id).filter(|id| *id != 0)),
            _ => Ok(None),
        }
    }

    /// File capabilities for the host. For a mapped container they are those
    /// of its own root: without that they would be good on the host, too.
    pub(super) fn capability_outward(&self, value: &[u8]) -> Result<Vec<u8>> {
        let Some(root) = self.other_root()? else {
            return Ok(value.to_vec());
        };
        let mut value = capability(value)?.to_vec();
        value[3] = REVISION_3;
        value.extend_from_slice(&root.to_le_bytes());
        Ok(value)
    }
}

/// File capabilities for an archive: the namespace they belong to is the one of
/// whoever unpacks it.
pub(super) fn capability_inward(value: &[u8]) -> Result<Vec<u8>> {
    let mut value = capability(value)?.to_vec();
    value[3] = REVISION_2;
    Ok(value)
}

const REVISION_2: u8 = 2;
const REVISION_3: u8 = 3;

/// The part of `security.capability` that both of its revisions have: flags
/// with the revision as their highest byte, and the two sets.
fn capability(value: &[u8]) -> Result<&[u8]> {
    match (value.len(), value.get(3)) {
        (20, Some(&REVISION_2)) | (24, Some(&REVISION_3)) => Ok(&value[..20]),
        _ => Err(Error::user("file capabilities of an unknown form")),
    }
}

fn outside(ranges: &[IdRange], id: u32) -> Result<u32> {
    let found = ranges.iter().find_map(|range| {
        let offset = id.checked_sub(range.inside)?;
        (offset < range.size).then(|| range.outside.checked_add(offset))?
    });
    found.ok_or_else(|| Error::user(format!("id {id} is not mapped to one of the host's")))
}

fn inside(ranges: &[IdRange], id: u32) -> Result<u32> {
    let found = ranges.iter().find_map(|range| {
        let offset = id.checked_sub(range.outside)?;
        (offset < range.size).then(|| range.inside.checked_add(offset))?
    });
    found.ok_or_else(|| Error::user(format!("the host's id {id} is not mapped")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped() -> Ownership {
        let ranges = vec![
            IdRange {
                inside: 0,
                outside: 1000,
                size: 1,
            },
            IdRange {
                inside: 1,
                outside: 100_000,
                size: 10,
            },
        ];
        Ownership::Mapped(IdMaps {
            uids: ranges.clone(),
            gids: ranges,
        })
    }

    #[test]
    fn ids_map_there_and_back() {
        let maps = mapped();
        assert_eq!(maps.outward(0, 10).unwrap(), (1000, 100_009));
        assert_eq!(maps.inward(1000, 100_009).unwrap(), (0, 10));
        assert!(maps.outward(11, 0).is_err());
        assert!(maps.inward(0, 1000).is_err());
    }

    #[test]
    fn mapped_capabilities_are_no_good_on_the_host() {
        let plain = [[1, 0, 0, 2].as_slice(), &[5; 16]].concat();
        let out = mapped().capability_outward(&plain).unwrap();
        assert_eq!(
            out,
            [[1, 0, 0, 3].as_slice(), &[5; 16], &[0xe8, 3, 0, 0]].concat()
        );
        assert_eq!(capability_inward(&out).unwrap(), plain);
        assert_eq!(Ownership::Keep.capability_outward(&plain).unwrap(), plain);
        assert!(mapped().capability_outward(b"short").is_err());
    }
}
