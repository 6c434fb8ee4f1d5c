//! Which variables a line of a Dockerfile sees. Pure.
//!
//! Arguments before the first `FROM` are for `FROM` lines, and for the stages
//! that name them again. In a stage an argument has the value that was typed,
//! else the one of its `ARG` line, else the one before the first `FROM`; and a
//! variable of `ENV` comes before an argument of its name.

use std::collections::BTreeMap;

use super::language::{Argument, Dockerfile, Expander};
use crate::build::language::Diagnostic;
use crate::image::platform::Platform;

/// Arguments that programs get without an `ARG` line: where this network's
/// proxies are says nothing about the image, so they are not in its history
/// and decide nothing about the cache.
const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The arguments of a whole build.
#[derive(Debug, Clone, Default)]
pub struct Globals {
    /// What was typed.
    typed: BTreeMap<String, String>,
    /// Those before the first `FROM`, and those that every build has.
    values: BTreeMap<String, String>,
    /// Those of them that were declared.
    declared: Vec<String>,
}

/// The arguments of a stage so far.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// In the order of their `ARG` lines; without a value, declared only.
    args: Vec<(String, Option<String>)>,
}

impl Globals {
    /// Those of a file, for a build on `here` and for `there`.
    pub fn new(
        file: &Dockerfile,
        typed: &BTreeMap<String, String>,
        here: &Platform,
        there: &Platform,
        target: &str,
    ) -> Result<Self, Diagnostic> {
        let mut globals = Self {
            typed: typed.clone(),
            values: platforms(here, there).into_iter().collect(),
            declared: Vec::new(),
        };
        globals
            .values
            .insert("TARGETSTAGE".to_owned(), target.to_owned());
        for global in &file.global_args {
            for argument in &global.args {
                globals.declare(argument, file.directives.escape)?;
            }
        }
        Ok(globals)
    }

    fn declare(&mut self, argument: &Argument, escape: char) -> Result<(), Diagnostic> {
        let (name, default) = {
            let lookup = |name: &str| self.get(name);
            let expander = Expander {
                escape,
                lookup: &lookup,
            };
            let name = expander.word(&argument.name)?;
            let default = argument.default.as_ref().map(|w| expander.word(w));
            (name, default.transpose()?)
        };
        let value = self.typed.get(&name).cloned().or(default);
        if let Some(value) = value {
            self.values.insert(name.clone(), value);
        }
        self.declared.push(name);
        Ok(())
    }

    /// What a `FROM` line sees.
    pub fn get(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    /// Whether a `FROM` line may use it.
    pub fn is_known(&self, name: &str) -> bool {
        self.values.contains_key(name) || self.declared.iter().any(|known| known == name)
    }

    /// Typed for programs, whatever the file says of it.
    pub fn proxies(&self) -> impl Iterator<Item = (&str, &String)> {
        let typed = PROXIES.iter();
        typed.filter_map(|name| Some((*name, self.typed.get(*name)?)))
    }

    /// What was typed and nobody asks for.
    pub fn unused<'a>(&'a self, seen: &'a [String]) -> impl Iterator<Item = &'a String> {
        self.typed.keys().filter(move |name| {
            let asked = self.declared.contains(name) || seen.contains(name);
            !asked && !PROXIES.contains(&name.as_str()) && *name != "SOURCE_DATE_EPOCH"
        })
    }
}

fn platforms(here: &Platform, there: &Platform) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (prefix, platform) in [("BUILD", here), ("TARGET", there)] {
        let values = [
            ("PLATFORM", platform.to_string()),
            ("OS", platform.os.clone()),
            ("ARCH", platform.architecture.clone()),
            ("VARIANT", platform.variant.clone().unwrap_or_default()),
        ];
        all.extend(values.map(|(name, value)| (format!("{prefix}{name}"), value)));
    }
    all
}

impl Scope {
    /// Takes in one argument of an `ARG` line; `default` is worked out.
    pub fn declare(&mut self, globals: &Globals, name: &str, default: Option<String>) {
        let typed = globals.typed.get(name).cloned();
        let value = typed.or(default).or_else(|| globals.get(name));
        self.args.retain(|(known, _)| known != name);
        self.args.push((name.to_owned(), value));
    }

    /// The names that were declared.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.args.iter().map(|(name, _)| name)
    }

    /// What a line sees, the variables of the image being these.
    pub fn get(&self, env: &[String], name: &str) -> Option<String> {
        variable(env, name).map(str::to_owned).or_else(|| {
            let arg = self.args.iter().find(|(known, _)| known == name);
            arg.and_then(|(_, value)| value.clone())
        })
    }

    /// The arguments that a program gets beside the image's variables.
    pub fn of_program(&self, env: &[String]) -> Vec<(String, String)> {
        let args = self.args.iter();
        let known = args.filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        known
            .filter(|(name, _)| variable(env, name).is_none())
            .collect()
    }
}

/// The value of a variable in a list of `NAME=value`.
pub fn variable<'a>(env: &'a [String], name: &str) -> Option<&'a str> {
    let mut pairs = env.iter().filter_map(|entry| entry.split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, v)| v)
}
