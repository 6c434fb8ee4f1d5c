//! What a bundle may not ask for, and that the refusal names it.

use serde_json::{Value, json};

use super::fixtures::{add_namespace, docker, host, minimal, plan, v2};
use crate::error::Error;
use crate::facts::Facts;
use crate::plan::Options;

fn refusal_on(facts: &Facts, spec: &Value) -> Option<Error> {
    let options = Options {
        id: "example".to_owned(),
        ..Options::default()
    };
    plan(spec, facts, &options).err()
}

/// `(what is changed, to what, what the message must say)`
type Case = (&'static str, Value, &'static [&'static str]);

fn set(spec: &mut Value, pointer: &str, value: &Value) {
    let mut at = spec;
    for key in pointer.split('.') {
        at = match key.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[key],
        };
    }
    *at = value.clone();
}

fn check(base: fn() -> Value, cases: Vec<Case>) {
    for (field, value, says) in cases {
        let mut spec = base();
        set(&mut spec, field, &value);
        let refusal = refusal_on(&host(v2()), &spec);
        let refusal = refusal.unwrap_or_else(|| panic!("{field} = {value} was accepted"));
        let text = refusal.to_string();
        assert!(!text.contains('\n'), "{field}: not one line: {text}");
        for part in says {
            assert!(
                text.contains(part),
                "{field} = {value}: {text:?} does not say {part:?}"
            );
        }
    }
}

#[test]
fn a_program_that_cannot_be_one() {
    check(
        minimal,
        vec![
            ("process", Value::Null, &["config.json", "process"]),
            ("process.args", json!([]), &["config.json", "process.args"]),
            ("process.args", json!([""]), &["process.args"]),
            ("process.cwd", json!("srv"), &["process.cwd", "srv"]),
            (
                "process.env",
                json!(["A=1", "FOO"]),
                &["process.env[1]", "FOO"],
            ),
            ("process.env", json!(["=x"]), &["process.env[0]", "no name"]),
            (
                "process.rlimits",
                json!([{ "type": "RLIMIT_CORE", "soft": 2, "hard": 1 }]),
                &["process.rlimits[0]"],
            ),
            (
                "process.rlimits",
                json!([
                    { "type": "RLIMIT_CORE", "soft": 1, "hard": 1 },
                    { "type": "RLIMIT_CORE", "soft": 1, "hard": 1 },
                ]),
                &["process.rlimits[1]", "RLIMIT_CORE"],
            ),
            (
                "process.ioPriority",
                json!({ "class": "IOPRIO_CLASS_BE", "priority": 8 }),
                &["process.ioPriority.priority", "8"],
            ),
            (
                "process.apparmorProfile",
                json!("strict"),
                &["process.apparmorProfile", "AppArmor"],
            ),
            (
                "process.selinuxLabel",
                json!("a:b:c:s0"),
                &["process.selinuxLabel", "SELinux"],
            ),
        ],
    );
}

#[test]
fn what_would_change_the_host() {
    check(
        minimal,
        vec![
            ("hostname", json!("x"), &["hostname", "uts"]),
            ("domainname", json!("x"), &["domainname", "uts"]),
            (
                "linux.sysctl",
                json!({ "vm.swappiness": "0" }),
                &["linux.sysctl", "vm.swappiness"],
            ),
            (
                "linux.sysctl",
                json!({ "kernel.msgmax": "1" }),
                &["linux.sysctl", "kernel.msgmax", "ipc"],
            ),
            (
                "linux.sysctl",
                json!({ "net.core.somaxconn": "1" }),
                &["linux.sysctl", "net.core.somaxconn", "network"],
            ),
            (
                "linux.sysctl",
                json!({ "net/../kernel.x": "1" }),
                &["linux.sysctl"],
            ),
            (
                "linux.sysctl",
                json!({ "net.x": "1\n2" }),
                &["linux.sysctl", "line break"],
            ),
            (
                "linux.timeOffsets",
                json!({ "boottime": { "secs": 1 } }),
                &["linux.timeOffsets", "time"],
            ),
            (
                "linux.uidMappings",
                json!([{ "containerID": 0, "hostID": 1, "size": 1 }]),
                &["linux.uidMappings", "user"],
            ),
            (
                "linux.namespaces",
                json!([{ "type": "mount" }, { "type": "user" }]),
                &["linux.namespaces", "linux.uidMappings"],
            ),
        ],
    );
    let mut spec = docker();
    spec["linux"]["namespaces"] = json!([{ "type": "pid" }, { "type": "uts" }]);
    let text = refusal_on(&host(v2()), &spec).expect("refused").to_string();
    assert!(
        text.contains("mounts") && text.contains("mount namespace"),
        "{text}"
    );
}

#[test]
fn a_list_that_contradicts_itself() {
    check(
        minimal,
        vec![
            (
                "linux.namespaces",
                json!([{ "type": "uts" }, { "type": "uts" }]),
                &["linux.namespaces[1]", "second"],
            ),
            (
                "linux.namespaces",
                json!([{ "type": "uts", "path": "ns" }]),
                &["linux.namespaces[0]", "ns"],
            ),
            ("linux.cgroupsPath", json!("/../up"), &["linux.cgroupsPath"]),
            (
                "linux.cgroupsPath",
                json!("a.slice:b:c"),
                &["linux.cgroupsPath", "systemd"],
            ),
            (
                "linux.resources",
                json!({ "memory": { "limit": 10, "swap": 5 } }),
                &["linux.resources.memory"],
            ),
            (
                "linux.devices",
                json!([{ "path": "dev/x", "type": "c", "major": 1, "minor": 3 }]),
                &["linux.devices[0]", "dev/x"],
            ),
            (
                "linux.devices",
                json!([{ "path": "/dev/x", "type": "c", "major": -2, "minor": 3 }]),
                &["linux.devices[0]", "major"],
            ),
            (
                "hooks",
                json!({ "poststart": [{ "path": "x" }] }),
                &["hooks.poststart[0].path"],
            ),
            (
                "hooks",
                json!({ "createRuntime": [{ "path": "/x", "timeout": 0 }] }),
                &["hooks.createRuntime[0].timeout"],
            ),
        ],
    );
}

#[test]
fn a_mount_that_cannot_be() {
    let one = |mount: Value| json!([mount]);
    check(
        minimal,
        vec![
            (
                "mounts",
                one(json!({ "destination": "", "type": "tmpfs" })),
                &["mounts[0]", "destination"],
            ),
            (
                "mounts",
                one(json!({ "destination": "/a" })),
                &["mounts[0]", "type"],
            ),
            (
                "mounts",
                one(json!({ "destination": "/a", "options": ["bind"] })),
                &["mounts[0]", "source"],
            ),
            (
                "mounts",
                one(json!({ "destination": "/a", "source": "/host/missing", "options": ["bind"] })),
                &["mounts[0]", "source", "/host/missing"],
            ),
            (
                "mounts",
                one(json!({ "destination": "/proc/self", "type": "tmpfs" })),
                &["mounts[0]", "/proc/self"],
            ),
            (
                "mounts",
                one(json!({ "destination": "/proc", "type": "tmpfs" })),
                &["mounts[0]", "/proc"],
            ),
            (
                "mounts",
                one(
                    json!({ "destination": "/x/../proc/sys", "source": "/host/a", "options": ["bind"] }),
                ),
                &["mounts[0]", "/proc/sys"],
            ),
            (
                "mounts",
                one(
                    json!({ "destination": "/a", "source": "/host/a", "options": ["bind", "idmap"] }),
                ),
                &["mounts[0]", "uidMappings"],
            ),
            (
                "mounts",
                one(json!({ "destination": "/a", "type": "tmpfs",
            "uidMappings": [{ "containerID": 0, "hostID": 1, "size": 1 }],
            "gidMappings": [{ "containerID": 0, "hostID": 1, "size": 1 }] })),
                &["mounts[0]", "bind"],
            ),
            (
                "mounts",
                one(
                    json!({ "destination": "/a", "source": "/host/a", "options": ["bind"],
            "uidMappings": [{ "containerID": 0, "hostID": 1, "size": 1 }] }),
                ),
                &["mounts[0]", "gidMappings"],
            ),
        ],
    );
}

#[test]
fn what_rcon_does_not_do_is_said_not_skipped() {
    check(
        docker,
        vec![
            (
                "linux.intelRdt",
                json!({ "closID": "x" }),
                &["linux.intelRdt", "not supported"],
            ),
            (
                "linux.netDevices",
                json!({ "eth0": { "name": "c0" } }),
                &["linux.netDevices", "not supported"],
            ),
            (
                "linux.mountLabel",
                json!("a:b:c:s0"),
                &["linux.mountLabel", "SELinux"],
            ),
            (
                "linux.personality",
                json!({ "domain": "LINUX", "flags": ["X"] }),
                &["linux.personality.flags"],
            ),
            (
                "linux.memoryPolicy",
                json!({ "mode": "MPOL_BIND", "nodes": "3-1" }),
                &["linux.memoryPolicy.nodes", "3-1"],
            ),
        ],
    );
}

#[test]
fn a_refusal_stays_on_one_line_whatever_it_quotes() {
    let mut spec = minimal();
    spec["process"]["cwd"] = json!("a\nb\u{1b}[2J");
    let text = refusal_on(&host(v2()), &spec).expect("refused").to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// Nothing can be withheld from a container without a cgroup. What every
/// engine asks for is told to root; what somebody chose must hold.
#[test]
fn device_rules_without_a_cgroup() {
    let layout = || crate::cgroup::layout::Layout::parse("", "");
    let warnings = |facts: &crate::facts::Facts, rules: Value| {
        let mut spec = minimal();
        spec["linux"]["resources"] = json!({ "devices": rules });
        if !facts.may_mount() {
            let own = json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]);
            add_namespace(&mut spec, json!({ "type": "user" }));
            spec["linux"]["uidMappings"] = own.clone();
            spec["linux"]["gidMappings"] = own;
        }
        let options = Options {
            id: "example".to_owned(),
            ..Options::default()
        };
        let warnings = plan(&spec, facts, &options)?.warnings;
        let about = warnings.into_iter();
        Ok::<_, Error>(about.filter(|w| w.contains("resources.devices")).count())
    };
    let root = host(layout());
    let mut user = host(layout());
    user.ids = (1000, 1000);
    user.caps = crate::sys::identity::CapSet(0);
    let nothing = json!([{ "allow": false, "access": "rwm" }]);
    let all = json!([{ "allow": true, "type": "a", "access": "rwm" }]);
    let chosen = json!([
        { "allow": false, "access": "rwm" },
        { "allow": true, "type": "c", "major": 10, "minor": 229, "access": "rwm" },
    ]);
    assert_eq!(warnings(&root, nothing.clone()).unwrap(), 1);
    assert_eq!(warnings(&user, nothing).unwrap(), 0);
    assert_eq!(warnings(&root, all).unwrap(), 0);
    let refused = warnings(&root, chosen.clone()).unwrap_err().to_string();
    assert!(refused.contains("resources.devices") && refused.contains("cgroup"));
    assert_eq!(warnings(&user, chosen), Ok(1));
}

#[test]
fn a_machine_without_cgroups_cannot_show_or_limit_them() {
    let none = host(crate::cgroup::layout::Layout::parse("", ""));
    let mut spec = minimal();
    assert!(refusal_on(&none, &spec).is_none(), "nothing was asked for");
    spec["mounts"] =
        json!([{ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup" }]);
    let text = refusal_on(&none, &spec).expect("refused").to_string();
    assert!(
        text.contains("mounts[0]") && text.contains("cgroup"),
        "{text}"
    );
    let mut spec = minimal();
    spec["linux"]["resources"] = json!({ "memory": { "limit": 1_000_000 } });
    let refusal = refusal_on(&none, &spec);
    let text = refusal
        .expect("a limit that cannot be had is refused")
        .to_string();
    assert!(text.contains("linux.resources.memory"), "{text}");
}

#[test]
fn namespaces_joined_for_the_host_name_are_enough() {
    let mut spec = minimal();
    spec["hostname"] = json!("x");
    add_namespace(
        &mut spec,
        json!({ "type": "uts", "path": "/proc/7/ns/uts" }),
    );
    assert!(refusal_on(&host(v2()), &spec).is_none());
}
