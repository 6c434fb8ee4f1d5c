//! `--platform`: `linux/arm64/v8`, `linux/amd64`, `arm64`.

use crate::error::{Error, Result};

/// Names a machine gives itself, and those that images use.
const ALSO: &[(&str, &str)] = &[
    ("x86_64", "amd64"),
    ("x86-64", "amd64"),
    ("aarch64", "arm64"),
    ("i386", "386"),
    ("armhf", "arm/v7"),
    ("armel", "arm/v6"),
];

/// Processors that images are made for. Typed alone, any other word is most
/// likely a slip.
const KNOWN: &[&str] = &[
    "386", "amd64", "arm", "arm/v5", "arm/v6", "arm/v7", "arm64", "loong64", "mips", "mips64",
    "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64", "s390x", "wasm",
];

/// The platform as images name it, always with `linux/` in front.
pub fn parse(text: &str) -> Result<String> {
    let lower = text.to_ascii_lowercase();
    let bad = |hint: &str| Error::user(format!("invalid platform {text:?}")).hint(hint.to_owned());
    let parts: Vec<&str> = lower.split('/').collect();
    let fine = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let word = |part: &&str| !part.is_empty() && part.chars().all(fine);
    if parts.len() > 3 || !parts.iter().all(word) {
        return Err(bad("linux/ARCHITECTURE[/VARIANT], as in linux/arm64"));
    }
    let (architecture, variant) = match parts[..] {
        ["linux"] => return Ok("linux".to_owned()),
        ["linux", architecture, variant] => (architecture, Some(variant)),
        ["windows" | "darwin" | "freebsd", ..] => {
            return Err(bad("rcon runs programs for Linux only"));
        }
        ["linux", architecture] | [architecture] => (architecture, None),
        _ => return Err(bad("rcon runs programs for Linux only, as in linux/arm64")),
    };
    let known = ALSO.iter().find(|(also, _)| *also == architecture);
    let architecture = known.map_or(architecture, |(_, name)| name);
    if parts.len() == 1 && !KNOWN.contains(&architecture) {
        return Err(Error::user(format!(
            "{text:?}: unknown operating system or architecture"
        ))
        .hint("as in linux/arm64, linux/arm/v7 or amd64"));
    }
    Ok(match variant {
        Some(variant) => format!("linux/{architecture}/{variant}"),
        None => format!("linux/{architecture}"),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn platforms() {
        for (text, want) in [
            ("linux", "linux"),
            ("linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("aarch64", "linux/arm64"),
            ("linux/arm/v7", "linux/arm/v7"),
            ("armhf", "linux/arm/v7"),
            ("linux/new", "linux/new"),
        ] {
            assert_eq!(parse(text).unwrap(), want, "{text}");
        }
        for text in [
            "",
            "/",
            "linux/",
            "windows/amd64",
            "bogus",
            "darwin",
            "a/b/c",
            "linux/a/b/c",
            "linux/a b",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
