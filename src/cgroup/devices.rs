//! Who may open which device: the rule list of `linux.resources.devices`.
//!
//! The rules read top to bottom and a later one wins. [`DeviceList`] is what
//! a list comes down to: a default (allow or deny) and the exceptions to it,
//! which is exactly what the v1 controller keeps. From there it becomes
//! either lines for `devices.allow` and `devices.deny`, or an eBPF program
//! ([`super::ebpf`]) for v2, and both answer alike.
//!
//! The one thing such a list cannot say is an exception to an exception: "all
//! of `c 10:*` but not `c 10:200`". v1 drops such a rule without a word; we
//! refuse it. Nothing here touches a file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use super::limits::Write;
use crate::error::{Error, Result};

/// Reading, as a bit of an access mask. The bits are those eBPF uses.
pub const READ: u8 = 2;
/// Writing.
pub const WRITE: u8 = 4;
/// Making a node.
pub const MKNOD: u8 = 1;
const ALL: u8 = READ | WRITE | MKNOD;

/// Block or character device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Block.
    Block,
    /// Character.
    Char,
}

/// Which devices a rule is about; `None` is every number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// Block or character.
    pub kind: Kind,
    /// Major number.
    pub major: Option<u32>,
    /// Minor number.
    pub minor: Option<u32>,
}

impl Scope {
    /// Whether every device of `other` is one of ours too.
    fn covers(self, other: Self) -> bool {
        let wide = |a: Option<u32>, b: Option<u32>| a.is_none() || a == b;
        self.kind == other.kind && wide(self.major, other.major) && wide(self.minor, other.minor)
    }

    /// Whether some device is in both.
    fn meets(self, other: Self) -> bool {
        let some = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        self.kind == other.kind && some(self.major, other.major) && some(self.minor, other.minor)
    }
}

/// A default and the exceptions to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceList {
    /// What happens to a device no exception is about.
    pub default_allow: bool,
    /// The exceptions: access that is allowed under a denying default, denied
    /// under an allowing one.
    pub exceptions: BTreeMap<Scope, u8>,
}

/// One line for `devices.allow` or `devices.deny`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which of the two files.
    pub allow: bool,
    /// What goes in: `c 1:3 rwm`.
    pub text: String,
}

impl DeviceList {
    /// Works through `rules` from the start; what no rule mentions is denied.
    pub fn compile(rules: &[LinuxDeviceCgroup]) -> Result<Self> {
        let mut list = Self::everything(false);
        for (i, rule) in rules.iter().enumerate() {
            list.add(rule)
                .map_err(|e| e.context(format_args!("linux.resources.devices[{i}] ({rule})")))?;
        }
        Ok(list)
    }

    fn everything(default_allow: bool) -> Self {
        Self {
            default_allow,
            exceptions: BTreeMap::new(),
        }
    }

    fn add(&mut self, rule: &LinuxDeviceCgroup) -> Result<()> {
        let access = access_of(rule)?;
        let (major, minor) = (
            number(rule.major(), "major")?,
            number(rule.minor(), "minor")?,
        );
        let kinds: &[Kind] = match rule.typ().unwrap_or_default() {
            // v1 takes any "a" for everything; we do so only if it says so.
            LinuxDeviceType::A if major.is_none() && minor.is_none() && access == ALL => {
                *self = Self::everything(rule.allow());
                return Ok(());
            }
            LinuxDeviceType::A => &[Kind::Block, Kind::Char],
            LinuxDeviceType::B => &[Kind::Block],
            LinuxDeviceType::C => &[Kind::Char],
            other => {
                return Err(Error::user(format!(
                    "type {:?} is not a, b or c",
                    other.as_str()
                )));
            }
        };
        for &kind in kinds {
            let scope = Scope { kind, major, minor };
            if rule.allow() == self.default_allow {
                self.take_back(scope, access)?;
            } else {
                *self.exceptions.entry(scope).or_default() |= access;
            }
        }
        Ok(())
    }

    /// Returns `scope` to the default, as far as `access` goes.
    fn take_back(&mut self, scope: Scope, access: u8) -> Result<()> {
        let stays = |s: Scope| scope.meets(s) && !scope.covers(s);
        if let Some((wider, _)) = self
            .exceptions
            .iter()
            .find(|(s, a)| stays(**s) && **a & access != 0)
        {
            return Err(Error::user(format!(
                "would be an exception to the wider rule {wider} before it, which the kernel's device lists cannot hold"
            )));
        }
        for (s, a) in &mut self.exceptions {
            if scope.covers(*s) {
                *a &= !access;
            }
        }
        self.exceptions.retain(|_, a| *a != 0);
        Ok(())
    }

    /// The lines that bring a v1 cgroup from what its `devices.list` says to
    /// this list, denying nothing on the way that is allowed before and after.
    pub fn transition(&self, current: &str) -> Vec<Line> {
        let mut lines = Vec::new();
        // A list under an allowing default does not show its exceptions, so
        // only a fresh start is sure.
        let known = parse_list(current).filter(|_| !self.default_allow);
        if known.is_none() {
            lines.push(Line::new(self.default_allow, "a".to_owned()));
        }
        let old = known.unwrap_or_default();
        for (scope, access) in &old {
            let gone = access & !self.exceptions.get(scope).unwrap_or(&0);
            lines.extend(Line::about(self.default_allow, *scope, gone));
        }
        for (scope, access) in &self.exceptions {
            let new = access & !old.get(scope).unwrap_or(&0);
            lines.extend(Line::about(!self.default_allow, *scope, new));
        }
        lines
    }

    /// The same as writes, for a v1 machine.
    pub fn writes(&self, current: &str) -> Vec<Write> {
        let file = |allow| {
            if allow {
                "devices.allow"
            } else {
                "devices.deny"
            }
        };
        let lines = self.transition(current).into_iter();
        lines
            .map(|l| Write::new("devices", file(l.allow), l.text, "devices"))
            .collect()
    }
}

impl Line {
    fn new(allow: bool, text: String) -> Self {
        Self { allow, text }
    }

    fn about(allow: bool, scope: Scope, access: u8) -> Option<Self> {
        (access != 0).then(|| Self::new(allow, format!("{scope} {}", letters(access))))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: Option<u32>| n.map_or("*".to_owned(), |n| n.to_string());
        let kind = match self.kind {
            Kind::Block => 'b',
            Kind::Char => 'c',
        };
        write!(f, "{kind} {}:{}", number(self.major), number(self.minor))
    }
}

/// What every container may use, put after the rules of the spec: the nodes
/// runc makes in any `/dev`, any pty, and making (not opening) any node. The
/// caller's own `/dev/null` and the like replace ours, hence `spec_devices`,
/// the paths in `linux.devices`.
fn default_rules(spec_devices: &[&Path]) -> Vec<LinuxDeviceCgroup> {
    // tun has no node by default but was always allowed; VPN containers break
    // without it.
    let nodes = [
        ("/dev/null", 1, 3),
        ("/dev/random", 1, 8),
        ("/dev/full", 1, 7),
        ("/dev/tty", 5, 0),
        ("/dev/zero", 1, 5),
        ("/dev/urandom", 1, 9),
        ("", 5, 2),
        ("", 10, 200),
    ];
    let mut rules = vec![
        allow(LinuxDeviceType::C, None, None, "m"),
        allow(LinuxDeviceType::B, None, None, "m"),
        allow(LinuxDeviceType::C, Some(136), None, "rwm"),
    ];
    let ours = nodes
        .iter()
        .filter(|(path, ..)| !spec_devices.contains(&Path::new(path)));
    rules.extend(
        ours.map(|&(_, major, minor)| allow(LinuxDeviceType::C, Some(major), Some(minor), "rwm")),
    );
    rules
}

/// Puts them there, but for those that stand there already and that no later
/// rule takes back: a plan that says a thing twice makes a reader look for the
/// difference.
pub fn add_default_rules(rules: &mut Vec<LinuxDeviceCgroup>, spec_devices: &[&Path]) {
    let denied = rules.iter().rposition(|rule| !rule.allow());
    let allowed = denied.map_or(0, |last| last + 1)..rules.len();
    for rule in default_rules(spec_devices) {
        if !rules[allowed.clone()].contains(&rule) {
            rules.push(rule);
        }
    }
}

fn allow(
    kind: LinuxDeviceType,
    major: Option<i64>,
    minor: Option<i64>,
    access: &str,
) -> LinuxDeviceCgroup {
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(true)
        .set_typ(Some(kind))
        .set_major(major)
        .set_minor(minor)
        .set_access(Some(access.to_owned()));
    rule
}

fn access_of(rule: &LinuxDeviceCgroup) -> Result<u8> {
    let text = rule.access().as_deref().unwrap_or_default();
    match mask(text) {
        Some(0) => Err(Error::user("access is empty")),
        Some(mask) => Ok(mask),
        None => Err(Error::user(format!(
            "access {text:?} has letters other than r, w and m"
        ))),
    }
}

fn mask(text: &str) -> Option<u8> {
    text.chars().try_fold(0, |mask, c| match c {
        'r' => Some(mask | READ),
        'w' => Some(mask | WRITE),
        'm' => Some(mask | MKNOD),
        _ => None,
    })
}

fn letters(access: u8) -> String {
    let all = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')];
    all.iter()
        .filter(|(bit, _)| access & bit != 0)
        .map(|(_, c)| c)
        .collect()
}

/// Absent and −1 both mean every number.
fn number(value: Option<i64>, what: &str) -> Result<Option<u32>> {
    match value {
        None | Some(-1) => Ok(None),
        Some(n) => match u32::try_from(n) {
            Ok(n) => Ok(Some(n)),
            Err(_) => Err(Error::user(format!("{what} {n} is not a device number"))),
        },
    }
}

/// The exceptions in a `devices.list`, or `None` when it allows all (or says
/// something we do not know, and a fresh start is safest).
fn parse_list(text: &str) -> Option<BTreeMap<Scope, u8>> {
    let mut out = BTreeMap::new();
    for line in text.lines() {
        let mut parts = line.split([' ', ':']);
        let kind = match parts.next()? {
            "b" => Kind::Block,
            "c" => Kind::Char,
            _ => return None,
        };
        let mut number = || match parts.next()? {
            "*" => Some(None),
            n => n.parse().ok().map(Some),
        };
        let scope = Scope {
            kind,
            major: number()?,
            minor: number()?,
        };
        *out.entry(scope).or_default() |= mask(parts.next()?)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests;
