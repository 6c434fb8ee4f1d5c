//! What a container sees of other file systems and devices.

use clap::Args;

use super::super::parse::device::{self, Gpus, Named};
use super::super::parse::{mount, tmpfs, units, volume};
use crate::container::Mount;
use crate::error::Result;

/// What it sees of other files.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Files and devices")]
pub struct Files {
    /// Show a directory of the host as `./here:/there`, or keep /there in a volume as `NAME:/there`; :ro makes it unwritable [default: the image's volumes]
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]", value_parser = volume::parse)]
    pub volume: Vec<Mount>,
    /// The same spelled out: type=bind|volume|tmpfs|image,source=…,target=… and options [default: none]
    #[arg(long, value_name = "KEY=VALUE,...", value_parser = mount::parse)]
    pub mount: Vec<Mount>,
    /// Put a file system in memory there [default: none]
    #[arg(long, value_name = "TARGET[:OPTIONS]", value_parser = tmpfs::parse)]
    pub tmpfs: Vec<Mount>,
    /// Mount what another container has mounted; with :ro not to be written [default: none]
    #[arg(long, value_name = "CONTAINER[:ro|:rw]")]
    pub volumes_from: Vec<String>,
    /// What keeps volumes; there is one only [default: local]
    #[arg(long, value_name = "NAME", value_parser = driver)]
    pub volume_driver: Option<String>,
    /// Make the root file system unwritable [default: writable, and gone with the container]
    #[arg(long)]
    pub read_only: bool,
    /// How much /dev/shm can hold [default: 64m]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub shm_size: Option<i64>,
    /// Let it use a device of the host, by its path or a vendor's name for it, as vendor.com/class=name [default: only harmless ones]
    #[arg(long, value_name = "DEVICE[:TARGET][:rwm]", value_parser = device::parse)]
    pub device: Vec<Named>,
    /// Let it open devices with these numbers, as 'c 10:200 rwm' [default: none further]
    #[arg(long, value_name = "RULE", value_parser = device::rule)]
    pub device_cgroup_rule: Vec<String>,
    /// Let it use graphics processors, as nvidia.com/gpu names them: all, how many, or device=ID[,ID]; all their capabilities, whichever are named [default: none]
    #[arg(long, value_name = "all|N|device=ID", value_parser = device::gpus)]
    pub gpus: Option<Gpus>,
}

fn driver(name: &str) -> Result<String> {
    mount::check_driver(name)?;
    Ok(name.to_owned())
}
