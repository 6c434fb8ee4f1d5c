//! Where rcon's answer is neither Docker's nor podman's.

use std::collections::BTreeSet;
use std::fmt;

use crate::answers::{Answers, Key};
use crate::differences::reason;

/// What all three said.
pub(crate) struct Four {
    /// rcon, before the others were asked.
    pub(crate) before: Answers,
    /// Nothing, where it could not do what was wanted.
    pub(crate) docker: Option<Answers>,
    pub(crate) podman: Answers,
    /// rcon once more.
    pub(crate) after: Answers,
}

/// One answer that is rcon's alone.
pub(crate) struct Difference<'a> {
    pub(crate) way: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) name: &'a str,
    pub(crate) rcon: &'a str,
    pub(crate) docker: &'a str,
    pub(crate) podman: &'a str,
}

impl Four {
    fn docker(&self) -> &Answers {
        self.docker.as_ref().unwrap_or(&self.podman)
    }
}

/// Of these rcon gives no more than Docker does.
const STRICT: &[&str] = &["attempt", "call"];

const ABSENT: &str = "absent";

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (way, topic, name) = (self.way, self.topic, self.name);
        let [rcon, docker, podman] = [self.rcon, self.docker, self.podman];
        write!(
            f,
            "{way}: {topic} {name}: rcon {rcon:?}, docker {docker:?}, podman {podman:?}"
        )
    }
}

/// All differences, each in a line.
pub(crate) struct Found {
    /// With the reason.
    pub(crate) known: Vec<String>,
    /// Those that nobody has explained.
    pub(crate) news: Vec<String>,
}

/// Compares what all three said.
pub(crate) fn differences(way: &str, four: &Four) -> Found {
    let (before, after) = (&four.before, &four.after);
    let (docker, podman) = (four.docker(), &four.podman);
    let keys: BTreeSet<&Key> = [before, docker, podman, after]
        .iter()
        .flat_map(|answers| answers.0.keys())
        .collect();
    let found = keys.into_iter().filter_map(|key| {
        let (rcon, later) = (before.of(key), after.of(key));
        let theirs = [docker.of(key), podman.of(key)];
        // What podman alone lets through has to be explained all the same.
        let more = STRICT.contains(&&*key.0) && rcon == Some("yes") && theirs[0] != rcon;
        // What changes by itself says nothing; nor does what came and went.
        let same = theirs.contains(&rcon) && !more;
        if rcon != later || same || below_another(key, four) {
            return None;
        }
        Some(Difference {
            way,
            topic: &key.0,
            name: &key.1,
            rcon: rcon.unwrap_or(ABSENT),
            docker: theirs[0].unwrap_or(ABSENT),
            podman: theirs[1].unwrap_or(ABSENT),
        })
    });
    let (known, news): (Vec<_>, Vec<_>) = found.partition(|d| reason(d).is_some());
    let known = known
        .iter()
        .map(|d| format!("{d}: {}", reason(d).unwrap_or_default()));
    Found {
        known: known.collect(),
        news: news.iter().map(Difference::to_string).collect(),
    }
}

/// Whether the directory around it is there for the same of the three: then
/// the directory says it for all that is in it.
fn below_another(key: &Key, four: &Four) -> bool {
    let Some((above, _)) = key.1.rsplit_once('/') else {
        return false;
    };
    let above = (key.0.clone(), above.to_owned());
    let there = |key: &Key| {
        [&four.before, four.docker(), &four.podman].map(|answers| answers.0.contains_key(key))
    };
    let all = there(&above);
    key.0 == "path" && all.contains(&true) && all == there(key) && all.contains(&false)
}
