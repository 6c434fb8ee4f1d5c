//! `--device`, `--device-cgroup-rule`, and limits on one block device.

use std::path::PathBuf;

use super::{paths, units};
use crate::container::{Device, DeviceRate, DeviceWeight};
use crate::error::{Error, Result};

/// What `--device` can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A node of the host's.
    Node(Device),
    /// A device by its vendor's name: `vendor.com/class=name`.
    Cdi(String),
}

/// `/dev/x[:/dev/y][:rwm]`, or a CDI name.
pub fn parse(text: &str) -> Result<Named> {
    if is_cdi(text) {
        return Ok(Named::Cdi(text.to_owned()));
    }
    let bad = |why: &str| {
        Error::user(format!("invalid device specification {text:?}: {why}"))
            .hint("/dev/HOST[:/dev/CONTAINER][:rwm], or vendor.com/class=name")
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, access) = match parts[..] {
        [source] => (source, source, "rwm"),
        [source, access] if is_access(access) => (source, source, access),
        [source, target] => (source, target, "rwm"),
        [source, target, access] => (source, target, access),
        _ => return Err(bad("too many colons")),
    };
    if !source.starts_with('/') || source.contains('\0') {
        return Err(bad("the host's path is not absolute"));
    }
    if !is_access(access) {
        return Err(bad(&format!("bad mode specified: {access}")));
    }
    if !target.starts_with('/') {
        return Err(bad(&format!("{target} is not an absolute path")));
    }
    Ok(Named::Node(Device {
        source: PathBuf::from(source),
        target: paths::target(target)?,
        access: access.to_owned(),
    }))
}

/// The graphics processors that `--gpus` means, by their vendor's names.
pub type Gpus = std::sync::Arc<[String]>;

/// What Docker's `capabilities=` knows of graphics processors.
const CAPABILITIES: [&str; 9] = [
    "gpu", "nvidia", "compute", "compat32", "display", "graphics", "ngx", "utility", "video",
];

/// `all`, a number of them, or Docker's list: `"device=0,1"`, `count=2`. All
/// that the vendor's file gives is given, and `capabilities=` can only be of
/// what is there anyway.
pub fn gpus(text: &str) -> Result<Gpus> {
    let bad = || {
        Error::user(format!("{text:?} asks for no graphics processor"))
            .hint("all, how many, or '\"device=0,1\"'")
    };
    let named = |id: &str| format!("nvidia.com/gpu={id}");
    let count = |count: &str| -> Result<Vec<String>> {
        match count {
            "all" | "-1" => Ok(vec![named("all")]),
            n => {
                let n: u16 = n.parse().map_err(|_| bad())?;
                Ok((0..n).map(|n| named(&n.to_string())).collect())
            }
        }
    };
    let mut found: Option<Vec<String>> = None;
    for field in super::csv::fields(text)? {
        let all = match super::csv::key_value(&field) {
            (key, Some(value)) if key == "device" => {
                Some(value.split(',').map(named).collect::<Vec<_>>())
            }
            (key, Some(value)) if key == "count" => Some(count(value)?),
            (key, Some("nvidia")) if key == "driver" => None,
            (key, Some(value)) if key == "capabilities" => {
                check_capabilities(value)?;
                None
            }
            (_, None) => Some(count(&field)?),
            _ => return Err(bad()),
        };
        if all.is_some() && found.is_some() {
            return Err(bad());
        }
        found = all.or(found);
    }
    let found = found.unwrap_or_else(|| vec![named("all")]);
    if found.is_empty() || !found.iter().all(|name| is_cdi(name)) {
        return Err(bad());
    }
    Ok(found.into())
}

fn check_capabilities(list: &str) -> Result<()> {
    match list.split(',').find(|word| !CAPABILITIES.contains(word)) {
        None => Ok(()),
        Some(other) => Err(Error::user(format!(
            "no graphics processor has the capability {other:?}"
        ))
        .hint(format!(
            "what the vendor's file gives is given as a whole, with {}",
            CAPABILITIES.join(", ")
        ))),
    }
}

/// Some of `rwm`, each once.
fn is_access(text: &str) -> bool {
    let once = |c| text.matches(c).count() < 2;
    !text.is_empty() && text.chars().all(|c| "rwm".contains(c) && once(c))
}

/// `vendor.com/class=name`, as the Container Device Interface spells it.
pub fn is_cdi(text: &str) -> bool {
    let word = |text: &str, also: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let fine = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
        ends(text.chars().next()) && ends(text.chars().last()) && text.chars().all(fine)
    };
    let letter = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic());
    let Some((kind, name)) = text.split_once('=') else {
        return false;
    };
    let Some((vendor, class)) = kind.split_once('/') else {
        return false;
    };
    letter(vendor)
        && word(vendor, "_-.")
        && letter(class)
        && word(class, "_-")
        && word(name, "_-.:")
}

/// `c 1:3 rwm`, with `*` for every number and `a` for every type.
pub fn rule(text: &str) -> Result<String> {
    let number =
        |n: &str| n == "*" || (!n.is_empty() && n.parse::<u32>().is_ok() && !n.starts_with('+'));
    let parts: Vec<&str> = text.split(' ').collect();
    let fine = match parts[..] {
        [kind, numbers, access] => {
            let numbers = numbers.split_once(':');
            matches!(kind, "a" | "b" | "c")
                && numbers.is_some_and(|(major, minor)| number(major) && number(minor))
                && is_access(access)
        }
        _ => false,
    };
    if fine {
        return Ok(text.to_owned());
    }
    Err(
        Error::user(format!("invalid device cgroup format '{text}'"))
            .hint("type, numbers and access, as in 'c 10:200 rwm' or 'b 8:* r'"),
    )
}

/// `/dev/sda:10m` bytes a second.
pub fn rate(text: &str) -> Result<DeviceRate> {
    let (path, rate) = limited(text, "a rate, as in /dev/sda:10m")?;
    let rate =
        units::size(rate).map_err(|e| e.context(format!("invalid rate for device: {text}")))?;
    Ok(DeviceRate {
        path,
        rate: rate as u64,
    })
}

/// `/dev/sda:1000` operations a second.
pub fn operations(text: &str) -> Result<DeviceRate> {
    let (path, rate) = limited(text, "a number, as in /dev/sda:1000")?;
    let rate = units::number(rate, 0, i64::MAX);
    let rate = rate.map_err(|e| e.context(format!("invalid rate for device: {text}")))?;
    Ok(DeviceRate {
        path,
        rate: rate as u64,
    })
}

/// `/dev/sda:500`.
pub fn weight(text: &str) -> Result<DeviceWeight> {
    let (path, weight) = limited(text, "a weight, as in /dev/sda:500")?;
    let weight = block_weight(weight);
    let weight = weight.map_err(|e| e.context(format!("invalid weight for device: {text}")))?;
    Ok(DeviceWeight { path, weight })
}

/// 0 is none.
pub fn block_weight(text: &str) -> Result<u16> {
    if text == "0" {
        return Ok(0);
    }
    units::number(text, 10, 1000).map(|n| n as u16)
}

fn limited<'t>(text: &'t str, form: &str) -> Result<(PathBuf, &'t str)> {
    match text.split_once(':') {
        Some((path, value)) if path.starts_with("/dev/") && !value.is_empty() => {
            paths::check(path)?;
            Ok((PathBuf::from(path), value))
        }
        _ => Err(Error::user(format!("bad format: {text}"))
            .hint(format!("a device below /dev/, a colon and {form}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphics_processors() {
        for (text, want) in [
            ("all", &["all"][..]),
            ("2", &["0", "1"]),
            ("device=1", &["1"]),
            ("\"device=0,GPU-3a\"", &["0", "GPU-3a"]),
            ("count=1,driver=nvidia", &["0"]),
            ("\"device=0\",\"capabilities=compute,utility\"", &["0"]),
            ("capabilities=gpu", &["all"]),
        ] {
            let want: Vec<String> = want
                .iter()
                .map(|id| format!("nvidia.com/gpu={id}"))
                .collect();
            assert_eq!(gpus(text).unwrap()[..], want, "{text}");
        }
        for text in [
            "",
            "0",
            "many",
            "count=x",
            "driver=other",
            "device=",
            "all,2",
            "x=1",
            "capabilities=tpu",
            "\"capabilities=compute,tpu\"",
            "capabilities=",
        ] {
            assert!(gpus(text).is_err(), "{text}");
        }
    }

    fn node(source: &str, target: &str, access: &str) -> Named {
        Named::Node(Device {
            source: source.into(),
            target: target.into(),
            access: access.into(),
        })
    }

    #[test]
    fn nodes_and_vendors_names() {
        for (text, want) in [
            ("/dev/x", node("/dev/x", "/dev/x", "rwm")),
            ("/dev/x:r", node("/dev/x", "/dev/x", "r")),
            ("/dev/x:/dev/y", node("/dev/x", "/dev/y", "rwm")),
            ("/dev/x:/dev/y:mr", node("/dev/x", "/dev/y", "mr")),
            ("/dev/snd", node("/dev/snd", "/dev/snd", "rwm")),
            ("nvidia.com/gpu=0", Named::Cdi("nvidia.com/gpu=0".into())),
            (
                "nvidia.com/gpu=all",
                Named::Cdi("nvidia.com/gpu=all".into()),
            ),
            ("v/c=gpu0:mig-1", Named::Cdi("v/c=gpu0:mig-1".into())),
        ] {
            assert_eq!(parse(text).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_device() {
        for (text, why) in [
            ("", "not absolute"),
            ("null", "not absolute"),
            ("vendor.com/class=", "not absolute"),
            ("1vendor/class=x", "not absolute"),
            ("/dev/x:", "is not an absolute path"),
            ("/dev/x:rx", "rx is not an absolute path"),
            ("/dev/x:rr", "rr is not an absolute path"),
            ("/dev/x:y:rwm", "y is not an absolute path"),
            ("/dev/x:/dev/y:z", "bad mode specified: z"),
            ("/dev/x:/dev/y:", "bad mode specified"),
            ("/dev/x:/dev/y:r:w", "too many colons"),
            ("/dev/x:/", "can't be '/'"),
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.contains(why), "{text:?}: {e}");
        }
    }

    #[test]
    fn rules() {
        for text in ["c 1:3 rwm", "b 8:* r", "a *:* rwm"] {
            assert_eq!(rule(text).unwrap(), text);
        }
        for text in [
            "",
            "c 1:3",
            "d 1:3 r",
            "c 1 r",
            "c x:1 r",
            "c :1 r",
            "c 1:3  r",
            "c 1:3 rwmr",
            "c +1:3 r",
            "c 1:3 rwm x",
            "c 4294967296:1 r",
        ] {
            assert!(rule(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn limits_on_one_device() {
        let r = rate("/dev/sda:10m").unwrap();
        assert_eq!((r.path.to_str(), r.rate), (Some("/dev/sda"), 10 << 20));
        assert_eq!(operations("/dev/sda:1000").unwrap().rate, 1000);
        assert_eq!(weight("/dev/sda:500").unwrap().weight, 500);
        assert_eq!(block_weight("0").unwrap(), 0);
        for text in [
            "",
            "/dev/sda",
            "/dev/sda:",
            "sda:1",
            "/etc/x:1",
            "/dev/sda:x",
            "/dev/sda:-1",
        ] {
            assert!(rate(text).is_err(), "{text:?}");
            assert!(operations(text).is_err(), "{text:?}");
            assert!(weight(text).is_err(), "{text:?}");
        }
        assert!(operations("/dev/sda:1k").is_err());
        for text in ["/dev/sda:9", "/dev/sda:1001"] {
            assert!(weight(text).is_err(), "{text}");
        }
    }
}
