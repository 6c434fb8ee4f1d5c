//! One container as a row: every field Docker's templates know. Pure.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{ports, status};
use crate::cli::listing::{self, Listed};
use crate::container::{Config, Mount, MountKind, NetworkMode, Root, Timestamp};
use crate::format::units::{duration, size};

/// How long a command may be before it is cut.
const COMMAND: usize = 20;
/// How long the name of a mount may be.
const MOUNT: usize = 15;

/// The row. `size` is what was changed, and the whole root; where nobody
/// asked for it, it is not worked out.
pub fn row(c: &Listed, now: Timestamp, whole: bool, size: Option<(u64, Option<u64>)>) -> Value {
    let mounts: Vec<String> = c.config.mounts.iter().filter_map(mount_name).collect();
    let mounts: Vec<String> = mounts.iter().map(|m| cut(m, MOUNT, whole)).collect();
    let id = if whole {
        c.id().as_str()
    } else {
        c.id().short()
    };
    let labels = c.config.labels.iter().map(|(k, v)| format!("{k}={v}"));
    json!({
        "ID": id,
        "Image": image(&c.config),
        "Command": quoted(&cut(&command(&c.config), COMMAND, whole)),
        "CreatedAt": listing::local(c.config.created),
        "RunningFor": duration::ago(now.since(c.config.created)),
        "Ports": ports::shown(&ports::of(&c.config, &c.state)),
        "State": c.state.status.word(),
        "Status": status::status(&c.state, now),
        "Size": size.map_or_else(|| "0B".to_owned(), |(own, all)| sizes(own, all)),
        "Names": c.name,
        "Labels": labels.collect::<Vec<_>>().join(","),
        "Mounts": mounts.join(","),
        "Networks": networks(&c.config).join(","),
        "LocalVolumes": local_volumes(&c.config).to_string(),
    })
}

/// `12.3MB (virtual 45MB)`.
fn sizes(own: u64, all: Option<u64>) -> String {
    let own = size::decimal_short(own);
    match all {
        Some(all) if all > 0 => format!("{own} (virtual {})", size::decimal_short(all)),
        _ => own,
    }
}

/// What a container was made from: an image, or a directory of the host.
pub fn image(config: &Config) -> String {
    match (&config.image, &config.root) {
        (Some(image), _) => image.reference.clone(),
        (None, Root::Directory { path, .. }) => path.display().to_string(),
        (None, Root::Layers { .. }) => String::new(),
    }
}

/// What runs, in one line; an argument with a space stands in quotes.
pub fn command(config: &Config) -> String {
    let argv = config.program.argv();
    let words = argv.iter().enumerate().map(|(i, word)| {
        if i > 0 && word.contains(' ') {
            format!("'{word}'")
        } else {
            word.clone()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// At most so many characters, the last of which says that more was there.
fn cut(text: &str, most: usize, whole: bool) -> String {
    if whole || text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// Between double quotes, as Go writes it: nothing in it can break a line or
/// speak to a terminal.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            // A string takes everything.
            c if c.is_ascii_control() => drop(write!(out, "\\x{:02x}", c as u32)),
            c if hidden(c) => drop(write!(out, "\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out + "\""
}

/// What has no look of its own.
fn hidden(c: char) -> bool {
    let shown = crate::format::escaped(c.encode_utf8(&mut [0; 4])).into_owned();
    shown.chars().count() > 1
}

/// What a mount is called: its volume, or its place on the host.
pub fn mount_name(mount: &Mount) -> Option<String> {
    match &mount.kind {
        MountKind::Bind { source, .. } => Some(source.display().to_string()),
        MountKind::Volume { name, .. } => Some(name.clone()),
        MountKind::Image { reference, .. } => Some(reference.clone()),
        MountKind::Tmpfs(_) => None,
    }
}

fn local_volumes(config: &Config) -> usize {
    let is_volume = |m: &&Mount| matches!(m.kind, MountKind::Volume { .. });
    config.mounts.iter().filter(is_volume).count()
}

/// The networks it is in, by name.
pub fn networks(config: &Config) -> Vec<String> {
    match &config.network.mode {
        NetworkMode::Default => vec!["bridge".to_owned()],
        NetworkMode::None => vec!["none".to_owned()],
        NetworkMode::Host => vec!["host".to_owned()],
        // The other one is in them.
        NetworkMode::Container(_) => Vec::new(),
        NetworkMode::Named(names) => names.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample;

    #[test]
    fn a_command_is_cut_and_quoted() {
        let mut c = sample::listed();
        c.config.program.entrypoint = vec!["/docker-entrypoint.sh".to_owned()];
        c.config.program.command = vec!["a b".to_owned(), "\"\x1b\u{202e}\n".to_owned()];
        let field = |whole| row(&c, Timestamp::now(), whole, None)["Command"].clone();
        assert_eq!(field(false), "\"/docker-entrypoint.…\"");
        assert_eq!(
            field(true),
            r#""/docker-entrypoint.sh 'a b' \"\x1b\u202e\n""#
        );
    }

    #[test]
    fn every_field_of_docker_s_is_there() {
        let c = sample::listed();
        let now = Timestamp {
            seconds: c.config.created.seconds + 7200,
            nanos: 0,
        };
        let row = row(&c, now, false, Some((1_200_000, Some(45_000_000))));
        for (field, want) in [
            ("ID", "0123456789ab"),
            ("Image", "/srv/root"),
            ("RunningFor", "2 hours ago"),
            ("State", "running"),
            ("Status", "Up 2 hours"),
            ("Size", "1.2MB (virtual 45MB)"),
            ("Names", "web"),
            ("Labels", "a=1,b="),
            ("Mounts", "/a/very/long/p…,data"),
            ("Networks", "bridge"),
            ("LocalVolumes", "1"),
            ("Ports", "80/tcp"),
        ] {
            assert_eq!(row[field], want, "{field}");
        }
        assert!(row["CreatedAt"].as_str().unwrap().starts_with("20"));
    }
}
