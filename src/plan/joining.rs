//! Planning processes and namespaces: who is born where, who enters what.

use oci_spec::runtime::Spec;

use super::Container;
use super::action::{Action, Actor, Namespace, Signal};
use super::steps::Steps;

pub(super) fn open_namespaces(s: &mut Steps, c: &Container<'_>) {
    for (kind, path) in &c.namespaces.joined {
        s.launcher(
            Action::OpenNamespace {
                kind: *kind,
                path: path.clone(),
            },
            "opened now, while its path can be reached, and checked to be of the right kind",
        );
    }
}

/// A process cannot enter a pid or time namespace itself, only its children
/// are born there; and whoever joins a user namespace must do so before it
/// makes the others, which then belong to it.
pub(super) fn first_child(c: &Container<'_>) -> Actor {
    let joins = |kind| c.namespaces.joined.contains_key(&kind);
    let indirect = joins(Namespace::User)
        || joins(Namespace::Pid)
        || joins(Namespace::Time)
        || c.namespaces.makes(Namespace::Time);
    if indirect { Actor::Joiner } else { Actor::Init }
}

pub(super) fn start_first_child(s: &mut Steps, c: &Container<'_>, child: Actor) {
    let born_in: &[Namespace] = match child {
        Actor::Joiner => &[Namespace::User],
        _ => &[Namespace::User, Namespace::Pid],
    };
    s.launcher(
        Action::StartProcess {
            child,
            namespaces: c.namespaces.making(born_in),
            into_cgroup: true,
        },
        match child {
            Actor::Joiner => {
                "a process cannot move into these namespaces; its children are born there"
            }
            _ => "it is process 1 of its pid namespace; the rest it makes itself",
        },
    );
}

pub(super) fn map_ids(s: &mut Steps, c: &Container<'_>, child: Actor) {
    if !c.namespaces.makes(Namespace::User) {
        return;
    }
    let privileged = c.facts.has("CAP_SETUID") && c.facts.has("CAP_SETGID");
    let alone = |ranges: &[super::IdRange], id| {
        ranges.len() == 1 && ranges[0].count == 1 && ranges[0].outside == id
    };
    let own_only = alone(&c.uids, c.facts.ids.0) && alone(&c.gids, c.facts.ids.1);
    let helpers = if privileged || own_only {
        None
    } else {
        c.facts.map_helpers.clone()
    };
    let (uid_helper, gid_helper) = helpers.unzip();
    if !privileged && own_only {
        s.launcher(
            Action::DenySetgroups,
            "the kernel lets a user map the own group only without the power to leave groups",
        );
    }
    s.launcher(
        Action::WriteIdMap {
            groups: false,
            ranges: c.uids.clone(),
            helper: uid_helper,
        },
        "until then nobody is anybody in the new user namespace",
    );
    s.launcher(
        Action::WriteIdMap {
            groups: true,
            ranges: c.gids.clone(),
            helper: gid_helper,
        },
        "the same for groups",
    );
    s.handover(
        Actor::Launcher,
        child,
        Signal::Mapped,
        "it can become somebody now",
    );
    s.add(
        child,
        Action::BecomeRoot,
        "as the mapped root it owns what it makes",
    );
}

pub(super) fn may_set_groups(c: &Container<'_>) -> bool {
    if !c.namespaces.makes(Namespace::User) {
        return true;
    }
    let privileged = c.facts.has("CAP_SETUID") && c.facts.has("CAP_SETGID");
    privileged || !(c.gids.len() == 1 && c.gids[0].count == 1)
}

pub(super) fn join_and_start_init(s: &mut Steps, c: &Container<'_>) {
    let joins = |kind| c.namespaces.joined.contains_key(&kind);
    let joiner = Actor::Joiner;
    if joins(Namespace::User) || joins(Namespace::Pid) {
        s.add(joiner, Action::HideFromOthers, "processes already in there must not look into this one, which still has the host's files open");
    }
    if joins(Namespace::User) {
        s.add(
            joiner,
            Action::EnterNamespace {
                kind: Namespace::User,
            },
            "first: it decides about all the others",
        );
        s.add(
            joiner,
            Action::BecomeRoot,
            "as its root it owns what it makes",
        );
    }
    for kind in [Namespace::Pid, Namespace::Time] {
        if joins(kind) {
            s.add(
                joiner,
                Action::EnterNamespace { kind },
                "for the child that comes next",
            );
        }
    }
    make_time_namespace(s, c);
    s.add(
        joiner,
        Action::StartProcess {
            child: Actor::Init,
            namespaces: c.namespaces.making(&[Namespace::Pid]),
            into_cgroup: true,
        },
        "born where its parent could not go; a sibling of its parent, so that the launcher can wait for it",
    );
}

pub(super) fn make_time_namespace(s: &mut Steps, c: &Container<'_>) {
    if !c.namespaces.makes(Namespace::Time) {
        return;
    }
    let joiner = Actor::Joiner;
    s.add(
        joiner,
        Action::CreateNamespaces {
            kinds: vec![Namespace::Time],
        },
        "for the child that comes next",
    );
    let offsets = c.linux().and_then(|l| l.time_offsets().as_ref());
    let mut offsets: Vec<_> = offsets.into_iter().flatten().collect();
    offsets.sort_by_key(|(clock, _)| clock.as_str());
    for (clock, offset) in offsets {
        s.add(
            joiner,
            Action::SetClockOffset {
                clock: clock.clone(),
                seconds: offset.secs().unwrap_or(0),
                nanoseconds: offset.nanosecs().unwrap_or(0),
            },
            "only possible before the first process is born there",
        );
    }
}

pub(super) fn enter_namespaces(s: &mut Steps, c: &Container<'_>) {
    let later = [
        Namespace::Mount,
        Namespace::Network,
        Namespace::Ipc,
        Namespace::Uts,
        Namespace::Cgroup,
    ];
    if first_child(c) == Actor::Init && c.namespaces.joined.keys().any(|k| *k == Namespace::Pid) {
        s.init(
            Action::HideFromOthers,
            "processes already in there must not look into this one",
        );
    }
    for kind in later {
        if c.namespaces.joined.contains_key(&kind) {
            s.init(
                Action::EnterNamespace { kind },
                "shared with whoever made it",
            );
        }
    }
    let kinds = c.namespaces.making(&later);
    if !kinds.is_empty() {
        s.init(
            Action::CreateNamespaces { kinds },
            "after joining the cgroup, since that becomes the root its cgroup namespace shows",
        );
    }
    if c.namespaces.makes(Namespace::Network) {
        s.init(
            Action::RaiseLoopback,
            "a new network namespace has nothing but this, and it is down",
        );
    }
}

pub(super) fn name_the_host(s: &mut Steps, spec: &Spec) {
    if let Some(name) = spec.hostname().clone() {
        s.init(
            Action::SetHostname { name },
            "in its own UTS namespace; the host keeps its name",
        );
    }
    if let Some(name) = spec.domainname().clone() {
        s.init(Action::SetDomainname { name }, "in its own UTS namespace");
    }
}
