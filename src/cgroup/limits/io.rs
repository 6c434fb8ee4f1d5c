//! Block devices: weights and throttles.

use oci_spec::runtime::{LinuxBlockIo, LinuxThrottleDevice, LinuxWeightDevice};

use super::{Plan, Write, bad, only_v1, set};
use crate::cgroup::layout::Version;
use crate::error::Result;

/// One of the four throttle lists: the list, its field, its v1 file and its
/// key in v2's `io.max`.
type Throttle<'a> = (
    &'a Option<Vec<LinuxThrottleDevice>>,
    &'static str,
    &'static str,
    &'static str,
);

impl Plan<'_> {
    pub(super) fn io(&mut self, io: Option<&LinuxBlockIo>) -> Result<()> {
        let Some(io) = io else { return Ok(()) };
        let Some(field) = first_field(io) else {
            return Ok(());
        };
        check_weights(io)?;
        let v1 = self.layout.find("blkio").is_some();
        let version = self.version_of(if v1 { "blkio" } else { "io" }, field)?;
        match version {
            Version::V1 => self.weights_v1(io),
            Version::V2 => self.weights_v2(io)?,
        }
        for throttle in throttles(io) {
            self.throttle(version, throttle);
        }
        Ok(())
    }

    fn weights_v1(&mut self, io: &LinuxBlockIo) {
        if let Some(weight) = set(io.weight()) {
            self.push(either_v1("weight", weight.to_string(), "blockIO.weight"));
        }
        if let Some(leaf) = set(io.leaf_weight()) {
            self.push(Write::new(
                "blkio",
                "blkio.leaf_weight",
                leaf,
                "blockIO.leafWeight",
            ));
        }
        for (d, at) in weight_devices(io) {
            if let Some(weight) = set(d.weight()) {
                let value = format!("{}:{} {weight}", d.major(), d.minor());
                self.push(either_v1("weight_device", value, format!("{at}.weight")));
            }
            if let Some(leaf) = set(d.leaf_weight()) {
                let value = format!("{}:{} {leaf}", d.major(), d.minor());
                self.push(Write::new(
                    "blkio",
                    "blkio.leaf_weight_device",
                    value,
                    format!("{at}.leafWeight"),
                ));
            }
        }
    }

    fn weights_v2(&mut self, io: &LinuxBlockIo) -> Result<()> {
        if set(io.leaf_weight()).is_some() {
            return Err(only_v1("blockIO.leafWeight"));
        }
        if let Some(weight) = set(io.weight()) {
            self.push(either_v2(None, weight, "blockIO.weight"));
        }
        for (d, at) in weight_devices(io) {
            if set(d.leaf_weight()).is_some() {
                return Err(only_v1(&format!("{at}.leafWeight")));
            }
            if let Some(weight) = set(d.weight()) {
                self.push(either_v2(Some(d), weight, format!("{at}.weight")));
            }
        }
        Ok(())
    }

    fn throttle(&mut self, version: Version, (list, field, file, key): Throttle<'_>) {
        for (i, d) in list.iter().flatten().enumerate() {
            let field = format!("blockIO.{field}[{i}]");
            let device = format!("{}:{}", d.major(), d.minor());
            self.writes.push(match (version, d.rate()) {
                (Version::V1, rate) => Write::new("blkio", file, format!("{device} {rate}"), field),
                // Zero lifts the limit in v1; v2 has a word for it.
                (Version::V2, 0) => {
                    Write::new("io", "io.max", format!("{device} {key}=max"), field)
                }
                (Version::V2, rate) => {
                    Write::new("io", "io.max", format!("{device} {key}={rate}"), field)
                }
            });
        }
    }
}

/// CFQ's file, or BFQ's which took its place in Linux 5.0.
fn either_v1(name: &str, value: impl Into<String>, field: impl AsRef<str>) -> Write {
    let value = value.into();
    let bfq = Write::new("blkio", format!("blkio.bfq.{name}"), &value, field.as_ref());
    Write::new("blkio", format!("blkio.{name}"), value, field).or_instead(bfq)
}

/// BFQ takes the spec's scale as it is; io.cost's 1 to 10000 needs it spread.
fn either_v2(device: Option<&LinuxWeightDevice>, weight: u16, field: impl AsRef<str>) -> Write {
    let value = |w: u64| match device {
        Some(d) => format!("{}:{} {w}", d.major(), d.minor()),
        None => w.to_string(),
    };
    let spread = 1 + (u64::from(weight) - 10) * 9999 / 990;
    let cost = Write::new("io", "io.weight", value(spread), field.as_ref());
    Write::new("io", "io.bfq.weight", value(u64::from(weight)), field).or_instead(cost)
}

fn weight_devices(io: &LinuxBlockIo) -> impl Iterator<Item = (&LinuxWeightDevice, String)> {
    let all = io.weight_device().iter().flatten().enumerate();
    all.map(|(i, d)| (d, format!("blockIO.weightDevice[{i}]")))
}

fn throttles(io: &LinuxBlockIo) -> [Throttle<'_>; 4] {
    [
        (
            io.throttle_read_bps_device(),
            "throttleReadBpsDevice",
            "blkio.throttle.read_bps_device",
            "rbps",
        ),
        (
            io.throttle_write_bps_device(),
            "throttleWriteBpsDevice",
            "blkio.throttle.write_bps_device",
            "wbps",
        ),
        (
            io.throttle_read_iops_device(),
            "throttleReadIOPSDevice",
            "blkio.throttle.read_iops_device",
            "riops",
        ),
        (
            io.throttle_write_iops_device(),
            "throttleWriteIOPSDevice",
            "blkio.throttle.write_iops_device",
            "wiops",
        ),
    ]
}

fn check_weights(io: &LinuxBlockIo) -> Result<()> {
    let own = [
        (io.weight(), "blockIO.weight".to_owned()),
        (io.leaf_weight(), "blockIO.leafWeight".to_owned()),
    ];
    let devices = weight_devices(io).flat_map(|(d, at)| {
        [
            (d.weight(), format!("{at}.weight")),
            (d.leaf_weight(), format!("{at}.leafWeight")),
        ]
    });
    for (weight, field) in own.into_iter().chain(devices) {
        if let Some(w) = set(weight).filter(|w| !(10..=1000).contains(w)) {
            return Err(bad(&field, format!("is {w}; the kernel takes 10 to 1000")));
        }
    }
    Ok(())
}

/// The field to name when there is no controller at all.
fn first_field(io: &LinuxBlockIo) -> Option<&'static str> {
    let some =
        |list: &Option<Vec<LinuxThrottleDevice>>| list.as_ref().is_some_and(|l| !l.is_empty());
    let asked = [
        (set(io.weight()).is_some(), "blockIO.weight"),
        (set(io.leaf_weight()).is_some(), "blockIO.leafWeight"),
        (weight_devices(io).next().is_some(), "blockIO.weightDevice"),
        (
            some(io.throttle_read_bps_device()),
            "blockIO.throttleReadBpsDevice",
        ),
        (
            some(io.throttle_write_bps_device()),
            "blockIO.throttleWriteBpsDevice",
        ),
        (
            some(io.throttle_read_iops_device()),
            "blockIO.throttleReadIOPSDevice",
        ),
        (
            some(io.throttle_write_iops_device()),
            "blockIO.throttleWriteIOPSDevice",
        ),
    ];
    asked
        .into_iter()
        .find(|(there, _)| *there)
        .map(|(_, field)| field)
}
