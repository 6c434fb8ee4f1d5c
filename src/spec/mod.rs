//! From the desired container to an OCI runtime specification.
//!
//! [`runtime_spec`] is pure: it takes a [`Config`] and what was found out
//! about the host ([`Inputs`]), and writes what `rcon oci` would be given in a
//! `config.json`. It asks the kernel nothing, opens nothing, and decides
//! nothing that the specification has no word for. One file per concern; each
//! says what Docker's default is and why, because "as Docker does" is what
//! people expect of `rcon run`, and the reasons are worth knowing.
//!
//! Three parts look at the world, are called before, and their answers are
//! inputs: [`users`] reads who `--user web` is, which only the image knows,
//! [`HostFacts::observe`] looks at the host, and [`cdi::find`] for what vendors
//! say of their devices.
//!
//! Labels, annotations and environment come from images, which anybody can
//! make. None of them is ever read here to decide something; a property test
//! holds that.

mod capabilities;
pub mod cdi;
mod devices;
mod facts;
mod further;
mod masks;
mod mounts;
mod namespaces;
mod observe;
mod owners;
mod process;
mod resources;
pub mod seccomp;
mod sysctls;
#[cfg(test)]
mod tests;
mod tmpfs;
mod ulimits;
pub mod users;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Linux, LinuxResources, Root, Spec};

pub use self::capabilities::DEFAULT as DEFAULT_CAPABILITIES;
pub use self::facts::{Files, HostFacts, Joined, Node, NodeKind, volume_key};
pub use self::further::{Further, further};
pub use self::process::{DEFAULT_PATH, INIT_PATH, has_init};
pub use self::resources::resources as limits;
pub use self::users::User;

use crate::cgroup::paths::OWN_PREFIX;
use crate::container::Config;
use crate::error::{Error, Result};
use crate::sys::identity::CapSet;

/// Of the runtime specification that is written here.
const VERSION: &str = "1.2.0";

/// Everything a specification is made of.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// What was asked for.
    pub config: &'a Config,
    /// What people call it.
    pub name: &'a str,
    /// What `root.path` shall say.
    pub rootfs: &'a Path,
    /// Files made for this container.
    pub files: &'a Files,
    /// Who `config.program.user` is in this image.
    pub user: &'a User,
    /// Namespaces that exist already.
    pub namespaces: &'a Joined,
    /// Where each volume is on the host; see [`volume_key`].
    pub volumes: &'a BTreeMap<String, PathBuf>,
    /// Where the files of images are that are mounted, by where they are seen.
    pub images: &'a BTreeMap<PathBuf, PathBuf>,
    /// What the host is like.
    pub host: &'a HostFacts,
}

/// Writes the specification.
pub fn runtime_spec(i: &Inputs<'_>) -> Result<Spec> {
    check(i)?;
    let caps = capabilities::granted(&i.config.isolation, i.host)?;
    let mut root = Root::default();
    root.set_path(i.rootfs.to_owned());
    root.set_readonly(Some(i.config.isolation.read_only));

    let mut spec = Spec::default();
    spec.set_version(VERSION.to_owned())
        .set_root(Some(root))
        .set_process(Some(process::process(i, caps)?))
        .set_hostname(namespaces::hostname(i)?)
        .set_domainname(namespaces::domainname(i)?)
        .set_mounts(Some(mounts::mounts(i)?))
        .set_hooks(None)
        .set_annotations(annotations(i.config)?)
        .set_linux(Some(linux(i, caps)?));
    cdi::apply(&mut spec, &i.host.cdi)?;
    Ok(spec)
}

fn linux(i: &Inputs<'_>, caps: CapSet) -> Result<Linux> {
    let isolation = &i.config.isolation;
    let mappings = namespaces::mappings(i)?;
    let mut linux = Linux::default();
    linux
        .set_namespaces(Some(namespaces::namespaces(i)?))
        .set_uid_mappings(mappings.clone())
        .set_gid_mappings(mappings)
        .set_cgroups_path(Some(cgroup(i.config)?))
        .set_resources(Some(resources(i)?))
        .set_devices(Some(devices::nodes(isolation, i.host)?))
        .set_sysctl(sysctls::sysctls(i)?)
        .set_rootfs_propagation(mounts::rootfs_propagation(i.config))
        .set_masked_paths(masks::masked(isolation, i.host))
        .set_readonly_paths(masks::readonly(isolation))
        .set_seccomp(seccomp::of_container(isolation, caps, i.host)?);
    Ok(linux)
}

/// Takes what a builder of the library made. Each of its fields has a
/// default, so there is nothing that could be missing.
fn built<T>(result: std::result::Result<T, oci_spec::OciSpecError>) -> T {
    result.expect("every field has a value")
}

fn resources(i: &Inputs<'_>) -> Result<LinuxResources> {
    let mut all = resources::resources(&i.config.resources, i.host)?;
    all.set_devices(Some(devices::rules(&i.config.isolation, i.host)?));
    Ok(all)
}

/// One directory per container, named so that a person can tell whose it is.
/// Limits for several belong to a parent of one's own, for `--cgroup-parent`.
fn cgroup(config: &Config) -> Result<PathBuf> {
    let parent = config.isolation.cgroup_parent.as_deref();
    let Some(parent) = parent.filter(|p| !p.is_empty()) else {
        return Ok(Path::new("/").join(format!("{OWN_PREFIX}{}", config.id)));
    };
    let odd = |part: &str| part == ".." || part.contains('\0');
    if parent.split('/').any(odd) {
        return Err(Error::user(format!(
            "invalid cgroup parent {parent:?}: it may not lead upwards"
        )));
    }
    Ok(Path::new("/").join(parent).join(config.id.as_str()))
}

/// Passed on as they are, for tools that read the bundle.
fn annotations(config: &Config) -> Result<Option<HashMap<String, String>>> {
    if config.annotations.contains_key("") {
        return Err(Error::user("an annotation has no name"));
    }
    let all = config.annotations.clone().into_iter().collect();
    Ok((!config.annotations.is_empty()).then_some(all))
}

/// What no single concern can see.
fn check(i: &Inputs<'_>) -> Result<()> {
    let isolation = &i.config.isolation;
    if isolation.userns.is_some() {
        namespaces::check_with_user_namespace(i)?;
    }
    let score = isolation.oom_score_adj.unwrap_or(0);
    if !(-1000..=1000).contains(&score) {
        return Err(Error::user(format!(
            "Invalid value {score}, range for oom score adj is [-1000, 1000]"
        )));
    }
    Ok(())
}
