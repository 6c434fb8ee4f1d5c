//! `inspect`: everything about a container, an image, a network or a volume.
//!
//! How it looks is in [`shape`] and [`host_config`], which are pure; here it
//! is looked up and shown.

mod host_config;
mod shape;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use self::shape::Places;
use super::listing::{self, Listed};
use super::sizes;
use crate::error::{Error, Result};
use crate::format::template::Options;
use crate::format::{Format, harmless, json_line};
use crate::say;
use crate::store::Store;

/// What is a map in Docker's answer, too: `{{.Config.Labels.missing}}` is no
/// error, as every other field that is not there.
const OPTIONS: Options = Options {
    nulls: &[
        ("Binds", "[]"),
        ("BlkioDeviceReadBps", "[]"),
        ("CapAdd", "[]"),
        ("CapDrop", "[]"),
        ("Cmd", "[]"),
        ("DeviceCgroupRules", "[]"),
        ("DeviceRequests", "[]"),
        ("Entrypoint", "[]"),
        ("ExecIDs", "[]"),
        ("ExposedPorts", "map[]"),
        ("ExtraHosts", "[]"),
        ("GroupAdd", "[]"),
        ("Health", "<nil>"),
        ("Healthcheck", "<nil>"),
        ("Links", "[]"),
        ("MaskedPaths", "[]"),
        ("MemorySwappiness", "<nil>"),
        ("OnBuild", "[]"),
        ("OomKillDisable", "<nil>"),
        ("PidsLimit", "<nil>"),
        ("ReadonlyPaths", "[]"),
        ("SecurityOpt", "[]"),
        ("StopTimeout", "<nil>"),
        ("Ulimits", "[]"),
        ("Volumes", "map[]"),
        ("VolumesFrom", "[]"),
    ],
    maps: &[
        "/Config/Labels",
        "/Config/Volumes",
        "/Config/ExposedPorts",
        "/GraphDriver/Data",
        "/HostConfig/Annotations",
        "/HostConfig/LogConfig/Config",
        "/HostConfig/PortBindings",
        "/HostConfig/Sysctls",
        "/HostConfig/Tmpfs",
        "/NetworkSettings/Networks",
        "/NetworkSettings/Ports",
    ],
    ..Options::STRICT
};

#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// Show only this: json, or a template as {{.State.Pid}}
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Say how large they are, too
    #[arg(short, long)]
    size: bool,
    /// What is meant, where one name could be several: container, image, network or volume
    #[arg(long = "type", value_name = "TYPE", value_parser = KINDS.map(|(kind, _)| kind))]
    kind: Option<String>,
    /// Names or ids
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Inspect {
    /// As it is meant behind `container`.
    pub fn of_containers(&mut self) {
        self.kind = Some("container".to_owned());
    }
}

/// `inspect`. Those that are there are shown, also when one is not.
pub fn inspect(store: &Store, args: &Inspect) -> Result<ExitCode> {
    let format = Format::parse(args.format.as_deref().unwrap_or_default())?;
    let mut found = Vec::new();
    let mut failures: Vec<Error> = Vec::new();
    for name in &args.names {
        match one(store, name, args) {
            Ok(value) => found.push(value),
            Err(e) => failures.push(e),
        }
    }
    present(&format, args.format.is_some(), found, failures)
}

/// Shows what was found, and says what was not.
pub fn present(
    format: &Format,
    given: bool,
    found: Vec<Value>,
    mut failures: Vec<Error>,
) -> Result<ExitCode> {
    let text = show(format, given, found).unwrap_or_else(|e| {
        failures.push(e);
        String::new()
    });
    listing::print(&text)?;
    for e in &failures {
        say::error(e);
    }
    Ok(ExitCode::from(u8::from(!failures.is_empty())))
}

/// How one thing is looked up; with its size, if that is wanted and it has one.
type Look = fn(&Store, &str, bool) -> Result<Value>;

/// What can be looked at, in the order in which Docker looks.
const KINDS: [(&str, Look); 4] = [
    ("container", container),
    ("image", |store, name, _| {
        super::image::inspect::one(store, name)
    }),
    ("network", |store, name, _| super::network::one(store, name)),
    ("volume", |store, name, _| super::volume::one(store, name)),
];

/// The first of that name, or the one of that kind.
fn one(store: &Store, name: &str, args: &Inspect) -> Result<Value> {
    let missing = |e: &Error| e.what().starts_with("No such ");
    let wanted = args.kind.as_deref();
    for (kind, look) in KINDS {
        if wanted.is_some_and(|wanted| wanted != kind) {
            continue;
        }
        match look(store, name, args.size) {
            Err(e) if wanted.is_none() && missing(&e) => {}
            found => return found,
        }
    }
    Err(no_object(name))
}

fn no_object(name: &str) -> Error {
    let short: String = name.chars().take(80).collect();
    Error::user(format!("No such object: {short}")).hint(
        "`rcon ps -a` lists containers, `rcon images` images, `rcon network ls` networks, \
         `rcon volume ls` volumes",
    )
}

fn container(store: &Store, name: &str, size: bool) -> Result<Value> {
    let c = Listed::find(store, name)?;
    let size = size.then(|| sizes::of(store, &c));
    let places = places(store, &c);
    Ok(shape::inspect(&c.name, &c.config, &c.state, &places, size))
}

fn places(store: &Store, c: &Listed) -> Places {
    // Written at the first start.
    let spec = c.entry.spec().ok();
    let linux = spec.as_ref().and_then(|spec| spec.linux().as_ref());
    let log = c.entry.dir().join(crate::logs::FILE);
    let fs = c.entry.upper_dir().parent().map(PathBuf::from);
    Places {
        files: c.entry.files_dir(),
        log: if c.config.log.driver == "json-file" {
            log
        } else {
            PathBuf::new()
        },
        volumes: crate::volume::Volumes(store).dir(),
        lower: shape::lower(&c.config, |layer| store.layer(layer)),
        over: fs.filter(|_| shape::has_overlay(&c.config)),
        masked: linux.and_then(|linux| linux.masked_paths().clone()),
        readonly: linux.and_then(|linux| linux.readonly_paths().clone()),
    }
}

/// Things as JSON, or as a template says.
pub fn show(format: &Format, given: bool, found: Vec<Value>) -> Result<String> {
    match format {
        Format::Default if !given => pretty(&Value::Array(found)),
        Format::Default => Err(Error::user("inspect has no table").hint("use json or a template")),
        Format::Json => Ok(json_line(&Value::Array(found)) + "\n"),
        Format::Table(_) => Err(Error::user("inspect has no table").hint("leave out \"table\"")),
        Format::Template(template) => {
            // Labels and what health checks say are the image's words. Scripts
            // get them as they are; a terminal would obey them.
            let options = Options {
                escape: std::io::stdout().is_terminal(),
                ..OPTIONS
            };
            let line = |mut c: Value| {
                with_absent(&mut c);
                Ok(template.render_with(&c, options)? + "\n")
            };
            found.into_iter().map(line).collect()
        }
    }
}

/// What Docker leaves out of its JSON where it is not there, a template can
/// still ask for: `{{if .State.Health}}`.
fn with_absent(c: &mut Value) {
    for (part, names) in [
        ("State", &["Health"][..]),
        (
            "Config",
            &["Healthcheck", "StopSignal", "StopTimeout", "ExposedPorts"],
        ),
    ] {
        let Some(Value::Object(map)) = c.get_mut(part) else {
            continue;
        };
        for name in names {
            map.entry(*name).or_insert(Value::Null);
        }
    }
}

/// Indented by four, as Docker does it.
fn pretty(value: &Value) -> Result<String> {
    let mut out = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    let mut serializer = Serializer::with_formatter(&mut out, formatter);
    value
        .serialize(&mut serializer)
        .map_err(|e| Error::internal(e.to_string()))?;
    let mut text = String::from_utf8(out).map_err(|e| Error::internal(e.to_string()))?;
    text.push('\n');
    Ok(harmless(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(format: &str) -> Result<String> {
        let value = json!({"State": {"Pid": 1}, "Config": {"Labels": {"a": "1"}}});
        show(&Format::parse(format)?, !format.is_empty(), vec![value])
    }

    #[test]
    fn as_json_or_as_the_template_says() {
        assert_eq!(
            shown("").unwrap(),
            "[\n    {\n        \"Config\": {\n            \"Labels\": {\n                \"a\": \"1\"\n            }\n        },\n        \"State\": {\n            \"Pid\": 1\n        }\n    }\n]\n"
        );
        assert_eq!(shown("json").unwrap().lines().count(), 1);
        assert_eq!(shown("{{.State.Pid}}").unwrap(), "1\n");
        assert_eq!(
            shown("{{if .State.Health}}yes{{else}}no{{end}}").unwrap(),
            "no\n"
        );
        assert_eq!(pretty(&json!([])).unwrap(), "[]\n");
        for (labels, want) in [
            ("{{.Config.Labels.a}}", "1\n"),
            ("{{.Config.Labels.missing}}", "<no value>\n"),
            ("{{with .Config.Labels}}{{.missing}}{{end}}", "<no value>\n"),
            ("{{if .Config.Labels.missing}}yes{{else}}no{{end}}", "no\n"),
        ] {
            assert_eq!(shown(labels).unwrap(), want, "{labels}");
        }
        for wrong in [
            "{{.Config.Nope}}",
            "{{.Config.Labels.missing.x}}",
            "{{.Nope}}",
            "table",
            "table {{.Id}}",
        ] {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
    }
}
