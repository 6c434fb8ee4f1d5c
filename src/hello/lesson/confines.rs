//! What it may do, and how much it may use.

use super::super::observe::{Capabilities, Facts, Seccomp, Ulimit};
use super::{Fact, Section, count, fact};
use crate::format::units::size;
use crate::spec;

/// What people miss first, with what it is for.
const MISSED: [(&str, &str); 5] = [
    ("sys_admin", "mount"),
    ("net_admin", "networks"),
    ("sys_module", "drivers"),
    ("sys_time", "clock"),
    ("sys_boot", "reboot"),
];

pub fn powers(facts: &Facts) -> Section {
    let caps = &facts.capabilities;
    let mut told = vec![may(facts.user.uid, caps)];
    told.extend(may_not(caps));
    told.push(system_calls(facts.seccomp));
    told.push(if facts.no_new_privs {
        fact(
            "privileges",
            "never more",
            "no_new_privs is set: su and sudo cannot work",
        )
    } else {
        fact(
            "privileges",
            "can grow (su, sudo)",
            "not with --security-opt no-new-privileges",
        )
    });
    Section {
        title: "Powers",
        facts: told,
    }
}

fn may(uid: u32, caps: &Capabilities) -> Fact {
    if caps.effective.is_empty() {
        let why = match (uid, caps.bounding.len()) {
            (0, _) => "root without any of root's powers".to_owned(),
            (_, 0) => "and no program in here can get any".to_owned(),
            (_, most) => format!("not root; a set-user-id program could get {most}"),
        };
        return fact("may", "nothing that needs a capability", why);
    }
    let is = format!(
        "{} of {} capabilities: {}",
        caps.effective.len(),
        caps.known,
        caps.effective.join(" ")
    );
    let is = if caps.effective.len() == caps.known {
        format!("all {} capabilities", caps.known)
    } else {
        is
    };
    fact("may", is, against_default(&caps.effective))
}

/// How a set differs from what root in a container usually has.
fn against_default(have: &[String]) -> String {
    let usual: Vec<String> = spec::DEFAULT_CAPABILITIES
        .iter()
        .map(|name| name.trim_start_matches("CAP_").to_ascii_lowercase())
        .collect();
    let more = have.iter().filter(|c| !usual.contains(c)).count();
    let less: Vec<&str> = usual
        .iter()
        .filter(|c| !have.contains(c))
        .map(String::as_str)
        .collect();
    match (more, less.len()) {
        (0, 0) => "Docker's usual ones".to_owned(),
        (more, 0) => format!("Docker's usual ones and {more} more"),
        (0, _) => format!("Docker's usual ones without {}", less.join(" ")),
        (more, _) => format!(
            "{more} beyond Docker's usual ones; without {}",
            less.join(" ")
        ),
    }
}

fn may_not(caps: &Capabilities) -> Option<Fact> {
    let missed: Vec<String> = MISSED
        .iter()
        .filter(|(name, _)| !caps.effective.iter().any(|c| c == name))
        .map(|(name, what)| format!("{name} ({what})"))
        .collect();
    if missed.is_empty() {
        return None;
    }
    let is = missed.join(", ");
    Some(fact("may not", is, "see --cap-add"))
}

fn system_calls(seccomp: Seccomp) -> Fact {
    let (is, why) = match seccomp {
        Seccomp::Filter => (
            "filtered",
            "seccomp refuses what containers have no use for",
        ),
        Seccomp::Strict => ("only read, write and exit", "seccomp's strict mode"),
        Seccomp::Off => (
            "all of them",
            "no seccomp filter: --privileged, or unconfined",
        ),
    };
    fact("calls", is, why)
}

/// How much it may use.
pub fn limits(facts: &Facts) -> Section {
    let limits = &facts.limits;
    let machine = &facts.machine;
    let memory = match (limits.memory, machine.memory) {
        (Some(most), _) => fact("memory", size::binary(most), "beyond that, it is killed"),
        (None, Some(all)) => {
            let why = format!(
                "the machine's {}; --memory 64m would set one",
                size::binary(all)
            );
            fact("memory", "no limit", why)
        }
        (None, None) => fact("memory", "no limit", "--memory 64m would set one"),
    };
    let here = count(machine.processors, "processor", "processors");
    let cpu = match limits.cpus {
        Some(cpus) => fact(
            "cpu",
            format!("{cpus} of {here}"),
            "then it waits for its next turn",
        ),
        None => fact(
            "cpu",
            "no limit",
            format!("{here}; --cpus 0.5 would set one"),
        ),
    };
    let processes = match limits.processes {
        Some(most) => fact("processes", most.to_string(), "at once, threads included"),
        None => fact("processes", "no limit", "--pids-limit 100 would set one"),
    };
    let mut told = vec![memory, cpu, processes];
    told.extend(ulimits(&facts.ulimits));
    Section {
        title: "Limits",
        facts: told,
    }
}

fn ulimits(all: &[Ulimit]) -> Option<Fact> {
    let shown = |name: &str| {
        let limit = all.iter().find(|u| u.name == name)?;
        let soft = limit.soft.map_or("unlimited".to_owned(), |n| n.to_string());
        Some(format!("{name} {soft}"))
    };
    let list: Vec<String> = ["open files", "core file size"]
        .into_iter()
        .filter_map(shown)
        .collect();
    let is = list.join(", ");
    (!list.is_empty()).then(|| fact("ulimits", is, "each process; see --ulimit"))
}
