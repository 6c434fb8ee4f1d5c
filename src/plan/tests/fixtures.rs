//! Bundles and hosts made by hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;
use serde_json::{Value, json};

use crate::cgroup::layout::Layout;
use crate::error::Result;
use crate::facts::{BundleFacts, Facts, FileKind};
use crate::network::cidr::Cidr;
use crate::network::wanted::{Bridge, Interface, Wanted, Wire};
use crate::plan::{ExecRequest, Namespace, Options, Plan, container, exec};
use crate::sys::identity::CapSet;

/// Where the bundle of every fixture is; no such directory exists.
pub(super) const BUNDLE: &str = "/host/bundle";

/// A bundle on a host.
pub(super) struct Fixture {
    pub name: &'static str,
    pub spec: Value,
    pub facts: Facts,
    pub options: Options,
}

impl Fixture {
    fn new(name: &'static str, spec: Value) -> Self {
        let options = Options {
            id: "example".to_owned(),
            ..Options::default()
        };
        let facts = host(v2());
        Self {
            name,
            spec,
            facts,
            options,
        }
    }

    fn on(mut self, layout: Layout) -> Self {
        self.facts.cgroups = layout;
        self
    }

    /// What a start would do.
    pub(super) fn plan(&self) -> Result<Plan> {
        plan(&self.spec, &self.facts, &self.options)
    }
}

/// Plans a start of the bundle with this `config.json`.
pub(super) fn plan(spec: &Value, facts: &Facts, options: &Options) -> Result<Plan> {
    let spec: Spec = serde_json::from_value(spec.clone()).expect("the fixture is a valid spec");
    container(&spec, facts, &bundle(&spec), options)
}

/// Every source that does not say that it is missing exists.
fn bundle(spec: &Spec) -> BundleFacts {
    let bundle = PathBuf::from(BUNDLE);
    let sources = spec
        .mounts()
        .iter()
        .flatten()
        .filter_map(|m| m.source().as_ref());
    let sources = sources.filter(|s| !s.ends_with("missing")).map(|s| {
        let kind = if s.extension().is_some() {
            FileKind::File
        } else {
            FileKind::Directory
        };
        (bundle.join(s), kind)
    });
    BundleFacts {
        overlay: None,
        rootfs: bundle.join("rootfs"),
        sources: sources.collect::<BTreeMap<_, _>>(),
        bundle,
    }
}

/// A host on which we are root.
pub(super) fn host(cgroups: Layout) -> Facts {
    Facts {
        ids: (0, 0),
        caps: CapSet((1 << 41) - 1),
        last_cap: 40,
        apparmor: false,
        selinux: false,
        cgroups,
        map_helpers: None,
    }
}

pub(super) fn v2() -> Layout {
    let mounts = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let layout = Layout::parse(mounts, "0::/user.slice/a.scope\n");
    layout.with_v2_controllers("cpuset cpu io memory pids")
}

const V1_MOUNTS: &str = "\
31 30 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
34 30 0:30 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices
35 30 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
36 30 0:32 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
";

const V1_OWN: &str = "\
7:pids:/
6:cpuset:/
5:devices:/
4:memory:/session
3:cpu,cpuacct:/
1:name=systemd:/
";

fn v1() -> Layout {
    Layout::parse(V1_MOUNTS, V1_OWN)
}

fn hybrid() -> Layout {
    let unified = "37 30 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    Layout::parse(&format!("{V1_MOUNTS}{unified}"), &format!("{V1_OWN}0::/\n"))
}

/// The least a bundle can be with namespaces of its own.
pub(super) fn minimal() -> Value {
    json!({
        "ociVersion": "1.2.0",
        "root": { "path": "rootfs" },
        "process": { "user": { "uid": 0, "gid": 0 }, "args": ["sh"], "cwd": "/" },
        "linux": { "namespaces": [{ "type": "mount" }, { "type": "pid" }] },
    })
}

/// What a container engine asks for.
pub(super) fn docker() -> Value {
    let caps = json!(["CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_KILL"]);
    json!({
        "ociVersion": "1.2.0",
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "web",
        "process": {
            "terminal": true,
            "consoleSize": { "height": 24, "width": 80 },
            "user": { "uid": 1000, "gid": 1000, "additionalGids": [5, 50], "umask": 18 },
            "args": ["/usr/bin/server", "--name", "it's a \"test\""],
            "env": ["PATH=/usr/bin:/bin", "TOKEN=secret", "TERM=xterm"],
            "cwd": "/srv",
            "capabilities": { "bounding": caps, "effective": caps, "permitted": caps },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096 }],
            "noNewPrivileges": true,
            "oomScoreAdj": 100,
        },
        "mounts": mounts(),
        "linux": linux(),
    })
}

fn mounts() -> Value {
    let new = |at: &str, fstype: &str, source: &str, options: &[&str]| json!({ "destination": at, "type": fstype, "source": source, "options": options });
    json!([
        { "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "nodev", "noexec"] },
        new("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        new("/dev/pts", "devpts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        new("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        new("/sys/fs/cgroup", "cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]),
        new("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        new("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]),
        new("/data", "bind", "/host/data", &["rbind", "rro", "rprivate"]),
        new("/etc/hosts", "bind", "/host/hosts.txt", &["bind", "ro", "noatime"]),
        new("/srv/cache", "tmpfs", "tmpfs", &["tmpcopyup", "rw"]),
    ])
}

fn linux() -> Value {
    json!({
        "cgroupsPath": "/engine/example",
        "namespaces": [
            { "type": "pid" }, { "type": "network" }, { "type": "ipc" },
            { "type": "uts" }, { "type": "mount" }, { "type": "cgroup" },
        ],
        "resources": {
            "devices": [{ "allow": false, "access": "rwm" }],
            "memory": { "limit": 67_108_864, "swap": 134_217_728 },
            "cpu": { "shares": 512, "quota": 50000, "period": 100_000 },
            "pids": { "limit": 100 },
        },
        "sysctl": { "net.ipv4.ip_unprivileged_port_start": "0" },
        "maskedPaths": ["/proc/kcore", "/sys/firmware"],
        "readonlyPaths": ["/proc/sys"],
        "seccomp": {
            "defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [{ "names": ["read", "write", "exit_group"], "action": "SCMP_ACT_ALLOW" }],
        },
    })
}

/// Adds a namespace to a bundle.
pub(super) fn add_namespace(spec: &mut Value, entry: Value) {
    let list = spec["linux"]["namespaces"].as_array_mut();
    list.expect("a list of namespaces").push(entry);
}

fn with_user_namespace(mut spec: Value) -> Value {
    add_namespace(&mut spec, json!({ "type": "user" }));
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    spec["linux"]["uidMappings"] = map.clone();
    spec["linux"]["gidMappings"] = map;
    spec
}

fn rootless() -> Fixture {
    let mut spec = with_user_namespace(minimal());
    spec["linux"]["uidMappings"] = json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]);
    spec["linux"]["gidMappings"] = spec["linux"]["uidMappings"].clone();
    spec["mounts"] = json!([{ "destination": "/data", "source": "data", "options": ["rbind"] }]);
    let mut fixture = Fixture::new("rootless", spec).on(Layout::parse("", ""));
    fixture.facts.ids = (1000, 1000);
    fixture.facts.caps = CapSet(0);
    fixture
}

fn joined() -> Value {
    let mut spec = minimal();
    spec["hostname"] = json!("guest");
    spec["linux"]["namespaces"] = json!([
        { "type": "user", "path": "/proc/77/ns/user" },
        { "type": "pid", "path": "/proc/77/ns/pid" },
        { "type": "network", "path": "/run/netns/a b" },
        { "type": "uts" }, { "type": "mount" },
    ]);
    spec
}

fn time() -> Value {
    let mut spec = minimal();
    add_namespace(&mut spec, json!({ "type": "time" }));
    spec["linux"]["timeOffsets"] = json!({
        "monotonic": { "secs": 3600, "nanosecs": 5 },
        "boottime": { "secs": -60 },
    });
    spec
}

fn all_hooks() -> Value {
    let mut spec = minimal();
    let hook = |name: &str| {
        json!([
            { "path": format!("/opt/hooks/{name}"), "args": [name, "-v"], "env": ["A=1"], "timeout": 5 },
            { "path": "/opt/second" },
        ])
    };
    let kinds = [
        "prestart",
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
    ];
    for kind in kinds {
        spec["hooks"][kind] = hook(kind);
    }
    spec
}

fn owners() -> Value {
    let mut spec = minimal();
    let map = json!([{ "containerID": 0, "hostID": 1000, "size": 10 }]);
    spec["mounts"] = json!([
        { "destination": "/a", "source": "a", "options": ["rbind", "ridmap"], "uidMappings": map, "gidMappings": map },
        { "destination": "/b", "source": "b", "options": ["bind", "idmap", "nosuid"], "uidMappings": map, "gidMappings": map },
    ]);
    spec
}

/// A container in two networks, with a parameter of one of its interfaces.
pub(super) fn connected() -> Fixture {
    let mut spec = minimal();
    add_namespace(&mut spec, json!({ "type": "network" }));
    spec["linux"]["sysctl"] = json!({ "net.ipv4.conf.eth1.rp_filter": "2" });
    let mut fixture = Fixture::new("connected", spec);
    fixture.options.network = networks();
    fixture
}

fn networks() -> Wanted {
    let cidr = |text: &str| text.parse::<Cidr>().expect("a subnet");
    let bridge = |name: &str, all: &[&str], own: &[&str], internal| Bridge {
        name: name.to_owned(),
        mark: format!("rcon {name} /var/lib/it's \"here\""),
        mtu: 0,
        mac: "02:42:ac:11:00:01".to_owned(),
        addresses: own.iter().map(|a| cidr(a)).collect(),
        table: format!("rcon-{name}"),
        subnets: all.iter().map(|a| cidr(a)).collect(),
        internal,
        apart: internal,
    };
    let interface = |name: &str, wire, addresses: &[&str], gateways: &[&str]| Interface {
        name: name.to_owned(),
        wire,
        mac: "02:42:ac:11:00:02".to_owned(),
        mtu: 1400,
        addresses: addresses.iter().map(|a| cidr(a)).collect(),
        gateways: gateways
            .iter()
            .map(|g| g.parse().expect("an address"))
            .collect(),
    };
    let port = |bridge: &str, port: &str| Wire::Bridge {
        bridge: bridge.to_owned(),
        port: port.to_owned(),
        // The one in the internal network.
        apart: port == "rv1",
    };
    let wire = Wire::Macvlan {
        parent: "up0".to_owned(),
        mode: "bridge".to_owned(),
    };
    let both = ["172.17.0.0/16", "fd00::/64"];
    let own = ["172.17.0.1/16", "fd00::1/64"];
    Wanted {
        bridges: vec![
            bridge("rcon0", &both, &own, false),
            bridge("rc-0", &["10.1.0.0/24"], &["10.1.0.1/24"], true),
        ],
        interfaces: vec![
            interface(
                "eth0",
                port("rcon0", "rv0"),
                &["172.17.0.2/16", "fd00::2/64"],
                &["172.17.0.1", "fd00::1"],
            ),
            interface("eth1", port("rc-0", "rv1"), &["10.1.0.2/24"], &[]),
            interface("eth2", wire, &[], &[]),
        ],
    }
}

fn no_mount_namespace() -> Value {
    let mut spec = minimal();
    spec["linux"]["namespaces"] = json!([{ "type": "pid" }]);
    spec
}

/// Everything about how the program runs, with values nobody should trust.
fn hostile() -> Value {
    let mut spec = minimal();
    add_namespace(&mut spec, json!({ "type": "uts" }));
    add_namespace(&mut spec, json!({ "type": "ipc" }));
    spec["hostname"] = json!("a\nb\u{1b}[31m'; rm -rf /; '");
    spec["domainname"] = json!("$(reboot)");
    spec["mounts"] = json!([
        { "destination": "/a\nb'c", "type": "tmpfs", "source": "`id`", "options": ["mode=755,\u{202e}x"] },
        { "destination": "/x/../../etc", "type": "tmpfs", "source": "tmpfs" },
    ]);
    let process = &mut spec["process"];
    process["args"] = json!(["sh", "-c", "echo '\n$HOME' \"\u{7}\""]);
    process["env"] = json!(["PATH=/bin:/my bin", "X=a'b\nc", "STAGE_1="]);
    process["scheduler"] =
        json!({ "policy": "SCHED_FIFO", "priority": 10, "flags": ["SCHED_RESET_ON_FORK"] });
    process["ioPriority"] = json!({ "class": "IOPRIO_CLASS_BE", "priority": 4 });
    spec["linux"]["personality"] = json!({ "domain": "LINUX32" });
    spec["linux"]["sysctl"] = json!({ "kernel.msgmax": "65536" });
    spec["linux"]["rootfsPropagation"] = json!("shared");
    spec
}

/// All kinds of starts there are.
pub(super) fn all() -> Vec<Fixture> {
    let mut move_over = Fixture::new("no_pivot", minimal());
    move_over.options.no_pivot = true;
    move_over.options.no_new_keyring = true;
    vec![
        Fixture::new("minimal", minimal()),
        Fixture::new("docker_v2", docker()),
        Fixture::new("docker_v1", docker()).on(v1()),
        Fixture::new("docker_hybrid", docker()).on(hybrid()),
        Fixture::new("user_namespace", with_user_namespace(docker())),
        rootless(),
        Fixture::new("joined", joined()),
        Fixture::new("time", time()),
        Fixture::new("hooks", all_hooks()),
        Fixture::new("owners", owners()),
        connected(),
        Fixture::new("no_mount_namespace", no_mount_namespace()),
        Fixture::new("hostile", hostile()),
        move_over,
    ]
}

/// The start of a further process in the engine's container.
pub(super) fn further() -> Plan {
    let spec: Spec = serde_json::from_value(docker()).expect("a valid spec");
    let process = spec.process().clone().expect("a process");
    let facts = host(v2());
    let paths =
        crate::cgroup::paths::CgroupPaths::plan(&facts.cgroups, "/engine/example", "example");
    let request = ExecRequest {
        process: &process,
        spec: &spec,
        namespaces: vec![Namespace::Mount, Namespace::Pid],
        cgroups: paths.expect("a path"),
        id: "example".to_owned(),
        no_new_keyring: false,
    };
    exec(&request, &facts).expect("a plan")
}

/// Where golden files are.
pub(super) fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}
