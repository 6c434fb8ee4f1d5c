//! Device rules on a real cgroup.

use super::Cgroup;
use super::dir::Dir;
use crate::cgroup::devices::DeviceList;
use crate::cgroup::ebpf;
use crate::error::{Context, Error, Result};
use crate::sys::bpf;

impl Cgroup {
    /// Puts `list` in force, in place of what was there: through the v1
    /// controller where there is one, else by an eBPF program on the v2 cgroup.
    pub fn set_devices(&self, list: &DeviceList) -> Result<()> {
        if let Some(v1) = self.find("devices") {
            return self.apply(&list.writes(&v1.read("devices.list")?));
        }
        let v2 = self.v2().ok_or_else(|| {
            Error::environment(
                "linux.resources.devices needs the v1 devices controller or a v2 cgroup",
            )
        })?;
        filter_devices(v2, list).context(|| "linux.resources.devices")
    }

    /// The same on the v2 cgroup alone, whatever v1 has.
    pub fn set_devices_v2(&self, list: &DeviceList) -> Result<()> {
        let v2 = self
            .v2()
            .ok_or_else(|| Error::environment("the container has no v2 cgroup"))?;
        filter_devices(v2, list).context(|| "linux.resources.devices")
    }
}

/// The new program goes on before the old ones come off. In between both must
/// agree, so that at no moment more is allowed than by one of them.
fn filter_devices(dir: &Dir, list: &DeviceList) -> Result<()> {
    let old = bpf::device_programs(dir)?;
    let everything = list.default_allow && list.exceptions.is_empty();
    if !everything {
        let code: Vec<_> = ebpf::program(list)
            .into_iter()
            .map(ebpf::Insn::encode)
            .collect();
        let program = bpf::load_device_program(&code)?;
        bpf::attach_device_program(dir, &program)?;
    }
    for program in old {
        bpf::detach_device_program(dir, &program)?;
    }
    Ok(())
}
