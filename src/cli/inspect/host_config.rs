//! `HostConfig`: what the host gives a container, in Docker's words. Pure.

use serde_json::{Map, Value, json};

use crate::container::{
    Config, DeviceRate, Mount, MountKind, NetworkMode, Port, Restart, Seccomp, Sharing,
};

/// All of it.
pub fn host_config(config: &Config) -> Value {
    let mut all = Map::new();
    for part in [
        files(config),
        isolation(config),
        network(config),
        life(config),
        limits(config),
        devices(config),
    ] {
        if let Value::Object(part) = part {
            all.extend(part);
        }
    }
    Value::Object(all)
}

fn files(config: &Config) -> Value {
    let binds: Vec<String> = config.mounts.iter().filter_map(bind).collect();
    let tmpfs: Map<_, _> = config.mounts.iter().filter_map(tmpfs).collect();
    json!({
        "Binds": or_null(binds),
        "Tmpfs": tmpfs,
        "VolumeDriver": "",
        "VolumesFrom": null,
        "ReadonlyRootfs": config.isolation.read_only,
        "ShmSize": config.resources.shm_size.unwrap_or(64 << 20),
    })
}

/// `source:target:options`.
fn bind(mount: &Mount) -> Option<String> {
    let source = match &mount.kind {
        MountKind::Bind { source, .. } => source.display().to_string(),
        MountKind::Volume {
            name, anonymous, ..
        } if !anonymous => name.clone(),
        _ => return None,
    };
    let mut words: Vec<&str> = mount.options.iter().map(String::as_str).collect();
    if mount.read_only {
        words.insert(0, "ro");
    }
    let target = mount.target.display();
    Some(match words.as_slice() {
        [] => format!("{source}:{target}"),
        words => format!("{source}:{target}:{}", words.join(",")),
    })
}

fn tmpfs(mount: &Mount) -> Option<(String, Value)> {
    let MountKind::Tmpfs(options) = &mount.kind else {
        return None;
    };
    let mut words = mount.options.clone();
    words.extend(mount.read_only.then(|| "ro".to_owned()));
    words.extend(options.size.map(|size| format!("size={size}")));
    words.extend(options.mode.map(|mode| format!("mode={mode:o}")));
    Some((mount.target.display().to_string(), words.join(",").into()))
}

fn isolation(config: &Config) -> Value {
    let isolation = &config.isolation;
    json!({
        "Privileged": isolation.privileged,
        "CapAdd": or_null(isolation.cap_add.clone()),
        "CapDrop": or_null(isolation.cap_drop.clone()),
        "SecurityOpt": or_null(security(config)),
        "PidMode": sharing(&isolation.pid, ""),
        "IpcMode": sharing(&isolation.ipc, "private"),
        "UTSMode": sharing(&isolation.uts, ""),
        "CgroupnsMode": sharing(&isolation.cgroup, "private"),
        "UsernsMode": isolation.userns.map_or(String::new(), |(start, n)| format!("{start}:{n}")),
        "Cgroup": "",
        "CgroupParent": isolation.cgroup_parent.clone().unwrap_or_default(),
        "GroupAdd": or_null(config.program.groups.clone()),
        "Sysctls": isolation.sysctls,
        "OomScoreAdj": isolation.oom_score_adj.unwrap_or(0),
        "Init": config.program.init,
        "Runtime": "rcon",
        "Isolation": "",
    })
}

fn security(config: &Config) -> Vec<String> {
    let security = &config.isolation.security;
    let seccomp = match &security.seccomp {
        Seccomp::Default => None,
        Seccomp::Unconfined => Some("seccomp=unconfined".to_owned()),
        Seccomp::Profile(profile) => Some(format!("seccomp={profile}")),
    };
    let no_new = security
        .no_new_privileges
        .then(|| "no-new-privileges".to_owned());
    let apparmor = security.apparmor.as_ref().map(|p| format!("apparmor={p}"));
    let label = security.label.as_ref().map(|l| format!("label={l}"));
    let unmask = security.unmask.then(|| "systempaths=unconfined".to_owned());
    let all = [seccomp, no_new, apparmor, label, unmask];
    all.into_iter().flatten().collect()
}

fn sharing(with: &Sharing, own: &str) -> String {
    match with {
        Sharing::Private => own.to_owned(),
        Sharing::Host => "host".to_owned(),
        Sharing::Container(id) => format!("container:{id}"),
    }
}

fn network(config: &Config) -> Value {
    let network = &config.network;
    let hosts = network
        .hosts
        .iter()
        .map(|(name, to)| format!("{name}:{to}"));
    let texts = |ips: &[std::net::IpAddr]| ips.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "NetworkMode": network_mode(&network.mode),
        "PortBindings": port_bindings(config),
        "PublishAllPorts": network.publish_all,
        "Dns": texts(&network.dns),
        "DnsOptions": network.dns_options,
        "DnsSearch": network.dns_search,
        "ExtraHosts": or_null(hosts.collect()),
        "Links": null,
    })
}

/// `bridge`, `host`, `container:…`, or the first network's name.
pub fn network_mode(mode: &NetworkMode) -> String {
    match mode {
        NetworkMode::Default => "bridge".to_owned(),
        NetworkMode::None => "none".to_owned(),
        NetworkMode::Host => "host".to_owned(),
        NetworkMode::Container(id) => format!("container:{id}"),
        NetworkMode::Named(names) => names.first().cloned().unwrap_or_default(),
    }
}

/// As they were asked for; what was found for them is in `NetworkSettings`.
fn port_bindings(config: &Config) -> Value {
    let mut all: Map<String, Value> = Map::new();
    for port in &config.network.ports {
        let key = format!("{}/{}", port.container_port, port.protocol.word());
        let binding = json!({
            "HostIp": port.host_ip.map_or(String::new(), |ip| ip.to_string()),
            "HostPort": host_port(port),
        });
        match all.entry(key).or_insert_with(|| json!([])) {
            Value::Array(list) => list.push(binding),
            other => *other = json!([binding]),
        }
    }
    Value::Object(all)
}

/// `8080`, `8080-8090` for one of these, or nothing.
fn host_port(port: &Port) -> String {
    match (port.host_port, port.host_last) {
        (None, _) => String::new(),
        (Some(first), None) => first.to_string(),
        (Some(first), Some(last)) => format!("{first}-{last}"),
    }
}

fn life(config: &Config) -> Value {
    let (name, most) = match config.restart {
        Restart::No => ("no", 0),
        Restart::OnFailure(most) => ("on-failure", most),
        Restart::Always => ("always", 0),
        Restart::UnlessStopped => ("unless-stopped", 0),
    };
    json!({
        "AutoRemove": config.auto_remove,
        "RestartPolicy": {"Name": name, "MaximumRetryCount": most},
        "LogConfig": {"Type": config.log.driver, "Config": config.log.options},
        "ContainerIDFile": "",
        "ConsoleSize": [0, 0],
        "Annotations": config.annotations,
    })
}

fn limits(config: &Config) -> Value {
    let r = &config.resources;
    let ulimits = config.isolation.ulimits.iter();
    let ulimits = ulimits.map(|u| json!({"Name": u.name, "Hard": u.hard, "Soft": u.soft}));
    json!({
        "Memory": r.memory.unwrap_or(0),
        "MemorySwap": r.memory_swap.unwrap_or(0),
        "MemoryReservation": r.memory_reservation.unwrap_or(0),
        "MemorySwappiness": r.memory_swappiness,
        "OomKillDisable": r.oom_kill_disable,
        "NanoCpus": r.nano_cpus.unwrap_or(0),
        "CpuShares": r.cpu_shares.unwrap_or(0),
        "CpuPeriod": r.cpu_period.unwrap_or(0),
        "CpuQuota": r.cpu_quota.unwrap_or(0),
        "CpuRealtimePeriod": r.cpu_rt_period.unwrap_or(0),
        "CpuRealtimeRuntime": r.cpu_rt_runtime.unwrap_or(0),
        "CpusetCpus": r.cpuset_cpus.clone().unwrap_or_default(),
        "CpusetMems": r.cpuset_mems.clone().unwrap_or_default(),
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumBandwidth": 0,
        "IOMaximumIOps": 0,
        "PidsLimit": r.pids_limit,
        "BlkioWeight": r.blkio_weight.unwrap_or(0),
        "Ulimits": ulimits.collect::<Vec<_>>(),
    })
}

fn devices(config: &Config) -> Value {
    let r = &config.resources;
    let devices = config.isolation.devices.iter().map(|d| {
        json!({
            "PathOnHost": d.source,
            "PathInContainer": d.target,
            "CgroupPermissions": d.access,
        })
    });
    let weights = r.blkio_weight_device.iter();
    let weights = weights.map(|d| json!({"Path": d.path, "Weight": d.weight}));
    json!({
        "Devices": devices.collect::<Vec<_>>(),
        "DeviceCgroupRules": or_null(config.isolation.device_rules.clone()),
        "DeviceRequests": requests(&config.isolation.cdi),
        "BlkioWeightDevice": weights.collect::<Vec<_>>(),
        "BlkioDeviceReadBps": rates(&r.device_read_bps),
        "BlkioDeviceWriteBps": rates(&r.device_write_bps),
        "BlkioDeviceReadIOps": rates(&r.device_read_iops),
        "BlkioDeviceWriteIOps": rates(&r.device_write_iops),
    })
}

fn requests(cdi: &[String]) -> Value {
    if cdi.is_empty() {
        return Value::Null;
    }
    json!([{"Driver": "cdi", "Count": 0, "DeviceIDs": cdi, "Capabilities": null, "Options": null}])
}

fn rates(list: &[DeviceRate]) -> Vec<Value> {
    let one = |d: &DeviceRate| json!({"Path": d.path, "Rate": d.rate});
    list.iter().map(one).collect()
}

/// Docker has null where Go had nothing.
pub fn or_null(list: Vec<String>) -> Value {
    if list.is_empty() {
        return Value::Null;
    }
    list.into()
}
