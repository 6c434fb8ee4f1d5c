//! `process` of the bundle: what the program runs as, and with what.

use std::str::FromStr;

use oci_spec::runtime::{
    Capabilities, IOPriorityClass, LinuxCapabilities, LinuxPersonalityDomain, LinuxSchedulerFlag,
    LinuxSchedulerPolicy, MemoryPolicyFlagType, MemoryPolicyModeType, PosixRlimitType, Process,
    Scheduler, Spec, User,
};

use super::action::{Action, Label};
use super::mounts::Explained;
use super::{absent, unsupported};
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::seccomp;
use crate::sys::identity::CapSet;
use crate::sys::process::SchedAttr;

/// `process`, checked.
pub(super) struct Program<'a> {
    pub process: &'a Process,
    facts: &'a Facts,
    spec: &'a Spec,
    pub filter: Option<seccomp::Filter>,
    /// Whether the user namespace lets groups be set.
    pub groups_allowed: bool,
    /// What it can be given: in a user namespace everything, else what we have.
    pub grantable: u64,
}

/// The five capability sets.
struct Sets {
    bounding: CapSet,
    effective: CapSet,
    permitted: CapSet,
    inheritable: CapSet,
    ambient: CapSet,
}

impl<'a> Program<'a> {
    pub(super) fn new(process: &'a Process, spec: &'a Spec, facts: &'a Facts) -> Result<Self> {
        let args = process.args().as_deref().unwrap_or_default();
        if args.first().is_none_or(String::is_empty) {
            return Err(Error::user("config.json: process.args: empty")
                .hint("name the program to run: \"args\": [\"sh\"]"));
        }
        if !process.cwd().is_absolute() {
            let cwd = process.cwd().display();
            return Err(Error::user(format!(
                "config.json: process.cwd: {cwd:?} is not an absolute path"
            )));
        }
        check_ids(process.user())?;
        check_strings("args", args)?;
        let env = process.env().as_deref().unwrap_or_default();
        check_strings("env", env)?;
        for (i, variable) in env.iter().enumerate() {
            let named = |e: Error| e.context(format!("config.json: process.env[{i}]"));
            check_variable(variable).map_err(named)?;
        }
        let profile = spec.linux().as_ref().and_then(|l| l.seccomp().as_ref());
        let filter = profile.map(|p| seccomp::compile(p, seccomp::Arch::native()?));
        Ok(Self {
            process,
            facts,
            spec,
            filter: filter
                .transpose()
                .map_err(|e| e.context("config.json: linux.seccomp"))?,
            groups_allowed: true,
            grantable: facts.caps.0,
        })
    }

    /// Limits and priorities, set while there is still the power to do so.
    pub(super) fn resources(&self) -> Result<Explained> {
        let mut steps = Explained::new();
        if let Some(scheduler) = self.process.scheduler() {
            let attr = scheduler_attr(scheduler);
            steps.push((
                Action::SetScheduler { attr },
                "the configuration says how it competes for the CPU",
            ));
        }
        if let Some(io) = self.process.io_priority() {
            let class = match io.class() {
                IOPriorityClass::IoprioClassRt => 1,
                IOPriorityClass::IoprioClassBe => 2,
                IOPriorityClass::IoprioClassIdle => 3,
            };
            let level = u32::try_from(io.priority())
                .ok()
                .filter(|l| *l < 8)
                .ok_or_else(|| {
                    Error::user(format!(
                        "config.json: process.ioPriority.priority: {} is not from 0 to 7",
                        io.priority()
                    ))
                })?;
            steps.push((
                Action::SetIoPriority { class, level },
                "the configuration says how it competes for the disk",
            ));
        }
        steps.extend(self.memory_policy()?);
        steps.extend(self.personality()?);
        Ok(steps)
    }

    /// `RLIMIT_*`.
    pub(super) fn rlimits(&self) -> Result<Explained> {
        let mut steps = Explained::new();
        let mut seen = Vec::new();
        for (i, limit) in self.process.rlimits().iter().flatten().enumerate() {
            let field = format!("config.json: process.rlimits[{i}]");
            let name = limit.typ().to_string();
            if seen.contains(&name) {
                return Err(Error::user(format!("{field}: a second {name}")));
            }
            if limit.soft() > limit.hard() {
                return Err(Error::user(format!("{field}: soft is above hard")));
            }
            let action = Action::SetRlimit {
                resource: rlimit_number(limit.typ()),
                name: name.clone(),
                soft: limit.soft(),
                hard: limit.hard(),
            };
            seen.push(name);
            steps.push((action, "how much one process may use"));
        }
        Ok(steps)
    }

    /// How eager the kernel is to kill it when memory is short.
    pub(super) fn oom_score(&self) -> Option<Action> {
        let adjustment = self.process.oom_score_adj()?;
        Some(Action::SetOomScore { adjustment })
    }

    fn memory_policy(&self) -> Result<Explained> {
        let Some(policy) = self
            .spec
            .linux()
            .as_ref()
            .and_then(|l| l.memory_policy().as_ref())
        else {
            return Ok(Explained::new());
        };
        let mode = match policy.mode() {
            MemoryPolicyModeType::MpolDefault => 0,
            MemoryPolicyModeType::MpolPreferred => 1,
            MemoryPolicyModeType::MpolBind => 2,
            MemoryPolicyModeType::MpolInterleave => 3,
            MemoryPolicyModeType::MpolLocal => 4,
            MemoryPolicyModeType::MpolPreferredMany => 5,
            MemoryPolicyModeType::MpolWeightedInterleave => 6,
        };
        let flags = policy.flags().iter().flatten().map(|f| match f {
            MemoryPolicyFlagType::MpolFNumaBalancing => 1 << 13,
            MemoryPolicyFlagType::MpolFRelativeNodes => 1 << 14,
            MemoryPolicyFlagType::MpolFStaticNodes => 1 << 15,
        });
        let nodes = cpu_list(policy.nodes().as_deref().unwrap_or_default())
            .map_err(|e| e.context("config.json: linux.memoryPolicy.nodes"))?;
        let action = Action::SetMemoryPolicy {
            mode: flags.fold(mode, |all, f| all | f),
            nodes,
        };
        Ok(vec![(
            action,
            "the configuration says where memory comes from",
        )])
    }

    fn personality(&self) -> Result<Explained> {
        let Some(personality) = self
            .spec
            .linux()
            .as_ref()
            .and_then(|l| l.personality().as_ref())
        else {
            return Ok(Explained::new());
        };
        if personality.flags().as_ref().is_some_and(|f| !f.is_empty()) {
            let why = "the specification names no flag";
            return Err(unsupported("linux.personality.flags", why));
        }
        let persona = match personality.domain() {
            LinuxPersonalityDomain::PerLinux => 0,
            LinuxPersonalityDomain::PerLinux32 => 8,
        };
        Ok(vec![(
            Action::SetPersonality { persona },
            "what uname tells about the machine",
        )])
    }

    /// Security labels, which take effect at the exec.
    pub(super) fn labels(&self) -> Result<Explained> {
        let mut steps = Explained::new();
        let wanted = |label: &Option<String>| label.clone().filter(|l| !l.is_empty());
        if let Some(profile) = wanted(self.process.apparmor_profile()) {
            // "unconfined" is what a host without AppArmor gives anyway.
            if self.facts.apparmor {
                let label = Label::AppArmor(profile);
                steps.push((
                    Action::SetLabel { label },
                    "takes effect when the program starts",
                ));
            } else if profile != "unconfined" {
                return Err(absent("process.apparmorProfile", "AppArmor"));
            }
        }
        if let Some(context) = wanted(self.process.selinux_label()) {
            if !self.facts.selinux {
                return Err(absent("process.selinuxLabel", "SELinux"));
            }
            let label = Label::Selinux(context);
            steps.push((
                Action::SetLabel { label },
                "takes effect when the program starts",
            ));
        }
        Ok(steps)
    }

    /// From all-powerful to exactly what was asked for. The order matters:
    /// each step needs a power that a later one gives up.
    pub(super) fn privileges(&self) -> Explained {
        let (user, last) = (self.process.user(), self.facts.last_cap);
        let mut steps = Explained::new();
        let caps = self.capabilities();
        steps.push((
            Action::LimitBounding {
                keep: caps.bounding,
                last,
            },
            "nothing executed from here on, setuid or not, can get more than these",
        ));
        let groups = user.additional_gids().clone().unwrap_or_default();
        steps.push((
            Action::SetUser {
                uid: user.uid(),
                gid: user.gid(),
                groups: self.groups_allowed.then_some(groups),
                umask: user.umask(),
            },
            "after the mounts and the bounding set, which only root could do",
        ));
        let (effective, permitted) = self.with_power_for_seccomp(caps.effective, caps.permitted);
        steps.push((
            Action::SetCapabilities {
                effective,
                permitted,
                inheritable: caps.inheritable,
                ambient: caps.ambient,
                last,
            },
            "after changing the user, which took the power to do so",
        ));
        if self.process.no_new_privileges() == Some(true) {
            steps.push((
                Action::NoNewPrivileges,
                "so that setuid programs inside stay harmless",
            ));
        }
        steps
    }

    /// The sets as asked for, without what cannot be had.
    fn capabilities(&self) -> Sets {
        let caps = self.process.capabilities().as_ref();
        let set = |get: fn(&LinuxCapabilities) -> &Option<Capabilities>| {
            let asked = caps.and_then(|c| get(c).as_ref());
            CapSet(asked.map_or(0, |c| cap_set(c).0) & self.grantable)
        };
        let (permitted, inheritable) = (
            set(LinuxCapabilities::permitted),
            set(LinuxCapabilities::inheritable),
        );
        let ambient = set(LinuxCapabilities::ambient);
        Sets {
            bounding: set(LinuxCapabilities::bounding),
            effective: CapSet(set(LinuxCapabilities::effective).0 & permitted.0),
            permitted,
            inheritable,
            // The kernel's own rule: ambient is what is both.
            ambient: CapSet(ambient.0 & permitted.0 & inheritable.0),
        }
    }

    /// Capabilities that were asked for and cannot be given: the specification
    /// wants that told, and the start to go on.
    pub(super) fn warnings(&self) -> Vec<String> {
        let caps = self.process.capabilities().as_ref();
        let bounding = caps
            .and_then(|c| c.bounding().as_ref())
            .map_or(0, |c| cap_set(c).0);
        let missing = CapSet(bounding & !self.grantable).names();
        if missing.is_empty() {
            return Vec::new();
        }
        let list = missing.join(", ");
        vec![format!(
            "not given, since the caller does not have them: {list}"
        )]
    }

    /// Without no-new-privileges, loading a filter takes `CAP_SYS_ADMIN`. It
    /// is kept for just that: the exec that follows takes it away again,
    /// because it is in neither the bounding nor the ambient set.
    fn with_power_for_seccomp(&self, effective: CapSet, permitted: CapSet) -> (CapSet, CapSet) {
        if self.filter.is_none() || self.process.no_new_privileges() == Some(true) {
            return (effective, permitted);
        }
        let admin = CapSet::bit("CAP_SYS_ADMIN").unwrap_or(0);
        (CapSet(effective.0 | admin), CapSet(permitted.0 | admin))
    }

    pub(super) fn find(&self) -> Action {
        let env = self.process.env().as_deref().unwrap_or_default();
        let search = env.iter().rev().find_map(|e| e.strip_prefix("PATH="));
        Action::FindProgram {
            program: self.args()[0].clone(),
            search: search.unwrap_or_default().to_owned(),
        }
    }

    pub(super) fn exec(&self) -> Action {
        Action::Exec {
            args: self.args().to_vec(),
            env: self.process.env().clone().unwrap_or_default(),
        }
    }

    fn args(&self) -> &[String] {
        self.process.args().as_deref().unwrap_or_default()
    }
}

/// The kernel's strings end at a NUL, so one inside would cut them short.
fn check_strings(field: &str, strings: &[String]) -> Result<()> {
    match strings.iter().position(|s| s.contains('\0')) {
        Some(i) => Err(Error::user(format!(
            "config.json: process.{field}[{i}]: has a NUL byte"
        ))),
        None => Ok(()),
    }
}

/// A variable has a name and, if only an empty one, a value. Programs disagree
/// about what anything else means.
pub fn check_variable(text: &str) -> Result<()> {
    let why = match text.find('=') {
        Some(0) => "has no name",
        Some(_) => return Ok(()),
        None => "has no value",
    };
    // Without a `=` it is all name; else what stands there may be a secret.
    let shown = if why == "has no value" { text } else { "=…" };
    Err(Error::user(format!("{shown:?} {why}")).hint("write NAME=VALUE"))
}

/// The number that system calls read as "leave it as it is" is nobody's id.
fn check_ids(user: &User) -> Result<()> {
    let groups = user.additional_gids().iter().flatten();
    let all = [("uid", user.uid()), ("gid", user.gid())].into_iter();
    for (field, id) in all.chain(groups.map(|g| ("additionalGids", *g))) {
        if id == u32::MAX {
            return Err(Error::user(format!(
                "config.json: process.user.{field}: {id} is not a valid id"
            )));
        }
    }
    Ok(())
}

fn cap_set(caps: &Capabilities) -> CapSet {
    let bits = caps.iter().filter_map(|c| {
        let name = c.to_string();
        let name = name.strip_prefix("CAP_").unwrap_or(&name);
        CapSet::bit(&format!("CAP_{name}"))
    });
    CapSet(bits.fold(0, |all, bit| all | bit))
}

fn rlimit_number(kind: PosixRlimitType) -> u32 {
    match kind {
        PosixRlimitType::RlimitCpu => libc::RLIMIT_CPU,
        PosixRlimitType::RlimitFsize => libc::RLIMIT_FSIZE,
        PosixRlimitType::RlimitData => libc::RLIMIT_DATA,
        PosixRlimitType::RlimitStack => libc::RLIMIT_STACK,
        PosixRlimitType::RlimitCore => libc::RLIMIT_CORE,
        PosixRlimitType::RlimitRss => libc::RLIMIT_RSS,
        PosixRlimitType::RlimitNproc => libc::RLIMIT_NPROC,
        PosixRlimitType::RlimitNofile => libc::RLIMIT_NOFILE,
        PosixRlimitType::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        PosixRlimitType::RlimitAs => libc::RLIMIT_AS,
        PosixRlimitType::RlimitLocks => libc::RLIMIT_LOCKS,
        PosixRlimitType::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        PosixRlimitType::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        PosixRlimitType::RlimitNice => libc::RLIMIT_NICE,
        PosixRlimitType::RlimitRtprio => libc::RLIMIT_RTPRIO,
        PosixRlimitType::RlimitRttime => libc::RLIMIT_RTTIME,
    }
}

fn scheduler_attr(s: &Scheduler) -> SchedAttr {
    let policy = match s.policy() {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => 4,
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    };
    let flags = s.flags().iter().flatten().map(|f| match f {
        LinuxSchedulerFlag::SchedResetOnFork => 0x01,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    });
    SchedAttr {
        policy,
        flags: flags.fold(0, |all, f| all | f),
        nice: s.nice().unwrap_or(0),
        priority: s.priority().unwrap_or(0) as u32,
        runtime: s.runtime().unwrap_or(0),
        deadline: s.deadline().unwrap_or(0),
        period: s.period().unwrap_or(0),
        ..SchedAttr::default()
    }
}

/// Reads a list as the kernel writes it: `0-3,7`.
pub fn cpu_list(text: &str) -> Result<Vec<u32>> {
    let wrong = || Error::user(format!("{text:?} is not a list such as 0-3,7"));
    let number = |s: &str| {
        u32::from_str(s.trim())
            .ok()
            .filter(|n| *n < 1024)
            .ok_or_else(wrong)
    };
    let mut all = Vec::new();
    for part in text.split(',').filter(|p| !p.trim().is_empty()) {
        match part.split_once('-') {
            None => all.push(number(part)?),
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    return Err(wrong());
                }
                all.extend(first..=last);
            }
        }
    }
    Ok(all)
}
