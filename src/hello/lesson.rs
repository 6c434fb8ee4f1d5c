//! The facts in words: one lesson, whatever it is shown on.
//!
//! Each fact comes with a few words of why it is so, or of what changes it.
//! Everything in here that comes from outside (names, values of variables) is
//! made harmless to a terminal where it enters; a page escapes all of it again.

mod confines;
mod files;
mod surroundings;
#[cfg(test)]
mod tests;
mod who;

use super::observe::Facts;
use crate::format::escaped;

/// Who is listening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Whoever started the program.
    Caller,
    /// Whoever can reach the port: values of variables are none of their
    /// business, since people put passwords there.
    Anybody,
}

/// All that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// What this is.
    pub greeting: String,
    /// The facts.
    pub sections: Vec<Section>,
    /// What to type next.
    pub next: Vec<Try>,
}

/// Facts of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// One word or two.
    pub title: &'static str,
    /// What the facts are.
    pub facts: Vec<Fact>,
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it is about.
    pub about: String,
    /// What is so.
    pub is: String,
    /// Why, or how it would be otherwise.
    pub why: String,
}

/// A command, and what it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// To be typed.
    pub command: String,
    /// What is seen then.
    pub shows: &'static str,
}

fn fact(about: &str, is: impl Into<String>, why: impl Into<String>) -> Fact {
    let (is, why) = (is.into(), why.into());
    Fact {
        about: about.to_owned(),
        is: escaped(&is).into_owned(),
        why: escaped(&why).into_owned(),
    }
}

/// Puts the facts into words.
pub fn teach(facts: &Facts, audience: Audience) -> Lesson {
    Lesson {
        greeting: greeting(facts),
        sections: vec![
            who::section(facts),
            who::namespaces(facts),
            files::section(facts),
            confines::powers(facts),
            confines::limits(facts),
            surroundings::section(facts, audience),
        ],
        next: next(facts, audience),
    }
}

fn greeting(facts: &Facts) -> String {
    let kernel = escaped(&facts.machine.kernel);
    let own = facts.namespaces.iter().any(|n| n.initial == Some(false));
    if own {
        format!(
            "Hello from inside a container! This is an ordinary process of this machine's \
             kernel, Linux {kernel}; it only sees less. What it sees:"
        )
    } else {
        format!(
            "Hello from outside: this process runs on the machine itself (Linux {kernel}), in \
             no container. Compare with: rcon run --rm hello"
        )
    }
}

fn next(facts: &Facts, audience: Audience) -> Vec<Try> {
    let tries: Vec<(String, &str)> = match audience {
        Audience::Caller => vec![
            (
                "rcon run --rm --memory 64m --cpus 0.5 hello".into(),
                "the limits above",
            ),
            (
                "rcon run --rm --read-only --cap-drop ALL -u nobody hello".into(),
                "next to no powers",
            ),
            (
                "rcon run --rm --explain hello".into(),
                "each step, explained",
            ),
            (
                "rcon run --rm -p 8000:8000 hello --serve".into(),
                "a page on port 8000",
            ),
        ],
        Audience::Anybody => {
            let id = container(&facts.host_name);
            vec![
                (
                    format!("rcon exec {id} /hello"),
                    "the same from a second process in here",
                ),
                (
                    format!("rcon update --memory 64m {id}"),
                    "reload this page: the limit has changed",
                ),
                (format!("rcon stats {id}"), "what this program uses"),
                (format!("rcon logs -f {id}"), "who reads this page"),
            ]
        }
    };
    let tries = tries.into_iter();
    tries
        .map(|(command, shows)| Try { command, shows })
        .collect()
}

/// How this container can be called. Its host name is the beginning of its id,
/// unless somebody chose another.
fn container(host_name: &str) -> &str {
    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if host_name.len() == 12 && host_name.bytes().all(hex) {
        host_name
    } else {
        "CONTAINER"
    }
}

/// Takes out of the facts what [`Audience::Anybody`] is not told.
pub fn keep_back(facts: &mut Facts) {
    for (name, value) in &mut facts.environment {
        if !surroundings::is_harmless(name) {
            "(kept back)".clone_into(value);
        }
    }
}

/// `1 process`, `2 processes`.
fn count(n: usize, one: &str, many: &str) -> String {
    let word = if n == 1 { one } else { many };
    format!("{n} {word}")
}
