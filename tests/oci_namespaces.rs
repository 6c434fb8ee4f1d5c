//! Namespaces: new ones, those of another process, and the host's.

mod common;
use common::*;
use host::{Helper, namespace_of, own_namespace};
use std::fs;

/// Type in the spec, and name under `/proc/<pid>/ns`.
const KINDS: [(&str, &str); 6] = [
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("mount", "mnt"),
    ("cgroup", "cgroup"),
];

fn sleeper(bed: &Bed, patch: impl FnOnce(&mut Value)) -> Container<'_> {
    bed.container(|s| {
        s["process"]["args"] = words("sleep 600");
        patch(s);
    })
}

#[test]
fn every_namespace_of_the_spec_is_new() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed, |_| ());
    c.run_detached();
    for (_, file) in KINDS {
        assert_ne!(namespace_of(c.pid(), file), own_namespace(file), "{file}");
    }
    for file in ["user", "time"] {
        assert_eq!(namespace_of(c.pid(), file), own_namespace(file), "{file}");
    }
}

#[test]
fn a_namespace_that_is_not_listed_is_the_hosts() {
    let Some(bed) = Bed::new() else { return };
    for (kind, file) in [
        ("pid", "pid"),
        ("network", "net"),
        ("ipc", "ipc"),
        ("cgroup", "cgroup"),
    ] {
        let c = sleeper(&bed, |s| {
            drop_namespace(s, kind);
            // Without a network namespace a new sysfs is not ours to mount.
            if kind == "network" {
                let mounts = s["mounts"].as_array_mut().unwrap();
                mounts.retain(|m| !m["destination"].as_str().unwrap().starts_with("/sys"));
            }
        });
        c.run_detached();
        assert_eq!(namespace_of(c.pid(), file), own_namespace(file), "{file}");
        c.finish();
    }
}

#[test]
fn a_namespace_with_a_path_is_joined() {
    let Some(bed) = Bed::needing(&[Need::Tool("unshare")]) else {
        return;
    };
    for (kind, file) in [("network", "net"), ("ipc", "ipc"), ("uts", "uts")] {
        let other = Helper::in_new_namespace(file);
        let c = sleeper(&bed, |s| {
            namespace(s, json!({ "type": kind, "path": other.namespace(file) }));
            s.as_object_mut().unwrap().remove("hostname");
        });
        c.run_detached();
        assert_eq!(namespace_of(c.pid(), file), namespace_of(other.pid(), file));
        c.finish();
    }
}

#[test]
fn containers_can_share_a_pid_namespace() {
    let Some(bed) = Bed::new() else { return };
    let first = sleeper(&bed, |_| ());
    first.run_detached();
    let path = format!("/proc/{}/ns/pid", first.pid());
    let second = sleeper(&bed, |s| {
        namespace(s, json!({ "type": "pid", "path": path }));
    });
    second.run_detached();
    assert_eq!(
        namespace_of(second.pid(), "pid"),
        namespace_of(first.pid(), "pid")
    );
    assert!(first.shell("ps -o pid,args").matches("sleep 600").count() == 2);
    second.finish();
    assert_eq!(first.status(), "running");
}

#[test]
fn a_container_can_join_all_namespaces_of_another() {
    let Some(bed) = Bed::new() else { return };
    let first = sleeper(&bed, |_| ());
    first.run_detached();
    let shared = [("network", "net"), ("ipc", "ipc"), ("uts", "uts")];
    let second = sleeper(&bed, |s| {
        for (kind, file) in shared {
            let path = format!("/proc/{}/ns/{file}", first.pid());
            namespace(s, json!({ "type": kind, "path": path }));
        }
        s.as_object_mut().unwrap().remove("hostname");
    });
    second.run_detached();
    for (_, file) in shared {
        assert_eq!(
            namespace_of(second.pid(), file),
            namespace_of(first.pid(), file)
        );
    }
    assert_eq!(second.shell("hostname"), "rcon-test");
}

#[test]
fn a_path_that_is_no_namespace_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    for path in ["/no/such/namespace", "/etc/passwd"] {
        let out = bed.run(|s| namespace(s, json!({ "type": "network", "path": path })));
        out.fails_naming(&[path]);
        bed.assert_nothing_left();
    }
}

#[test]
fn a_namespace_of_another_type_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let path = format!("/proc/{}/ns/uts", std::process::id());
    let out = bed.run(|s| namespace(s, json!({ "type": "network", "path": path })));
    out.fails_naming(&[&path]);
    bed.assert_nothing_left();
}

#[test]
fn a_namespace_listed_twice_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        let list = s["linux"]["namespaces"].as_array_mut().unwrap();
        list.push(json!({ "type": "pid" }));
    });
    out.fails_naming(&["namespaces", "pid"]);
    bed.assert_nothing_left();
}

#[test]
fn the_hostname_is_the_containers_own() {
    let Some(bed) = Bed::new() else { return };
    let before = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let out = bed.run(|s| {
        s["process"]["args"] = words("hostname");
        s["hostname"] = json!("inner-host");
    });
    assert_eq!(out.ok().text(), "inner-host");
    assert_eq!(
        fs::read_to_string("/proc/sys/kernel/hostname").unwrap(),
        before
    );
}

#[test]
fn the_domain_name_is_set() {
    let Some(bed) = Bed::needing(&[Need::Rcon("domainname")]) else {
        return;
    };
    let out = bed.run(|s| {
        s["process"]["args"] = words("cat /proc/sys/kernel/domainname");
        s["domainname"] = json!("inner.example");
    });
    assert_eq!(out.ok().text(), "inner.example");
}

/// Setting it would rename the host.
#[test]
fn a_hostname_without_its_own_namespace_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let before = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let out = bed.run(|s| drop_namespace(s, "uts"));
    out.fails_naming(&["hostname", "uts"]);
    assert_eq!(
        fs::read_to_string("/proc/sys/kernel/hostname").unwrap(),
        before
    );
    bed.assert_nothing_left();
}

#[test]
fn a_sysctl_of_an_own_namespace_is_set() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = words(
            "cat /proc/sys/kernel/msgmax /proc/sys/fs/mqueue/msg_max /proc/sys/net/core/somaxconn",
        );
        s["linux"]["sysctl"] = json!({
            "kernel.msgmax": "65000", "fs.mqueue.msg_max": "11", "net.core.somaxconn": "321",
        });
    });
    assert_eq!(out.ok().stdout, "65000\n11\n321\n");
}

#[test]
fn a_sysctl_may_be_written_with_slashes() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        s["process"]["args"] = words("cat /proc/sys/net/ipv4/conf/lo/forwarding");
        s["linux"]["sysctl"] = json!({ "net/ipv4/conf/lo/forwarding": "1" });
    });
    assert_eq!(out.ok().text(), "1");
}

#[test]
fn a_sysctl_of_the_host_is_refused() {
    let Some(bed) = Bed::new() else { return };
    for name in [
        "vm.swappiness",
        "kernel.panic",
        "kernel.hostname",
        "fs.file-max",
    ] {
        let out = bed.run(|s| s["linux"]["sysctl"] = json!({ name: "1" }));
        out.fails_naming(&[name]);
    }
    bed.assert_nothing_left();
}

/// There is a field for it, and the two could disagree.
#[test]
fn a_sysctl_that_sets_the_hostname_is_refused() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| s["linux"]["sysctl"] = json!({ "kernel.hostname": "other" }));
    out.fails_naming(&["kernel.hostname", "hostname"]);
    bed.assert_nothing_left();
}

/// CVE-2022-0811: a second key in the value.
#[test]
fn a_sysctl_cannot_smuggle_a_second_one_in() {
    let Some(bed) = Bed::needing(&[Need::Rcon("its own check of sysctls")]) else {
        return;
    };
    for name in [
        "net.core/../../vm.swappiness",
        "net/../vm/swappiness",
        "net..x",
        "",
    ] {
        let out = bed.run(|s| s["linux"]["sysctl"] = json!({ name: "1" }));
        out.fails_naming(&["sysctl"]);
    }
    bed.assert_nothing_left();
}

#[test]
fn a_sysctl_without_its_own_namespace_is_refused() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        drop_namespace(s, "network");
        s["linux"]["sysctl"] = json!({ "net.core.somaxconn": "321" });
    });
    out.fails_naming(&["net.core.somaxconn"]);
    bed.assert_nothing_left();
}

/// Root inside is 100000 outside; 10 ids.
fn with_user_namespace(spec: &mut Value) {
    namespace(spec, json!({ "type": "user" }));
    let mapping = json!([{ "containerID": 0, "hostID": 100_000, "size": 10 }]);
    spec["linux"]["uidMappings"] = mapping.clone();
    spec["linux"]["gidMappings"] = mapping;
    // No group 5 (tty) is mapped.
    for m in spec["mounts"].as_array_mut().unwrap() {
        if let Some(options) = m["options"].as_array_mut() {
            options.retain(|o| o != "gid=5");
        }
    }
}

#[test]
fn a_user_namespace_maps_ids() {
    let Some(bed) = Bed::needing(&[Need::Kernel("/proc/self/ns/user")]) else {
        return;
    };
    let c = sleeper(&bed, with_user_namespace);
    c.run_detached();
    assert_ne!(namespace_of(c.pid(), "user"), own_namespace("user"));
    assert_eq!(c.status_field("Uid"), "100000\t100000\t100000\t100000");
    assert_eq!(c.status_field("Gid"), "100000\t100000\t100000\t100000");
    let map = host::proc_file(c.pid(), "uid_map");
    assert_eq!(
        map.split_whitespace().collect::<Vec<_>>(),
        ["0", "100000", "10"]
    );
    assert_eq!(c.shell("id -u"), "0");
}

#[test]
fn another_user_of_a_user_namespace_is_mapped_too() {
    let Some(bed) = Bed::new() else { return };
    let c = sleeper(&bed, |s| {
        with_user_namespace(s);
        s["process"]["user"] = json!({ "uid": 3, "gid": 4, "additionalGids": [5] });
    });
    c.run_detached();
    assert_eq!(c.status_field("Uid"), "100003\t100003\t100003\t100003");
    assert_eq!(c.status_field("Gid"), "100004\t100004\t100004\t100004");
    assert_eq!(c.status_field("Groups"), "100005");
}

#[test]
fn devices_of_a_user_namespace_work() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        with_user_namespace(s);
        s["process"]["args"] = sh("echo x > /dev/null && head -c 1 /dev/zero | od -An -tx1");
    });
    assert_eq!(out.ok().text(), "00");
}

#[test]
fn a_user_namespace_needs_mappings() {
    let Some(bed) = Bed::needing(&[Need::Rcon("a check of mappings")]) else {
        return;
    };
    let out = bed.run(|s| namespace(s, json!({ "type": "user" })));
    out.fails_naming(&["uidMappings"]);
    bed.assert_nothing_left();
}

#[test]
fn a_user_outside_the_mapping_is_an_error() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| {
        with_user_namespace(s);
        s["process"]["user"] = json!({ "uid": 77, "gid": 0 });
    });
    out.fails_naming(&["77"]);
    bed.assert_nothing_left();
}

#[test]
fn in_a_cgroup_namespace_the_own_cgroup_is_the_root() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| s["process"]["args"] = words("cat /proc/self/cgroup"));
    for line in out.ok().stdout.lines() {
        assert!(line.ends_with(":/"), "{line}");
    }
}

/// A time namespace whose boot clock is a day ahead.
fn with_time_namespace(spec: &mut Value) {
    namespace(spec, json!({ "type": "time" }));
    spec["linux"]["timeOffsets"] = json!({
        "boottime": { "secs": 86400, "nanosecs": 0 },
        "monotonic": { "secs": 3600, "nanosecs": 5 },
    });
}

#[test]
fn a_time_namespace_moves_the_clocks() {
    let needs = [
        Need::Rcon("time namespaces"),
        Need::Kernel("/proc/self/ns/time"),
    ];
    let Some(bed) = Bed::needing(&needs) else {
        return;
    };
    let c = sleeper(&bed, with_time_namespace);
    c.run_detached();
    assert_ne!(namespace_of(c.pid(), "time"), own_namespace("time"));
    let uptime = |text: &str| text.split('.').next().unwrap().parse::<i64>().unwrap();
    let outside = uptime(&fs::read_to_string("/proc/uptime").unwrap());
    let inside = uptime(&c.shell("cat /proc/uptime"));
    assert!(
        (inside - outside - 86400).abs() < 60,
        "{outside} and {inside}"
    );
    let offsets = c.shell("cat /proc/1/timens_offsets");
    let fields: Vec<&str> = offsets.split_whitespace().collect();
    assert_eq!(fields, ["monotonic", "3600", "5", "boottime", "86400", "0"]);
}

#[test]
fn time_offsets_need_a_new_time_namespace() {
    let Some(bed) = Bed::needing(&[Need::Rcon("time namespaces")]) else {
        return;
    };
    let out = bed.run(|s| {
        with_time_namespace(s);
        drop_namespace(s, "time");
    });
    out.fails_naming(&["timeOffsets"]);
    bed.assert_nothing_left();
}

#[test]
fn loopback_is_up_in_a_new_network_namespace() {
    let Some(bed) = Bed::new() else { return };
    let out = bed.run(|s| s["process"]["args"] = words("ping -c 1 -W 2 127.0.0.1"));
    out.ok();
}
