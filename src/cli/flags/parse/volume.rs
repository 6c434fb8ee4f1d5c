//! `--volume`: `NAME:/in`, `/host:/in:ro,z`, `./here:/in`, `/in` alone.

use std::path::PathBuf;

use super::paths;
use crate::container::{IdMap, Mount, MountKind, VolumeWish};
use crate::error::{Error, Result};
use crate::volume;

/// How mounts made later travel between the host and the container.
pub const PROPAGATION: &[&str] = &[
    "private", "rprivate", "shared", "rshared", "slave", "rslave",
];

/// Reads one `--volume`. A host's path that begins with a dot stays as it is:
/// where that counts from is known to the second stage only.
pub fn parse(text: &str) -> Result<Mount> {
    let invalid = |e: Error| e.context(format!("invalid volume specification: {text:?}"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, modes) = match parts[..] {
        [target] => ("", target, ""),
        [source, target] => (source, target, ""),
        [source, target, modes] => (source, target, modes),
        _ => return Err(invalid(Error::user("too many colons").hint(FORM))),
    };
    if parts.len() > 1 && source.is_empty() {
        let e = Error::user("empty section between colons");
        return Err(invalid(e.hint(FORM)));
    }
    let kind = kind(source).map_err(invalid)?;
    let mut mount = Mount {
        kind,
        target: paths::target(target).map_err(invalid)?,
        read_only: false,
        options: Vec::new(),
    };
    if parts.len() == 3 {
        add_modes(&mut mount, modes).map_err(invalid)?;
    }
    Ok(mount)
}

const FORM: &str = "[SOURCE:]TARGET[:OPTIONS], as in ./data:/data:ro";

fn kind(source: &str) -> Result<MountKind> {
    if source.starts_with(['/', '.']) {
        paths::check(source)?;
        return Ok(MountKind::Bind {
            source: PathBuf::from(source),
            create: true,
            recursive: true,
        });
    }
    if !source.is_empty() {
        check_name(source)?;
    }
    Ok(MountKind::Volume {
        name: source.to_owned(),
        anonymous: source.is_empty(),
        subpath: None,
        wish: VolumeWish::default(),
    })
}

/// Whether a volume can have this name. Most that cannot are paths.
pub fn check_name(name: &str) -> Result<()> {
    let hint = if name.starts_with('~') {
        "only a shell knows ~, and only in front of a word: write \"$HOME\" instead"
    } else if name.contains('/') {
        "write ./ in front of a directory of the host"
    } else {
        return volume::check_name(name);
    };
    volume::check_name(name).map_err(|e| e.hint(hint))
}

/// `ro,z`: what may be said of a path of the host and of a volume differs.
fn add_modes(mount: &mut Mount, modes: &str) -> Result<()> {
    let is_bind = matches!(mount.kind, MountKind::Bind { .. });
    let mut seen = Vec::new();
    for word in modes.split(',') {
        let class = class(word, is_bind).ok_or_else(|| unknown(word, is_bind))?;
        IdMap::parse(word).transpose()?;
        if seen.contains(&class) {
            return Err(Error::user(format!("invalid mode: {modes}"))
                .hint(format!("only one word can say {class}")));
        }
        seen.push(class);
        match word {
            "ro" => mount.read_only = true,
            "rw" => {}
            _ => mount.options.push(word.to_owned()),
        }
    }
    Ok(())
}

fn unknown(word: &str, is_bind: bool) -> Error {
    let e = Error::user(format!("invalid mode: {word}"));
    e.hint(match (word, is_bind) {
        ("U", _) => "idmap shows files under other owners, and leaves them as they are",
        (_, true) => "ro, rw, z, Z, noexec, idmap, or how mounts travel: rprivate, rslave, rshared",
        (_, false) => "ro, rw, z, Z, nocopy, noexec, idmap",
    })
}

/// What a word is about.
fn class(word: &str, is_bind: bool) -> Option<&'static str> {
    match word {
        "ro" | "rw" => Some("whether it can be written"),
        // Without SELinux there is nothing to label, and Docker says nothing.
        "z" | "Z" => Some("how it is labelled"),
        "consistent" | "cached" | "delegated" => Some("how it is cached"),
        "nocopy" | "copy" if !is_bind => Some("what is copied"),
        "exec" | "noexec" => Some("whether programs can be run"),
        "suid" | "nosuid" => Some("whether set-user-id counts"),
        "dev" | "nodev" => Some("whether devices can be used"),
        "idmap" => Some("whose files are shown"),
        _ if word.starts_with("idmap=") => Some("whose files are shown"),
        _ if is_bind && PROPAGATION.contains(&word) => Some("how mounts travel"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn shown(text: &str) -> String {
        let m = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let source = match &m.kind {
            MountKind::Bind {
                source,
                create: true,
                recursive: true,
            } => format!("bind {}", source.display()),
            MountKind::Volume {
                name,
                anonymous: false,
                subpath: None,
                ..
            } => format!("volume {name}"),
            MountKind::Volume {
                name,
                anonymous: true,
                subpath: None,
                ..
            } if name.is_empty() => "new".into(),
            other => panic!("{other:?}"),
        };
        let access = if m.read_only { "ro" } else { "rw" };
        format!(
            "{source} {} {access} {}",
            m.target.display(),
            m.options.join(",")
        )
    }

    #[test]
    fn every_form() {
        for (text, want) in [
            ("/anon", "new /anon rw "),
            ("name:/in", "volume name /in rw "),
            ("my.vol-1_x:/in:ro", "volume my.vol-1_x /in ro "),
            ("name:/in:nocopy,z", "volume name /in rw nocopy,z"),
            ("name:/in:noexec,idmap", "volume name /in rw noexec,idmap"),
            (
                "./a:/in:idmap=uids=1-0-1;gids=1-0-1,ro",
                "bind ./a /in ro idmap=uids=1-0-1;gids=1-0-1",
            ),
            ("/host:/in", "bind /host /in rw "),
            ("/host dir:/in dir", "bind /host dir /in dir rw "),
            ("/host:/in:ro,z", "bind /host /in ro z"),
            (
                "/host:/in:rw,rslave,cached",
                "bind /host /in rw rslave,cached",
            ),
            ("/:/host:ro,rslave", "bind / /host ro rslave"),
            ("./rel:/in", "bind ./rel /in rw "),
            ("../rel:/in", "bind ../rel /in rw "),
            (".:/in", "bind . /in rw "),
            ("/x:/a//b/../c/", "bind /x /a/c rw "),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
        for word in PROPAGATION {
            assert_eq!(parse(&format!("/x:/y:{word}")).unwrap().options, [*word]);
        }
    }

    #[test]
    fn what_cannot_be_mounted() {
        for (text, why) in [
            ("", "must be absolute"),
            ("name", "must be absolute"),
            (":", "empty section"),
            (":/in", "empty section"),
            ("name:", "must be absolute"),
            ("name:in", "must be absolute"),
            ("/x:./in", "must be absolute"),
            ("/x:/", "can't be '/'"),
            ("/", "can't be '/'"),
            ("/a:/b:ro:z", "too many colons"),
            ("~/data:/in", "$HOME"),
            ("~:/in", "$HOME"),
            ("some/dir:/in", "write ./ in front"),
            ("a:/in", "two or more letters"),
            ("-ab:/in", "not a volume's name"),
            ("vol ume:/in", "not a volume's name"),
            ("/a:/in:U", "idmap shows files under other owners"),
            ("/a:/in:idmap=uids=1-0-1", "uids and gids go together"),
            ("/a:/in:idmap,idmap", "only one word"),
            ("/a:/b:", "invalid mode: "),
            ("/a:/b:x", "invalid mode: x"),
            ("/a:/b:RO", "invalid mode: RO"),
            ("/a:/b:ro,rw", "whether it can be written"),
            ("/a:/b:z,Z", "how it is labelled"),
            ("/a:/b:shared,private", "how mounts travel"),
            ("/a:/b:nocopy", "invalid mode: nocopy"),
            ("vol:/b:rslave", "invalid mode: rslave"),
        ] {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.contains(why), "{text:?}: {e}");
            assert!(e.starts_with("invalid volume specification"), "{e}");
        }
        assert_eq!(parse("/x:/../etc").unwrap().target, Path::new("/etc"));
    }
}
