//! What is mounted where, and in which order.

use super::*;
use crate::container::TmpfsOptions;

#[test]
fn binds_volumes_and_images() {
    let mut f = Fixture::default();
    f.mount(bind("/a"), "/plain", &[]);
    f.mount(bind("/b"), "/ro", &["noexec", "rslave"]).read_only = true;
    f.mount(bind("/c"), "/shallow", &["bind-recursive=writable"])
        .read_only = true;
    let single = MountKind::Bind {
        source: "/d".into(),
        create: false,
        recursive: false,
    };
    f.mount(single, "/single", &["z", "ro"]);
    let volume = |subpath: Option<&str>| MountKind::Volume {
        name: "data".to_owned(),
        anonymous: false,
        subpath: subpath.map(PathBuf::from),
        wish: crate::container::VolumeWish::default(),
    };
    f.mount(volume(None), "/data", &["nocopy"]);
    f.volumes
        .insert(volume_key("data", Some(Path::new("a/b"))), "/fd/9".into());
    f.mount(volume(Some("a/b")), "/sub", &[]);
    let image = MountKind::Image {
        reference: "tools:1".to_owned(),
        id: String::new(),
        layers: Vec::new(),
    };
    f.mount(image, "/tools", &[]);
    for (target, want) in [
        ("/plain", "/a: rbind rprivate"),
        ("/ro", "/b: rbind ro rro noexec rslave"),
        ("/shallow", "/c: rbind ro rprivate"),
        ("/single", "/d: bind ro rprivate"),
        ("/data", "/store/data: rbind rprivate"),
        ("/sub", "/fd/9: rbind rprivate"),
        ("/tools", "/store/tools: rbind ro rro rprivate"),
    ] {
        assert_eq!(f.options(target), want, "{target}");
    }
    assert_eq!(f.json()["linux"]["rootfsPropagation"], "rslave");
    f.mount(bind("/e"), "/shared", &["shared"]);
    assert_eq!(f.json()["linux"]["rootfsPropagation"], "shared");
}

#[test]
fn what_was_asked_for_takes_the_place_of_a_default() {
    let mut f = Fixture::default();
    f.mount(bind("/a"), "/etc/hosts", &[]);
    f.mount(bind("/b"), "/etc/../dev/shm/.", &[]);
    f.mount(bind("/c"), "/z/y", &[]);
    f.mount(MountKind::Tmpfs(TmpfsOptions::default()), "/z", &[]);
    assert!(f.options("/etc/hosts").starts_with("/a"));
    assert!(f.options("/dev/shm").starts_with("/b"));
    let json = f.json();
    let list = json["mounts"].as_array().unwrap();
    let at = |target: &str| list.iter().position(|m| m["destination"] == target);
    assert!(at("/z").unwrap() < at("/z/y").unwrap());
    f.mount(bind("/dev"), "/dev", &[]);
    let json = f.json();
    let list = json["mounts"].as_array().unwrap().clone();
    let has = |target: &str| list.iter().any(|m| m["destination"] == target);
    assert!(!has("/dev/pts") && has("/dev/shm") && has("/sys"));
}

#[test]
fn mounts_that_cannot_be() {
    let cases: [(&str, &str, &[&str], &str); 8] = [
        ("/a", "/", &[], "destination can't be '/'"),
        ("/a", "/x/..", &[], "destination can't be '/'"),
        ("/a", "x", &[], "mount path must be absolute"),
        ("a", "/x", &[], "mount path must be absolute"),
        ("/a", "/x", &["what"], "mount /x: invalid mode: what"),
        ("/a", "/x", &["nocopy"], "invalid mode: nocopy"),
        (
            "/a",
            "/x",
            &["shared", "rslave"],
            "more than one kind of propagation",
        ),
        ("/a", "/x", &["remount"], "invalid mode: remount"),
    ];
    for (source, target, options, text) in cases {
        let mut f = Fixture::default();
        f.mount(bind(source), target, options);
        let e = f.error();
        assert!(e.contains(text), "wanted {text:?}: {e}");
    }
    let mut f = Fixture::default();
    f.mount(bind("/a"), "/x", &[]);
    f.mount(bind("/b"), "/x/", &[]);
    assert!(f.error().contains("Duplicate mount point: /x"));
    let mut f = Fixture::default();
    f.host.selinux = true;
    f.mount(bind("/a"), "/x", &["Z"]);
    assert!(f.error().contains("not relabelled"));
}

#[test]
fn shared_ipc_shares_its_files() {
    let mut f = Fixture::default();
    f.config.resources.shm_size = Some(1 << 20);
    assert!(f.options("/dev/shm").ends_with("mode=1777 size=1048576"));
    f.config.isolation.ipc = Sharing::Host;
    assert!(f.options("/dev/shm").starts_with("/dev/shm: rbind"));
    assert!(f.options("/dev/mqueue").starts_with("/dev/mqueue: rbind"));
    f.config.isolation.ipc = Sharing::Container(id());
    f.joined.ipc = Some("/proc/7/ns/ipc".into());
    assert!(f.error().contains("/dev/shm of container"));
    f.joined.shm = Some("/run/other/shm".into());
    assert!(f.options("/dev/shm").starts_with("/run/other/shm: rbind"));
    assert!(f.options("/dev/mqueue").starts_with("mqueue: nosuid"));
}

#[test]
fn under_which_owners_a_mount_is_shown() {
    let maps = |f: &Fixture| {
        let json = f.json();
        let list = json["mounts"].as_array().unwrap();
        let found = list.iter().find(|m| m["destination"] == "/x").unwrap();
        let of = |field: &str| {
            let all = found[field].as_array().cloned().unwrap_or_default();
            let one = |m: &Value| format!("{}:{}:{}", m["containerID"], m["hostID"], m["size"]);
            all.iter().map(one).collect::<Vec<_>>().join(" ")
        };
        (of("uidMappings"), of("gidMappings"))
    };
    let mut f = Fixture::default();
    f.mount(bind("/a"), "/x", &["idmap"]);
    assert!(f.error().contains("nobody looked up who owns"));
    f.host.owners.insert("/x".into(), (0, 0));
    assert_eq!(maps(&f), (String::new(), String::new()));
    assert_eq!(f.options("/x"), "/a: rbind rprivate");
    f.host.owners.insert("/x".into(), (2, 0));
    let (uids, gids) = maps(&f);
    assert!(uids.starts_with("0:2:1 1:1:1 2:0:1 3:3:"), "{uids}");
    assert_eq!(gids, "0:0:4294967295");
    f.config.isolation.userns = Some((100, 50));
    assert_eq!(maps(&f), ("0:100:50".into(), "0:100:50".into()));
    f.config.mounts[0].options = vec!["idmap=uids=@5-6-7#0-1-2;gids=1-2-3".to_owned()];
    assert_eq!(maps(&f).0, "5:106:7 0:101:2");
    let big = "idmap=uids=@0-4294967200-1;gids=0-0-1";
    f.config.mounts[0].options = vec![big.to_owned()];
    assert!(f.error().contains("beyond the last"));
}
