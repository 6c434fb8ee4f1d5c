//! Whose a mount's files are, where they are shown under other owners.
//!
//! On the disk nothing changes, and what is written goes back the same way: a
//! file that root makes in the container is the user's whose directory it is.
//! With a user namespace, the files are shown as the container's ids are
//! (Podman's `idmap`). Without one, plain `idmap` makes the owner of the source
//! the container's user, and lets that one's files be the other's: an id can
//! only be shown if exactly one stands behind it.

use std::path::Path;

use oci_spec::runtime::{LinuxIdMapping, LinuxIdMappingBuilder, Mount as OciMount};

use super::Inputs;
use crate::container::{IdMap, Triple};
use crate::error::{Error, Result};

/// Ids are below this one, which means none.
const END: u32 = u32::MAX;

/// Says in the specification under which owners a mount is shown.
pub(super) fn show(mount: &mut OciMount, map: &IdMap, target: &Path, i: &Inputs<'_>) -> Result<()> {
    let maps = if map.uids.is_empty() {
        of_container(target, i)?
    } else {
        Some((explicit(&map.uids, i)?, explicit(&map.gids, i)?))
    };
    if let Some((uids, gids)) = maps {
        mount.set_uid_mappings(Some(uids));
        mount.set_gid_mappings(Some(gids));
    }
    Ok(())
}

type Maps = (Vec<LinuxIdMapping>, Vec<LinuxIdMapping>);

/// What fits the container; `None` where the owners are right already.
fn of_container(target: &Path, i: &Inputs<'_>) -> Result<Option<Maps>> {
    if let Some(own) = super::namespaces::mappings(i)? {
        return Ok(Some((own.clone(), own)));
    }
    let owner = i.host.owners.get(target).copied();
    let (uid, gid) = owner.ok_or_else(|| {
        let target = target.display();
        Error::internal(format!(
            "nobody looked up who owns what is mounted at {target}"
        ))
    })?;
    if (uid, gid) == (i.user.uid, i.user.gid) {
        return Ok(None);
    }
    Ok(Some((swapped(uid, i.user.uid), swapped(gid, i.user.gid))))
}

/// All ids as they are, but these two, each of which is the other.
fn swapped(a: u32, b: u32) -> Vec<LinuxIdMapping> {
    let (low, high) = (a.min(b), a.max(b));
    let ranges = if low == high {
        vec![(0, 0, END)]
    } else {
        vec![
            (0, 0, low),
            (low, high, 1),
            (low + 1, low + 1, high - low - 1),
            (high, low, 1),
            (high + 1, high + 1, END - high - 1),
        ]
    };
    let some = ranges.into_iter().filter(|(.., count)| *count > 0);
    some.map(|(disk, seen, count)| mapping(disk, seen, count))
        .collect()
}

fn explicit(list: &[Triple], i: &Inputs<'_>) -> Result<Vec<LinuxIdMapping>> {
    let start = i.config.isolation.userns.map_or(0, |(start, _)| start);
    let one = |t: &Triple| {
        let base = if t.relative { start } else { 0 };
        let seen = base.checked_add(t.seen);
        let seen = seen.filter(|s| s.checked_add(t.count).is_some());
        let seen = seen.ok_or_else(|| Error::user("idmap: ids beyond the last one there is"))?;
        Ok(mapping(t.disk, seen, t.count))
    };
    list.iter().map(one).collect()
}

/// In the specification's words, what is on the disk is "in the container".
fn mapping(disk: u32, seen: u32, count: u32) -> LinuxIdMapping {
    let all = LinuxIdMappingBuilder::default()
        .container_id(disk)
        .host_id(seen)
        .size(count);
    super::built(all.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(list: &[LinuxIdMapping]) -> Vec<(u32, u32, u32)> {
        let all = list.iter();
        all.map(|m| (m.container_id(), m.host_id(), m.size()))
            .collect()
    }

    #[test]
    fn two_ids_change_places_and_all_others_stay() {
        let all = |a, b| numbers(&swapped(a, b));
        assert_eq!(all(7, 7), [(0, 0, END)]);
        assert_eq!(
            all(1000, 0),
            [
                (0, 1000, 1),
                (1, 1, 999),
                (1000, 0, 1),
                (1001, 1001, END - 1001)
            ]
        );
        assert_eq!(all(0, 1)[..2], [(0, 1, 1), (1, 0, 1)]);
        assert_eq!(all(3, END - 1).last(), Some(&(END - 1, 3, 1)));
        for (a, b) in [(0, 1), (5, 9), (1000, 0), (END - 1, 2)] {
            let total: u64 = all(a, b).iter().map(|m| u64::from(m.2)).sum();
            assert_eq!(total, u64::from(END), "{a} {b}");
        }
    }
}
