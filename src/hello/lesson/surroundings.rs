//! What is around it: the network, and the environment.

use super::super::observe::{Facts, Interface};
use super::{Audience, Fact, Section, count, fact};

/// Variables that tell nothing about anybody.
const HARMLESS: [&str; 6] = ["HOME", "HOSTNAME", "LANG", "PATH", "TERM", "container"];

/// As much of a value as is shown in words.
const LONGEST: usize = 40;

/// As many variables.
const MOST: usize = 12;

pub fn section(facts: &Facts, audience: Audience) -> Section {
    let mut told: Vec<Fact> = facts.interfaces.iter().map(device).collect();
    if facts.interfaces.iter().all(|i| i.name == "lo") {
        told.push(fact("others", "none", "nothing leads out of here"));
    }
    told.push(environment(facts, audience));
    Section {
        title: "Around it",
        facts: told,
    }
}

fn device(device: &Interface) -> Fact {
    let mut is = device.addresses.join(" ");
    if is.is_empty() {
        "no address".clone_into(&mut is);
    }
    if !device.up {
        is += ", off";
    }
    let why = match device.name.as_str() {
        "lo" => "this network namespace only",
        _ => "leads to others",
    };
    fact(&crate::format::escaped(&device.name), is, why)
}

fn environment(facts: &Facts, audience: Audience) -> Fact {
    let all = &facts.environment;
    let mut shown: Vec<String> = all
        .iter()
        .take(MOST)
        .map(|(name, value)| variable(name, value, audience))
        .collect();
    if all.len() > MOST {
        shown.push("…".to_owned());
    }
    let about = count(all.len(), "variable", "variables");
    let why = match audience {
        Audience::Caller => "none of the shell's; see -e",
        Audience::Anybody => "values are not for everybody who can see this page",
    };
    fact(&about, shown.join(" "), why)
}

/// Whether everybody may know the value.
pub fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name)
}

fn variable(name: &str, value: &str, audience: Audience) -> String {
    if audience == Audience::Anybody && !is_harmless(name) {
        return format!("{name}=…");
    }
    let mut short: String = value.chars().take(LONGEST).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    format!("{name}={short}")
}
