//! `info`: this machine, and what rcon has on it.

use std::fmt::Write;
use std::fs;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::version::{arch, cgroup_version, kernel};
use crate::cli::listing;
use crate::container::Status;
use crate::error::{Error, Result};
use crate::format::units::size;
use crate::format::{Format, escaped, json_line};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Info {
    /// Show only this: json, or a template as {{.NCPU}}
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// `info`.
pub fn info(store: &Store, args: &Info) -> Result<ExitCode> {
    let format = Format::parse(args.format.as_deref().unwrap_or_default())?;
    let facts = facts(store)?;
    let text = match format {
        Format::Default => text(&facts),
        Format::Json => json_line(&facts) + "\n",
        Format::Template(template) => template.render(&facts)? + "\n",
        Format::Table(_) => {
            return Err(Error::user("info has no table").hint("leave out \"table\""));
        }
    };
    listing::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Under the names Docker has for them.
fn facts(store: &Store) -> Result<Value> {
    let states: Vec<Status> = store
        .all()?
        .iter()
        .filter_map(|entry| Some(crate::keeper::truth(store, entry).ok()?.status))
        .collect();
    let count = |which: fn(&Status) -> bool| states.iter().filter(|s| which(s)).count();
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    Ok(json!({
        "Containers": states.len(),
        "ContainersRunning": count(|s| matches!(s, Status::Running | Status::Restarting)),
        "ContainersPaused": count(|s| *s == Status::Paused),
        "ContainersStopped": count(|s| !s.is_up()),
        "Images": crate::cli::image::images::count(store)?,
        "Volumes": crate::cli::volume::count(store)?,
        "Plugins": {"Volume": ["local"], "Network": ["bridge", "host", "macvlan", "null"], "Log": ["json-file", "none", "passthrough"]},
        "ServerVersion": env!("CARGO_PKG_VERSION"),
        "Driver": "overlay",
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": cgroup_version(),
        "SecurityOptions": security(),
        "KernelVersion": kernel(),
        "OperatingSystem": operating_system(&read("/etc/os-release")),
        "OSType": std::env::consts::OS,
        "Architecture": std::env::consts::ARCH,
        "Platform": format!("{}/{}", std::env::consts::OS, arch()),
        "NCPU": std::thread::available_parallelism().map_or(1, usize::from),
        "MemTotal": memory(&read("/proc/meminfo")),
        "Name": read("/proc/sys/kernel/hostname").trim(),
        "DockerRootDir": store.root(),
        "RunRoot": store.run_root(),
    }))
}

fn text(facts: &Value) -> String {
    let text = |name: &str| match &facts[name] {
        Value::String(text) => escaped(text).into_owned(),
        other => other.to_string(),
    };
    let memory = facts["MemTotal"].as_u64().unwrap_or(0);
    let security = facts["SecurityOptions"].as_array().into_iter().flatten();
    let security: Vec<&str> = security.filter_map(Value::as_str).collect();
    let mut out = String::new();
    for (title, value) in [
        ("Version", text("ServerVersion")),
        ("Containers", text("Containers")),
        (" Running", text("ContainersRunning")),
        (" Paused", text("ContainersPaused")),
        (" Stopped", text("ContainersStopped")),
        ("Images", text("Images")),
        ("Volumes", text("Volumes")),
        ("Storage Driver", text("Driver")),
        ("Logging Driver", text("LoggingDriver")),
        ("Cgroup Driver", text("CgroupDriver")),
        ("Cgroup Version", text("CgroupVersion")),
        ("Security Options", security.join(", ")),
        ("Kernel Version", text("KernelVersion")),
        ("Operating System", text("OperatingSystem")),
        ("OSType", text("OSType")),
        ("Architecture", text("Architecture")),
        ("CPUs", text("NCPU")),
        ("Total Memory", size::binary(memory)),
        ("Name", text("Name")),
        ("Root Dir", text("DockerRootDir")),
        ("Run Dir", text("RunRoot")),
    ] {
        // A string takes everything.
        let _ = writeln!(out, "{title}: {value}");
    }
    out
}

/// What the kernel can add to the walls of a container.
fn security() -> Vec<&'static str> {
    let there = |path: &str| fs::exists(path).unwrap_or(false);
    let mut all = vec!["name=seccomp,profile=builtin"];
    all.extend(there("/sys/kernel/security/apparmor/profiles").then_some("name=apparmor"));
    all.extend(there("/sys/fs/selinux/enforce").then_some("name=selinux"));
    all
}

fn operating_system(release: &str) -> String {
    let name = release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("Linux").trim_matches('"').to_owned()
}

fn memory(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:"));
    let kilobytes = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.map_or(0, |k| k * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_read_from_its_files() {
        let release = "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n";
        assert_eq!(operating_system(release), "Debian GNU/Linux 12");
        assert_eq!(operating_system(""), "Linux");
        assert_eq!(memory("MemFree: 1 kB\nMemTotal:   2048 kB\n"), 2 << 20);
        assert_eq!(memory("nonsense"), 0);
    }
}
