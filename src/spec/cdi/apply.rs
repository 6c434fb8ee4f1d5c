//! Writes what vendors' files say into a specification.

use std::path::{Component, Path};

use oci_spec::runtime::{
    Hook as OciHook, Hooks, Linux, LinuxDevice, LinuxDeviceType, Mount as OciMount, Spec,
};

use super::{DeviceNode, Edits, Hook, Mount};
use crate::error::{Error, Result};
use crate::spec::devices;
use crate::spec::process::override_env;

/// Writes all of it.
pub fn apply(spec: &mut Spec, all: &[Edits]) -> Result<()> {
    for edits in all {
        program(spec, edits)?;
        let mut linux = spec.linux().clone().unwrap_or_default();
        for node in &edits.device_nodes {
            device(&mut linux, node)?;
        }
        spec.set_linux(Some(linux));
        let mut mounts = spec.mounts().clone().unwrap_or_default();
        for mount in &edits.mounts {
            mounts.push(self::mount(mount)?);
        }
        spec.set_mounts(Some(mounts));
        for one in &edits.hooks {
            hook(spec, one)?;
        }
    }
    Ok(())
}

/// Variables and groups.
fn program(spec: &mut Spec, edits: &Edits) -> Result<()> {
    let Some(process) = spec.process_mut() else {
        return Ok(());
    };
    if let Some(odd) = edits.env.iter().find(|variable| !variable.contains('=')) {
        return Err(
            Error::user(format!("{odd:?} is no variable and its value")).hint("NAME=VALUE is")
        );
    }
    let mut env = process.env().clone().unwrap_or_default();
    env.extend(edits.env.iter().cloned());
    process.set_env(Some(override_env(env)?));
    let mut user = process.user().clone();
    let mut groups = user.additional_gids().clone().unwrap_or_default();
    for gid in edits.additional_gids.iter().filter(|gid| **gid != 0) {
        if !groups.contains(gid) {
            groups.push(*gid);
        }
    }
    user.set_additional_gids(Some(groups));
    process.set_user(user);
    Ok(())
}

fn device(linux: &mut Linux, node: &DeviceNode) -> Result<()> {
    straight(&node.path)?;
    let kind = match node.kind.as_deref() {
        Some("b") => LinuxDeviceType::B,
        Some("c") => LinuxDeviceType::C,
        Some("u") => LinuxDeviceType::U,
        Some("p") => LinuxDeviceType::P,
        kind => {
            return Err(Error::user(format!(
                "{}: the type {:?} is none of a device",
                node.path.display(),
                kind.unwrap_or_default()
            ))
            .hint("b, c, u or p"));
        }
    };
    let (major, minor) = (node.major.unwrap_or(0), node.minor.unwrap_or(0));
    let mut made = LinuxDevice::default();
    made.set_path(node.path.clone())
        .set_typ(kind)
        .set_major(major)
        .set_minor(minor)
        .set_file_mode(node.file_mode)
        .set_uid(node.uid)
        .set_gid(node.gid);
    let mut all = linux.devices().clone().unwrap_or_default();
    all.retain(|d| *d.path() != node.path);
    all.push(made);
    linux.set_devices(Some(all));
    if kind == LinuxDeviceType::P {
        return Ok(());
    }
    let access = node.permissions.as_deref().unwrap_or("rwm");
    devices::check_access(access)?;
    // An unbuffered device is a character device to the cgroup.
    let kind = if kind == LinuxDeviceType::B {
        LinuxDeviceType::B
    } else {
        LinuxDeviceType::C
    };
    let rule = devices::rule(true, Some(kind), (Some(major), Some(minor)), access);
    let mut resources = linux.resources().clone().unwrap_or_default();
    let mut rules = resources.devices().clone().unwrap_or_default();
    rules.push(rule);
    resources.set_devices(Some(rules));
    linux.set_resources(Some(resources));
    Ok(())
}

/// Without a type it is a bind mount.
fn mount(mount: &Mount) -> Result<OciMount> {
    straight(&mount.container_path)?;
    absolute(&mount.host_path)?;
    let mut options = mount.options.clone();
    let kind = if mount.kind.is_empty() {
        "bind"
    } else {
        &mount.kind
    };
    let is_bound = |option: &String| option == "bind" || option == "rbind";
    if kind == "bind" && !options.iter().any(is_bound) {
        options.push("rbind".to_owned());
    }
    let mut made = OciMount::default();
    made.set_destination(mount.container_path.clone())
        .set_source(Some(mount.host_path.clone()))
        .set_typ(Some(kind.to_owned()))
        .set_options(Some(options));
    Ok(made)
}

fn absolute(path: &Path) -> Result<()> {
    if path.is_absolute() {
        return Ok(());
    }
    Err(Error::user(format!(
        "{}: a path in a vendor's file begins with /",
        path.display()
    )))
}

/// In the container, a path says where a thing is, and not the way there.
fn straight(path: &Path) -> Result<()> {
    absolute(path)?;
    if path.components().all(|part| part != Component::ParentDir) {
        return Ok(());
    }
    Err(Error::user(format!(
        "{}: a path in a container must not go up by `..`",
        path.display()
    )))
}

fn hook(spec: &mut Spec, asked: &Hook) -> Result<()> {
    absolute(&asked.path)?;
    let mut made = OciHook::default();
    made.set_path(asked.path.clone())
        .set_args(Some(asked.args.clone()).filter(|args| !args.is_empty()))
        .set_env(Some(asked.env.clone()).filter(|env| !env.is_empty()))
        .set_timeout(asked.timeout);
    let mut hooks: Hooks = spec.hooks().clone().unwrap_or_default();
    let list = match asked.moment.as_str() {
        "prestart" => hooks.prestart_mut(),
        "createRuntime" => hooks.create_runtime_mut(),
        "createContainer" => hooks.create_container_mut(),
        "startContainer" => hooks.start_container_mut(),
        "poststart" => hooks.poststart_mut(),
        "poststop" => hooks.poststop_mut(),
        name => {
            return Err(Error::user(format!("there is no hook {name:?}"))
                .hint("createRuntime, createContainer, startContainer, poststart or poststop"));
        }
    };
    list.get_or_insert_default().push(made);
    spec.set_hooks(Some(hooks));
    Ok(())
}
