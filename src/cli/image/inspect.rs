//! `image inspect`: everything about an image, in the shape of Docker's.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::of;
use crate::cli::inspect::present;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::image::config::{Execution, Healthcheck};
use crate::image::reference::Reference;
use crate::image::{Image, Name};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// Show only this: json, or a template as {{.Config.Env}}
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names or ids
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

/// `image inspect`. Those that are there are shown, also when one is not.
pub fn inspect(store: &Store, args: &Inspect) -> Result<ExitCode> {
    let format = Format::parse(args.format.as_deref().unwrap_or_default())?;
    let mut found = Vec::new();
    let mut failures: Vec<Error> = Vec::new();
    for name in &args.images {
        match one(store, name) {
            Ok(value) => found.push(value),
            Err(e) => failures.push(e),
        }
    }
    present(&format, args.format.is_some(), found, failures)
}

/// One image.
pub fn one(store: &Store, name: &str) -> Result<Value> {
    let images = of(store);
    let all = images.find_all(name)?;
    let paths: Vec<String> = all[0]
        .layers()
        .iter()
        .map(|layer| store.layer(layer).display().to_string())
        .collect();
    Ok(shape(&all, &paths))
}

/// Pure. All entries are of the same image.
fn shape(all: &[Image], paths: &[String]) -> Value {
    let image = &all[0];
    let config = &image.config;
    let tags = all.iter().flat_map(Image::tags).map(Name::to_string);
    let mut digests: Vec<String> = all
        .iter()
        .flat_map(Image::digests)
        .map(|r: Reference| r.familiar())
        .collect();
    digests.sort();
    digests.dedup();
    let size = image.size();
    let mut value = json!({
        "Id": image.id().to_string(),
        "RepoTags": tags.collect::<Vec<_>>(),
        "RepoDigests": digests,
        "Parent": "",
        "Comment": config.history.last().map_or("", |h| &h.comment),
        "Created": config.created.clone().unwrap_or_default(),
        "DockerVersion": config.rest.get("docker_version").cloned().unwrap_or_else(|| "".into()),
        "Author": config.author.clone().unwrap_or_default(),
        "Config": execution(&config.config),
        "Architecture": config.architecture,
        "Os": config.os,
        "Size": size,
        "VirtualSize": size,
        "GraphDriver": {"Name": "overlay2", "Data": layers(paths)},
        "RootFS": {"Type": "layers", "Layers": config.rootfs.diff_ids},
        "Metadata": {"LastTagTime": "0001-01-01T00:00:00Z"},
        "Descriptor": image.target,
    });
    if let Some(variant) = config.variant.as_ref().filter(|v| !v.is_empty()) {
        value["Variant"] = variant.clone().into();
    }
    value
}

fn layers(paths: &[String]) -> Value {
    match paths.split_first() {
        None => json!({}),
        Some((upper, lower)) => json!({"UpperDir": upper, "LowerDir": lower.join(":")}),
    }
}

fn execution(c: &Execution) -> Value {
    let or_null = |list: &[String]| {
        if list.is_empty() {
            Value::Null
        } else {
            json!(list)
        }
    };
    let map = |m: &Map<String, Value>| if m.is_empty() { Value::Null } else { json!(m) };
    let mut all = json!({
        "Hostname": "",
        "Domainname": "",
        "User": c.user,
        "AttachStdin": false,
        "AttachStdout": false,
        "AttachStderr": false,
        "Tty": false,
        "OpenStdin": false,
        "StdinOnce": false,
        "Env": or_null(&c.env),
        "Cmd": or_null(&c.cmd),
        "Image": "",
        "Volumes": map(&c.volumes),
        "WorkingDir": c.working_dir,
        "Entrypoint": or_null(&c.entrypoint),
        "OnBuild": or_null(&c.on_build),
        "Labels": if c.labels.is_empty() { Value::Null } else { json!(c.labels) },
    });
    if !c.exposed_ports.is_empty() {
        all["ExposedPorts"] = json!(c.exposed_ports);
    }
    if !c.stop_signal.is_empty() {
        all["StopSignal"] = c.stop_signal.clone().into();
    }
    if !c.shell.is_empty() {
        all["Shell"] = json!(c.shell);
    }
    if let Some(check) = &c.healthcheck {
        all["Healthcheck"] = healthcheck(check);
    }
    all
}

fn healthcheck(check: &Healthcheck) -> Value {
    serde_json::to_value(check).unwrap_or_default()
}
