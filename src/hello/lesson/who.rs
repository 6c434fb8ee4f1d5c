//! Who this process is: number, user, name; and what it has of its own.

use super::super::observe::{Facts, Namespace};
use super::{Fact, Section, fact};

pub fn section(facts: &Facts) -> Section {
    let mut told = vec![process(facts), user(facts)];
    told.extend(groups(facts));
    told.push(fact(
        "host name",
        facts.host_name.clone(),
        if differs(facts, "uts") {
            "the container's own; -h NAME chooses another"
        } else {
            "the machine's"
        },
    ));
    told.push(fact(
        "command",
        facts.process.arguments.join(" "),
        format!("run in the directory {}", facts.process.directory),
    ));
    Section {
        title: "Who",
        facts: told,
    }
}

fn process(facts: &Facts) -> Fact {
    let p = &facts.process;
    let parent = match p.parent {
        0 => "its parent outside".to_owned(),
        parent => format!("its parent {parent}"),
    };
    let why = if differs(facts, "pid") {
        "another number outside"
    } else {
        "numbered as everywhere on the machine"
    };
    let is = format!("number {}, {parent}, {} in sight", p.pid, p.visible);
    fact("process", is, why)
}

fn user(facts: &Facts) -> Fact {
    let user = &facts.user;
    let name = user.name.as_deref().unwrap_or("a user without a name");
    let why = match user.outside() {
        Some(outside) if outside == user.uid && user.uid == 0 => {
            "root outside, too, but see Powers".to_owned()
        }
        Some(outside) if outside == user.uid => "the same user outside".to_owned(),
        Some(outside) => format!("outside it is {outside}: a user namespace"),
        None => "nobody outside".to_owned(),
    };
    fact(
        "user",
        format!("{name} (uid {}, gid {})", user.uid, user.gid),
        why,
    )
}

fn groups(facts: &Facts) -> Option<Fact> {
    let user = &facts.user;
    let others: Vec<_> = user.groups.iter().filter(|g| **g != user.gid).collect();
    let list: Vec<_> = others.iter().map(ToString::to_string).collect();
    let list = list.join(" ");
    (!others.is_empty()).then(|| fact("groups", list, "further ones; --group-add adds more"))
}

fn differs(facts: &Facts, kind: &str) -> bool {
    let found = facts.namespaces.iter().find(|n| n.kind == kind);
    found.is_some_and(|n| n.initial == Some(false))
}

/// What of the machine it has a copy of.
pub fn namespaces(facts: &Facts) -> Section {
    let those = |initial: Option<bool>| -> Vec<&Namespace> {
        let all = facts.namespaces.iter();
        all.filter(|n| n.initial == initial).collect()
    };
    let list = |those: &[&Namespace]| {
        let each = those.iter().map(|n| format!("{}:{}", n.kind, n.inode));
        each.collect::<Vec<_>>().join(" ")
    };
    let groups = [
        (Some(false), "its own", "for this container"),
        (Some(true), "shared", "the machine's first ones"),
        (None, "unknown whose", "this kernel does not tell"),
    ];
    let mut told: Vec<Fact> = groups
        .into_iter()
        .map(|(initial, about, why)| (those(initial), about, why))
        .filter(|(those, _, _)| !those.is_empty())
        .map(|(those, about, why)| fact(about, list(&those), why))
        .collect();
    told.push(fact(
        "compare",
        "readlink /proc/self/ns/pid",
        "typed outside, it differs",
    ));
    Section {
        title: "Namespaces",
        facts: told,
    }
}
