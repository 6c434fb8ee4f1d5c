//! Limits in, counters out.

use nix::poll::{PollFd, PollTimeout, poll};
use rcon::cgroup::limits::limits;
use rcon::cgroup::ops::Oom;

use super::*;

#[test]
fn limits_arrive_in_the_files() {
    let Some(l) = hybrid() else { return };
    let guard = Guard::new(&l, "limits");
    guard.apply(
        &l,
        r#"{"memory":{"limit":33554432,"swap":67108864,"reservation":25165824,"swappiness":10,
                "disableOOMKiller":true,"useHierarchy":true,"kernelTCP":16777216},
            "cpu":{"shares":512,"quota":50000,"period":200000,"burst":10000,"cpus":"0","mems":"0","idle":0},
            "pids":{"limit":77},"blockIO":{"weight":300}}"#,
    );
    let expected = [
        ("memory", "memory.limit_in_bytes", "33554432"),
        ("memory", "memory.memsw.limit_in_bytes", "67108864"),
        ("memory", "memory.soft_limit_in_bytes", "25165824"),
        ("memory", "memory.swappiness", "10"),
        ("memory", "memory.kmem.tcp.limit_in_bytes", "16777216"),
        ("cpu", "cpu.shares", "512"),
        ("cpu", "cpu.cfs_quota_us", "50000"),
        ("cpu", "cpu.cfs_period_us", "200000"),
        ("cpu", "cpu.cfs_burst_us", "10000"),
        ("cpuset", "cpuset.cpus", "0"),
        ("cpuset", "cpuset.mems", "0"),
        ("pids", "pids.max", "77"),
        ("blkio", "blkio.bfq.weight", "300"),
    ];
    for (controller, file, value) in expected {
        assert_eq!(guard.read(controller, file), value, "{file}");
    }
    assert!(
        guard
            .read("memory", "memory.oom_control")
            .contains("oom_kill_disable 1")
    );
}

#[test]
fn limits_arrive_in_the_files_of_version_two() {
    let Some(l) = unified() else { return };
    let guard = Guard::new(&l, "limits-v2");
    guard.apply(
        &l,
        r#"{"memory":{"limit":33554432,"swap":67108864,"reservation":25165824},
            "cpu":{"shares":512,"quota":50000,"period":200000,"burst":10000,"cpus":"0","mems":"0"},
            "pids":{"limit":77}}"#,
    );
    for (controller, file, value) in [
        ("memory", "memory.max", "33554432"),
        ("memory", "memory.swap.max", "33554432"),
        ("memory", "memory.low", "25165824"),
        ("cpu", "cpu.max", "50000 200000"),
        ("cpu", "cpu.max.burst", "10000"),
        ("cpuset", "cpuset.cpus", "0"),
        ("cpuset", "cpuset.mems", "0"),
        ("pids", "pids.max", "77"),
    ] {
        assert_eq!(guard.read(controller, file), value, "{file}");
    }
    for (limit, swap) in [(60, 80), (20, 20), (100, 100)] {
        let json = format!(
            r#"{{"memory":{{"limit":{},"swap":{}}}}}"#,
            limit << 20,
            swap << 20
        );
        guard.apply(&l, &json);
        let (max, above) = (
            (limit << 20).to_string(),
            ((swap - limit) << 20).to_string(),
        );
        assert_eq!(guard.read("memory", "memory.max"), max);
        assert_eq!(guard.read("memory", "memory.swap.max"), above);
    }
    guard.apply(&l, r#"{"memory":{"limit":-1},"pids":{"limit":-1}}"#);
    assert_eq!(guard.read("memory", "memory.max"), "max");
    assert_eq!(guard.read("pids", "pids.max"), "max");
}

#[test]
fn updates_work_in_both_directions() {
    let Some(l) = hybrid() else { return };
    let guard = Guard::new(&l, "update");
    let (mib, memory) = (1024 * 1024, "memory.limit_in_bytes");
    for (limit, swap) in [(30, 50), (60, 80), (20, 20), (100, 100)] {
        let json = format!(
            r#"{{"memory":{{"limit":{},"swap":{}}}}}"#,
            limit * mib,
            swap * mib
        );
        guard.apply(&l, &json);
        assert_eq!(guard.read("memory", memory), (limit * mib).to_string());
        assert_eq!(
            guard.read("memory", "memory.memsw.limit_in_bytes"),
            (swap * mib).to_string()
        );
    }
    guard.apply(&l, r#"{"memory":{"limit":-1}}"#);
    assert_eq!(guard.read("memory", memory), "9223372036854771712");
    for (quota, burst) in [(50_000, 10_000), (400_000, 300_000), (5_000, 1_000)] {
        guard.apply(
            &l,
            &format!(r#"{{"cpu":{{"quota":{quota},"burst":{burst},"period":100000}}}}"#),
        );
        assert_eq!(guard.read("cpu", "cpu.cfs_quota_us"), quota.to_string());
        assert_eq!(guard.read("cpu", "cpu.cfs_burst_us"), burst.to_string());
    }
    guard.apply(&l, r#"{"cpu":{"idle":1,"shares":100}}"#);
    assert_eq!(guard.read("cpu", "cpu.idle"), "1");
    guard.apply(&l, r#"{"cpu":{"idle":0,"shares":100}}"#);
    assert_eq!(guard.read("cpu", "cpu.shares"), "100");
}

#[test]
fn refusals_name_the_field_and_the_call() {
    let Some(l) = hybrid() else { return };
    let guard = Guard::new(&l, "refused");
    let e = |json: &str| {
        let writes = limits(&serde_json::from_str(json).unwrap(), &l);
        writes
            .and_then(|w| guard.cgroup.apply(&w))
            .unwrap_err()
            .to_string()
    };
    let period = e(r#"{"cpu":{"period":100}}"#);
    assert!(
        period.starts_with("linux.resources.cpu.period: write(") && period.contains("EINVAL"),
        "{period}"
    );
    assert!(e(r#"{"cpu":{"cpus":"9999"}}"#).contains("linux.resources.cpu.cpus"));
    assert!(e(r#"{"blockIO":{"leafWeight":50}}"#).contains("linux.resources.blockIO.leafWeight"));
    assert!(e(r#"{"network":{"classID":5}}"#).contains("linux.resources.network.classID"));
    let device = e(r#"{"blockIO":{"throttleReadBpsDevice":[{"major":99,"minor":99,"rate":5}]}}"#);
    assert!(device.contains("no such block device"), "{device}");
}

#[test]
fn limit_without_its_cgroup_is_refused() {
    let Some(l) = hybrid() else { return };
    let guard = Guard::on(&l, "without", |d| d.has("pids"));
    let writes = limits(
        &serde_json::from_str(r#"{"memory":{"limit":33554432}}"#).unwrap(),
        &l,
    )
    .unwrap();
    let e = guard.cgroup.apply(&writes).unwrap_err().to_string();
    assert!(
        e.contains("linux.resources.memory.limit") && e.contains("no memory cgroup"),
        "{e}"
    );
}

#[test]
fn counters_have_plausible_values() {
    let Some(l) = layout() else { return };
    let mut guard = Guard::new(&l, "stats");
    guard.apply(&l, r#"{"memory":{"limit":67108864},"pids":{"limit":50}}"#);
    let pid = guard.shell("while :; do :; done").id();
    wait_until("it runs", || ticks(pid) > 5);
    let stats = guard.cgroup.stats().unwrap();
    assert_eq!((stats.pids.current, stats.pids.limit), (1, 50));
    assert_eq!(stats.memory.usage.limit, 67_108_864);
    assert!((4096..67_108_864).contains(&stats.memory.usage.usage));
    assert!(stats.cpu.usage.total > 40_000_000, "{:?}", stats.cpu);
    if l.mode == Mode::Unified {
        assert!(stats.memory.raw.contains_key("anon"));
        return;
    }
    assert!(stats.memory.raw.contains_key("total_rss"));
    assert!(!stats.cpu.usage.percpu.is_empty());
    assert_eq!(
        stats.cpu.usage.percpu.len(),
        stats.cpu.usage.percpu_user.len()
    );
    assert!(!stats.cpuset.cpus.is_empty());
}

#[test]
fn oom_is_counted_and_told() {
    let Some(l) = layout() else { return };
    let mut guard = Guard::new(&l, "oom");
    guard.apply(&l, r#"{"memory":{"limit":8388608,"swap":8388608}}"#);
    let mut events = guard.cgroup.oom_events().unwrap();
    assert_eq!(events.take(), Oom::Nothing);
    assert_eq!(guard.cgroup.oom_kill_count().unwrap(), 0);
    let status = guard
        .shell("head -c 100000000 /dev/zero | tail >/dev/null")
        .wait()
        .unwrap();
    assert!(!status.success());
    assert!(guard.cgroup.oom_kill_count().unwrap() > 0);
    let ready = |events: &ops::OomEvents| {
        let mut fds = [PollFd::new(
            std::os::fd::AsFd::as_fd(events),
            events.interest(),
        )];
        poll(&mut fds, PollTimeout::from(5000u16)).unwrap()
    };
    assert_eq!(ready(&events), 1);
    assert_eq!(events.take(), Oom::Happened);
    assert_eq!(events.take(), Oom::Nothing);
    guard.cgroup.kill(Signal::SIGKILL).unwrap();
    guard.reap();
    destroy(guard.cgroup.paths()).unwrap();
    assert_eq!(ready(&events), 1);
    assert_eq!(events.take(), Oom::Gone);
}
