//! `linux.resources` as JSON in, `file=value` lines out.

use std::fmt::Write as _;

use super::*;

fn v1() -> Layout {
    let names = [
        "cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "net_cls", "net_prio", "rdma",
    ];
    let mut mounts = String::new();
    let mut own = String::new();
    for n in names {
        writeln!(
            mounts,
            "30 23 0:29 / /sys/fs/cgroup/{n} rw - cgroup cgroup rw,{n}"
        )
        .unwrap();
        writeln!(own, "1:{n}:/").unwrap();
    }
    Layout::parse(&mounts, &own)
}

fn v2(controllers: &str) -> Layout {
    let mounts = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    Layout::parse(mounts, "0::/\n").with_v2_controllers(controllers)
}

fn v2_all() -> Layout {
    v2("cpu cpuset memory pids io hugetlb rdma")
}

fn writes(layout: &Layout, json: &str) -> Result<Vec<Write>> {
    limits(&serde_json::from_str(json).unwrap(), layout)
}

fn show(w: &Write) -> String {
    let mut out = format!("{}={}", w.file, w.value);
    match &w.on_missing {
        OnMissing::Fail => {}
        OnMissing::Skip => out += " or skip",
        OnMissing::Instead(o) => write!(out, " or {}={}", o.file, o.value).unwrap(),
    }
    if w.on_refusal == OnRefusal::Later {
        out += " or later";
    }
    out
}

#[track_caller]
fn golden(layout: &Layout, json: &str, expected: &[&str]) {
    let got: Vec<_> = writes(layout, json).unwrap().iter().map(show).collect();
    assert_eq!(got, expected);
}

#[track_caller]
fn refused(layout: &Layout, json: &str, words: &[&str]) {
    let e = writes(layout, json).unwrap_err().to_string();
    for w in words {
        assert!(e.contains(w), "{e:?} does not say {w:?}");
    }
}

#[test]
fn nothing_asked_nothing_written() {
    let zeros = r#"{"memory":{"limit":0,"swap":0,"reservation":0,"kernel":0,"disableOOMKiller":false,
        "swappiness":18446744073709551615},"cpu":{"shares":0,"quota":0,"period":0,"cpus":"","mems":""},
        "pids":{"limit":0},"blockIO":{"weight":0,"weightDevice":[]},"network":{"classID":0},"unified":{},
        "hugepageLimits":[]}"#;
    let none = Layout::parse("", "");
    for layout in [v1(), v2_all(), none] {
        golden(&layout, "{}", &[]);
        golden(&layout, zeros, &[]);
    }
}

#[test]
fn cpu_v1() {
    golden(
        &v1(),
        r#"{"cpu":{"shares":512,"quota":50000,"period":100000,"burst":1000,"realtimeRuntime":9,"realtimePeriod":10,
            "cpus":"0-1","mems":"0"}}"#,
        &[
            "cpu.shares=512",
            "cpu.cfs_period_us=100000 or later",
            "cpu.cfs_burst_us=1000 or later",
            "cpu.cfs_quota_us=50000",
            "cpu.rt_period_us=10 or later",
            "cpu.rt_runtime_us=9",
            "cpuset.cpus=0-1",
            "cpuset.mems=0",
        ],
    );
    golden(&v1(), r#"{"cpu":{"quota":-1}}"#, &["cpu.cfs_quota_us=-1"]);
    refused(
        &v1(),
        r#"{"cpu":{"shares":1}}"#,
        &["linux.resources.cpu.shares", "2 to 262144"],
    );
}

#[test]
fn cpu_v2() {
    golden(
        &v2_all(),
        r#"{"cpu":{"shares":1024,"quota":50000,"period":100000,"burst":0,"cpus":"0","idle":0}}"#,
        &[
            "cpu.idle=0 or skip",
            "cpu.weight=100",
            "cpu.max.burst=0 or skip or later",
            "cpu.max=50000 100000",
            "cpuset.cpus=0",
        ],
    );
    golden(&v2_all(), r#"{"cpu":{"quota":5000}}"#, &["cpu.max=5000"]);
    golden(
        &v2_all(),
        r#"{"cpu":{"quota":-1,"period":9000}}"#,
        &["cpu.max=max 9000"],
    );
    golden(
        &v2_all(),
        r#"{"cpu":{"period":9000}}"#,
        &["cpu.max=max 9000"],
    );
    refused(
        &v2_all(),
        r#"{"cpu":{"realtimeRuntime":5}}"#,
        &["cpu.realtimeRuntime", "cgroup v2"],
    );
}

#[test]
fn idle_goes_first_and_has_no_weight() {
    golden(&v1(), r#"{"cpu":{"idle":1,"shares":100}}"#, &["cpu.idle=1"]);
    golden(
        &v2_all(),
        r#"{"cpu":{"idle":1,"shares":100}}"#,
        &["cpu.idle=1"],
    );
    golden(
        &v1(),
        r#"{"cpu":{"idle":0,"shares":100}}"#,
        &["cpu.idle=0 or skip", "cpu.shares=100"],
    );
}

#[test]
fn memory_v1() {
    golden(
        &v1(),
        r#"{"memory":{"limit":1000,"swap":3000,"reservation":500,"kernel":10,"kernelTCP":11,"swappiness":0,
            "disableOOMKiller":true,"useHierarchy":true}}"#,
        &[
            "memory.limit_in_bytes=1000 or later",
            "memory.memsw.limit_in_bytes=3000",
            "memory.soft_limit_in_bytes=500",
            "memory.kmem.limit_in_bytes=10",
            "memory.kmem.tcp.limit_in_bytes=11",
            "memory.use_hierarchy=1",
            "memory.swappiness=0",
            "memory.oom_control=1",
        ],
    );
}

#[test]
fn swap_v1_without_swap_accounting() {
    let skip = "memory.memsw.limit_in_bytes=1000 or skip";
    golden(
        &v1(),
        r#"{"memory":{"limit":1000,"swap":1000}}"#,
        &["memory.limit_in_bytes=1000 or later", skip],
    );
    let both = [
        "memory.limit_in_bytes=-1 or later",
        "memory.memsw.limit_in_bytes=-1 or skip",
    ];
    golden(&v1(), r#"{"memory":{"limit":-1}}"#, &both);
    golden(&v1(), r#"{"memory":{"limit":-1,"swap":-1}}"#, &both);
    golden(
        &v1(),
        r#"{"memory":{"swap":2000}}"#,
        &["memory.memsw.limit_in_bytes=2000"],
    );
}

#[test]
fn memory_v2_counts_swap_alone() {
    let max = "memory.max=1000";
    golden(
        &v2_all(),
        r#"{"memory":{"limit":1000,"swap":3000,"reservation":500}}"#,
        &["memory.swap.max=2000", max, "memory.low=500"],
    );
    golden(
        &v2_all(),
        r#"{"memory":{"limit":1000,"swap":1000}}"#,
        &["memory.swap.max=0 or skip", max],
    );
    golden(
        &v2_all(),
        r#"{"memory":{"limit":1000,"swap":-1}}"#,
        &["memory.swap.max=max or skip", max],
    );
    golden(
        &v2_all(),
        r#"{"memory":{"limit":-1}}"#,
        &["memory.swap.max=max or skip", "memory.max=max"],
    );
    golden(
        &v2_all(),
        r#"{"memory":{"limit":-1,"swap":700}}"#,
        &["memory.swap.max=700", "memory.max=max"],
    );
    golden(
        &v2_all(),
        r#"{"memory":{"reservation":-1}}"#,
        &["memory.low=max"],
    );
    refused(
        &v2_all(),
        r#"{"memory":{"swap":700}}"#,
        &["memory.swap", "memory.limit"],
    );
}

#[test]
fn memory_values_that_cannot_be() {
    for layout in [v1(), v2_all()] {
        refused(
            &layout,
            r#"{"memory":{"limit":1000,"swap":999}}"#,
            &["memory.swap", "less than"],
        );
        refused(
            &layout,
            r#"{"memory":{"limit":-2}}"#,
            &["memory.limit", "-2"],
        );
        refused(
            &layout,
            r#"{"memory":{"swappiness":101}}"#,
            &["memory.swappiness", "0 to 100"],
        );
    }
    for field in [
        "kernel\":5",
        "kernelTCP\":5",
        "swappiness\":5",
        "disableOOMKiller\":true",
    ] {
        let json = format!("{{\"memory\":{{\"{field}}}}}");
        refused(
            &v2_all(),
            &json,
            &[
                field.split('"').next().unwrap(),
                "cgroup v2 has nothing like it",
            ],
        );
    }
}

#[test]
fn check_before_update_looks_at_the_usage_on_v2() {
    let w = writes(
        &v2_all(),
        r#"{"memory":{"limit":1000,"checkBeforeUpdate":true}}"#,
    )
    .unwrap();
    let guard = Guard {
        usage_file: "memory.current",
        limit: 1000,
    };
    assert_eq!(w[0].guard, Some(guard));
    let w = writes(&v2_all(), r#"{"memory":{"limit":1000}}"#).unwrap();
    assert_eq!(w[0].guard, None);
}

#[test]
fn pids() {
    for layout in [v1(), v2_all()] {
        golden(&layout, r#"{"pids":{"limit":20}}"#, &["pids.max=20"]);
        golden(&layout, r#"{"pids":{"limit":-1}}"#, &["pids.max=max"]);
    }
}

#[test]
fn io_v1() {
    golden(
        &v1(),
        r#"{"blockIO":{"weight":100,"leafWeight":200,
            "weightDevice":[{"major":8,"minor":0,"weight":300,"leafWeight":400}],
            "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1024}],
            "throttleWriteIOPSDevice":[{"major":8,"minor":16,"rate":0}]}}"#,
        &[
            "blkio.weight=100 or blkio.bfq.weight=100",
            "blkio.leaf_weight=200",
            "blkio.weight_device=8:0 300 or blkio.bfq.weight_device=8:0 300",
            "blkio.leaf_weight_device=8:0 400",
            "blkio.throttle.read_bps_device=8:0 1024",
            "blkio.throttle.write_iops_device=8:16 0",
        ],
    );
    refused(
        &v1(),
        r#"{"blockIO":{"weight":9}}"#,
        &["blockIO.weight", "10 to 1000"],
    );
    let json = r#"{"blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":1001}]}}"#;
    refused(&v1(), json, &["blockIO.weightDevice[0].weight"]);
}

#[test]
fn io_v2() {
    golden(
        &v2_all(),
        r#"{"blockIO":{"weight":10,"weightDevice":[{"major":8,"minor":0,"weight":1000}],
            "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1024}],
            "throttleWriteBpsDevice":[{"major":8,"minor":0,"rate":1}],
            "throttleReadIOPSDevice":[{"major":8,"minor":0,"rate":2}],
            "throttleWriteIOPSDevice":[{"major":8,"minor":16,"rate":0}]}}"#,
        &[
            "io.bfq.weight=10 or io.weight=1",
            "io.bfq.weight=8:0 1000 or io.weight=8:0 10000",
            "io.max=8:0 rbps=1024",
            "io.max=8:0 wbps=1",
            "io.max=8:0 riops=2",
            "io.max=8:16 wiops=max",
        ],
    );
    refused(
        &v2_all(),
        r#"{"blockIO":{"leafWeight":20}}"#,
        &["blockIO.leafWeight", "cgroup v2"],
    );
}

#[test]
fn hugetlb() {
    let json = r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4096}]}"#;
    golden(
        &v1(),
        json,
        &[
            "hugetlb.2MB.limit_in_bytes=4096",
            "hugetlb.2MB.rsvd.limit_in_bytes=4096 or skip",
        ],
    );
    golden(
        &v2_all(),
        json,
        &["hugetlb.2MB.max=4096", "hugetlb.2MB.rsvd.max=4096 or skip"],
    );
    let bad = r#"{"hugepageLimits":[{"pageSize":"../x","limit":4096}]}"#;
    refused(&v1(), bad, &["hugepageLimits[0].pageSize"]);
}

#[test]
fn network_is_v1_only() {
    let json = r#"{"network":{"classID":1048577,"priorities":[{"name":"eth0","priority":5}]}}"#;
    golden(
        &v1(),
        json,
        &["net_cls.classid=1048577", "net_prio.ifpriomap=eth0 5"],
    );
    refused(&v2_all(), json, &["network.classID", "cgroup v2"]);
}

#[test]
fn rdma() {
    let json = r#"{"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000},"mlx4_0":{"hcaObjects":7},"x":{}}}"#;
    let lines = [
        "rdma.max=mlx4_0 hca_object=7",
        "rdma.max=mlx5_1 hca_handle=3 hca_object=10000",
    ];
    golden(&v1(), json, &lines);
    golden(&v2_all(), json, &lines);
}

#[test]
fn unified_is_v2_only_and_a_plain_name() {
    let json = r#"{"unified":{"memory.high":"100","cgroup.max.depth":"5","io.max":"8:0 rbps=1\n8:16 rbps=2"}}"#;
    golden(
        &v2_all(),
        json,
        &[
            "cgroup.max.depth=5",
            "io.max=8:0 rbps=1",
            "io.max=8:16 rbps=2",
            "memory.high=100",
        ],
    );
    refused(
        &v1(),
        json,
        &["linux.resources.unified.cgroup.max.depth", "cgroup v2"],
    );
    refused(
        &v2_all(),
        r#"{"unified":{"../memory.max":"1"}}"#,
        &["without a slash"],
    );
    refused(&v2_all(), r#"{"unified":{"..":"1"}}"#, &["controller.file"]);
    refused(
        &v2_all(),
        r#"{"unified":{"memory":"1"}}"#,
        &["controller.file"],
    );
    refused(
        &v2("cpu"),
        r#"{"unified":{"memory.high":"1"}}"#,
        &["unified.memory.high", "memory cgroup controller"],
    );
}

#[test]
fn missing_controller_is_an_error_that_names_the_field() {
    let none = Layout::parse("", "");
    let cases = [
        (r#"{"memory":{"limit":5}}"#, "linux.resources.memory.limit"),
        (
            r#"{"memory":{"swappiness":5}}"#,
            "linux.resources.memory.swappiness",
        ),
        (r#"{"cpu":{"quota":5}}"#, "linux.resources.cpu.quota"),
        (r#"{"cpu":{"mems":"0"}}"#, "linux.resources.cpu.mems"),
        (r#"{"pids":{"limit":5}}"#, "linux.resources.pids.limit"),
        (
            r#"{"blockIO":{"weight":50}}"#,
            "linux.resources.blockIO.weight",
        ),
        (
            r#"{"hugepageLimits":[{"pageSize":"2MB","limit":1}]}"#,
            "linux.resources.hugepageLimits[0]",
        ),
        (
            r#"{"network":{"classID":5}}"#,
            "linux.resources.network.classID",
        ),
        (
            r#"{"rdma":{"a":{"hcaHandles":3}}}"#,
            "linux.resources.rdma.a",
        ),
    ];
    for (json, field) in cases {
        refused(&none, json, &[field]);
    }
}

#[test]
fn hybrid_sends_a_limit_to_the_tree_that_has_the_controller() {
    let mounts = "31 23 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                  32 23 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    let hybrid = Layout::parse(mounts, "4:memory:/\n0::/\n").with_v2_controllers("hugetlb");
    golden(
        &hybrid,
        r#"{"memory":{"limit":5},"hugepageLimits":[{"pageSize":"2MB","limit":1}]}"#,
        &[
            "memory.limit_in_bytes=5 or later",
            "hugetlb.2MB.max=1",
            "hugetlb.2MB.rsvd.max=1 or skip",
        ],
    );
}
