//! Whole specifications, and what must never make a difference to them.

mod mounts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::container::{
    Id, Isolation, LogConfig, Mount, MountKind, NetworkMode, Program, Resources, Restart, SCHEMA,
    Sharing, Timestamp,
};
use crate::seccomp::Arch;
use crate::sys::identity::CapSet;

/// A host with everything, and rcon with all capabilities of Linux 5.9.
pub(super) fn host() -> HostFacts {
    HostFacts {
        kernel: (6, 1),
        arch: Arch::X86_64,
        grantable: CapSet((1 << 41) - 1),
        hostname: "thehost".to_owned(),
        cpus: 4,
        swap_accounting: true,
        apparmor: false,
        selinux: false,
        devices: Vec::new(),
        nodes: BTreeMap::new(),
        mqueue: true,
        thermal_throttle: Vec::new(),
        owners: BTreeMap::new(),
        cdi: Vec::new(),
        mapped: BTreeSet::new(),
        init: PathBuf::from("/usr/bin/rcon"),
    }
}

/// A character device.
pub(super) fn node(path: &str, major: u32, minor: u32) -> Node {
    Node {
        path: path.into(),
        kind: NodeKind::Character,
        major,
        minor,
        mode: 0o660,
        uid: 0,
        gid: 6,
    }
}

/// Inputs made by hand.
pub(super) struct Fixture {
    pub config: Config,
    pub files: Files,
    pub user: User,
    pub joined: Joined,
    pub volumes: BTreeMap<String, PathBuf>,
    pub images: BTreeMap<PathBuf, PathBuf>,
    pub host: HostFacts,
}

impl Default for Fixture {
    fn default() -> Self {
        let files = Files {
            hostname: Some("/run/c/hostname".into()),
            hosts: Some("/run/c/hosts".into()),
            resolv_conf: Some("/run/c/resolv.conf".into()),
        };
        let user = User {
            uid: 0,
            gid: 0,
            groups: vec![0, 10],
            home: "/root".to_owned(),
            name: "root".to_owned(),
        };
        Self {
            config: config(),
            files,
            user,
            joined: Joined::default(),
            volumes: BTreeMap::from([("data".to_owned(), "/store/data".into())]),
            images: BTreeMap::from([("/tools".into(), "/store/tools".into())]),
            host: host(),
        }
    }
}

fn config() -> Config {
    Config {
        version: SCHEMA,
        id: id(),
        created: Timestamp {
            seconds: 0,
            nanos: 0,
        },
        image: None,
        root: crate::container::Root::Layers { layers: Vec::new() },
        program: Program {
            command: vec!["sh".to_owned()],
            ..Program::default()
        },
        isolation: Isolation::default(),
        mounts: Vec::new(),
        resources: Resources::default(),
        network: crate::container::Network::default(),
        restart: Restart::No,
        health: None,
        log: LogConfig::default(),
        auto_remove: false,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        build: None,
    }
}

fn id() -> Id {
    Id::try_from("0123456789abcdef".repeat(4)).unwrap()
}

impl Fixture {
    pub(super) fn spec(&self) -> Result<Spec> {
        runtime_spec(&Inputs {
            config: &self.config,
            name: "web",
            rootfs: Path::new("rootfs"),
            files: &self.files,
            user: &self.user,
            namespaces: &self.joined,
            volumes: &self.volumes,
            images: &self.images,
            host: &self.host,
        })
    }

    pub(super) fn json(&self) -> Value {
        let mut value = serde_json::to_value(self.spec().unwrap()).unwrap();
        // The library keeps them in no order.
        for set in ["bounding", "effective", "permitted"] {
            if let Some(list) = value["process"]["capabilities"][set].as_array_mut() {
                list.sort_by_key(Value::to_string);
            }
        }
        value
    }

    pub(super) fn error(&self) -> String {
        self.spec().unwrap_err().to_string()
    }

    fn mount(&mut self, kind: MountKind, target: &str, options: &[&str]) -> &mut Mount {
        self.config.mounts.push(Mount {
            kind,
            target: target.into(),
            read_only: false,
            options: options.iter().map(|o| (*o).to_owned()).collect(),
        });
        self.config.mounts.last_mut().unwrap()
    }

    /// The options of what is mounted at `target`.
    fn options(&self, target: &str) -> String {
        let json = self.json();
        let mounts = json["mounts"].as_array().unwrap();
        let mut at = mounts.iter().filter(|m| m["destination"] == target);
        let found = at.next().unwrap_or_else(|| panic!("nothing at {target}"));
        assert!(at.next().is_none(), "two mounts at {target}");
        let words = found["options"].as_array().unwrap();
        let words: Vec<_> = words.iter().map(|w| w.as_str().unwrap()).collect();
        let source = found["source"].as_str().unwrap();
        format!("{source}: {}", words.join(" "))
    }
}

fn bind(source: &str) -> MountKind {
    MountKind::Bind {
        source: source.into(),
        create: false,
        recursive: true,
    }
}

/// As in the planner's golden tests: `UPDATE_GOLDEN=1` writes the files anew.
fn compare(file: &str, value: &Value) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    let path = dir.join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    let pair = wanted.lines().zip(text.lines()).find(|(a, b)| a != b);
    assert!(
        wanted == text,
        "{file} differs: {pair:?} (UPDATE_GOLDEN=1 accepts)"
    );
}

#[test]
fn the_default_container() {
    compare("spec_default.json", &Fixture::default().json());
}

#[test]
fn a_privileged_container() {
    let mut f = Fixture::default();
    f.config.isolation.privileged = true;
    f.config.program.tty = true;
    f.host.devices = vec![node("/dev/kvm", 10, 232)];
    f.host.apparmor = true;
    compare("spec_privileged.json", &f.json());
}

#[test]
fn a_container_with_its_own_users() {
    let mut f = Fixture::default();
    f.config.isolation.userns = Some((100_000, 65536));
    f.config.isolation.security.seccomp = crate::container::Seccomp::Unconfined;
    compare("spec_userns.json", &f.json());
}

fn kinds(f: &Fixture) -> BTreeMap<String, Option<String>> {
    let json = f.json();
    let list = json["linux"]["namespaces"].as_array().unwrap().clone();
    let text = |v: &Value| v.as_str().map(str::to_owned);
    list.iter()
        .map(|n| (text(&n["type"]).unwrap(), text(&n["path"])))
        .collect()
}

#[test]
fn namespaces_are_new_joined_or_the_hosts() {
    let mut f = Fixture::default();
    let own = ["cgroup", "ipc", "mount", "network", "pid", "uts"];
    assert!(kinds(&f).keys().eq(own.iter()));
    let isolation = &mut f.config.isolation;
    isolation.pid = Sharing::Host;
    isolation.ipc = Sharing::Host;
    isolation.uts = Sharing::Host;
    isolation.cgroup = Sharing::Host;
    f.config.network.mode = NetworkMode::Host;
    assert!(kinds(&f).keys().eq(["mount"].iter()));

    let mut f = Fixture::default();
    f.config.network.mode = NetworkMode::Container(id());
    assert!(
        f.error()
            .contains("network namespace of container 0123456789ab")
    );
    f.joined.network = Some("/proc/7/ns/net".into());
    assert_eq!(kinds(&f)["network"].as_deref(), Some("/proc/7/ns/net"));
    let mut f = Fixture::default();
    f.joined.network = Some("/run/netns/x".into());
    assert_eq!(kinds(&f)["network"].as_deref(), Some("/run/netns/x"));
}

#[test]
fn what_a_user_namespace_cannot_have() {
    type Change = fn(&mut Config);
    let cases: [(Change, &str); 4] = [
        (
            |c| c.isolation.privileged = true,
            "privileged mode is incompatible",
        ),
        (
            |c| c.network.mode = NetworkMode::Host,
            "host's network namespace",
        ),
        (|c| c.isolation.pid = Sharing::Host, "host PID namespace"),
        (
            |c| c.isolation.userns = Some((u32::MAX, 2)),
            "is not a range of ids",
        ),
    ];
    for (change, text) in cases {
        let mut f = Fixture::default();
        f.config.isolation.userns = Some((100_000, 65536));
        change(&mut f.config);
        let e = f.error();
        assert!(e.contains(text), "{e}");
    }
    let mut f = Fixture::default();
    f.config.isolation.userns = Some((100_000, 3));
    assert!(!f.options("/dev/pts").contains("gid=5"));
    assert!(f.options("/sys").starts_with("sysfs: "));
    f.joined.network = Some("/run/netns/x".into());
    assert_eq!(
        f.options("/sys"),
        "/sys: rbind nosuid noexec nodev ro rro rprivate"
    );
}

#[test]
fn names_of_the_container() {
    let mut f = Fixture::default();
    assert_eq!(f.json()["hostname"], "0123456789ab");
    f.config.network.mode = NetworkMode::Host;
    assert_eq!(f.json()["hostname"], "thehost");
    f.config.program.hostname = "db".to_owned();
    f.config.program.domainname = "example.org".to_owned();
    let json = f.json();
    assert_eq!(
        (&json["hostname"], &json["domainname"]),
        (&json!("db"), &json!("example.org"))
    );
    assert!(json["process"]["env"].to_string().contains("HOSTNAME=db"));
    f.config.isolation.uts = Sharing::Host;
    assert!(f.error().contains("hostname and the UTS mode"));
    f.config.program.hostname.clear();
    assert!(f.error().contains("domainname and the UTS mode"));
    f.config.program.domainname.clear();
    let json = f.json();
    assert!(json["hostname"].is_null());
    assert!(
        json["process"]["env"]
            .to_string()
            .contains("HOSTNAME=thehost")
    );
    let mut f = Fixture::default();
    for bad in ["a/b", "a\nb", "a b", &"a".repeat(65)] {
        f.config.program.hostname = bad.to_owned();
        assert!(f.error().contains("invalid hostname"), "{bad:?}");
    }
}

#[test]
fn the_environment_asked_for_wins() {
    let mut f = Fixture::default();
    f.config.program.tty = true;
    let env = |f: &Fixture| {
        let json = f.json();
        let list = json["process"]["env"].as_array().unwrap().clone();
        let words = list.iter().map(|v| v.as_str().unwrap().to_owned());
        words.collect::<Vec<_>>()
    };
    let path = format!("PATH={DEFAULT_PATH}");
    assert_eq!(
        env(&f),
        [&path, "HOSTNAME=0123456789ab", "TERM=xterm", "HOME=/root"]
    );
    f.config.program.env = ["PATH=/bin", "A=b=c", "TERM", "HOME=/h", "A=2"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(
        env(&f),
        ["HOSTNAME=0123456789ab", "PATH=/bin", "HOME=/h", "A=2"]
    );
    for bad in ["=x", "", "A=\0"] {
        f.config.program.env = vec![bad.to_owned()];
        assert!(
            f.error().contains("invalid environment variable"),
            "{bad:?}"
        );
    }
}

#[test]
fn the_program_and_its_first_process() {
    let mut f = Fixture::default();
    f.config.program.entrypoint = vec!["tini".to_owned()];
    f.config.program.workdir = "/srv".to_owned();
    let json = f.json();
    assert_eq!(json["process"]["args"], json!(["tini", "sh"]));
    assert_eq!(json["process"]["cwd"], "/srv");
    f.config.program.init = true;
    let json = f.json();
    assert_eq!(
        json["process"]["args"],
        json!([INIT_PATH, "--", "tini", "sh"])
    );
    assert_eq!(f.options(INIT_PATH), "/usr/bin/rcon: bind ro nosuid nodev");
    f.mount(bind("/dev"), "/dev", &[]);
    assert!(f.error().contains("--init"));
    f.config.isolation.pid = Sharing::Host;
    assert_eq!(f.json()["process"]["args"], json!(["tini", "sh"]));

    let mut f = Fixture::default();
    f.config.program.workdir = "srv".to_owned();
    assert!(f.error().contains("needs to be an absolute path"));
    f.config.program.workdir.clear();
    f.config.program.command.clear();
    assert!(f.error().contains("no command specified"));
}

#[test]
fn what_the_host_has_not_is_told_by_the_flags_name() {
    let mut f = Fixture::default();
    f.config.isolation.security.apparmor = Some("mine".to_owned());
    assert!(f.error().starts_with("--security-opt apparmor=mine: "));
    f.config.isolation.security.apparmor = Some("unconfined".to_owned());
    assert_eq!(f.json()["process"]["apparmorProfile"], "unconfined");
    f.config.isolation.security.label = Some("u:r:t:s0".to_owned());
    assert!(f.error().starts_with("--security-opt label"));
}

#[test]
fn security_options_are_passed_on() {
    let mut f = Fixture::default();
    (f.host.apparmor, f.host.selinux) = (true, true);
    let isolation = &mut f.config.isolation;
    isolation.security.no_new_privileges = true;
    isolation.security.apparmor = Some("mine".to_owned());
    isolation.security.label = Some("u:r:t:s0".to_owned());
    isolation.oom_score_adj = Some(-5);
    isolation.cgroup_parent = Some("/team".to_owned());
    isolation.read_only = true;
    let json = f.json();
    assert_eq!(json["process"]["noNewPrivileges"], true);
    assert_eq!(json["process"]["apparmorProfile"], "mine");
    assert_eq!(json["process"]["selinuxLabel"], "u:r:t:s0");
    assert_eq!(json["process"]["oomScoreAdj"], -5);
    assert_eq!(json["root"]["readonly"], true);
    let want = format!("/team/{}", id());
    assert_eq!(json["linux"]["cgroupsPath"], want);
    f.config.isolation.cgroup_parent = Some("/a/../..".to_owned());
    assert!(f.error().contains("invalid cgroup parent"));
    f.config.isolation.cgroup_parent = None;
    f.config.isolation.oom_score_adj = Some(1001);
    assert!(
        f.error()
            .contains("range for oom score adj is [-1000, 1000]")
    );
}

/// Words that some runtime or other has once obeyed, and any others.
fn word() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "io.kubernetes.cri-o.userns-mode",
        "io.podman.annotations.privileged",
        "run.oci.keep_original_groups",
        "run.oci.hooks.stdout",
        "org.criu.config",
        "org.systemd.property.DeviceAllow",
        "com.docker.security.privileged",
        "LD_PRELOAD",
        "NOTIFY_SOCKET",
        "_LIBCONTAINER_INITPIPE",
        "privileged",
    ];
    prop_oneof![
        proptest::sample::select(KNOWN).prop_map(str::to_owned),
        "[a-zA-Z_./-]{1,20}"
    ]
}

proptest! {
    /// podman 2026-94603, containerd 2026-53488, CVE-2024-3154: what an image
    /// can say about itself changes nothing but itself.
    #[test]
    fn metadata_never_grants_power(
        labels in proptest::collection::btree_map(word(), ".{0,20}", 0..4),
        annotations in proptest::collection::btree_map(word(), ".{0,20}", 0..4),
        env in proptest::collection::vec((word(), "[^\0]{0,20}"), 0..4),
    ) {
        let mut f = Fixture::default();
        let plain = f.json();
        f.config.labels = labels;
        f.config.annotations = annotations.clone();
        f.config.program.env = env.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let mut told = f.json();
        if !annotations.is_empty() {
            prop_assert_eq!(&told["annotations"], &json!(annotations));
        }
        told.as_object_mut().unwrap().remove("annotations");
        told["process"]["env"] = plain["process"]["env"].clone();
        prop_assert_eq!(told, plain);
    }
}
