//! Counters as kernels print them, in; runc's JSON, out.

use serde_json::{Value, json};

use super::*;

/// Files by name, all of one generation.
struct Files(Version, BTreeMap<&'static str, &'static str>);

impl Source for Files {
    fn version(&self, _: &str) -> Option<Version> {
        Some(self.0)
    }

    fn read(&self, _: &str, file: &str) -> Result<Option<String>> {
        Ok(self.1.get(file).map(|t| (*t).to_owned()))
    }
}

fn stats(version: Version, files: &[(&'static str, &'static str)]) -> Value {
    let source = Files(version, files.iter().copied().collect());
    serde_json::to_value(collect(&source, &["2MB".to_owned()]).unwrap()).unwrap()
}

#[test]
fn v1_counters() {
    let s = stats(
        Version::V1,
        &[
            (
                "cpu.stat",
                "nr_periods 10\nnr_throttled 2\nthrottled_time 345\n",
            ),
            ("cpuacct.usage", "1000\n"),
            ("cpuacct.usage_percpu", "600 400 \n"),
            (
                "cpuacct.usage_all",
                "cpu user system\n0 500 100\n1 300 100\n",
            ),
            ("cpuacct.stat", "user 3\nsystem 5\n"),
            ("cpuset.cpus", "0-1,4\n"),
            ("cpuset.mems", "0\n"),
            ("cpuset.sched_load_balance", "1\n"),
            ("cpuset.sched_relax_domain_level", "-1\n"),
            ("memory.stat", "cache 77\nrss 5\n"),
            ("memory.limit_in_bytes", "4096\n"),
            ("memory.usage_in_bytes", "100\n"),
            ("memory.max_usage_in_bytes", "200\n"),
            ("memory.failcnt", "1\n"),
            ("memory.memsw.limit_in_bytes", "8192\n"),
            ("memory.kmem.tcp.usage_in_bytes", "9\n"),
            ("pids.current", "3\n"),
            ("pids.max", "20\n"),
            ("blkio.bfq.io_serviced_recursive", "Total 0\n"),
            (
                "blkio.throttle.io_serviced_recursive",
                "8:0 Read 12\n8:0 Total 12\nTotal 12\n",
            ),
            (
                "blkio.throttle.io_service_bytes_recursive",
                "8:0 Read 4096\n",
            ),
            ("hugetlb.2MB.usage_in_bytes", "2097152\n"),
            ("hugetlb.2MB.max_usage_in_bytes", "4194304\n"),
            ("hugetlb.2MB.failcnt", "6\n"),
        ],
    );
    assert_eq!(
        s,
        json!({
            "cpu": {
                "usage": {"total": 1000, "percpu": [600, 400], "percpu_kernel": [100, 100],
                    "percpu_user": [500, 300], "kernel": 50_000_000, "user": 30_000_000},
                "throttling": {"periods": 10, "throttledPeriods": 2, "throttledTime": 345},
            },
            "cpuset": {"cpus": [0, 1, 4], "cpu_exclusive": 0, "mems": [0], "mem_hardwall": 0, "mem_exclusive": 0,
                "memory_migrate": 0, "memory_spread_page": 0, "memory_spread_slab": 0, "memory_pressure": 0,
                "sched_load_balance": 1, "sched_relax_domain_level": -1},
            "memory": {
                "cache": 77,
                "usage": {"limit": 4096, "usage": 100, "max": 200, "failcnt": 1},
                "swap": {"limit": 8192, "failcnt": 0},
                "kernel": {"limit": 0, "failcnt": 0},
                "kernelTCP": {"limit": 0, "usage": 9, "failcnt": 0},
                "raw": {"cache": 77, "rss": 5},
            },
            "pids": {"current": 3, "limit": 20},
            "blkio": {
                "ioServicedRecursive": [{"major": 8, "op": "Read", "value": 12}, {"major": 8, "op": "Total", "value": 12}],
                "ioServiceBytesRecursive": [{"major": 8, "op": "Read", "value": 4096}],
            },
            "hugetlb": {"2MB": {"usage": 2_097_152, "max": 4_194_304, "failcnt": 6}},
            "intel_rdt": {},
            "network_interfaces": null,
        })
    );
}

#[test]
fn v2_counters() {
    let s = stats(
        Version::V2,
        &[
            (
                "cpu.stat",
                "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 4\nnr_throttled 1\nthrottled_usec 7\n",
            ),
            (
                "cpu.pressure",
                "some avg10=1.50 avg60=0.00 avg300=0.00 total=99\n",
            ),
            ("memory.stat", "anon 5\nfile 77\n"),
            ("memory.current", "1000\n"),
            ("memory.max", "5000\n"),
            ("memory.peak", "1500\n"),
            ("memory.swap.current", "30\n"),
            ("memory.swap.max", "2000\n"),
            ("pids.current", "3\n"),
            ("pids.max", "max\n"),
            (
                "io.stat",
                "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n8:0\n",
            ),
            ("hugetlb.2MB.rsvd.current", "1\n"),
            ("hugetlb.2MB.current", "2\n"),
            ("hugetlb.2MB.events", "max 5\n"),
        ],
    );
    assert_eq!(
        s["cpu"],
        json!({
            "usage": {"total": 30_000, "kernel": 10_000, "user": 20_000},
            "throttling": {"periods": 4, "throttledPeriods": 1, "throttledTime": 7000},
            "psi": {"some": {"avg10": 1.5, "avg60": 0.0, "avg300": 0.0, "total": 99},
                "full": {"avg10": 0.0, "avg60": 0.0, "avg300": 0.0, "total": 0}},
        })
    );
    assert_eq!(s["memory"]["cache"], 77);
    assert_eq!(
        s["memory"]["usage"],
        json!({"limit": 5000, "usage": 1000, "max": 1500, "failcnt": 0})
    );
    assert_eq!(
        s["memory"]["swap"],
        json!({"limit": 7000, "usage": 1030, "failcnt": 0})
    );
    assert_eq!(s["pids"], json!({"current": 3}));
    let entry = |op: &str, value: u64| json!({"major": 8, "minor": 16, "op": op, "value": value});
    assert_eq!(
        s["blkio"]["ioServiceBytesRecursive"],
        json!([entry("Read", 1), entry("Write", 2)])
    );
    assert_eq!(
        s["blkio"]["ioServicedRecursive"],
        json!([entry("Read", 3), entry("Write", 4)])
    );
    assert_eq!(s["hugetlb"]["2MB"], json!({"usage": 1, "failcnt": 5}));
}

#[test]
fn v2_without_limits_or_controllers() {
    let s = stats(
        Version::V2,
        &[
            ("memory.max", "max\n"),
            ("memory.swap.max", "5\n"),
            ("cgroup.procs", "1\n2\n"),
        ],
    );
    assert_eq!(s["memory"]["usage"]["limit"], u64::MAX);
    assert_eq!(
        s["memory"]["swap"]["limit"],
        u64::MAX,
        "no limit plus something is no limit"
    );
    assert_eq!(s["pids"], json!({"current": 2}));
    assert_eq!(s["hugetlb"], json!({}));
}

#[test]
fn bfq_counters_come_before_throttle_ones() {
    let s = stats(
        Version::V1,
        &[
            ("blkio.bfq.io_serviced_recursive", "8:0 Read 1\n"),
            ("blkio.throttle.io_serviced_recursive", "8:0 Read 2\n"),
        ],
    );
    assert_eq!(s["blkio"]["ioServicedRecursive"][0]["value"], 1);
}

#[test]
fn odd_lines_are_passed_over() {
    assert!(parse::list("\n").is_empty());
    assert_eq!(parse::list("3-1,x,7"), [7]);
    assert_eq!(parse::number("x"), None);
    assert_eq!(parse::blkio("8:0\nx:y Read 1\n8:0 Read\n8:1 5\n").len(), 1);
    assert_eq!(parse::psi("full avg10=0"), None);
    assert_eq!(parse::usage_all(""), (vec![], vec![]));
}

#[test]
fn page_sizes_have_cgroup_names() {
    let name = |d| parse::page_size(d);
    assert_eq!(name("hugepages-2048kB").as_deref(), Some("2MB"));
    assert_eq!(name("hugepages-1048576kB").as_deref(), Some("1GB"));
    assert_eq!(name("hugepages-64kB").as_deref(), Some("64KB"));
    assert_eq!(name("other"), None);
}
