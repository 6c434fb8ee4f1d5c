//! Each action, carried out: one arm each, and none for the rest.
//!
//! An arm that needs more than a few lines calls into the module that knows
//! the matter; what an arm needs of the walk (descriptors, the child, the
//! cgroup) it takes from [`Walk`].

use std::collections::btree_map::Entry;
use std::path::Path;

use super::attributes::{set_flags, travelling};
use super::channel::Message;
use super::program::{self, as_root};
use super::walk::{Done, StepError, Walk, become_root, missing, run_map_helper};
use super::{devices, mounting, procfs};
use crate::cgroup::devices::DeviceList;
use crate::cgroup::ops::{Cgroup, Permission};
use crate::network;
use crate::plan::{Action, Actor, Label, MountFlags, Signal, Slot};
use crate::sys::{identity, mount, namespace, process};
use crate::timings::{self, Moment};

impl Walk<'_> {
    /// Carries out one action. No arm for "the rest": a new kind of action
    /// has to be thought about here.
    #[allow(
        clippy::too_many_lines,
        reason = "a flat table of one short arm for each action"
    )]
    pub(super) fn perform(&mut self, action: &Action) -> Done {
        match action {
            Action::Tell { signal, .. } => self.channel.send(&Message::Told(*signal))?,
            Action::Wait {
                signal: Signal::Start,
                ..
            } if self.me == Actor::Init => {
                timings::mark(Moment::Ready);
                self.await_start()?;
                timings::mark(Moment::Told);
            }
            Action::Wait { signal, .. } => self.await_signal(*signal)?,
            Action::StartProcess {
                child,
                namespaces,
                into_cgroup,
            } => {
                self.start_process(*child, namespaces, *into_cgroup)?;
            }
            Action::CreateNamespaces { kinds } => {
                namespace::unshare(kinds.iter().fold(0, |all, k| all | k.flag()))?;
                timings::mark(Moment::Apart);
            }
            Action::OpenNamespace { kind, path } => {
                let ns = mounting::open_namespace(path, *kind)?;
                self.slots.insert(Slot::Namespace(*kind), ns);
            }
            Action::EnterNamespace { kind } => {
                namespace::setns(self.slot(Slot::Namespace(*kind))?, kind.flag())?;
            }
            Action::EnterContainer { kinds } => {
                let flags = kinds.iter().fold(0, |all, k| all | k.flag());
                if flags != 0 {
                    namespace::setns(self.slot(Slot::Container)?, flags)?;
                }
            }
            Action::SetClockOffset {
                clock,
                seconds,
                nanoseconds,
            } => {
                let line = format!("{clock} {seconds} {nanoseconds}\n");
                // Its own change of user has made this process opaque, and its
                // file in procfs root's of the host. Where others share the
                // user namespace, it has to stay so.
                if !self.hidden {
                    identity::set_dumpable(true)?;
                }
                mounting::write_file(Path::new("/proc/self/timens_offsets"), &line)?;
            }
            Action::WriteIdMap {
                groups,
                ranges,
                helper,
            } => {
                let pid = self.child_pid()?;
                match helper {
                    Some(helper) => run_map_helper(helper, pid, ranges)?,
                    None => mounting::write_map(
                        pid,
                        if *groups { "gid_map" } else { "uid_map" },
                        ranges,
                    )?,
                }
            }
            Action::DenySetgroups => {
                let path = format!("/proc/{}/setgroups", self.child_pid()?);
                mounting::write_file(Path::new(&path), "deny")?;
            }
            Action::RaiseLoopback => namespace::raise_loopback()?,
            Action::EnsureBridge { bridge } => {
                for news in network::bridge::ensure(bridge)? {
                    self.warnings.push(news);
                }
            }
            Action::MakeInterface { interface } => {
                let namespace = self.network_of_child()?;
                network::interface::make(namespace, interface)?;
            }
            Action::ArrangeInterface { interface } => {
                let namespace = self.network_of_child()?;
                network::interface::arrange(namespace, interface)?;
            }
            Action::BecomeRoot => become_root()?,
            Action::HideFromOthers => {
                identity::set_dumpable(false)?;
                self.hidden = true;
            }
            Action::CreateCgroup { paths, optional } => {
                let permission = if *optional {
                    Permission::Optional
                } else {
                    Permission::Required
                };
                self.cgroup = Some(Cgroup::create(paths.clone(), permission)?);
            }
            Action::SetLimits { writes } => {
                self.cgroup()?
                    .apply(writes)
                    .map_err(|e| e.context("config.json"))?;
            }
            Action::FilterDevices { rules } => {
                self.cgroup()?.set_devices(&DeviceList::compile(rules)?)?;
            }
            Action::JoinCgroup { .. } => self.join_cgroup()?,
            Action::SetPropagation { propagation } => mounting::set_propagation(*propagation)?,
            Action::OpenHostProc => {
                let proc = procfs::open_host()?;
                self.slots.insert(Slot::HostProc, proc);
            }
            Action::OpenRoot { path, propagation } => {
                let tree = mounting::copy(path, true)?;
                let tree = travelling(tree, *propagation)?;
                self.slots.insert(Slot::Root, tree);
            }
            Action::OverlayRoot { overlay } => {
                // Whoever asked for the start may have made it before, to see
                // who the image's users are.
                if let Entry::Vacant(root) = self.slots.entry(Slot::Root) {
                    root.insert(super::overlay::mount(overlay)?);
                }
            }
            Action::AttachRoot { path } => self.attach_root(path)?,
            Action::OpenSource {
                slot,
                path,
                recursive,
                propagation,
            } => {
                let copy = match self.slots.remove(slot) {
                    Some(made) => made,
                    None => mounting::copy(path, *recursive)?,
                };
                let copy = travelling(copy, *propagation)?;
                self.slots.insert(*slot, copy);
            }
            Action::MapOwners {
                slot,
                uids,
                gids,
                recursive,
            } => {
                let map = mounting::mapping_namespace(uids, gids)?;
                mount::set_idmap(self.slot(*slot)?, &map, *recursive)?;
            }
            Action::MountCopy {
                slot,
                target,
                flags,
                propagation,
                ..
            } => {
                let copy = self.slots.remove(slot).ok_or_else(|| missing(*slot))?;
                mounting::place(
                    as_root(self.slot(Slot::Root)?),
                    &copy,
                    target,
                    *flags,
                    propagation,
                )?;
            }
            Action::MountNew {
                filesystem,
                target,
                flags,
                propagation,
            } => {
                self.mount_new(filesystem, target, *flags, propagation)?;
            }
            Action::Remount {
                target,
                flags,
                propagation,
            } => {
                mounting::remount(as_root(self.slot(Slot::Root)?), target, *flags, propagation)?;
            }
            Action::MakeDevice { device, .. } => {
                devices::make(as_root(self.slot(Slot::Root)?), device)?;
            }
            Action::MakeDirectory { path } => {
                as_root(self.slot(Slot::Root)?).make_directory(path)?;
            }
            Action::MakeLink { path, target } => {
                devices::link(as_root(self.slot(Slot::Root)?), path, target)?;
            }
            Action::MakeTerminal { size, owner } => self.make_terminal(*size, *owner)?,
            Action::RunHook { hook } => self.run_hook(hook)?,
            Action::EnterRoot { how } => self.enter_root(*how)?,
            Action::ProtectRoot => {
                let flags = MountFlags::set(libc::MOUNT_ATTR_RDONLY);
                set_flags(self.slot(Slot::Root)?, flags)?;
            }
            Action::MaskPath { path } => {
                let root = as_root(self.slot(Slot::Root)?);
                let empty = mounting::mask(root, path, self.slots.get(&Slot::Empty))?;
                self.slots.extend(empty.map(|fd| (Slot::Empty, fd)));
            }
            Action::ProtectPath { path } => {
                mounting::protect(as_root(self.slot(Slot::Root)?), path)?;
            }
            Action::SetHostname { name } => namespace::set_hostname(name)?,
            Action::SetDomainname { name } => namespace::set_domainname(name)?,
            Action::SetSysctl { key, value } => {
                procfs::set_sysctl(self.slot(Slot::HostProc)?, key, value)?;
            }
            Action::NewKeyring { name } => namespace::join_session_keyring(name)?,
            Action::NewSession => process::new_session()?,
            Action::SetOomScore { adjustment } => {
                procfs::set_oom_score(self.child_pid()?, *adjustment)?;
            }
            Action::SetRlimit {
                name,
                resource,
                soft,
                hard,
            } => {
                let pid = if self.me == Actor::Launcher {
                    self.child_pid()?
                } else {
                    0
                };
                process::set_rlimit(pid, *resource, name, *soft, *hard)?;
            }
            Action::SetScheduler { attr } => process::set_scheduler(*attr)?,
            Action::SetIoPriority { class, level } => process::set_io_priority(*class, *level)?,
            Action::SetAffinity { cpus } => {
                process::set_affinity(self.child.as_ref().map_or(0, |c| c.pid), cpus)?;
            }
            Action::SetMemoryPolicy { mode, nodes } => process::set_memory_policy(*mode, nodes)?,
            Action::SetPersonality { persona } => process::set_personality(*persona)?,
            Action::SetLabel { label } => {
                let (file, text) = match label {
                    Label::AppArmor(profile) => ("attr/apparmor/exec", format!("exec {profile}")),
                    Label::Selinux(context) => ("attr/exec", context.clone()),
                };
                procfs::write_own(self.slot(Slot::HostProc)?, file, &text)?;
            }
            Action::GiveStdio { uid } => program::give_stdio(*uid)?,
            Action::EnterDirectory { path, make } => {
                let root = self.inner_root()?;
                let root = as_root(&root);
                let dir = if *make {
                    root.make_directory(path)?
                } else {
                    program::find_directory(root, path).map_err(StepError::NotRunnable)?
                };
                program::enter_directory(&dir, path)?;
            }
            Action::LimitBounding { keep, last } => identity::limit_bounding(*keep, *last)?,
            Action::SetUser {
                uid,
                gid,
                groups,
                umask,
            } => self.set_user(*uid, *gid, groups.as_deref(), *umask)?,
            Action::SetCapabilities {
                effective,
                permitted,
                inheritable,
                ambient,
                last,
            } => {
                identity::set_caps(*effective, *permitted, *inheritable)?;
                identity::set_ambient(*ambient, *last)?;
            }
            Action::NoNewPrivileges => identity::no_new_privs()?,
            Action::DieWithLauncher => identity::set_parent_death_signal(libc::SIGKILL)?,
            Action::HoldSignals => process::hold_all()?,
            Action::FindProgram { program, search } => self.find_program(program, search)?,
            Action::LoadSeccomp { filter } => self.load_seccomp(filter)?,
            Action::Exec { args, .. } => return Err(self.exec(args)),
        }
        Ok(())
    }
}
