//! `--mount` of `RUN`: `key=value` pairs, and what they come to once their
//! variables are known.

use super::ast::{Mount, MountSpec, Sharing};
use super::diagnostic::{Diagnostic, near};
use super::expand::{Expander, is_literal};
use super::span::{Span, Word};
use crate::build::paths::clean;
use crate::error::Result as Plain;
use crate::format::switch;
use crate::format::units::size;

type Result<T> = std::result::Result<T, Diagnostic>;

/// Every key, under the one name it has here, with its other names.
const KEYS: [(&str, &[&str]); 15] = [
    ("type", &[]),
    ("from", &[]),
    ("source", &["src"]),
    ("target", &["dst", "destination"]),
    ("readonly", &["ro"]),
    ("readwrite", &["rw"]),
    ("id", &[]),
    ("sharing", &[]),
    ("required", &[]),
    ("size", &[]),
    ("mode", &[]),
    ("uid", &[]),
    ("gid", &[]),
    ("env", &[]),
    // Of SELinux, which rcon has nothing to do with; podman's files have it.
    ("relabel", &["z"]),
];

const KINDS: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];

/// Reads the value of the flag.
pub(super) fn parse(word: &Word, escape: char) -> Result<Mount> {
    let mut mount = Mount {
        options: Vec::new(),
        from: None,
        span: word.span,
    };
    for field in fields(word)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (field.as_str(), None),
        };
        let key = known(&key.trim().to_ascii_lowercase(), word.span)?;
        let value = value.map(|text| Word {
            text: text.to_owned(),
            span: word.span,
        });
        if key == "from" {
            mount.from = Some(from(value.as_ref(), word.span, escape)?);
        }
        mount.options.push((key.to_owned(), value));
    }
    let literal = |(_, value): &(String, Option<Word>)| {
        value.as_ref().is_none_or(|v| is_literal(&v.text, escape))
    };
    if mount.options.iter().all(literal) {
        let lookup = |_: &str| None;
        mount.resolve(&Expander {
            escape,
            lookup: &lookup,
        })?;
    }
    Ok(mount)
}

fn from(value: Option<&Word>, span: Span, escape: char) -> Result<Word> {
    match value {
        Some(word) if word.text.is_empty() => Err(needs_value("from", span)),
        Some(word) if is_literal(&word.text, escape) => Ok(word.clone()),
        Some(_) => Err(
            Diagnostic::new(span, "a mount's from cannot hold a variable")
                .hint("name a stage for it instead: FROM $IMAGE AS name, and from=name"),
        ),
        None => Err(needs_value("from", span)),
    }
}

fn needs_value(key: &str, span: Span) -> Diagnostic {
    Diagnostic::new(span, format!("a mount's {key} needs a value"))
        .hint(format!("as in {key}=value"))
}

fn known(key: &str, span: Span) -> Result<&'static str> {
    let is = |(name, others): &&(&str, &[&str])| *name == key || others.contains(&key);
    if let Some((name, _)) = KEYS.iter().find(is) {
        return Ok(name);
    }
    let all: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
    let wrong = Diagnostic::new(span, format!("a mount has no {key:?}"));
    Err(match near(key, &all) {
        Some(name) => wrong.hint(format!("did you mean {name}?")),
        None => wrong.hint("as in --mount=type=cache,target=/root/.cache"),
    })
}

/// Fields between commas; one in double quotes may hold a comma, and a doubled
/// quote there is one.
fn fields(word: &Word) -> Result<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = word.text.chars().peekable();
    while let Some(c) = chars.next() {
        let last = fields.len() - 1;
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => fields[last].push('"'),
            '"' if quoted || fields[last].is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields[last].push(c),
        }
    }
    if quoted {
        return Err(Diagnostic::new(word.span, "a quote is not closed"));
    }
    Ok(fields)
}

impl Mount {
    /// Works out the variables, and what the mount is then.
    pub fn resolve(&self, expander: &Expander<'_>) -> std::result::Result<MountSpec, Diagnostic> {
        let mut values = Vec::new();
        for (key, value) in &self.options {
            let value = match value {
                Some(word) if key != "from" => Some(expander.word(word)?),
                value => value.as_ref().map(|word| word.text.clone()),
            };
            values.push((key.as_str(), value));
        }
        let options = Options {
            values,
            span: self.span,
        };
        options.spec()
    }
}

/// Keys and values, all worked out.
struct Options<'a> {
    values: Vec<(&'a str, Option<String>)>,
    span: Span,
}

/// Owner and mode of what is mounted.
struct Access {
    mode: Option<u32>,
    uid: u32,
    gid: u32,
}

impl Options<'_> {
    fn spec(&self) -> Result<MountSpec> {
        let kind = self.text("type")?.unwrap_or_else(|| "bind".to_owned());
        let kind = kind.to_ascii_lowercase();
        self.check(&kind)?;
        match kind.as_str() {
            "bind" => self.bind(),
            "cache" => self.cache(),
            "tmpfs" => self.tmpfs(),
            "secret" => self.secret(),
            "ssh" => self.ssh(),
            _ => {
                let wrong = self.wrong(format!("there is no mount of type {kind:?}"));
                Err(match near(&kind, &KINDS) {
                    Some(near) => wrong.hint(format!("did you mean {near}?")),
                    None => wrong.hint(KINDS.join(", ")),
                })
            }
        }
    }

    fn wrong(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(self.span, message)
    }

    /// Keys that mean nothing for a type. Others that are of no use are let
    /// pass, as Docker does.
    fn check(&self, kind: &str) -> Result<()> {
        let only: [(&str, &[&str]); 9] = [
            ("required", &["secret", "ssh"]),
            ("size", &["tmpfs"]),
            ("sharing", &["cache"]),
            ("mode", &["cache", "secret", "ssh"]),
            ("uid", &["cache", "secret", "ssh"]),
            ("gid", &["cache", "secret", "ssh"]),
            ("from", &["bind", "cache", "tmpfs"]),
            ("source", &["bind", "cache", "tmpfs", "secret"]),
            ("env", &["secret"]),
        ];
        let wrong = only
            .iter()
            .find(|(key, kinds)| self.has(key) && KINDS.contains(&kind) && !kinds.contains(&kind));
        match wrong {
            Some((key, _)) => Err(self.wrong(format!("a mount of type {kind} has no {key}"))),
            None => Ok(()),
        }
    }

    fn has(&self, key: &str) -> bool {
        self.values.iter().any(|(known, _)| *known == key)
    }

    /// A value; of several the last one counts, and an empty one is none.
    fn text(&self, key: &str) -> Result<Option<String>> {
        match self.values.iter().rev().find(|(known, _)| *known == key) {
            None => Ok(None),
            Some((_, None)) => Err(needs_value(key, self.span)),
            Some((_, Some(text))) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        }
    }

    fn truth(&self, key: &str) -> Result<Option<bool>> {
        let found = self.values.iter().rev().find(|(known, _)| *known == key);
        match found.map(|(_, value)| value.as_deref()) {
            None => Ok(None),
            Some(None) => Ok(Some(true)),
            Some(Some(value)) => switch::parse(value).map(Some).ok_or_else(|| {
                self.wrong(format!("a mount's {key} cannot be {value:?}"))
                    .hint("true or false")
            }),
        }
    }

    /// Whether it may be written to, if that was said.
    fn writable(&self) -> Result<Option<bool>> {
        let readonly = self.truth("readonly")?;
        let readwrite = self.truth("readwrite")?;
        Ok(readwrite.or(readonly.map(|ro| !ro)))
    }

    fn target(&self) -> Result<String> {
        match self.text("target")? {
            Some(target)
                if target.split('/').all(|part| matches!(part, "" | "."))
                    && target.starts_with('/') =>
            {
                Err(self.wrong("a mount cannot take the place of /"))
            }
            Some(target) => Ok(target),
            None => Err(self
                .wrong("a mount needs a target")
                .hint("where it is to be seen, as in target=/src")),
        }
    }

    fn number(&self, key: &str, base: u32) -> Result<Option<u32>> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = u32::from_str_radix(&text, base).ok().filter(|_| digits);
        match number.filter(|number| base == 10 || *number <= 0o7777) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(format!("a mount's {key} cannot be {text:?}"))),
        }
    }

    fn access(&self) -> Result<Access> {
        Ok(Access {
            mode: self.number("mode", 8)?,
            uid: self.number("uid", 10)?.unwrap_or_default(),
            gid: self.number("gid", 10)?.unwrap_or_default(),
        })
    }

    fn bind(&self) -> Result<MountSpec> {
        Ok(MountSpec::Bind {
            from: self.text("from")?,
            source: self.text("source")?.unwrap_or_else(|| "/".to_owned()),
            target: self.target()?,
            writable: self.writable()?.unwrap_or(false),
        })
    }

    fn cache(&self) -> Result<MountSpec> {
        let target = self.target()?;
        let access = self.access()?;
        Ok(MountSpec::Cache {
            id: self.text("id")?.unwrap_or_else(|| clean(&target)),
            target,
            read_only: !self.writable()?.unwrap_or(true),
            sharing: self.sharing()?,
            from: self.text("from")?,
            source: self.text("source")?,
            mode: access.mode.unwrap_or(0o755),
            uid: access.uid,
            gid: access.gid,
        })
    }

    fn sharing(&self) -> Result<Sharing> {
        let text = self.text("sharing")?.map(|text| text.to_ascii_lowercase());
        match text.as_deref() {
            None | Some("shared") => Ok(Sharing::Shared),
            Some("private") => Ok(Sharing::Private),
            Some("locked") => Ok(Sharing::Locked),
            Some(other) => Err(self
                .wrong(format!("a cache's sharing cannot be {other:?}"))
                .hint("shared, private or locked")),
        }
    }

    fn tmpfs(&self) -> Result<MountSpec> {
        let size = self.text("size")?;
        let size = size.as_deref().map(size::parse_binary);
        Ok(MountSpec::Tmpfs {
            target: self.target()?,
            size: self.plain(size.transpose())?,
        })
    }

    fn plain<T>(&self, result: Plain<T>) -> Result<T> {
        result.map_err(|e| {
            let wrong = self.wrong(e.what());
            match e.remedy() {
                Some(hint) => wrong.hint(hint),
                None => wrong,
            }
        })
    }

    fn secret(&self) -> Result<MountSpec> {
        let (id, source) = (self.text("id")?, self.text("source")?);
        if id.is_some() && source.is_some() {
            return Err(self.wrong("a secret has an id or a source, which is the same"));
        }
        let target = self.text("target")?;
        let named = id.or(source);
        let id = named.or_else(|| target.as_deref().map(last_name).map(str::to_owned));
        let Some(id) = id else {
            return Err(self
                .wrong("which secret?")
                .hint("as in --mount=type=secret,id=token"));
        };
        let env = self.has("env").then(|| self.text("env")).transpose()?;
        let env = env.map(|name| name.unwrap_or_else(|| id.clone()));
        let usual = || {
            env.is_none()
                .then(|| format!("/run/secrets/{}", last_name(&id)))
        };
        let access = self.access()?;
        Ok(MountSpec::Secret {
            target: target.or_else(usual),
            id,
            env,
            required: self.truth("required")?.unwrap_or_default(),
            mode: access.mode.unwrap_or(0o400),
            uid: access.uid,
            gid: access.gid,
        })
    }

    fn ssh(&self) -> Result<MountSpec> {
        let access = self.access()?;
        Ok(MountSpec::Ssh {
            id: self.text("id")?.unwrap_or_else(|| "default".to_owned()),
            target: self.text("target")?,
            required: self.truth("required")?.unwrap_or_default(),
            mode: access.mode.unwrap_or(0o600),
            uid: access.uid,
            gid: access.gid,
        })
    }
}

fn last_name(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests;
