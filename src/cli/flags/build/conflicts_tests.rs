//! What is refused, what is not, and what is only said.

use super::super::super::testing::Here;

/// Lines, and a part of what is said about them.
const REFUSED: &[(&str, &str)] = &[
    (
        "--rm --restart always i",
        "cannot specify both --restart and --rm",
    ),
    (
        "-d -a stdout i",
        "cannot specify both --attach and --detach",
    ),
    (
        "--no-healthcheck --health-cmd x i",
        "--no-healthcheck conflicts with --health-*",
    ),
    (
        "--no-healthcheck --health-retries 1 i",
        "--no-healthcheck conflicts with --health-*",
    ),
    ("--uts host -h web i", "hostname and the UTS mode"),
    (
        "--uts host --domainname web i",
        "domainname and the UTS mode",
    ),
    (
        "--network container:web -h web i",
        "hostname and the network mode",
    ),
    (
        "-p 80:80 -p 127.0.0.1:80:81 i",
        "port 80/tcp of this machine is published twice",
    ),
    (
        "--network container:web --expose 80 i",
        "port exposing and the container",
    ),
    (
        "--network container:web --dns 1.1.1.1 i",
        "dns and the container",
    ),
    (
        "--network container:web --dns-search a i",
        "dns search and the container",
    ),
    (
        "--network container:web --dns-option a i",
        "dns options and the container",
    ),
    (
        "--network container:web --add-host a:1.1.1.1 i",
        "custom host-to-IP mapping and",
    ),
    (
        "--network container:web --mac-address 02:42:ac:11:00:02 i",
        "mac-address and the container",
    ),
    (
        "--network host --mac-address 02:42:ac:11:00:02 i",
        "mac-address and the host",
    ),
    (
        "--network host --ip 10.0.0.2 i",
        "a fixed address and a network that is not",
    ),
    (
        "--network none --ip6 fd00::1 i",
        "a fixed address and a network that is not",
    ),
    (
        "--network-alias db i",
        "only for containers in user defined networks",
    ),
    (
        "--network host --network aa i",
        "--network host cannot be had together",
    ),
    (
        "--network aa --network container:web i",
        "cannot be had together with another",
    ),
    (
        "--network aa --network aa i",
        "\"aa\" is specified more than once",
    ),
    (
        "--network name=aa,ip=10.0.0.2 --ip 10.0.0.3 i",
        "both --ip and per-network ip",
    ),
    (
        "--network name=aa,alias=x --network-alias y i",
        "both --network-alias and per-network alias",
    ),
    (
        "--userns 1:1 --privileged i",
        "incompatible with user namespaces",
    ),
    ("--userns 1:1 --network host i", "host's network namespace"),
    ("--userns 1:1 --pid host i", "host PID namespace"),
    ("-m 5m i", "Minimum memory limit allowed is 6MB"),
    ("--memory-swap 1g i", "always set the Memory limit"),
    (
        "-m 1g --memory-swap 512m i",
        "should be larger than memory limit",
    ),
    (
        "-m 64m --memory-reservation 65m i",
        "less than memory reservation limit",
    ),
    ("--memory-reservation 1m i", "Minimum memory reservation"),
    (
        "--cpus 1 --cpu-quota 1000 i",
        "Nano CPUs and CPU Quota cannot both be set",
    ),
    (
        "--cpus 1 --cpu-period 1000 i",
        "Nano CPUs and CPU Period cannot both be set",
    ),
    (
        "--cpu-period 999 i",
        "CPU cfs period can not be less than 1ms",
    ),
    (
        "--cpu-quota 999 i",
        "CPU cfs quota can not be less than 1ms",
    ),
    ("--cpus 0.001 i", "from 0.01"),
    ("--gpus all i", "--device /dev/dri/renderD128"),
    ("--rootfs --platform linux/amd64 .", "--rootfs has none"),
    (
        "--detach-keys ctrl-1 i",
        "--detach-keys: invalid detach keys",
    ),
    ("--log-opt colour=red i", "unknown log opt 'colour'"),
    (
        "--log-opt max-size=x i",
        "--log-opt max-size=x: invalid value",
    ),
    (
        "--log-opt max-file=0 i",
        "--log-opt max-file=0: invalid value",
    ),
    (
        "--log-driver none --log-opt max-size=1m i",
        "has no options",
    ),
];

#[test]
fn what_cannot_be_had_together() {
    let here = Here::new();
    for (line, want) in REFUSED {
        let e = here.refused(line);
        assert!(e.contains(want), "{line}: {e}");
    }
}

#[test]
fn what_goes_together_after_all() {
    let here = Here::new();
    for line in [
        "-dt i",
        "-dit i",
        "--rm --restart no i",
        "--network host -h web i",
        "--memory-swap -1 i",
        "-m 1g --memory-swap 1g i",
        "--cpus 0 --cpu-quota 1000 --cpu-period 1000 i",
        "--cpus 1 --cpu-quota -1 i",
        "--userns host --privileged --pid host i",
        "--ip 10.0.0.2 i",
        "--log-opt max-size=10m --log-opt max-file=3 i",
    ] {
        assert_eq!(here.run(line).warnings, [""; 0], "{line}");
    }
}

#[test]
fn what_is_odd_is_said() {
    let here = Here::new();
    for (line, want) in [
        ("--network host -p 80 i", "published ports are discarded"),
        ("--oom-kill-disable i", "disabling the OOM killer"),
        ("--privileged --cap-add ALL i", "--cap-add adds nothing"),
    ] {
        let warnings = here.run(line).warnings;
        assert!(
            warnings.len() == 1 && warnings[0].contains(want),
            "{line}: {warnings:?}"
        );
    }
}
