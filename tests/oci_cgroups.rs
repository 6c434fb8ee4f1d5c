//! Limits: each is written in the spec and read back from the kernel, and some
//! are run into.

mod common;
use common::*;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A running container with these `linux.resources`.
fn limited(bed: &Bed, resources: Value) -> Container<'_> {
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["linux"]["resources"] = resources;
    });
    c.run_detached();
    c
}

fn all(names: &[&'static str]) -> Vec<Need> {
    names.iter().map(|n| Need::Controller(n)).collect()
}

#[test]
fn the_process_is_in_its_cgroup_in_every_hierarchy() {
    let Some(bed) = Bed::new() else { return };
    let c = limited(&bed, json!({}));
    let groups = cgroups::named(&c.id);
    assert!(!groups.is_empty());
    let text = host::proc_file(c.pid(), "cgroup");
    for line in text.lines() {
        // A version 2 tree without controllers beside version 1 is optional.
        if !line.starts_with("0::") || groups.len() == 1 {
            assert!(line.ends_with(&format!(":/{}", c.id)), "{line}");
        }
    }
}

#[test]
fn a_created_container_is_in_its_cgroup_already() {
    let Some(bed) = Bed::needing(&all(&["pids"])) else {
        return;
    };
    let c = bed.container(|_| ());
    c.create();
    let dir = cgroups::dir_of("pids", &c.id);
    assert_eq!(cgroups::processes(&dir), [c.pid()]);
}

#[test]
fn a_cgroup_path_may_be_nested_and_goes_away_with_the_container() {
    let Some(bed) = Bed::needing(&all(&["pids"])) else {
        return;
    };
    let parent = bed.new_id();
    let path = format!("/{parent}/inner");
    let c = bed.container(|s| s["linux"]["cgroupsPath"] = json!(path));
    c.create();
    assert_eq!(
        cgroups::processes(&cgroups::dir_of("pids", &path)),
        [c.pid()]
    );
    c.delete();
    assert!(!cgroups::dir_of("pids", &path).exists());
    for dir in cgroups::named(&parent) {
        cgroups::remove(&dir);
    }
}

#[test]
fn without_a_cgroup_path_the_id_is_the_name() {
    let Some(bed) = Bed::needing(&all(&["pids"])) else {
        return;
    };
    let c = bed.container(|s| {
        s["linux"].as_object_mut().unwrap().remove("cgroupsPath");
    });
    c.create();
    let groups = cgroups::named(&c.id);
    assert!(
        groups
            .iter()
            .any(|dir| cgroups::processes(dir) == [c.pid()]),
        "{groups:?}"
    );
    c.delete();
    bed.assert_nothing_left();
}

#[test]
fn cgroups_that_the_container_made_go_away_too() {
    let Some(bed) = Bed::needing(&all(&["pids"])) else {
        return;
    };
    let c = limited(&bed, json!({}));
    let inner = cgroups::dir_of("pids", &c.id).join("inner/most");
    fs::create_dir_all(&inner).unwrap();
    c.finish();
    bed.assert_nothing_left();
}

#[test]
fn memory_limits_are_set() {
    let Some(bed) = Bed::needing(&all(&["memory"])) else {
        return;
    };
    let c = limited(
        &bed,
        json!({ "memory": { "limit": 67_108_864, "reservation": 33_554_432 } }),
    );
    let read = |v1, v2| cgroups::read("memory", &c.id, v1, v2);
    assert_eq!(read("memory.limit_in_bytes", "memory.max"), "67108864");
    assert_eq!(read("memory.soft_limit_in_bytes", "memory.low"), "33554432");
}

#[test]
fn a_memory_limit_of_minus_one_is_none() {
    let Some(bed) = Bed::needing(&all(&["memory"])) else {
        return;
    };
    let c = limited(&bed, json!({ "memory": { "limit": -1 } }));
    let limit = cgroups::read("memory", &c.id, "memory.limit_in_bytes", "memory.max");
    assert!(
        limit == "max" || limit.parse::<u64>().unwrap() > 1 << 60,
        "{limit}"
    );
}

#[test]
fn swappiness_is_set() {
    let Some(bed) = Bed::needing(&[Need::CgroupV1("memory")]) else {
        return;
    };
    let c = limited(&bed, json!({ "memory": { "swappiness": 17 } }));
    assert_eq!(
        cgroups::read("memory", &c.id, "memory.swappiness", ""),
        "17"
    );
}

#[test]
fn the_number_of_processes_is_limited() {
    let Some(bed) = Bed::needing(&all(&["pids"])) else {
        return;
    };
    let script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait";
    let out = bed.run(|s| {
        s["process"]["args"] = sh(script);
        s["linux"]["resources"]["pids"] = json!({ "limit": 4 });
    });
    assert!(out.stderr.contains("can't fork"), "{out}");
    bed.assert_nothing_left();
}

#[test]
fn the_limit_of_processes_is_what_was_asked_for() {
    let Some(bed) = Bed::needing(&all(&["pids"])) else {
        return;
    };
    let c = limited(&bed, json!({ "pids": { "limit": 123 } }));
    assert_eq!(cgroups::read("pids", &c.id, "pids.max", "pids.max"), "123");
}

#[test]
fn a_pids_limit_of_minus_one_is_none() {
    let Some(bed) = Bed::needing(&all(&["pids"])) else {
        return;
    };
    let c = limited(&bed, json!({ "pids": { "limit": -1 } }));
    assert_eq!(cgroups::read("pids", &c.id, "pids.max", "pids.max"), "max");
}

#[test]
fn cpu_limits_are_set() {
    let Some(bed) = Bed::needing(&all(&["cpu"])) else {
        return;
    };
    let c = limited(
        &bed,
        json!({ "cpu": { "shares": 512, "quota": 25000, "period": 50000 } }),
    );
    let dir = cgroups::dir_of("cpu", &c.id);
    let read = |name| {
        fs::read_to_string(dir.join(name))
            .unwrap()
            .trim()
            .to_owned()
    };
    if cgroups::controller("cpu").unwrap().v2 {
        assert_eq!(read("cpu.max"), "25000 50000");
        // 1024 shares are weight 100 in newer conversions, 39 in the first.
        let weight: u32 = read("cpu.weight").parse().unwrap();
        assert!((15..100).contains(&weight), "{weight}");
    } else {
        assert_eq!(read("cpu.shares"), "512");
        assert_eq!(read("cpu.cfs_quota_us"), "25000");
        assert_eq!(read("cpu.cfs_period_us"), "50000");
    }
}

#[test]
fn cpusets_are_set() {
    let Some(bed) = Bed::needing(&all(&["cpuset"])) else {
        return;
    };
    let c = limited(&bed, json!({ "cpu": { "cpus": "0", "mems": "0" } }));
    let read = |name| cgroups::read("cpuset", &c.id, name, name);
    assert_eq!(read("cpuset.cpus"), "0");
    assert_eq!(read("cpuset.mems"), "0");
    assert_eq!(c.status_field("Cpus_allowed_list"), "0");
}

/// On version 1 a cpuset without CPUs takes no process at all.
#[test]
fn without_cpusets_the_parents_are_inherited() {
    let Some(bed) = Bed::needing(&[Need::CgroupV1("cpuset")]) else {
        return;
    };
    let c = limited(&bed, json!({}));
    let root = cgroups::controller("cpuset").unwrap().at;
    let of_root = fs::read_to_string(root.join("cpuset.cpus")).unwrap();
    let own = cgroups::read("cpuset", &c.id, "cpuset.cpus", "");
    assert_eq!(own, of_root.trim());
}

#[test]
fn unified_values_are_written_as_they_are() {
    let Some(bed) = Bed::needing(&[Need::Controller("memory")]) else {
        return;
    };
    if !cgroups::controller("memory").unwrap().v2 {
        let out = bed.run(|s| {
            s["linux"]["resources"]["unified"] = json!({ "memory.high": "1000000" });
        });
        // Asked for and not to be had: an error, never silence.
        if !is_foreign() {
            out.fails_naming(&["memory.high"]);
        }
        return;
    }
    let c = limited(&bed, json!({ "unified": { "memory.high": "4096000" } }));
    assert_eq!(cgroups::read("memory", &c.id, "", "memory.high"), "4096000");
}

#[test]
fn a_limit_the_kernel_refuses_is_an_error_and_nothing_is_left() {
    let Some(bed) = Bed::needing(&all(&["cpu"])) else {
        return;
    };
    let out = bed.run(|s| s["linux"]["resources"]["cpu"] = json!({ "quota": 1 }));
    out.fails_naming(&["cpu"]);
    bed.assert_nothing_left();
}

#[test]
fn a_container_over_its_memory_limit_is_killed() {
    let Some(bed) = Bed::needing(&all(&["memory"])) else {
        return;
    };
    let c = bed.container(|s| {
        // tail keeps what it reads until the end of a line, and there is none.
        s["process"]["args"] = sh("head -c 100000000 /dev/zero | tail; echo $? survived");
        s["linux"]["resources"]["memory"] = json!({ "limit": 12_582_912, "swap": 12_582_912 });
    });
    let out = c.run();
    assert!(!out.stdout.contains("0 survived"), "{out}");
    assert!(
        out.stdout.contains("137") || out.status.code() == Some(137),
        "{out}"
    );
    bed.assert_nothing_left();
}

#[test]
fn events_tell_that_memory_ran_out() {
    let Some(bed) = Bed::needing(&[Need::Controller("memory")]) else {
        return;
    };
    let c = bed.container(|s| {
        s["process"]["args"] = sh("read go < /go; head -c 100000000 /dev/zero | tail; sleep 600");
        s["linux"]["resources"]["memory"] = json!({ "limit": 12_582_912, "swap": 12_582_912 });
    });
    let fifo = c.rootfs("go");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    c.run_detached();
    let events = c.call("events", &["--interval", "1h"], &[]).spawn();
    // The watch must stand before the memory runs out. It is one of these;
    // from there on, give it a moment.
    let descriptors = format!("/proc/{}/fd", events.pid());
    eventually("a watch", || {
        let open = fs::read_dir(&descriptors).into_iter().flatten().flatten();
        let mut links = open.filter_map(|fd| fs::read_link(fd.path()).ok());
        links.any(|to| to.ends_with("memory.events") || to == Path::new("anon_inode:[eventfd]"))
    });
    std::thread::sleep(std::time::Duration::from_millis(500));
    // Without blocking: a writer would wait for ever if nobody reads.
    let mut options = fs::File::options();
    let options = options.write(true).custom_flags(libc::O_NONBLOCK);
    let mut go = options.open(&fifo).expect("the container reads");
    go.write_all(b"go\n").unwrap();
    eventually("an oom event", || {
        events.stdout().contains(r#""type":"oom""#)
    });
}

#[test]
fn exec_joins_the_containers_cgroup() {
    let Some(bed) = Bed::needing(&all(&["pids"])) else {
        return;
    };
    let c = limited(&bed, json!({}));
    let exec = c.call("exec", &[], &["sleep", "600"]).spawn();
    let dir = cgroups::dir_of("pids", &c.id);
    eventually("two processes", || cgroups::processes(&dir).len() == 2);
    c.finish();
    drop(exec);
}

#[test]
fn block_io_is_throttled() {
    let Some(bed) = Bed::needing(&[Need::CgroupV1("blkio")]) else {
        return;
    };
    let dir = cgroups::controller("blkio").unwrap().at;
    let file = "blkio.throttle.read_bps_device";
    // Kernels are built without it, and then it must not be silence.
    let known = dir.join(file).exists();
    let disk = disk();
    let rate = json!([{ "major": disk.0, "minor": disk.1, "rate": 1_048_576 }]);
    let c = bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        s["linux"]["resources"]["blockIO"] = json!({ "throttleReadBpsDevice": rate });
    });
    let out = c.try_create();
    if !known {
        out.fails_naming(&["blkio"]);
        return;
    }
    out.ok();
    let line = format!("{}:{} 1048576", disk.0, disk.1);
    assert_eq!(cgroups::read("blkio", &c.id, file, ""), line);
}

/// The numbers of a whole disk of this machine.
fn disk() -> (u32, u32) {
    let names = fs::read_dir("/sys/block").unwrap().flatten();
    let numbers = names
        .filter_map(|e| fs::read_to_string(e.path().join("dev")).ok())
        .find_map(|t| {
            let (major, minor) = t.trim().split_once(':')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        });
    numbers.expect("a machine with a disk")
}
