//! Resource limits: set, changed, and held by the kernel.

use super::{Engine, STAY};
use crate::checks::{Check, checks};

pub(super) const CHECKS: &[Check<Engine>] = checks![
    from_the_start,
    seen_inside,
    update_memory,
    update_cpus,
    pids_limit_holds,
    out_of_memory,
    ulimits,
    oom_score,
];

fn from_the_start(engine: &Engine) {
    let memory = "--memory 64m --memory-reservation 32m";
    let cpu = "--cpus 0.5 --cpu-shares 512 --cpuset-cpus 0";
    engine.background("limited", &format!("{memory} {cpu} --pids-limit 50"), STAY);
    let limits = engine.limits("limited");
    assert_eq!(limits.memory(), "67108864");
    assert_eq!(limits.memory_reservation(), "33554432");
    assert_eq!(limits.cpu_percent(), 50);
    assert!(["512", "20"].contains(&&*limits.cpu_shares()));
    assert_eq!(limits.cpus(), "0");
    assert_eq!(limits.pids(), "50");
}

/// The container's own cgroups are mounted in it.
fn seen_inside(engine: &Engine) {
    let files = "/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max";
    engine
        .sh("--memory 64m", &format!("cat {files} 2>/dev/null || true"))
        .prints("67108864");
}

fn update_memory(engine: &Engine) {
    engine.background("memory", "--memory 64m --memory-swap 64m", STAY);
    // Once up and once down: v1 wants its two limits in another order then.
    for (option, bytes) in [("128m", "134217728"), ("32m", "33554432")] {
        let update = format!("update --memory {option} --memory-swap {option} memory");
        engine.cli(&update).code(0);
        assert_eq!(engine.limits("memory").memory(), bytes);
    }
}

fn update_cpus(engine: &Engine) {
    engine.background("cpus", "", STAY);
    engine
        .cli("update --cpus 0.25 --cpu-shares 2048 cpus")
        .code(0);
    let limits = engine.limits("cpus");
    assert_eq!(limits.cpu_percent(), 25);
    assert!(["2048", "79"].contains(&&*limits.cpu_shares()));
    engine.cli("update --cpuset-cpus 0 cpus").code(0);
    assert_eq!(limits.cpus(), "0");
}

fn pids_limit_holds(engine: &Engine) {
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all";
    engine.sh("--pids-limit 50", script).prints("all");
    engine
        .sh("--pids-limit 4", script)
        .fails_with("resource temporarily unavailable");
}

fn out_of_memory(engine: &Engine) {
    // dd takes its whole buffer at once, and fills it.
    let greed = "dd if=/dev/zero of=/dev/null bs=100M count=1";
    // The engine hears of it by an event of its own, which must not come after
    // that of the container's end.
    let patient = format!("{greed}; code=$?; sleep 1; exit $code");
    engine.background("greedy", "--memory 32m", &patient);
    assert_eq!(engine.wait("greedy"), "137");
    assert!(engine.noticed_out_of_memory("greedy"));
    engine.sh("--memory 256m", greed).code(0);
}

fn ulimits(engine: &Engine) {
    engine
        .sh(
            "--ulimit nofile=100:200 --ulimit core=0 --ulimit nproc=500:600",
            "ulimit -n; ulimit -Hn; ulimit -c; grep -c 'processes *500 *600' /proc/self/limits",
        )
        .prints("100\n200\n0\n1");
}

fn oom_score(engine: &Engine) {
    engine
        .run("--oom-score-adj 500", "cat /proc/self/oom_score_adj")
        .prints("500");
}
