//! Each action as shell: lines of its own, a command that wraps all that
//! follow, or nothing, with the reason why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cgroups;
use super::enter::Enter;
use super::mounts;
use super::network;
use super::quote::{inside, quote, quote_path};
use crate::cgroup::paths::CgroupPaths;
use crate::plan::{
    Action, Actor, EnterRoot, HookEnv, HookRun, IdRange, MountFlags, Namespace, Overlay, Plan,
    Propagation, Signal, Slot, Step,
};
use crate::render::words::values::travel;
use crate::sys::process::SchedAttr;

/// What becomes of an action.
#[derive(Debug, PartialEq)]
pub(super) enum Shell {
    /// Commands, one a line.
    Lines(Vec<String>),
    /// A command that runs everything after it.
    Wrap(String),
    /// An option of the wrapping command before, and what it does not say.
    Option(String, Option<&'static str>),
    /// A part of the one command that enters the root and becomes the program.
    Last,
    /// Nothing, because.
    None(&'static str),
}

use Shell::{Lines, None as Nothing, Wrap};

/// What must be remembered from one step to a later one.
pub(super) struct Writer<'a> {
    cgroups: &'a CgroupPaths,
    /// The container has a user namespace of its own.
    user_namespace: bool,
    /// Two processes work at once and must tell each other.
    pub talking: bool,
    /// The user namespace forbids to change them.
    keep_groups: bool,
    /// Copies that a shell cannot hold: taken when they are put in place.
    recursive: BTreeMap<Slot, bool>,
    /// Namespaces to be joined.
    opened: BTreeMap<Namespace, PathBuf>,
    /// How the copy that becomes the root travels, if there is a copy.
    root_travels: Option<Vec<Propagation>>,
    overlay: Option<Overlay>,
    /// How the root is entered and the program becomes what it is.
    enter: Enter,
}

impl<'a> Writer<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let has_user = |s: &Step| match &s.action {
            Action::StartProcess { namespaces, .. } => namespaces.contains(&Namespace::User),
            Action::EnterNamespace { kind } => *kind == Namespace::User,
            _ => false,
        };
        Self {
            cgroups: &plan.cgroups,
            user_namespace: plan.steps.iter().any(has_user),
            talking: super::is_talking(plan),
            keep_groups: false,
            recursive: BTreeMap::new(),
            opened: BTreeMap::new(),
            root_travels: None,
            overlay: None,
            enter: Enter::default(),
        }
    }

    #[allow(
        clippy::too_many_lines,
        reason = "a flat table of one short arm for each action, with no arm for the rest"
    )]
    fn action(&mut self, step: &Step) -> Shell {
        match &step.action {
            Action::Tell { signal, .. } => self.tell(*signal, step.actor),
            Action::Wait { signal, .. } => self.wait(*signal, step.actor),
            Action::StartProcess { namespaces, .. } => {
                // Who is nobody in a new user namespace loses all power at
                // the next exec, unless it is told to stay.
                let keep = if namespaces.contains(&Namespace::User) {
                    " --keep-caps"
                } else {
                    ""
                };
                Wrap(format!(
                    "unshare --fork --kill-child{keep}{}",
                    flags(namespaces)
                ))
            }
            Action::CreateNamespaces { kinds } if kinds.contains(&Namespace::Mount) => {
                Wrap(format!("unshare --propagation unchanged{}", flags(kinds)))
            }
            Action::CreateNamespaces { kinds } => Wrap(format!("unshare{}", flags(kinds))),
            Action::OpenNamespace { kind, path } => {
                self.opened.insert(*kind, path.clone());
                Nothing("nsenter opens it, further down")
            }
            Action::EnterNamespace { kind } => self.enter_namespace(*kind),
            Action::EnterContainer { kinds } => {
                if kinds.contains(&Namespace::User) {
                    self.opened.insert(Namespace::User, PathBuf::new());
                }
                Wrap(format!("nsenter --target \"$container\"{}", flags(kinds)))
            }
            Action::RaiseLoopback => Lines(vec!["ip link set lo up".to_owned()]),
            Action::EnsureBridge { bridge } => Lines(network::bridge(bridge)),
            Action::MakeInterface { interface } => Lines(network::make(interface)),
            Action::ArrangeInterface { interface } => Lines(network::arrange(interface)),
            Action::SetClockOffset {
                clock,
                seconds,
                nanoseconds,
            } => {
                let lost = (*nanoseconds != 0).then_some("unshare takes whole seconds only");
                Shell::Option(format!("--{}={seconds}", quote(clock)), lost)
            }
            Action::WriteIdMap {
                groups,
                ranges,
                helper,
            } => write_map(*groups, ranges, helper.as_deref()),
            Action::DenySetgroups => {
                self.keep_groups = true;
                Lines(vec!["echo deny > \"/proc/$child/setgroups\"".to_owned()])
            }
            Action::BecomeRoot if self.opened.contains_key(&Namespace::User) => {
                Nothing("nsenter has done that, as it does with a user namespace")
            }
            // The power that --keep-caps kept until now is not to stay: it
            // comes anew with being root.
            Action::BecomeRoot => {
                let groups = if self.keep_groups { "keep" } else { "clear" };
                Wrap(format!(
                    "setpriv --reuid 0 --regid 0 --{groups}-groups \
                     --inh-caps=-all --ambient-caps=-all"
                ))
            }
            Action::HideFromOthers => Nothing("no plain tool can do that"),
            Action::CreateCgroup { paths, .. } => Lines(cgroups::create(paths)),
            Action::SetLimits { writes } => Lines(cgroups::limits(writes, self.cgroups)),
            Action::FilterDevices { rules } => match cgroups::devices(rules, self.cgroups) {
                Some(lines) => Lines(lines),
                None => {
                    Nothing("cgroup v2 wants a program in the kernel, and no plain tool loads one")
                }
            },
            Action::JoinCgroup { .. } if self.user_namespace => {
                Nothing("the launcher has done that, as root of a user namespace cannot")
            }
            Action::JoinCgroup { paths, .. } => Lines(cgroups::join(paths, "0")),
            Action::SetPropagation { propagation } => Lines(vec![self.propagation(*propagation)]),
            Action::OpenHostProc => Nothing("until the root is entered, /proc is the host's"),
            Action::OpenRoot { propagation, .. } => {
                self.root_travels = Some(propagation.iter().copied().collect());
                Nothing("a shell cannot hold a mount that has no place; it is made where it goes")
            }
            Action::OverlayRoot { overlay } => {
                self.overlay = Some(overlay.clone());
                if !overlay.owners.is_empty() {
                    return Nothing(
                        "made where it goes; mount(8) shows no layers under other owners: the \
                         layers and the upper directory must belong to the ids of the container",
                    );
                }
                Nothing("a shell cannot hold a mount that has no place; it is made where it goes")
            }
            Action::AttachRoot { path } => Lines(self.attach_root(path)),
            Action::OpenSource {
                slot, recursive, ..
            } => {
                self.recursive.insert(*slot, *recursive);
                Nothing("a shell cannot hold a mount that has no place; it is made where it goes")
            }
            Action::MapOwners { .. } => Nothing(
                "mount(8) can only do that from util-linux 2.39 on; owners show as they are",
            ),
            Action::MountCopy {
                slot,
                source,
                target,
                flags,
                propagation,
            } => {
                let recursive = self.recursive.get(slot).copied().unwrap_or(false);
                let mut lines = mounts::copy(source, recursive, target);
                lines.extend(dress(&target.path, *flags, propagation));
                Lines(lines)
            }
            Action::MountNew {
                filesystem,
                target,
                flags,
                propagation,
            } => {
                let mut lines = mounts::new(filesystem, target, *flags);
                lines.extend(mounts::propagation(&inside(&target.path), propagation));
                Lines(lines)
            }
            Action::Remount {
                target,
                flags,
                propagation,
            } => Lines(dress(&target.path, *flags, propagation)),
            Action::MakeDevice { device, .. } => Lines(mounts::device(device, self.user_namespace)),
            Action::MakeDirectory { path } if path == Path::new("/") => {
                Nothing("the root is there")
            }
            Action::MakeDirectory { path } => Lines(vec![format!("mkdir -p {}", inside(path))]),
            Action::MakeLink { path, target } => Lines(mounts::link(path, target)),
            Action::MakeTerminal { .. } => {
                Nothing("the terminal of this script serves; script(1) could make another")
            }
            Action::RunHook { hook } => Lines(vec![self.hook(hook, step.actor)]),
            Action::EnterRoot { how } => self.enter_root(*how),
            Action::ProtectRoot => Lines(vec![mounts::protect_root()]),
            Action::MaskPath { path } => Lines(vec![mounts::mask(path)]),
            Action::ProtectPath { path } => Lines(vec![mounts::protect(path)]),
            Action::SetHostname { name } => Lines(vec![format!("hostname {}", quote(name))]),
            Action::SetDomainname { name } => Lines(vec![format!("domainname {}", quote(name))]),
            Action::SetSysctl { key, value } => sysctl(&slashes(key), value),
            Action::NewKeyring { .. } => Nothing("keyctl(1) could, but few hosts have it"),
            Action::NewSession => Wrap("setsid".to_owned()),
            Action::SetOomScore { adjustment } => Lines(vec![format!(
                "echo {adjustment} > \"/proc/$init/oom_score_adj\""
            )]),
            Action::SetRlimit {
                name, soft, hard, ..
            } => rlimit(name, *soft, *hard, step.actor),
            Action::SetScheduler { attr } => scheduler(attr),
            Action::SetIoPriority { class: 3, .. } => Wrap("ionice -c 3".to_owned()),
            Action::SetIoPriority { class, level } => Wrap(format!("ionice -c {class} -n {level}")),
            Action::SetAffinity { cpus } if cpus.is_empty() => {
                Nothing("the processors of this script are yours to choose")
            }
            Action::SetAffinity { cpus } => {
                let list: Vec<_> = cpus.iter().map(ToString::to_string).collect();
                Wrap(format!("taskset -c {}", list.join(",")))
            }
            Action::SetMemoryPolicy { .. } => Nothing("numactl(8) could, but few hosts have it"),
            Action::SetPersonality { persona: 8 } => Wrap("setarch linux32".to_owned()),
            Action::SetPersonality { .. } => Nothing("it is what the shell has already"),
            Action::SetLabel { .. } => {
                Nothing("it would take hold at the next exec, which is that of one more tool")
            }
            Action::GiveStdio { .. } => Nothing("the streams of this script stay yours"),
            Action::EnterDirectory { path, .. } => self.enter.directory(path),
            Action::LimitBounding { keep, last } => self.enter.limit_bounding(*keep, *last),
            Action::SetUser {
                uid,
                gid,
                groups,
                umask,
            } => self.enter.set_user(*uid, *gid, groups.as_deref(), *umask),
            Action::SetCapabilities {
                inheritable,
                ambient,
                ..
            } => self.enter.set_capabilities(*inheritable, *ambient),
            Action::NoNewPrivileges => self.enter.no_new_privileges(),
            Action::DieWithLauncher => Wrap("setpriv --pdeathsig KILL".to_owned()),
            Action::HoldSignals => Wrap("env --block-signal".to_owned()),
            Action::FindProgram { program, search } => {
                Lines(vec![super::enter::find(program, search)])
            }
            Action::LoadSeccomp { .. } => {
                Nothing("no plain tool loads a filter: the program runs without one")
            }
            Action::Exec { args, env } => Lines(self.enter.exec(args, env)),
        }
    }

    /// One step as shell. After the root has been entered, wrapping commands
    /// wait for the last one.
    pub(super) fn step(&mut self, step: &Step) -> Shell {
        match self.action(step) {
            Wrap(command) if self.enter.entered => {
                self.enter.wraps.push(command);
                Shell::Last
            }
            shell => shell,
        }
    }

    /// Moves the first child into its cgroups where it could not itself.
    pub(super) fn join_from_outside(&self) -> Vec<String> {
        if !self.user_namespace {
            return Vec::new();
        }
        cgroups::join(self.cgroups, "\"$child\"")
    }

    fn tell(&self, signal: Signal, by: Actor) -> Shell {
        match fifo(signal).filter(|_| self.talking) {
            Some(name) if by == Actor::Launcher => Lines(vec![format!("tell {name}")]),
            Some(name) => Lines(vec![format!("echo > \"$run/{name}\"")]),
            None => Nothing(ALONE),
        }
    }

    fn wait(&self, signal: Signal, by: Actor) -> Shell {
        match fifo(signal).filter(|_| self.talking) {
            Some(name) if by == Actor::Launcher => Lines(vec![format!("hear {name} > /dev/null")]),
            Some(name) => Lines(vec![format!("read -r word < \"$run/{name}\"")]),
            None => Nothing(ALONE),
        }
    }

    fn enter_namespace(&self, kind: Namespace) -> Shell {
        let Some(path) = self.opened.get(&kind) else {
            return Nothing("it was not opened");
        };
        Wrap(format!("nsenter {}={}", flag(kind), quote_path(path)))
    }

    fn propagation(&self, p: Propagation) -> String {
        // The old root stays in the way of the name /, the directory we are
        // in does not.
        let at = if self.enter.entered {
            "/proc/self/cwd"
        } else {
            "/"
        };
        let canonical = if self.enter.entered { "-c " } else { "" };
        format!("mount {canonical}--make-{} {at}", travel(p))
    }

    fn attach_root(&self, path: &Path) -> Vec<String> {
        let mut lines = vec![
            format!("root={}", quote_path(path)),
            "export root".to_owned(),
        ];
        if let Some(overlay) = &self.overlay {
            lines.push(mounts::overlay(overlay));
        } else if let Some(travels) = &self.root_travels {
            lines.push("mount --rbind \"$root\" \"$root\"".to_owned());
            lines.extend(mounts::propagation("\"$root\"", travels));
        }
        lines
    }

    fn enter_root(&mut self, how: EnterRoot) -> Shell {
        self.enter.entered = true;
        let mut lines = vec!["cd \"$root\"".to_owned()];
        if how != EnterRoot::Chroot {
            lines.push("mount -n --move \"$root\" /".to_owned());
        }
        Lines(lines)
    }

    /// A hook, with the state on its standard input. Only what a script can
    /// know is in it.
    fn hook(&self, hook: &HookRun, by: Actor) -> String {
        let status = hook.status;
        let state = format!(
            "printf '{{\"ociVersion\":\"1.2.0\",\"id\":\"by-hand\",\"status\":\"{status}\",\
             \"pid\":%s,\"bundle\":\"%s\"}}' \"${{init:-$$}}\" \"${{bundle:-$PWD}}\""
        );
        let inside = by == Actor::Init && self.enter.entered;
        let mut words: Vec<String> = Vec::new();
        if inside {
            words.extend(self.enter.wraps.iter().cloned());
        }
        words.extend(hook.timeout.map(|seconds| format!("timeout {seconds}")));
        if let HookEnv::Own(env) | HookEnv::Program(env) = &hook.env {
            words.push("env -i --".to_owned());
            let env = env.iter().filter(|e| e.contains('='));
            words.extend(env.map(|e| quote(e)));
        }
        if inside {
            words.push(self.enter.capsh());
            words.push(format!("--shell={} --", quote_path(&hook.path)));
        } else {
            words.push(quote_path(&hook.path));
        }
        words.extend(hook.args.iter().skip(1).map(|a| quote(a)));
        format!("{state} | {}", words.join(" "))
    }
}

const ALONE: &str = "the script goes straight on, there is nobody to wait for";

/// The pipe by which a signal travels; `None` for those between creating and
/// starting, which are one for a script.
fn fifo(signal: Signal) -> Option<&'static str> {
    match signal {
        Signal::Mapped => Some("mapped"),
        Signal::Prepared => Some("prepared"),
        Signal::RootAssembled => Some("assembled"),
        Signal::HooksDone => Some("hooks-done"),
        Signal::NetworkMade => Some("network-made"),
        Signal::Connected => Some("connected"),
        Signal::Ready | Signal::Recorded | Signal::Start => None,
    }
}

/// The option by which unshare and nsenter know a kind.
fn flag(kind: Namespace) -> &'static str {
    match kind {
        Namespace::User => "--user",
        Namespace::Mount => "--mount",
        Namespace::Pid => "--pid",
        Namespace::Network => "--net",
        Namespace::Ipc => "--ipc",
        Namespace::Uts => "--uts",
        Namespace::Cgroup => "--cgroup",
        Namespace::Time => "--time",
    }
}

fn flags(kinds: &[Namespace]) -> String {
    kinds.iter().flat_map(|k| [" ", flag(*k)]).collect()
}

fn write_map(groups: bool, ranges: &[IdRange], helper: Option<&Path>) -> Shell {
    let triple = |r: &IdRange| format!("{} {} {}", r.inside, r.outside, r.count);
    let triples: Vec<_> = ranges.iter().map(triple).collect();
    let line = if let Some(helper) = helper {
        format!("{} \"$child\" {}", quote_path(helper), triples.join(" "))
    } else {
        let file = if groups { "gid_map" } else { "uid_map" };
        let lines = triples.join("\\n");
        format!("printf '{lines}\\n' > \"/proc/$child/{file}\"")
    };
    Lines(vec![line])
}

fn dress(path: &Path, flags: MountFlags, propagation: &[Propagation]) -> Vec<String> {
    let at = inside(path);
    let mut lines = mounts::change(&at, flags);
    lines.extend(mounts::propagation(&at, propagation));
    lines
}

fn sysctl(file: &str, value: &str) -> Shell {
    Lines(vec![cgroups::write(
        value,
        &Path::new("/proc/sys").join(file),
    )])
}

/// In a parameter's name dots stand for slashes, and slashes for dots.
fn slashes(key: &str) -> String {
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    key.chars().map(swap).collect()
}

fn rlimit(name: &str, soft: u64, hard: u64, by: Actor) -> Shell {
    let number = |n: u64| match n {
        u64::MAX => "unlimited".to_owned(),
        n => n.to_string(),
    };
    let option = name.trim_start_matches("RLIMIT_").to_lowercase();
    let limit = format!("--{}={}:{}", quote(&option), number(soft), number(hard));
    if by == Actor::Launcher {
        return Lines(vec![format!("prlimit --pid \"$init\" {limit}")]);
    }
    Wrap(format!("prlimit {limit}"))
}

fn scheduler(attr: &SchedAttr) -> Shell {
    let policy = match attr.policy {
        1 => format!("chrt --fifo {}", attr.priority),
        2 => format!("chrt --rr {}", attr.priority),
        3 => "chrt --batch 0".to_owned(),
        5 => "chrt --idle 0".to_owned(),
        6 => format!(
            "chrt --deadline --sched-runtime {} --sched-deadline {} --sched-period {} 0",
            attr.runtime, attr.deadline, attr.period
        ),
        _ => "chrt --other 0".to_owned(),
    };
    let fork = attr.flags & 1 != 0;
    let policy = if fork {
        policy.replacen("chrt", "chrt --reset-on-fork", 1)
    } else {
        policy
    };
    match attr.nice {
        0 => Wrap(policy),
        nice => Wrap(format!("{policy} nice -n {nice}")),
    }
}
