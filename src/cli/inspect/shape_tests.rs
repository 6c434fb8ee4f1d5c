use super::*;
use crate::cli::sample;
use crate::container::{HealthStatus, Port, Probe, Protocol, Timestamp};

fn shape() -> Value {
    let c = sample::listed();
    let places = Places {
        files: "/store/files".into(),
        log: "/store/container.log".into(),
        lower: vec!["/b".into(), "/a".into()],
        over: Some("/store/fs".into()),
        ..Places::default()
    };
    inspect(&c.name, &c.config, &c.state, &places, Some((5, Some(9))))
}

/// Every place, and what stands there.
fn check(value: &Value, want: &[(&str, Value)]) {
    for (pointer, want) in want {
        assert_eq!(value.pointer(pointer), Some(want), "{pointer}");
    }
}

#[test]
fn what_was_asked_for_is_where_docker_has_it() {
    check(
        &shape(),
        &[
            ("/Id", json!("0123456789abcdef".repeat(4))),
            ("/Created", json!("2026-01-02T03:04:05.6Z")),
            ("/Path", json!("sleep")),
            ("/Args", json!(["600"])),
            ("/Name", json!("/web")),
            ("/HostsPath", json!("/store/files/hosts")),
            ("/LogPath", json!("/store/container.log")),
            ("/GraphDriver/Data/LowerDir", json!("/b:/a")),
            ("/GraphDriver/Data/UpperDir", json!("/store/fs/upper")),
            ("/GraphDriver/Data/MergedDir", json!("/store/fs/root")),
            ("/SizeRw", json!(5)),
            ("/SizeRootFs", json!(9)),
            ("/Config/Hostname", json!("0123456789ab")),
            ("/Config/Cmd", json!(["sleep", "600"])),
            ("/Config/Entrypoint", Value::Null),
            ("/Config/Env", json!(["A=1"])),
            ("/Config/Tty", json!(true)),
            ("/Config/ExposedPorts", json!({"80/tcp": {}})),
            ("/Config/Labels", json!({"a": "1", "b": ""})),
            ("/HostConfig/Memory", json!(1_048_576)),
            ("/HostConfig/NetworkMode", json!("bridge")),
            ("/HostConfig/ShmSize", json!(67_108_864)),
            ("/HostConfig/IpcMode", json!("private")),
            ("/HostConfig/RestartPolicy/Name", json!("no")),
            ("/HostConfig/Tmpfs", json!({"/tmp": "size=1024"})),
            (
                "/HostConfig/Binds",
                json!(["/a/very/long/path/there:/mnt:ro", "data:/data"]),
            ),
            ("/Mounts/0/Type", json!("bind")),
            ("/Mounts/0/RW", json!(false)),
            ("/Mounts/1/Name", json!("data")),
            ("/NetworkSettings/Ports", json!({"80/tcp": null})),
            ("/NetworkSettings/SandboxKey", json!("/proc/4242/ns/net")),
        ],
    );
}

#[test]
fn the_state_is_told_with_its_health() {
    let mut c = sample::listed();
    let value = inspect(&c.name, &c.config, &c.state, &Places::default(), None);
    check(
        &value,
        &[
            ("/State/Status", json!("running")),
            ("/State/Running", json!(true)),
            ("/State/Pid", json!(4242)),
            ("/State/StartedAt", json!("2026-01-02T03:04:06Z")),
            ("/State/FinishedAt", json!("0001-01-01T00:00:00Z")),
            ("/GraphDriver/Name", json!("directory")),
        ],
    );
    assert_eq!(value.pointer("/State/Health"), None);
    assert_eq!(value.get("SizeRw"), None);
    let moment = Timestamp {
        seconds: 0,
        nanos: 0,
    };
    c.state.health = Some(Health {
        status: HealthStatus::Unhealthy,
        failing_streak: 3,
        log: vec![Probe {
            start: moment,
            end: moment,
            exit_code: 1,
            output: "no".to_owned(),
        }],
    });
    c.state.status = Status::Paused;
    check(
        &inspect(&c.name, &c.config, &c.state, &Places::default(), None),
        &[
            ("/State/Running", json!(true)),
            ("/State/Paused", json!(true)),
            ("/State/Health/Status", json!("unhealthy")),
            ("/State/Health/FailingStreak", json!(3)),
            ("/State/Health/Log/0/Output", json!("no")),
            ("/State/Health/Log/0/Start", json!("1970-01-01T00:00:00Z")),
        ],
    );
}

#[test]
fn a_health_check_and_published_ports() {
    let mut c = sample::listed();
    c.config.health = Some(Healthcheck {
        command: ["/bin/sh", "-c", "true"].map(str::to_owned).to_vec(),
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(1),
        start_period: Duration::ZERO,
        start_interval: Duration::from_secs(5),
        retries: 3,
    });
    c.config.network.ports = vec![Port {
        host_ip: None,
        host_port: Some(8080),
        host_last: None,
        container_port: 80,
        protocol: Protocol::Tcp,
    }];
    c.state.network = json!({
        "ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]},
        "networks": {"bridge": {"IPAddress": "10.1.2.3", "IPPrefixLen": 16}},
    });
    check(
        &inspect(&c.name, &c.config, &c.state, &Places::default(), None),
        &[
            ("/Config/Healthcheck/Test", json!(["CMD-SHELL", "true"])),
            ("/Config/Healthcheck/Interval", json!(30_000_000_000_u64)),
            (
                "/HostConfig/PortBindings",
                json!({"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}),
            ),
            (
                "/NetworkSettings/Ports",
                json!({"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}),
            ),
            ("/NetworkSettings/IPAddress", json!("10.1.2.3")),
            ("/NetworkSettings/IPPrefixLen", json!(16)),
            (
                "/NetworkSettings/Networks/bridge/IPAddress",
                json!("10.1.2.3"),
            ),
        ],
    );
}
