//! For which machine an image is made, and which of several fits this one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::manifest::Descriptor;
use crate::error::{Error, Result};

/// An operating system, a processor, and perhaps its generation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// As Go names it: `linux`.
    pub os: String,
    /// As Go names it: `amd64`.
    pub architecture: String,
    /// `v8`, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Reads `linux/arm64/v8`, `arm64`, `aarch64`.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = || {
            Error::user(format!("invalid platform {text:?}"))
                .hint("a platform is like linux/arm64, linux/arm/v7 or amd64")
        };
        let fine = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|p| p.is_empty() || !p.chars().all(fine)) {
            return Err(bad());
        }
        let architecture = |name| match name {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        match parts[..] {
            [arch] => Ok(Self::new("linux", architecture(arch), None)),
            [os, arch] => Ok(Self::new(os, architecture(arch), None)),
            [os, arch, variant] => Ok(Self::new(os, architecture(arch), Some(variant))),
            _ => Err(bad()),
        }
    }

    /// This machine's.
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", Some("v8")),
            "arm" => ("arm", Some("v7")),
            "powerpc64" => ("ppc64le", None),
            other => (other, None),
        };
        Self::new("linux", architecture, variant)
    }

    fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        }
    }

    /// The generation, where saying nothing means one.
    fn generation(&self) -> &str {
        match (self.architecture.as_str(), self.variant.as_deref()) {
            (_, Some(variant)) if !variant.is_empty() => variant,
            ("arm64", _) => "v8",
            ("arm", _) => "v7",
            ("amd64", _) => "v1",
            _ => "",
        }
    }

    /// How well an image for `image` runs where `self` is asked for; the
    /// higher the better. An older generation runs on a newer processor.
    pub(crate) fn fit(&self, image: &Self) -> Option<u32> {
        if self.os != image.os || self.architecture != image.architecture {
            return None;
        }
        let (wanted, there) = (self.generation(), image.generation());
        if wanted == there {
            return Some(u32::MAX);
        }
        let number = |v: &str| v.strip_prefix('v').and_then(|n| n.parse::<u32>().ok());
        let (wanted, there) = (number(wanted)?, number(there)?);
        (there < wanted).then_some(there)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) if !variant.is_empty() => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

/// The best of an index's entries; of equals the first, as everybody does.
pub(crate) fn choose<'a>(entries: &'a [Descriptor], wanted: &Platform) -> Option<&'a Descriptor> {
    let mut best: Option<(u32, &Descriptor)> = None;
    for entry in entries {
        let Some(fit) = entry.platform.as_ref().and_then(|p| wanted.fit(p)) else {
            continue;
        };
        if best.is_none_or(|(known, _)| fit > known) {
            best = Some((fit, entry));
        }
    }
    // An index of one image that does not say what it is for is that image.
    let alone = || match entries {
        [only] if only.platform.is_none() => Some(only),
        _ => None,
    };
    best.map(|(_, entry)| entry).or_else(alone)
}

/// What an index has, for the one who did not find theirs.
pub(crate) fn none_fits(entries: &[Descriptor], wanted: &Platform) -> Error {
    let mut there: Vec<String> = entries
        .iter()
        .filter_map(|e| e.platform.as_ref())
        .filter(|p| p.os != "unknown")
        .map(Platform::to_string)
        .collect();
    there.dedup();
    let e = Error::user(format!("no image for the platform {wanted}"));
    if there.is_empty() {
        return e.hint("its index names no platforms");
    }
    e.hint(format!(
        "there is {}; choose with --platform",
        there.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::reference::Digest;

    fn entry(platform: Option<&str>) -> Descriptor {
        let text = platform.unwrap_or("none");
        let mut d = Descriptor::new("x", 1, Digest::of(text.as_bytes()));
        d.platform = platform.map(|p| {
            let mut parts = p.split('/');
            let mut next = || parts.next().unwrap_or_default();
            let (os, arch) = (next(), next());
            Platform::new(os, arch, Some(next()).filter(|v| !v.is_empty()))
        });
        d
    }

    fn chosen(there: &[&str], wanted: &str) -> Option<String> {
        let entries: Vec<_> = there.iter().map(|p| entry(Some(p))).collect();
        let found = choose(&entries, &Platform::parse(wanted).unwrap());
        found.map(|d| d.platform.as_ref().unwrap().to_string())
    }

    #[test]
    fn the_best_fit_is_chosen() {
        let arms = [
            "linux/arm/v5",
            "linux/arm/v6",
            "linux/arm/v7",
            "linux/arm64/v8",
        ];
        for (there, wanted, best) in [
            (&arms[..], "linux/arm/v7", Some("linux/arm/v7")),
            (&arms[..2], "linux/arm/v7", Some("linux/arm/v6")),
            (&arms[2..], "linux/arm/v6", None),
            (&arms[..], "arm64", Some("linux/arm64/v8")),
            (&["linux/arm64"], "linux/arm64/v8", Some("linux/arm64")),
            (
                &["windows/amd64", "linux/amd64"],
                "amd64",
                Some("linux/amd64"),
            ),
            (&["linux/amd64/v3"], "amd64", None),
            (
                &["linux/amd64/v3", "linux/amd64"],
                "linux/amd64/v3",
                Some("linux/amd64/v3"),
            ),
            (&["unknown/unknown"], "amd64", None),
        ] {
            let got = chosen(there, wanted);
            assert_eq!(got.as_deref(), best, "{wanted} of {there:?}");
        }
    }

    #[test]
    fn an_index_of_one_without_a_platform_is_that_one() {
        let wanted = Platform::host();
        assert!(choose(&[entry(None)], &wanted).is_some());
        assert!(choose(&[entry(None), entry(None)], &wanted).is_none());
    }

    #[test]
    fn who_finds_nothing_is_told_what_there_is() {
        let entries = [
            entry(Some("linux/arm64/v8")),
            entry(Some("unknown/unknown")),
        ];
        let e = none_fits(&entries, &Platform::parse("amd64").unwrap());
        let text = e.to_string();
        assert!(
            text.contains("linux/amd64") && text.contains("there is linux/arm64/v8;"),
            "{text}"
        );
        assert!(!text.contains("unknown"), "{text}");
    }

    #[test]
    fn platforms_are_read_and_shown() {
        for (text, shown) in [
            ("linux/arm64/v8", "linux/arm64/v8"),
            ("aarch64", "linux/arm64"),
            ("linux/amd64", "linux/amd64"),
        ] {
            assert_eq!(Platform::parse(text).unwrap().to_string(), shown);
        }
        assert!(Platform::parse("a/b/c/d").is_err());
    }
}
