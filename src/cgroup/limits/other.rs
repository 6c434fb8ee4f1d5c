//! The small controllers, and `unified`, which names v2 files directly.

use std::collections::{BTreeMap, HashMap};

use oci_spec::runtime::{LinuxHugepageLimit, LinuxNetwork, LinuxPids, LinuxRdma};

use super::{Plan, Write, bad, only_v1, set};
use crate::cgroup::layout::{Mode, Version};
use crate::error::{Error, Result};

impl Plan<'_> {
    /// Zero is "not set": the older spec said so, docker and podman still
    /// write it, and no container could live with no process at all.
    pub(super) fn pids(&mut self, pids: Option<&LinuxPids>) -> Result<()> {
        if let Some(limit) = pids.and_then(|p| set(Some(p.limit()))) {
            self.version_of("pids", "pids.limit")?;
            let value = if limit < 0 {
                "max".to_owned()
            } else {
                limit.to_string()
            };
            self.push(Write::new("pids", "pids.max", value, "pids.limit"));
        }
        Ok(())
    }

    pub(super) fn hugetlb(&mut self, limits: Option<&[LinuxHugepageLimit]>) -> Result<()> {
        for (i, l) in limits.unwrap_or_default().iter().enumerate() {
            let field = format!("hugepageLimits[{i}]");
            let size = l.page_size();
            if size.is_empty() || !size.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(bad(
                    &format!("{field}.pageSize"),
                    format!("{size:?} is not a size like 2MB"),
                ));
            }
            let (suffix, value) = match (self.version_of("hugetlb", &field)?, l.limit()) {
                (Version::V1, v) => ("limit_in_bytes", v.to_string()),
                (Version::V2, v) if v < 0 => ("max", "max".to_owned()),
                (Version::V2, v) => ("max", v.to_string()),
            };
            self.push(Write::new(
                "hugetlb",
                format!("hugetlb.{size}.{suffix}"),
                &value,
                &field,
            ));
            // Reservations are counted apart since Linux 5.7, and only there.
            let reserved = format!("hugetlb.{size}.rsvd.{suffix}");
            self.push(Write::new("hugetlb", reserved, value, field).or_skip());
        }
        Ok(())
    }

    pub(super) fn network(&mut self, network: Option<&LinuxNetwork>) -> Result<()> {
        let Some(network) = network else {
            return Ok(());
        };
        if let Some(id) = set(network.class_id()) {
            self.v1_network("net_cls", "network.classID")?;
            self.push(Write::new(
                "net_cls",
                "net_cls.classid",
                id,
                "network.classID",
            ));
        }
        for (i, p) in network.priorities().iter().flatten().enumerate() {
            let field = format!("network.priorities[{i}]");
            self.v1_network("net_prio", &field)?;
            let value = format!("{} {}", p.name(), p.priority());
            self.push(Write::new("net_prio", "net_prio.ifpriomap", value, field));
        }
        Ok(())
    }

    fn v1_network(&self, controller: &str, field: &str) -> Result<()> {
        if self.layout.mode == Mode::Unified && self.layout.find(controller).is_none() {
            return Err(only_v1(field));
        }
        self.version_of(controller, field).map(|_| ())
    }

    pub(super) fn rdma(&mut self, rdma: Option<&HashMap<String, LinuxRdma>>) -> Result<()> {
        for (device, limit) in sorted(rdma) {
            let field = format!("rdma.{device}");
            let keys = [
                ("hca_handle", limit.hca_handles()),
                ("hca_object", limit.hca_objects()),
            ];
            let parts = keys
                .iter()
                .filter_map(|(key, max)| max.map(|m| format!(" {key}={m}")));
            let maxima: String = parts.collect();
            if !maxima.is_empty() {
                self.version_of("rdma", &field)?;
                self.push(Write::new(
                    "rdma",
                    "rdma.max",
                    format!("{device}{maxima}"),
                    field,
                ));
            }
        }
        Ok(())
    }

    pub(super) fn unified(&mut self, unified: Option<&HashMap<String, String>>) -> Result<()> {
        for (key, value) in sorted(unified) {
            let field = format!("unified.{key}");
            if self.layout.mode != Mode::Unified {
                return Err(Error::environment(format!(
                    "linux.resources.{field} is for cgroup v2, and this machine's controllers are in v1"
                )));
            }
            let controller = unified_controller(key)?;
            if controller != "cgroup" {
                self.version_of(&controller, &field)?;
            }
            for line in value.lines() {
                self.push(Write::new(controller.clone(), key, line, &field));
            }
        }
        Ok(())
    }
}

/// `memory.high` is the memory controller's. The key becomes a file name, so
/// it may be nothing but a name.
fn unified_controller(key: &str) -> Result<String> {
    let field = format!("unified.{key}");
    if key.contains('/') {
        return Err(bad(&field, "must be a file name, without a slash"));
    }
    match key.split_once('.') {
        Some((controller, rest))
            if !controller.is_empty() && !rest.trim_matches('.').is_empty() =>
        {
            Ok(controller.to_owned())
        }
        _ => Err(bad(&field, "must have the form controller.file")),
    }
}

/// JSON objects have no order; ours is by name so that a plan is always the same.
fn sorted<V>(map: Option<&HashMap<String, V>>) -> BTreeMap<&String, &V> {
    map.into_iter().flatten().collect()
}
