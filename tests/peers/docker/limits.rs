//! Resource limits under Docker: set, changed, and held by the kernel.

use super::Docker;
use crate::checks::{Check, checks};
use crate::image;

pub(super) const CHECKS: &[Check<Docker>] = checks![
    limits_from_the_start,
    update_memory,
    update_cpus,
    update_pids,
    pids_limit_holds,
    out_of_memory,
    ulimits,
    oom_score,
];

const SLEEP: &str = "while :; do sleep 1000; done";

fn limits_from_the_start(docker: &Docker) {
    let memory = ["--memory", "64m", "--memory-reservation", "32m"];
    let cpu = ["--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0"];
    let options = [&memory[..], &cpu, &["--pids-limit", "50"]].concat();
    docker.background("limited", &options, SLEEP);
    let limits = docker.limits("limited");
    assert_eq!(limits.memory(), "67108864");
    assert_eq!(limits.memory_reservation(), "33554432");
    assert_eq!(limits.cpu_percent(), 50);
    assert!(["512", "20"].contains(&&*limits.cpu_shares()));
    assert_eq!(limits.cpus(), "0");
    assert_eq!(limits.pids(), "50");
    // Docker mounts the container's own cgroups: the same is seen inside.
    docker
        .cli(&["exec", "limited", "sh", "-c", INSIDE])
        .prints("67108864");
}

const INSIDE: &str =
    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max";

fn update_memory(docker: &Docker) {
    docker.background("memory", &["--memory", "64m"], SLEEP);
    // Once up and once down: v1 wants its two limits in another order then.
    for (option, bytes) in [("128m", "134217728"), ("32m", "33554432")] {
        docker
            .cli(&[
                "update",
                "--memory",
                option,
                "--memory-swap",
                option,
                "memory",
            ])
            .code(0);
        assert_eq!(docker.limits("memory").memory(), bytes);
    }
}

fn update_cpus(docker: &Docker) {
    docker.background("cpus", &[], SLEEP);
    docker
        .cli(&["update", "--cpus", "0.25", "--cpu-shares", "2048", "cpus"])
        .code(0);
    let limits = docker.limits("cpus");
    assert_eq!(limits.cpu_percent(), 25);
    assert!(["2048", "79"].contains(&&*limits.cpu_shares()));
    docker
        .cli(&["update", "--cpuset-cpus", "0", "cpus"])
        .code(0);
    assert_eq!(limits.cpus(), "0");
    assert_eq!(limits.cpu_percent(), 25, "another update leaves it alone");
}

fn update_pids(docker: &Docker) {
    docker.background("pids", &["--pids-limit", "50"], SLEEP);
    docker
        .cli(&["update", "--pids-limit", "20", "pids"])
        .code(0);
    assert_eq!(docker.limits("pids").pids(), "20");
    docker
        .cli(&["update", "--pids-limit", "-1", "pids"])
        .code(0);
    assert_eq!(docker.limits("pids").pids(), "max");
}

fn pids_limit_holds(docker: &Docker) {
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all";
    docker.sh(&["--pids-limit", "50"], script).prints("all");
    docker
        .sh(&["--pids-limit", "4"], script)
        .fails_with("resource temporarily unavailable");
}

fn out_of_memory(docker: &Docker) {
    // dd takes its whole buffer at once, and fills it.
    let greed = "dd if=/dev/zero of=/dev/null bs=100M count=1";
    docker.background("greedy", &["--memory", "32m"], &format!("exec {greed}"));
    assert_eq!(docker.wait("greedy"), "137");
    assert_eq!(docker.inspect("greedy", ".State.OOMKilled"), "true");
    docker.sh(&["--memory", "256m"], greed).code(0);
}

fn ulimits(docker: &Docker) {
    docker
        .sh(
            &["--ulimit", "nofile=100:200", "--ulimit", "core=0"],
            "ulimit -n; ulimit -Hn; ulimit -c",
        )
        .prints("100\n200\n0");
}

fn oom_score(docker: &Docker) {
    let args = ["run", "--rm", "--oom-score-adj", "500", image::NAME];
    docker
        .cli(&[&args[..], &["cat", "/proc/self/oom_score_adj"]].concat())
        .prints("500");
}
