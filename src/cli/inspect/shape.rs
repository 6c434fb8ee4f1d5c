//! A container in the shape of Docker's `inspect`. Pure.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::host_config::{host_config, network_mode, or_null};
use crate::cli::listing::rfc3339;
use crate::cli::ps::{ports, row, status};
use crate::container::{
    Config, Health, Healthcheck, Mount, MountKind, NetworkMode, Root, State, Status,
};

/// Where what belongs to a container is kept on the host.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Its own `/etc/hosts` and the like.
    pub files: PathBuf,
    /// Its log; empty: none is written.
    pub log: PathBuf,
    /// The directories of its overlay, the uppermost first.
    pub lower: Vec<PathBuf>,
    /// What lies over them; none: changes go to the directory itself.
    pub over: Option<PathBuf>,
    /// Where volumes are kept.
    pub volumes: PathBuf,
    /// Paths that are hidden from it, and those it cannot write.
    pub masked: Option<Vec<String>>,
    /// See `masked`.
    pub readonly: Option<Vec<String>>,
}

/// All of it. `sizes` is what was changed, and the whole root.
pub fn inspect(
    name: &str,
    config: &Config,
    state: &State,
    places: &Places,
    sizes: Option<(u64, Option<u64>)>,
) -> Value {
    let argv = config.program.argv();
    let security = &config.isolation.security;
    let mut host = host_config(config);
    host["MaskedPaths"] = json!(places.masked);
    host["ReadonlyPaths"] = json!(places.readonly);
    let mut all = json!({
        "Id": config.id.as_str(),
        "Created": rfc3339(Some(config.created)),
        "Path": argv.first().cloned().unwrap_or_default(),
        "Args": argv.get(1..).unwrap_or_default(),
        "State": of_state(state),
        "Image": config.image.as_ref().map_or("", |image| &image.id),
        "ResolvConfPath": places.files.join("resolv.conf"),
        "HostnamePath": places.files.join("hostname"),
        "HostsPath": places.files.join("hosts"),
        "LogPath": places.log,
        "Name": format!("/{name}"),
        "RestartCount": state.restarts,
        "Driver": graph_driver(places),
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": security.label.clone().unwrap_or_default(),
        "AppArmorProfile": security.apparmor.clone().unwrap_or_default(),
        "ExecIDs": null,
        "HostConfig": host,
        "GraphDriver": {"Name": graph_driver(places), "Data": graph_data(places)},
        "Mounts": mounts(config, &places.volumes),
        "Config": of_config(config),
        "NetworkSettings": network(config, state),
    });
    if let Some((own, whole)) = sizes {
        all["SizeRw"] = own.into();
        all["SizeRootFs"] = whole.unwrap_or(own).into();
    }
    all
}

fn graph_driver(places: &Places) -> &'static str {
    match places.over {
        Some(_) => "overlay",
        None => "directory",
    }
}

/// The directories of the overlay, or the one there is.
fn graph_data(places: &Places) -> Value {
    let lower: Vec<_> = places
        .lower
        .iter()
        .map(|p| p.display().to_string())
        .collect();
    match &places.over {
        None => json!({"RootDir": lower.join(":")}),
        Some(over) => json!({
            "LowerDir": lower.join(":"),
            "UpperDir": over.join("upper"),
            "WorkDir": over.join("work"),
            "MergedDir": over.join("root"),
        }),
    }
}

/// The layers below a container's own changes.
pub fn lower(config: &Config, layer: impl Fn(&str) -> PathBuf) -> Vec<PathBuf> {
    match &config.root {
        Root::Directory { path, .. } => vec![path.clone()],
        Root::Layers { layers } => layers.iter().map(|l| layer(l)).collect(),
    }
}

/// Whether changes go to an overlay of the container's own.
pub fn has_overlay(config: &Config) -> bool {
    !matches!(config.root, Root::Directory { overlay: false, .. })
}

fn of_state(state: &State) -> Value {
    let mut all = json!({
        "Status": state.status.word(),
        "Running": state.status.is_up(),
        "Paused": state.status == Status::Paused,
        "Restarting": state.status == Status::Restarting,
        "OOMKilled": state.oom_killed,
        "Dead": state.status == Status::Dead,
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": rfc3339(state.started),
        "FinishedAt": rfc3339(state.finished),
    });
    if let Some(health) = &state.health {
        all["Health"] = of_health(health, status::health_word(state));
    }
    all
}

fn of_health(health: &Health, word: &str) -> Value {
    let probe = |p: &crate::container::Probe| {
        json!({
            "Start": rfc3339(Some(p.start)),
            "End": rfc3339(Some(p.end)),
            "ExitCode": p.exit_code,
            "Output": p.output,
        })
    };
    json!({
        "Status": word,
        "FailingStreak": health.failing_streak,
        "Log": health.log.iter().map(probe).collect::<Vec<_>>(),
    })
}

fn of_config(config: &Config) -> Value {
    let program = &config.program;
    let mut all = json!({
        "Hostname": hostname(config),
        "Domainname": program.domainname,
        "User": program.user,
        "AttachStdin": program.open_stdin && program.stdin_once,
        "AttachStdout": false,
        "AttachStderr": false,
        "Tty": program.tty,
        "OpenStdin": program.open_stdin,
        "StdinOnce": program.stdin_once,
        "Env": program.env,
        "Cmd": or_null(program.command.clone()),
        "Entrypoint": or_null(program.entrypoint.clone()),
        "Image": row::image(config),
        "Volumes": volumes(config),
        "WorkingDir": program.workdir,
        "OnBuild": null,
        "Labels": config.labels,
    });
    let exposed = ports::exposed(config);
    if !exposed.is_empty() {
        let keys = exposed
            .iter()
            .map(|(port, protocol)| (format!("{port}/{protocol}"), json!({})));
        all["ExposedPorts"] = Value::Object(keys.collect());
    }
    if !program.stop_signal.is_empty() {
        all["StopSignal"] = program.stop_signal.clone().into();
    }
    if let Some(seconds) = program.stop_timeout {
        all["StopTimeout"] = seconds.into();
    }
    if let Some(check) = &config.health {
        all["Healthcheck"] = healthcheck(check);
    }
    all
}

fn hostname(config: &Config) -> String {
    match config.program.hostname.as_str() {
        "" => config.id.short().to_owned(),
        name => name.to_owned(),
    }
}

/// Those without a name, by their place.
fn volumes(config: &Config) -> Value {
    let anonymous = |m: &&Mount| {
        matches!(
            m.kind,
            MountKind::Volume {
                anonymous: true,
                ..
            }
        )
    };
    let places = config.mounts.iter().filter(anonymous);
    let map: Map<_, _> = places
        .map(|m| (m.target.display().to_string(), json!({})))
        .collect();
    if map.is_empty() {
        Value::Null
    } else {
        map.into()
    }
}

fn healthcheck(check: &Healthcheck) -> Value {
    let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
    let words: Vec<&str> = check.command.iter().map(String::as_str).collect();
    let test = match words.as_slice() {
        ["/bin/sh", "-c", line] => vec!["CMD-SHELL", line],
        words => [&["CMD"], words].concat(),
    };
    json!({
        "Test": test,
        "Interval": nanos(check.interval),
        "Timeout": nanos(check.timeout),
        "StartPeriod": nanos(check.start_period),
        "StartInterval": nanos(check.start_interval),
        "Retries": check.retries,
    })
}

fn mounts(config: &Config, volumes: &Path) -> Vec<Value> {
    let all = config.mounts.iter();
    all.filter_map(|m| mount(m, volumes)).collect()
}

fn mount(mount: &Mount, volumes: &Path) -> Option<Value> {
    let target = &mount.target;
    let mut mode: Vec<&str> = mount.options.iter().map(String::as_str).collect();
    if mount.read_only {
        mode.insert(0, "ro");
    }
    let propagation = mount.options.iter().find(|o| {
        matches!(
            o.as_str(),
            "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave"
        )
    });
    let mut all = json!({
        "Destination": target,
        "Mode": mode.join(","),
        "RW": !mount.read_only,
        "Propagation": "",
    });
    match &mount.kind {
        MountKind::Bind { source, .. } => {
            all["Type"] = "bind".into();
            all["Source"] = json!(source);
            all["Propagation"] = propagation.map_or("rprivate", |p| p).into();
        }
        MountKind::Volume { name, .. } => {
            all["Type"] = "volume".into();
            all["Name"] = name.clone().into();
            all["Driver"] = "local".into();
            all["Source"] = json!(volumes.join(name).join("_data"));
        }
        MountKind::Image { reference, .. } => {
            all["Type"] = "image".into();
            all["Source"] = reference.clone().into();
        }
        // As in Docker, one that is wanted for a path stands in `HostConfig`.
        MountKind::Tmpfs(_) => return None,
    }
    Some(all)
}

/// What the keeper has written down, in Docker's words:
/// `{"ports": {…}, "networks": {"bridge": {"IPAddress": …, …}}}`.
fn network(config: &Config, state: &State) -> Value {
    let networks = match state.network.get("networks") {
        Some(Value::Object(networks)) => networks.clone(),
        _ => absent_networks(config),
    };
    let first = networks.get(&network_mode(&config.network.mode));
    let first = first.or_else(|| networks.values().next());
    let text = |field: &str| first.and_then(|n| n[field].as_str()).unwrap_or_default();
    let number = |field: &str| first.and_then(|n| n[field].as_i64()).unwrap_or(0);
    json!({
        "Bridge": "",
        "SandboxID": "",
        "SandboxKey": sandbox(state),
        "Ports": ports::json(&ports::of(config, state)),
        "IPAddress": text("IPAddress"),
        "IPPrefixLen": number("IPPrefixLen"),
        "Gateway": text("Gateway"),
        "MacAddress": text("MacAddress"),
        "EndpointID": text("EndpointID"),
        "GlobalIPv6Address": text("GlobalIPv6Address"),
        "GlobalIPv6PrefixLen": number("GlobalIPv6PrefixLen"),
        "IPv6Gateway": text("IPv6Gateway"),
        "Networks": networks,
    })
}

/// A container that is not up is in no network, and has those it wants.
fn absent_networks(config: &Config) -> Map<String, Value> {
    let blank = json!({
        "IPAMConfig": null, "Links": null, "Aliases": null, "MacAddress": "",
        "DriverOpts": null, "NetworkID": "", "EndpointID": "", "Gateway": "",
        "IPAddress": "", "IPPrefixLen": 0, "IPv6Gateway": "",
        "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "DNSNames": null,
    });
    let names = match &config.network.mode {
        NetworkMode::Host | NetworkMode::None => vec![network_mode(&config.network.mode)],
        _ => config.network.names(),
    };
    names.into_iter().map(|n| (n, blank.clone())).collect()
}

/// The network namespace, for tools that enter it.
fn sandbox(state: &State) -> PathBuf {
    if state.pid == 0 {
        return PathBuf::new();
    }
    Path::new("/proc")
        .join(state.pid.to_string())
        .join("ns/net")
}

#[cfg(test)]
#[path = "shape_tests.rs"]
mod tests;
