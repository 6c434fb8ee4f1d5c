//! `--filter key=value`, given once or often.
//!
//! Several values of one key are alternatives, different keys must all hold.
//! Labels are the exception, as in Docker: each `label=…` must hold.

use std::collections::BTreeMap;

use regex_lite::Regex;

use crate::error::{Error, Result};

/// The filters of one command, grouped by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads the values of `--filter`. A key that is not `allowed` is refused:
    /// ignored, it would show (or prune!) more than was asked for. A command
    /// that knows `label!=…` allows `label!`.
    pub fn parse<S: AsRef<str>>(given: &[S], allowed: &[&str]) -> Result<Self> {
        let mut filters = Self::default();
        for filter in given {
            let (key, value) = split(filter.as_ref())?;
            if !allowed.contains(&key.as_str()) {
                return Err(unknown(&key, allowed));
            }
            let values = filters.0.entry(key).or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        }
        Ok(filters)
    }

    /// No filter was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values given for a key.
    pub fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether the filters of this key let something through: there are none,
    /// or one of them `holds`.
    pub fn any(&self, key: &str, holds: impl Fn(&str) -> bool) -> bool {
        let values = self.get(key);
        values.is_empty() || values.iter().any(|value| holds(value))
    }

    /// The values of a key that are patterns, as those of names are: one that
    /// fits a part fits, and `^web$` fits the whole.
    pub fn patterns(&self, key: &str) -> Result<Vec<Regex>> {
        let read = |text: &String| {
            Regex::new(text).map_err(|_| {
                invalid(&format!("\"{key}={text}\""))
                    .hint("it is a regular expression, as ^web$ or db-[0-9]")
            })
        };
        self.get(key).iter().map(read).collect()
    }

    /// What a filter says that is yes or no, like `dangling=true`.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        let mut said = None;
        for value in self.get(key) {
            let value = match value.to_ascii_lowercase().as_str() {
                "true" | "t" | "1" => true,
                "false" | "f" | "0" => false,
                _ => return Err(no_flag(key, value)),
            };
            if said.is_some_and(|said| said != value) {
                let what = format!("filter {key:?} is both true and false");
                return Err(Error::user(what).wrong_flag());
            }
            said = Some(value);
        }
        Ok(said)
    }

    /// Whether these labels have all of `label=…`, and none of `label!=…`.
    pub fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        let has = |filter: &String| match filter.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
            None => labels.contains_key(filter),
        };
        self.get("label").iter().all(has) && !self.get("label!").iter().any(has)
    }
}

fn split(filter: &str) -> Result<(String, String)> {
    let bad = || {
        let bad = Error::user(format!("bad format of filter {filter:?}"));
        bad.hint("it is written name=value").wrong_flag()
    };
    let (key, value) = filter.split_once('=').ok_or_else(bad)?;
    let key = key.trim().to_lowercase();
    if key.is_empty() {
        return Err(bad());
    }
    Ok((key, value.trim().to_owned()))
}

fn unknown(key: &str, allowed: &[&str]) -> Error {
    invalid(&format!("{key:?}")).hint(format!("this command knows {}", allowed.join(", ")))
}

fn no_flag(key: &str, value: &str) -> Error {
    invalid(&format!("{key:?}: {value:?} is neither true nor false"))
}

/// One that is refused for what it says, and not for what there is.
pub fn invalid(what: &str) -> Error {
    Error::user(format!("invalid filter {what}")).wrong_flag()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: &[&str] = &["name", "status", "label", "label!", "dangling"];

    fn filters(given: &[&str]) -> Filters {
        Filters::parse(given, ALLOWED).unwrap()
    }

    fn complaint(given: &str) -> String {
        Filters::parse(&[given], ALLOWED).unwrap_err().to_string()
    }

    #[test]
    fn one_key_is_or_and_two_keys_are_and() {
        let filters = filters(&["name=a", " Name = b", "status=running", "name=a"]);
        assert_eq!(filters.get("name"), ["a", "b"]);
        assert_eq!(filters.get("label"), [""; 0]);
        let shown = |name: &str, status: &str| {
            filters.any("name", |v| v == name) && filters.any("status", |v| v == status)
        };
        assert!(shown("a", "running"));
        assert!(shown("b", "running"));
        assert!(!shown("c", "running"));
        assert!(!shown("a", "exited"));
        assert!(
            filters.any("label", |_| false),
            "no filter lets all through"
        );
    }

    #[test]
    fn names_are_patterns() {
        let given = filters(&["name=^web$", "name=db-[0-9]"]);
        let patterns = given.patterns("name").unwrap();
        let fits = |name: &str| patterns.iter().any(|p| p.is_match(name));
        assert!(fits("web") && fits("my-db-1"));
        assert!(!fits("web2") && !fits("db"));
        assert!(filters(&["name=("]).patterns("name").is_err());
        assert!(filters(&[]).patterns("name").unwrap().is_empty());
    }

    #[test]
    fn labels_must_all_hold() {
        let labels = |list: &[(&str, &str)]| -> BTreeMap<String, String> {
            let owned = list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            owned.collect()
        };
        let both = filters(&["label=a", "label=b=x=y"]);
        assert!(both.labels(&labels(&[("a", "1"), ("b", "x=y")])));
        assert!(!both.labels(&labels(&[("a", "1"), ("b", "z")])));
        assert!(!both.labels(&labels(&[("b", "x=y")])));
        let without = filters(&["label!=keep"]);
        assert!(without.labels(&labels(&[("a", "1")])));
        assert!(!without.labels(&labels(&[("keep", "")])));
        assert!(filters(&["label=a="]).labels(&labels(&[("a", "")])));
        assert!(!filters(&["label=a="]).labels(&labels(&[("a", "1")])));
    }

    #[test]
    fn flags_are_read_and_cannot_contradict() {
        assert_eq!(
            filters(&["dangling=true"]).flag("dangling").unwrap(),
            Some(true)
        );
        assert_eq!(
            filters(&["dangling=0"]).flag("dangling").unwrap(),
            Some(false)
        );
        assert_eq!(filters(&[]).flag("dangling").unwrap(), None);
        assert!(filters(&["dangling=maybe"]).flag("dangling").is_err());
        assert!(
            filters(&["dangling=1", "dangling=0"])
                .flag("dangling")
                .is_err()
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert_eq!(
            complaint("nam=x"),
            "invalid filter \"nam\" (this command knows name, status, label, label!, dangling)"
        );
        assert_eq!(
            complaint("name"),
            "bad format of filter \"name\" (it is written name=value)"
        );
        assert!(complaint("=x").starts_with("bad format"));
    }
}
