//! Profiles that people write, in the form Docker and Podman share.
//!
//! It is the specification's form with conditions: a rule can be for some
//! architectures, capabilities or kernels only. What applies here is taken
//! over; what is wrong is told by the name of its field.

use oci_spec::runtime::{
    Arch as OciArch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag,
    LinuxSyscall,
};
use serde::Deserialize;
use serde_json::Value;

use super::Conditions;
use crate::error::{Error, Result};
use crate::seccomp::Arch;
use crate::sys::identity::CapSet;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: LinuxSeccompAction,
    default_errno_ret: Option<u32>,
    default_errno: Option<String>,
    architectures: Option<Vec<OciArch>>,
    arch_map: Option<Vec<Family>>,
    flags: Option<Vec<LinuxSeccompFilterFlag>>,
    listener_path: Option<String>,
    syscalls: Option<Vec<Rule>>,
}

/// An architecture and the older ones that its machines run as well.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Family {
    architecture: OciArch,
    sub_architectures: Option<Vec<OciArch>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    name: Option<String>,
    names: Option<Vec<String>>,
    action: LinuxSeccompAction,
    errno_ret: Option<u32>,
    errno: Option<String>,
    args: Option<Vec<LinuxSeccompArg>>,
    includes: Option<Filter>,
    excludes: Option<Filter>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Filter {
    arches: Option<Vec<String>>,
    caps: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// Takes over what of a profile applies under these conditions.
pub fn profile_to_spec(profile: &Value, c: &Conditions) -> Result<LinuxSeccomp> {
    let named = |e: Error| e.context("seccomp profile");
    let profile: Profile =
        serde_path_to_error::deserialize(profile).map_err(|e| named(Error::user(e.to_string())))?;
    convert(profile, c).map_err(named)
}

fn convert(profile: Profile, c: &Conditions) -> Result<LinuxSeccomp> {
    if profile.listener_path.is_some_and(|path| !path.is_empty()) {
        return Err(Error::user(
            "listenerPath: calls cannot be left to another process",
        ));
    }
    let mut calls = Vec::new();
    for (n, rule) in profile.syscalls.into_iter().flatten().enumerate() {
        let call = convert_rule(rule, c).map_err(|e| e.context(format!("syscalls[{n}]")))?;
        calls.extend(call);
    }
    let errno = errno(profile.default_errno_ret, profile.default_errno.as_deref())
        .map_err(|e| e.context("defaultErrno"))?;
    let mut spec = LinuxSeccomp::default();
    spec.set_default_action(answered(profile.default_action, "defaultAction")?)
        .set_default_errno_ret(errno)
        .set_architectures(architectures(profile.architectures, profile.arch_map, c)?)
        .set_flags(profile.flags)
        .set_syscalls(Some(calls));
    Ok(spec)
}

/// There is nobody whom a container of rcon's could notify.
fn answered(action: LinuxSeccompAction, field: &str) -> Result<LinuxSeccompAction> {
    if action == LinuxSeccompAction::ScmpActNotify {
        return Err(Error::user(format!(
            "{field}: SCMP_ACT_NOTIFY needs a listener"
        )));
    }
    Ok(action)
}

fn architectures(
    plain: Option<Vec<OciArch>>,
    map: Option<Vec<Family>>,
    c: &Conditions,
) -> Result<Option<Vec<OciArch>>> {
    let plain = plain.filter(|list| !list.is_empty());
    let Some(map) = map.filter(|map| !map.is_empty()) else {
        return Ok(plain);
    };
    if plain.is_some() {
        return Err(Error::user(
            "both 'architectures' and 'archMap' are specified in the seccomp profile, use either \
             'architectures' or 'archMap'",
        ));
    }
    let ours = |f: &Family| f.architecture == oci(c.arch);
    Ok(map.into_iter().find(ours).map(|family| {
        let mut all = vec![family.architecture];
        all.extend(family.sub_architectures.into_iter().flatten());
        all
    }))
}

fn convert_rule(rule: Rule, c: &Conditions) -> Result<Option<LinuxSyscall>> {
    let names = match (rule.name.filter(|n| !n.is_empty()), rule.names) {
        (Some(_), Some(names)) if !names.is_empty() => {
            return Err(Error::user(
                "both 'name' and 'names' are specified in the seccomp profile, use either 'name' \
                 or 'names'",
            ));
        }
        (Some(name), _) => vec![name],
        (None, names) => names.unwrap_or_default(),
    };
    if names.is_empty() || names.iter().any(String::is_empty) {
        return Err(Error::user("names: no system call is named"));
    }
    let applies = rule.includes.map_or(Ok(true), |f| f.includes(c));
    let applies = applies.map_err(|e| e.context("includes"))?;
    let excluded = rule.excludes.map_or(Ok(false), |f| f.excludes(c));
    if excluded.map_err(|e| e.context("excludes"))? || !applies {
        return Ok(None);
    }
    let args = rule.args.filter(|args| !args.is_empty());
    if args.iter().flatten().any(|arg| arg.index() > 5) {
        return Err(Error::user(
            "args: index: a system call has arguments 0 to 5",
        ));
    }
    let errno = errno(rule.errno_ret, rule.errno.as_deref()).map_err(|e| e.context("errno"))?;
    let mut call = LinuxSyscall::default();
    call.set_names(names)
        .set_action(answered(rule.action, "action")?)
        .set_errno_ret(errno)
        .set_args(args);
    Ok(Some(call))
}

impl Filter {
    /// Holds if each kind of condition that is there holds: one of the
    /// architectures, all of the capabilities, the kernel.
    fn includes(&self, c: &Conditions) -> Result<bool> {
        let mut arches = self.arches.iter().flatten().peekable();
        let arch = arches.peek().is_none() || arches.any(|a| a == go_name(c.arch));
        let caps = self.caps.iter().flatten().all(|cap| has(c, cap));
        Ok(arch && caps && self.kernel(c)?.unwrap_or(true))
    }

    /// Holds if any condition holds.
    fn excludes(&self, c: &Conditions) -> Result<bool> {
        let arch = self.arches.iter().flatten().any(|a| a == go_name(c.arch));
        let caps = self.caps.iter().flatten().any(|cap| has(c, cap));
        Ok(arch || caps || self.kernel(c)?.unwrap_or(false))
    }

    fn kernel(&self, c: &Conditions) -> Result<Option<bool>> {
        let Some(text) = self.min_kernel.as_deref().filter(|t| !t.is_empty()) else {
            return Ok(None);
        };
        let version = text.split_once('.').and_then(|(major, minor)| {
            Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
        });
        let wrong = || Error::user(format!("minKernel: {text:?} is not a version such as 4.8"));
        Ok(Some(c.kernel >= version.ok_or_else(wrong)?))
    }
}

fn has(c: &Conditions, cap: &str) -> bool {
    CapSet::bit(cap).is_some_and(|bit| c.caps.0 & bit != 0)
}

/// Profiles name machines as Go does.
fn go_name(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "amd64",
        Arch::X32 => "x32",
        Arch::X86 => "x86",
        Arch::Aarch64 => "arm64",
        Arch::Arm => "arm",
    }
}

fn oci(arch: Arch) -> OciArch {
    match arch {
        Arch::X86_64 => OciArch::ScmpArchX86_64,
        Arch::X32 => OciArch::ScmpArchX32,
        Arch::X86 => OciArch::ScmpArchX86,
        Arch::Aarch64 => OciArch::ScmpArchAarch64,
        Arch::Arm => OciArch::ScmpArchArm,
    }
}

/// Podman's profiles name the error, too, and mostly give its number as well.
fn errno(number: Option<u32>, name: Option<&str>) -> Result<Option<u32>> {
    let known = |name: &str| {
        let known = match name {
            "EPERM" => libc::EPERM,
            "ENOENT" => libc::ENOENT,
            "EACCES" => libc::EACCES,
            "EINVAL" => libc::EINVAL,
            "ENOSYS" => libc::ENOSYS,
            "EAFNOSUPPORT" => libc::EAFNOSUPPORT,
            "EOPNOTSUPP" => libc::EOPNOTSUPP,
            _ => {
                return Err(Error::user(format!(
                    "{name:?} is not known; give its number"
                )));
            }
        };
        Ok(known as u32)
    };
    match (number, name.filter(|n| !n.is_empty())) {
        (Some(number), _) => Ok(Some(number)),
        (None, Some(name)) => known(name).map(Some),
        (None, None) => Ok(None),
    }
}
