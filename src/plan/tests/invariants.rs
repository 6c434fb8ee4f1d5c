//! What must hold of every plan, whatever is asked for.

use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::fixtures::{BUNDLE, Fixture, all, docker, further, host, plan, v2};
use crate::plan::{Action, Actor, Namespace, Options, Plan, Signal, Slot, Step};

fn plans() -> Vec<(&'static str, Plan)> {
    let plan = |f: &Fixture| {
        (
            f.name,
            f.plan().unwrap_or_else(|e| panic!("{}: {e}", f.name)),
        )
    };
    all().iter().map(plan).collect()
}

fn every_plan() -> Vec<(&'static str, Plan)> {
    let mut all = plans();
    all.push(("exec", further()));
    all
}

fn find(plan: &Plan, what: impl Fn(&Action) -> bool) -> Option<usize> {
    plan.steps.iter().position(|s| what(&s.action))
}

fn must_find(name: &str, plan: &Plan, what: impl Fn(&Action) -> bool) -> usize {
    find(plan, what).unwrap_or_else(|| panic!("{name}: a step is missing"))
}

#[test]
fn who_waits_is_told_and_who_is_told_has_waited() {
    for (name, plan) in every_plan() {
        let mut told: Vec<(Actor, Actor, Signal)> = Vec::new();
        for step in &plan.steps {
            match step.action {
                Action::Tell { to, signal } => told.push((step.actor, to, signal)),
                Action::Wait { from, signal } => {
                    let wanted = (from, step.actor, signal);
                    let at = told.iter().position(|t| *t == wanted);
                    let at = at.unwrap_or_else(|| panic!("{name}: {wanted:?} never told before"));
                    told.remove(at);
                }
                _ => {}
            }
        }
        // After the exec plan's last word the launcher only waits for the exec.
        assert!(told.is_empty(), "{name}: told to nobody: {told:?}");
    }
}

/// Where each process begins; the launcher is there from the start.
fn births(plan: &Plan) -> Vec<(Actor, Actor, usize)> {
    let born = |(i, s): (usize, &Step)| match s.action {
        Action::StartProcess { child, .. } => Some((child, s.actor, i)),
        _ => None,
    };
    plan.steps.iter().enumerate().filter_map(born).collect()
}

/// Whether something `by` did at step `i` is in the hands of `actor`.
fn inherits(plan: &Plan, actor: Actor, by: Actor, i: usize) -> bool {
    if actor == by {
        return true;
    }
    let birth = births(plan).into_iter().find(|(child, ..)| *child == actor);
    birth.is_some_and(|(_, parent, at)| i < at && inherits(plan, parent, by, i))
}

fn makes(action: &Action) -> Option<Slot> {
    match action {
        Action::OpenRoot { .. } | Action::OverlayRoot { .. } | Action::AttachRoot { .. } => {
            Some(Slot::Root)
        }
        Action::OpenHostProc => Some(Slot::HostProc),
        Action::OpenSource { slot, .. } => Some(*slot),
        Action::OpenNamespace { kind, .. } => Some(Slot::Namespace(*kind)),
        _ => None,
    }
}

fn uses(action: &Action) -> Option<Slot> {
    match action {
        Action::EnterNamespace { kind } => Some(Slot::Namespace(*kind)),
        Action::MapOwners { slot, .. } | Action::MountCopy { slot, .. } => Some(*slot),
        Action::MountNew { .. }
        | Action::Remount { .. }
        | Action::MakeDevice { .. }
        | Action::MakeDirectory { .. }
        | Action::MakeLink { .. }
        | Action::MaskPath { .. }
        | Action::ProtectPath { .. }
        | Action::ProtectRoot
        | Action::EnterRoot { .. } => Some(Slot::Root),
        Action::SetSysctl { .. } | Action::SetLabel { .. } => Some(Slot::HostProc),
        _ => None,
    }
}

#[test]
fn what_is_used_was_opened_before_by_the_process_or_its_parents() {
    for (name, plan) in every_plan() {
        for (i, step) in plan.steps.iter().enumerate() {
            let Some(slot) = uses(&step.action) else {
                continue;
            };
            let opened = plan.steps[..i].iter().enumerate().any(|(j, s)| {
                makes(&s.action) == Some(slot) && inherits(&plan, step.actor, s.actor, j)
            });
            assert!(
                opened,
                "{name}: step {i} uses {slot:?}, which it does not have"
            );
        }
    }
}

#[test]
fn every_process_is_started_before_its_first_step() {
    for (name, plan) in every_plan() {
        for (child, _, at) in births(&plan) {
            let first = plan.steps.iter().position(|s| s.actor == child);
            assert!(first > Some(at), "{name}: {child:?} acts before it exists");
        }
        let actors = plan
            .steps
            .iter()
            .map(|s| s.actor)
            .filter(|a| *a != Actor::Launcher);
        for actor in actors {
            let born = births(&plan)
                .iter()
                .filter(|(child, ..)| *child == actor)
                .count();
            assert_eq!(born, 1, "{name}: {actor:?}");
        }
    }
}

#[test]
fn the_program_is_the_last_thing_init_does() {
    for (name, plan) in every_plan() {
        let execs = plan
            .steps
            .iter()
            .filter(|s| matches!(s.action, Action::Exec { .. }));
        assert_eq!(execs.count(), 1, "{name}");
        let last = plan.steps.iter().rfind(|s| s.actor == Actor::Init);
        let last = last.map(|s| &s.action);
        assert!(
            matches!(last, Some(Action::Exec { .. })),
            "{name}: {last:?}"
        );
    }
}

#[test]
fn power_is_given_up_in_the_order_that_takes_it() {
    for (name, plan) in every_plan() {
        let at = |what: fn(&Action) -> bool| must_find(name, &plan, what);
        let bounding = at(|a| matches!(a, Action::LimitBounding { .. }));
        let user = at(|a| matches!(a, Action::SetUser { .. }));
        let caps = at(|a| matches!(a, Action::SetCapabilities { .. }));
        let exec = at(|a| matches!(a, Action::Exec { .. }));
        assert!(bounding < user && user < caps && caps < exec, "{name}");
        let filter = find(&plan, |a| matches!(a, Action::LoadSeccomp { .. }));
        assert!(
            filter.is_none_or(|f| f > caps),
            "{name}: seccomp before capabilities"
        );
    }
}

#[test]
fn the_cgroup_is_made_before_a_process_and_joined_before_anything_else() {
    for (name, plan) in plans() {
        let start = must_find(name, &plan, |a| matches!(a, Action::StartProcess { .. }));
        if let Some(made) = find(&plan, |a| matches!(a, Action::CreateCgroup { .. })) {
            assert!(made < start, "{name}");
        }
        let joined = must_find(name, &plan, |a| matches!(a, Action::JoinCgroup { .. }));
        let namespace = find(
            &plan,
            |a| matches!(a, Action::CreateNamespaces { kinds } if kinds.contains(&Namespace::Cgroup)),
        );
        assert!(namespace.is_none_or(|n| joined < n), "{name}");
    }
}

#[test]
fn the_root_is_entered_only_when_no_mount_is_left_to_be_made() {
    for (name, plan) in plans() {
        let entered = must_find(name, &plan, |a| matches!(a, Action::EnterRoot { .. }));
        for (i, step) in plan.steps.iter().enumerate() {
            if uses(&step.action) == Some(Slot::Root) {
                assert!(
                    i <= entered,
                    "{name}: step {i} works on the root from inside"
                );
            }
        }
        let read_only = find(&plan, |a| matches!(a, Action::ProtectRoot));
        let writes = plan.steps.iter().rposition(|s| {
            matches!(
                s.action,
                Action::MountNew { .. }
                    | Action::MountCopy { .. }
                    | Action::MakeDevice { .. }
                    | Action::MakeLink { .. }
                    | Action::MakeDirectory { .. }
            )
        });
        assert!(
            read_only.is_none_or(|r| Some(r) > writes),
            "{name}: read-only too early"
        );
    }
}

#[test]
fn inside_the_root_nothing_refers_to_the_host() {
    for (name, plan) in plans() {
        let entered = must_find(name, &plan, |a| matches!(a, Action::EnterRoot { .. }));
        let inside = plan.steps[entered + 1..]
            .iter()
            .filter(|s| s.actor == Actor::Init);
        for step in inside {
            let told = serde_json::to_string(&step.action).expect("it is JSON");
            assert!(!told.contains(BUNDLE), "{name}: {told}");
            let outside = makes(&step.action).is_some()
                || matches!(
                    step.action,
                    Action::MountCopy { .. }
                        | Action::JoinCgroup { .. }
                        | Action::EnterNamespace { .. }
                        | Action::CreateNamespaces { .. }
                        | Action::StartProcess { .. }
                );
            assert!(!outside, "{name}: {told}");
        }
    }
}

#[test]
fn paths_inside_are_absolute_and_never_climb() {
    for (name, plan) in plans() {
        for step in &plan.steps {
            let path = match &step.action {
                Action::MountCopy { target, .. }
                | Action::MountNew { target, .. }
                | Action::Remount { target, .. } => &target.path,
                Action::MakeDevice { device, .. } => &device.path,
                Action::MakeLink { path, .. }
                | Action::MaskPath { path }
                | Action::ProtectPath { path } => path,
                _ => continue,
            };
            let climbs = path.components().any(|c| c.as_os_str() == "..");
            assert!(path.is_absolute() && !climbs, "{name}: {}", path.display());
            assert!(path.starts_with(Path::new("/")), "{name}");
        }
    }
}

/// The steps, but for what only the program itself sees.
fn isolation(plan: &Plan) -> Vec<Step> {
    let own = |s: &&Step| !matches!(s.action, Action::Exec { .. } | Action::FindProgram { .. });
    plan.steps.iter().filter(own).cloned().collect()
}

fn planned(spec: &serde_json::Value) -> Plan {
    let options = Options {
        id: "example".to_owned(),
        ..Options::default()
    };
    plan(spec, &host(v2()), &options).expect("a plan")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn annotations_and_environment_change_no_step(
        annotations in prop::collection::btree_map("[a-z./]{1,20}|run\\.oci\\..{0,8}|io\\.katacontainers.{0,9}", ".{0,20}", 0..6),
        env in prop::collection::vec("[A-Z_]{1,12}=[^\0]{0,20}", 0..6),
    ) {
        let mut spec = docker();
        let plain = isolation(&planned(&spec));
        spec["annotations"] = json!(annotations);
        spec["process"]["env"] = json!(env);
        prop_assert_eq!(plain, isolation(&planned(&spec)));
    }

    #[test]
    fn whatever_the_destination_a_mount_stays_inside(path in "(/|\\.\\./|\\./|[a-z]{1,3}/){1,8}[a-z.]{0,3}") {
        let mut spec = docker();
        spec["mounts"] = json!([{ "destination": path, "type": "tmpfs", "source": "tmpfs" }]);
        spec["linux"]["maskedPaths"] = json!([format!("/{path}")]);
        let inside = planned(&spec).steps.into_iter().filter_map(|s| match s.action {
            Action::MountNew { target, .. } => Some(target.path),
            Action::MaskPath { path } => Some(path),
            _ => None,
        });
        for path in inside {
            prop_assert!(path.is_absolute());
            prop_assert!(!path.components().any(|c| c.as_os_str() == ".."));
        }
    }
}
