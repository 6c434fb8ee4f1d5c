//! Each action in words.
//!
//! A phrase says what is done, in the imperative, so that it reads well in a
//! list of steps as well as in front of an error. It is always one line, and
//! the values in it cannot speak to a terminal: `values` sees to that.

mod network;
pub(crate) mod values;

use std::path::PathBuf;

use crate::cgroup::limits::Write;
use crate::cgroup::paths::CgroupPaths;
use crate::plan::{
    Action, Actor, Device, EnterRoot, Filesystem, HookRun, Label, Namespace, OnFailure, Plan,
    Signal, Step,
};
use crate::seccomp::Filter;
use crate::sys::identity::CapSet;
use crate::sys::process::SchedAttr;
use values::{
    caps, clock_time, device_rule, env_names, ids, kinds, limit, list, memory_mode, mount_flags,
    mount_words, new_kinds, quoted, quoted_path, travel,
};

/// What an action does, as an English phrase.
#[allow(
    clippy::too_many_lines,
    reason = "a flat table of one short arm for each action, with no arm for the rest"
)]
pub fn action(action: &Action) -> String {
    match action {
        Action::Tell { to, signal } => format!("tell {} that {}", who(*to), news(*signal)),
        Action::Wait { from, signal } => {
            format!("wait until {} says that {}", who(*from), news(*signal))
        }
        Action::StartProcess {
            child,
            namespaces,
            into_cgroup,
        } => start_process(*child, namespaces, *into_cgroup),
        Action::CreateNamespaces { kinds: k } => format!("move into {}", new_kinds(k)),
        Action::OpenNamespace { kind, path } => {
            format!(
                "open the {} namespace {}",
                kind.spec_name(),
                quoted_path(path)
            )
        }
        Action::EnterNamespace { kind } => {
            format!("enter the opened {} namespace", kind.spec_name())
        }
        Action::EnterContainer { kinds: k } if k.is_empty() => {
            "enter the container, which shares all namespaces with us".to_owned()
        }
        Action::EnterContainer { kinds: k } => format!("enter the container's {}", kinds(k)),
        Action::SetClockOffset {
            clock,
            seconds,
            nanoseconds,
        } => format!(
            "shift the {} clock of the new time namespace by {}",
            quoted(clock),
            clock_time(*seconds, *nanoseconds)
        ),
        Action::WriteIdMap {
            groups,
            ranges,
            helper,
        } => {
            let what = if *groups { "groups" } else { "users" };
            let by = helper.as_ref().map(|h| format!(" with {}", quoted_path(h)));
            format!("map the {what}{}: {}", by.unwrap_or_default(), ids(ranges))
        }
        Action::DenySetgroups => "forbid the new user namespace to change groups".to_owned(),
        Action::RaiseLoopback => "switch on the loopback interface".into(),
        Action::EnsureBridge { bridge } => network::bridge(bridge),
        Action::MakeInterface { interface } => network::make(interface),
        Action::ArrangeInterface { interface } => network::arrange(interface),
        Action::BecomeRoot => "become root of the user namespace".to_owned(),
        Action::HideFromOthers => "hide from ptrace and /proc of other processes".to_owned(),
        Action::CreateCgroup { paths, optional } => {
            let which = if *optional {
                ", as far as this user may"
            } else {
                ""
            };
            format!("make {}{which}", cgroups(paths))
        }
        Action::SetLimits { writes } => format!("set limits: {}", limits(writes)),
        Action::FilterDevices { rules } => {
            format!(
                "decide which devices may be used: {}",
                list(rules, device_rule)
            )
        }
        Action::JoinCgroup { paths, optional } => {
            let some = *optional && !paths.dirs.is_empty();
            let which = if some {
                ", as far as they were made"
            } else {
                ""
            };
            format!("join {}{which}", cgroups(paths))
        }
        Action::SetPropagation { propagation } => {
            format!("let mount events travel as {}", travel(*propagation))
        }
        Action::OpenHostProc => "open the host's /proc".to_owned(),
        Action::OpenRoot { path, propagation } => {
            let how = propagation.map(|p| format!(" ({})", travel(p)));
            let how = how.unwrap_or_default();
            format!(
                "copy the tree {} as the container's root{how}",
                quoted_path(path)
            )
        }
        Action::OverlayRoot { overlay } => {
            let layers = list(&overlay.layers, |path| quoted_path(path));
            let owners = if overlay.owners.is_empty() {
                String::new()
            } else {
                format!(
                    ", its files shown under other owners: {}",
                    ids(&overlay.owners)
                )
            };
            match &overlay.changes {
                Some(changes) => format!(
                    "lay {} over {layers} as the container's root{owners}",
                    quoted_path(&changes.upper)
                ),
                None => format!("lay {layers} over each other as the container's root{owners}"),
            }
        }
        Action::AttachRoot { path } => format!("put the container's root at {}", quoted_path(path)),
        Action::OpenSource {
            path,
            recursive,
            propagation,
            ..
        } => {
            let below = with_below(*recursive);
            let how = propagation.map(|p| format!(" ({})", travel(p)));
            let (path, how) = (quoted_path(path), how.unwrap_or_default());
            format!("take {path}{below} as a mount of its own{how}")
        }
        Action::MapOwners {
            uids,
            gids,
            recursive,
            ..
        } => format!(
            "show the files of that mount{} under other owners: users {}; groups {}",
            with_below(*recursive),
            ids(uids),
            ids(gids)
        ),
        Action::MountCopy {
            source,
            target,
            flags,
            propagation,
            ..
        } => format!(
            "bind {} at {}{}",
            quoted_path(source),
            quoted_path(&target.path),
            mount_words(mount_flags(*flags), propagation)
        ),
        Action::MountNew {
            filesystem,
            target,
            flags,
            propagation,
        } => format!(
            "mount a new {} at {}{}",
            file_system(filesystem),
            quoted_path(&target.path),
            mount_words(with_options(mount_flags(*flags), filesystem), propagation)
        ),
        Action::Remount {
            target,
            flags,
            propagation,
        } => format!(
            "change the mount at {}{}",
            quoted_path(&target.path),
            mount_words(mount_flags(*flags), propagation)
        ),
        Action::MakeDevice { device, from_host } => make_device(device, *from_host),
        Action::MakeDirectory { path } => {
            format!("make the directory {} if it is missing", quoted_path(path))
        }
        Action::MakeLink { path, target } => {
            format!(
                "make {} a link to {}",
                quoted_path(path),
                quoted_path(target)
            )
        }
        Action::MakeTerminal { size, owner } => {
            let size = size.map(|(rows, columns)| format!(" of {columns} columns and {rows} rows"));
            let size = size.unwrap_or_default();
            format!("make a terminal{size} for user {owner} and hand its other side out")
        }
        Action::RunHook { hook } => run_hook(hook),
        Action::EnterRoot { how } => enter_root(*how).to_owned(),
        Action::ProtectRoot => "make the root mount read-only".to_owned(),
        Action::MaskPath { path } => format!("hide {}, if it is there", quoted_path(path)),
        Action::ProtectPath { path } => {
            format!("make {} read-only, if it is there", quoted_path(path))
        }
        Action::SetHostname { name } => format!("set the host name to {}", quoted(name)),
        Action::SetDomainname { name } => format!("set the NIS domain name to {}", quoted(name)),
        Action::SetSysctl { key, value } => {
            format!(
                "set the kernel parameter {} to {}",
                quoted(key),
                quoted(value)
            )
        }
        Action::NewKeyring { name } => format!("start a new session keyring {}", quoted(name)),
        Action::NewSession => "start a new session".to_owned(),
        Action::SetOomScore { adjustment } => {
            format!("set the out-of-memory score adjustment to {adjustment}")
        }
        Action::SetRlimit {
            name, soft, hard, ..
        } => format!(
            "limit {} to {}, at most {}",
            quoted(name),
            limit(*soft),
            limit(*hard)
        ),
        Action::SetScheduler { attr } => scheduler(attr),
        Action::SetIoPriority { class, level } => {
            format!(
                "set the I/O priority to {} {level}",
                values::io_class(*class)
            )
        }
        Action::SetAffinity { cpus } if cpus.is_empty() => {
            "run on every processor that its cgroup allows".to_owned()
        }
        Action::SetAffinity { cpus } => {
            format!(
                "run on the processors {} only",
                list(cpus, ToString::to_string)
            )
        }
        Action::SetMemoryPolicy { mode, nodes } => memory_policy(*mode, nodes),
        Action::SetPersonality { persona } => {
            format!("set the execution domain to {}", values::persona(*persona))
        }
        Action::SetLabel { label } => set_label(label),
        Action::GiveStdio { uid } => format!("give the standard streams to user {uid}"),
        Action::EnterDirectory { path, .. } => {
            format!("change to the directory {}", quoted_path(path))
        }
        Action::LimitBounding { keep, .. } => {
            format!("drop from the bounding set {}", all_but(*keep))
        }
        Action::SetUser {
            uid,
            gid,
            groups,
            umask,
        } => set_user(*uid, *gid, groups.as_deref(), *umask),
        Action::SetCapabilities {
            effective,
            permitted,
            inheritable,
            ambient,
            ..
        } => set_capabilities(*effective, *permitted, *inheritable, *ambient),
        Action::DieWithLauncher => "end when its keeper ends".to_owned(),
        Action::NoNewPrivileges => "give up gaining privileges by exec for good".to_owned(),
        Action::HoldSignals => "keep signals back until the program asks for them".to_owned(),
        Action::FindProgram { program, search } => find_program(program, search),
        Action::LoadSeccomp { filter } => load_seccomp(filter),
        Action::Exec { args, env } => exec(args, env),
    }
}

/// A process, as the subject or object of a sentence.
fn who(actor: Actor) -> &'static str {
    match actor {
        Actor::Launcher => "the launcher",
        Actor::Joiner => "the joiner",
        Actor::Init => "init",
    }
}

fn news(signal: Signal) -> &'static str {
    match signal {
        Signal::Mapped => "the ids are mapped",
        Signal::Prepared => "what only it may do is done",
        Signal::RootAssembled => "the root is assembled",
        Signal::HooksDone => "the hooks are done",
        Signal::Ready => "all is ready but the program",
        Signal::Recorded => "the container is on record",
        Signal::Start => "the program may start",
        Signal::NetworkMade => "there is a network to connect",
        Signal::Connected => "the network is connected",
    }
}

fn start_process(child: Actor, namespaces: &[Namespace], into_cgroup: bool) -> String {
    let born = match namespaces {
        [] => String::new(),
        some => format!(" in {}", new_kinds(some)),
    };
    let cgroup = if into_cgroup {
        ", straight into its cgroup where the kernel can"
    } else {
        ""
    };
    format!("start {}{born}{cgroup}", who(child))
}

/// The directories, those of one name together.
fn cgroups(paths: &CgroupPaths) -> String {
    let mut by_place: Vec<(PathBuf, &str, Vec<String>)> = Vec::new();
    for dir in &paths.dirs {
        let above = dir.mount.parent().unwrap_or(&dir.mount).to_owned();
        let name = dir.mount.file_name().unwrap_or_default().to_string_lossy();
        let same = |(a, path, _): &&mut (PathBuf, &str, _)| *a == above && *path == dir.path;
        match by_place.iter_mut().find(same) {
            Some((.., names)) => names.push(name.into_owned()),
            None => by_place.push((above, &dir.path, vec![name.into_owned()])),
        }
    }
    let each = list(&by_place, |(above, path, names)| match names.as_slice() {
        [one] => quoted_path(&above.join(one).join(path)),
        some => {
            let names = list(some, |n| quoted(n)).replace(", ", ",");
            format!("{}/{{{names}}}/{}", quoted_path(above), quoted(path))
        }
    });
    match paths.dirs.len() {
        0 => "no cgroup, for there is none".to_owned(),
        1 => format!("the cgroup {each}"),
        _ => format!("the cgroups {each}"),
    }
}

fn limits(writes: &[Write]) -> String {
    list(writes, |w| {
        format!("{} = {}", quoted(&w.file), quoted(&w.value))
    })
}

fn with_below(recursive: bool) -> &'static str {
    if recursive {
        ", with all mounts below it,"
    } else {
        ""
    }
}

/// "all capabilities", or which of them not.
fn all_but(keep: CapSet) -> String {
    match keep.0 {
        0 => "all capabilities".to_owned(),
        _ => format!("all capabilities but {}", caps(keep)),
    }
}

fn file_system(fs: &Filesystem) -> String {
    let fstype = quoted(&fs.fstype);
    if fs.source == fs.fstype {
        return fstype;
    }
    format!("{fstype} from {}", quoted(&fs.source))
}

fn with_options(mut words: Vec<String>, fs: &Filesystem) -> Vec<String> {
    for (key, value) in &fs.options {
        words.push(match value {
            Some(value) => format!("{}={}", quoted(key), quoted(value)),
            None => quoted(key),
        });
    }
    if fs.copy_up {
        words.push("with a copy of what it covers".to_owned());
    }
    words
}

fn make_device(d: &Device, from_host: bool) -> String {
    let (path, mode, owner) = (quoted_path(&d.path), d.mode, format!("{}:{}", d.uid, d.gid));
    match d.kind {
        libc::S_IFIFO => format!("make the FIFO {path} (mode {mode:04o}, owner {owner})"),
        kind => {
            let kind = if kind == libc::S_IFBLK {
                "block"
            } else {
                "character"
            };
            let number = format!("{}:{}", d.major, d.minor);
            if from_host {
                return format!(
                    "bind the host's {kind} device {path} ({number}) there, \
                     for a new one cannot be made"
                );
            }
            format!("make the {kind} device {path} ({number}, mode {mode:04o}, owner {owner})")
        }
    }
}

fn run_hook(hook: &HookRun) -> String {
    let seconds = hook.timeout.map(|t| format!(", for at most {t} s"));
    let seconds = seconds.unwrap_or_default();
    let (field, index, path) = (hook.field, hook.index, quoted_path(&hook.path));
    format!("run the hook {field}[{index}], {path}{seconds}")
}

fn enter_root(how: EnterRoot) -> &'static str {
    match how {
        EnterRoot::Pivot => "enter the container's root with pivot_root and drop the old one",
        EnterRoot::Move => "enter the container's root by moving it over /",
        EnterRoot::Chroot => "enter the container's root with chroot",
    }
}

fn scheduler(attr: &SchedAttr) -> String {
    let mut words = vec![format!(
        "set the scheduling policy to {}",
        values::policy(attr.policy)
    )];
    let mut add = |name: &str, value: i128| {
        if value != 0 {
            words.push(format!("{name} {value}"));
        }
    };
    add("nice", attr.nice.into());
    add("priority", attr.priority.into());
    add("runtime", attr.runtime.into());
    add("deadline", attr.deadline.into());
    add("period", attr.period.into());
    if attr.flags != 0 {
        words.push(format!("flags {:#x}", attr.flags));
    }
    words.join(", ")
}

fn memory_policy(mode: u32, nodes: &[u32]) -> String {
    let on = match nodes {
        [] => String::new(),
        some => format!(" of the nodes {}", list(some, ToString::to_string)),
    };
    format!("take memory{on} by the policy {}", memory_mode(mode))
}

fn set_label(label: &Label) -> String {
    let (module, label) = match label {
        Label::AppArmor(profile) => ("AppArmor profile", profile),
        Label::Selinux(context) => ("SELinux context", context),
    };
    format!("let the program run under the {module} {}", quoted(label))
}

fn set_user(uid: u32, gid: u32, groups: Option<&[u32]>, umask: Option<u32>) -> String {
    let groups = match groups {
        None => "keeping the groups".to_owned(),
        Some([]) => "no further groups".to_owned(),
        Some(some) => format!("groups {}", list(some, ToString::to_string)),
    };
    let umask = umask
        .map(|m| format!(", umask {m:04o}"))
        .unwrap_or_default();
    format!("become user {uid}, group {gid}, {groups}{umask}")
}

fn set_capabilities(
    effective: CapSet,
    permitted: CapSet,
    inheritable: CapSet,
    ambient: CapSet,
) -> String {
    let mut words = vec![format!("drop {}", all_but(permitted))];
    if effective != permitted {
        words.push(format!("in force: {}", caps(effective)));
    }
    words.push(format!("inheritable: {}", caps(inheritable)));
    words.push(format!("ambient: {}", caps(ambient)));
    words.join("; ")
}

fn find_program(program: &str, search: &str) -> String {
    if program.contains('/') || search.is_empty() {
        return format!("look for the program {}", quoted(program));
    }
    format!(
        "look for the program {} in {}",
        quoted(program),
        quoted(search)
    )
}

fn load_seccomp(filter: &Filter) -> String {
    let length = filter.program.len();
    let asks = if filter.notify {
        ", handing its listener out"
    } else {
        ""
    };
    let (rules, calls) = (
        count(filter.rules, "rule"),
        count(filter.calls, "system call"),
    );
    let default = quoted(&filter.default_action);
    format!(
        "load a seccomp filter of {length} instructions{asks}: {default} for every system call, \
         but for {rules} about {calls}"
    )
}

fn count(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}

/// Only the names of the environment: its values are often secrets. A home
/// that was not given is found by the user's entry in the image.
fn exec(args: &[String], env: &[String]) -> String {
    let args: Vec<_> = args.iter().map(|a| quoted(a)).collect();
    let given = env.iter().any(|e| e.starts_with("HOME=") && e != "HOME=");
    let home = if given { "" } else { ", and the user's HOME" };
    format!("execute {} with {}{home}", args.join(" "), env_names(env))
}

/// A step as one line: its number, who does it, what and why.
pub fn step(number: usize, step: &Step) -> String {
    let (actor, what) = (actor(step.actor), action(&step.action));
    format!("step {number}, {actor}: {what} -- {}", step.why)
}

fn actor(actor: Actor) -> &'static str {
    match actor {
        Actor::Launcher => "launcher",
        Actor::Joiner => "joiner",
        Actor::Init => "init",
    }
}

fn heading(actor: Actor) -> &'static str {
    match actor {
        Actor::Launcher => "The launcher, on the host:",
        Actor::Joiner => "The joiner, on its way into existing namespaces:",
        Actor::Init => "Init, on its way to becoming the program:",
    }
}

/// The whole plan: steps numbered from 1, under a heading wherever another
/// process goes on, each followed by its reason. Neighbours that share a
/// reason have it told once, after the last of them, with their numbers.
pub fn plan(plan: &Plan) -> String {
    let count = plan.steps.len();
    let width = count.to_string().len();
    let pad = " ".repeat(width + 2);
    let mut lines = vec![format!("{count} steps from the host to the program.")];
    let mut acting = None;
    let mut first = 1;
    for (i, step) in plan.steps.iter().enumerate() {
        if acting.replace(step.actor) != Some(step.actor) {
            lines.push(format!("\n{}", heading(step.actor)));
        }
        lines.push(format!("{:>width$}. {}", i + 1, action(&step.action)));
        if step.on_failure == OnFailure::Warn {
            lines.push(format!(
                "{pad}If this fails, it is told and the start goes on."
            ));
        }
        let next = plan.steps.get(i + 1);
        if next.is_none_or(|n| (n.actor, n.why) != (step.actor, step.why)) {
            lines.push(match i + 1 - first {
                0 => format!("{pad}  ({})", step.why),
                _ => format!("{pad}  (steps {first} to {}: {})", i + 1, step.why),
            });
            first = i + 2;
        }
    }
    let warnings = plan.warnings.iter().map(|w| values::harmless(w));
    lines.extend(warnings.map(|w| format!("\nWarning: {w}")));
    lines.join("\n") + "\n"
}
