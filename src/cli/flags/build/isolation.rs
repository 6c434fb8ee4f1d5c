//! The border between a container and the host.

use std::path::Path;

use super::super::parse::device::Named;
use super::super::parse::security::{Choice, LabelPart};
use super::super::reading;
use super::super::request::{Resolve, Surroundings};
use super::super::typed::Create;
use crate::container::{Device, Isolation, Seccomp, Security, Sharing};
use crate::error::{Error, Result};

/// All of it.
pub fn build(typed: &Create, here: &Surroundings<'_>, others: &dyn Resolve) -> Result<Isolation> {
    let (asked, files, limits) = (&typed.isolation, &typed.files, &typed.limits);
    let (devices, mut cdi) = devices(&files.device);
    cdi.extend(files.gpus.iter().flat_map(|all| all.iter().cloned()));
    let shared = |flag, text: &Option<String>, words: &[&str]| {
        sharing(flag, text.as_deref().unwrap_or_default(), words, others)
    };
    Ok(Isolation {
        privileged: asked.privileged,
        read_only: files.read_only,
        pid: shared("--pid", &asked.pid, &["private", "container:NAME"])?,
        ipc: shared(
            "--ipc",
            &asked.ipc,
            &["private", "shareable", "container:NAME"],
        )?,
        uts: shared("--uts", &asked.uts, &["private"])?,
        cgroup: shared("--cgroupns", &asked.cgroupns, &["private"])?,
        userns: users(asked.userns.as_deref().unwrap_or_default())?,
        cap_add: asked.cap_add.clone(),
        cap_drop: asked.cap_drop.clone(),
        security: security(&asked.security_opt, here)?,
        sysctls: asked.sysctl.iter().cloned().collect(),
        ulimits: limits.ulimit.clone(),
        devices,
        cdi,
        device_rules: files.device_cgroup_rule.clone(),
        oom_score_adj: limits.oom_score_adj.filter(|score| *score != 0),
        cgroup_parent: limits.cgroup_parent.clone().filter(|p| !p.is_empty()),
    })
}

fn devices(all: &[Named]) -> (Vec<Device>, Vec<String>) {
    let (mut nodes, mut cdi) = (Vec::new(), Vec::new());
    for device in all {
        match device {
            Named::Node(device) => nodes.push(device.clone()),
            Named::Cdi(name) => cdi.push(name.clone()),
        }
    }
    (nodes, cdi)
}

/// A namespace of its own, the host's, or where `words` has it, another's.
fn sharing(flag: &str, text: &str, words: &[&str], others: &dyn Resolve) -> Result<Sharing> {
    let named = |e: Error| e.context(format!("{flag} {text}"));
    let joins = words.contains(&"container:NAME");
    match text.split_once(':') {
        Some(("container", name)) if joins && !name.is_empty() => others
            .container(name)
            .map(Sharing::Container)
            .map_err(named),
        None if text == "host" => Ok(Sharing::Host),
        // Every container's shared memory can be joined, if its owner says so.
        None if text.is_empty() || words.contains(&text) => Ok(Sharing::Private),
        _ => Err(Error::user(format!("{flag}: invalid mode {text:?}"))
            .hint(format!("host, {}", words.join(", ")))),
    }
}

/// The first id of the host that is given away, and how many.
fn users(text: &str) -> Result<Option<(u32, u32)>> {
    if text.is_empty() || text == "host" {
        return Ok(None);
    }
    let bad = || {
        Error::user(format!("--userns: invalid USER mode {text:?}"))
            .hint("host, or START:COUNT as in 100000:65536")
    };
    let (start, count) = text.split_once(':').ok_or_else(bad)?;
    let number = |text: &str| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let range = number(start).zip(number(count));
    let sound = |(start, count): &(u32, u32)| *count > 0 && start.checked_add(*count).is_some();
    range.filter(sound).map(Some).ok_or_else(bad)
}

fn security(asked: &[Choice], here: &Surroundings<'_>) -> Result<Security> {
    let mut all = Security::default();
    let mut label = Label::default();
    for option in asked {
        match option {
            Choice::SeccompUnconfined => all.seccomp = Seccomp::Unconfined,
            Choice::SeccompDefault => all.seccomp = Seccomp::Default,
            Choice::SeccompFile(path) => all.seccomp = profile(&here.directory.join(path))?,
            Choice::NoNewPrivileges(yes) => all.no_new_privileges = *yes,
            Choice::Apparmor(profile) => all.apparmor = Some(profile.clone()),
            Choice::Label(part) => label.take(part),
            Choice::SystemPathsUnconfined => all.unmask = true,
            Choice::Nothing => {}
        }
    }
    all.label = label.text();
    Ok(all)
}

fn profile(path: &Path) -> Result<Seccomp> {
    let flag = "--security-opt seccomp";
    let text = reading::text(flag, path)?;
    let named = |what: String| Error::user(format!("{flag} {}: {what}", path.display()));
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| named(format!("not JSON: {e}")))?;
    if !value.is_object() {
        return Err(named("a profile is a JSON object".to_owned()));
    }
    Ok(Seccomp::Profile(value))
}

/// What of an `SELinux` label was given; containers usually have the rest.
#[derive(Default)]
struct Label<'a> {
    given: bool,
    user: Option<&'a str>,
    role: Option<&'a str>,
    kind: Option<&'a str>,
    level: Option<&'a str>,
}

impl<'a> Label<'a> {
    fn take(&mut self, part: &'a LabelPart) {
        self.given = true;
        match part {
            LabelPart::Disable => *self = Self::default(),
            LabelPart::User(v) => self.user = Some(v),
            LabelPart::Role(v) => self.role = Some(v),
            LabelPart::Type(v) => self.kind = Some(v),
            LabelPart::Level(v) => self.level = Some(v),
        }
    }

    fn text(&self) -> Option<String> {
        let user = self.user.unwrap_or("system_u");
        let role = self.role.unwrap_or("system_r");
        let kind = self.kind.unwrap_or("container_t");
        let level = self.level.unwrap_or("s0");
        self.given.then(|| format!("{user}:{role}:{kind}:{level}"))
    }
}
