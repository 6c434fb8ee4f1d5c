use super::*;

fn bind(source: &str, create: bool, recursive: bool) -> MountKind {
    let source = source.into();
    MountKind::Bind {
        source,
        create,
        recursive,
    }
}

fn volume(name: &str, subpath: Option<&str>) -> MountKind {
    MountKind::Volume {
        name: name.into(),
        anonymous: name.is_empty(),
        subpath: subpath.map(PathBuf::from),
        wish: VolumeWish::default(),
    }
}

fn tmpfs(size: Option<u64>, mode: Option<u32>) -> MountKind {
    MountKind::Tmpfs(TmpfsOptions { size, mode })
}

fn check<'t>(rows: impl IntoIterator<Item = (&'t str, MountKind, bool, &'t str)>) {
    for (text, kind, read_only, options) in rows {
        let m = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(m.kind, kind, "{text}");
        assert_eq!(
            (m.read_only, m.options.join(" ").as_str()),
            (read_only, options),
            "{text}"
        );
        assert_eq!(m.target, Path::new("/x"), "{text}");
    }
}

#[test]
fn binds() {
    check([
        (
            "type=bind,source=/h,target=/x",
            bind("/h", false, true),
            false,
            "",
        ),
        (
            "type=bind,src=./h,dst=/x,ro",
            bind("./h", false, true),
            true,
            "",
        ),
        (
            "TYPE=bind,src=/h,destination=/x/,readonly=false",
            bind("/h", false, true),
            false,
            "",
        ),
        (
            "type=bind,src=/h,dst=/x,bind-create-src",
            bind("/h", true, true),
            false,
            "",
        ),
        (
            "type=bind,src=/h,dst=/x,bind-nonrecursive",
            bind("/h", false, false),
            false,
            "",
        ),
        (
            "type=bind,src=/h,dst=/x,bind-recursive=disabled",
            bind("/h", false, false),
            false,
            "",
        ),
        (
            "type=bind,src=/h,dst=/x,ro,bind-recursive=readonly,bind-propagation=rprivate",
            bind("/h", false, true),
            true,
            "bind-recursive=readonly rprivate",
        ),
        (
            "type=bind,src=/h,dst=/x,ro=1,bind-recursive=writable",
            bind("/h", false, true),
            true,
            "bind-recursive=writable",
        ),
        (
            "type=bind,src=/h,dst=/x,bind-propagation=rslave",
            bind("/h", false, true),
            false,
            "rslave",
        ),
        (
            "\"type=bind\",\"src=/a,b\",dst=/x",
            bind("/a,b", false, true),
            false,
            "",
        ),
    ]);
}

#[test]
fn volumes_memory_and_images() {
    let image = MountKind::Image {
        reference: "alpine".into(),
        id: String::new(),
        layers: Vec::new(),
    };
    check([
        ("target=/x", volume("", None), false, ""),
        (
            "src=data,dst=/x,volume-nocopy",
            volume("data", None),
            false,
            "nocopy",
        ),
        (
            "src=data,dst=/x,volume-subpath=a/b",
            volume("data", Some("a/b")),
            false,
            "",
        ),
        (
            "src=data,dst=/x,volume-driver=local",
            volume("data", None),
            false,
            "",
        ),
        (
            "src=data,dst=/x,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-label=a=1",
            MountKind::Volume {
                name: "data".into(),
                anonymous: false,
                subpath: None,
                wish: VolumeWish {
                    labels: [("a".into(), "1".into())].into(),
                    options: [
                        ("type".into(), "tmpfs".into()),
                        ("device".into(), "tmpfs".into()),
                    ]
                    .into(),
                },
            },
            false,
            "",
        ),
        (
            "src=data,dst=/x,idmap",
            volume("data", None),
            false,
            "idmap",
        ),
        (
            "src=data,dst=/x,idmap=uids=1-0-1;gids=1-0-1",
            volume("data", None),
            false,
            "idmap=uids=1-0-1;gids=1-0-1",
        ),
        (
            "src=data,dst=/x,idmap=false",
            volume("data", None),
            false,
            "",
        ),
        ("type=tmpfs,dst=/x", tmpfs(None, None), false, ""),
        (
            "type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=1770",
            tmpfs(Some(1 << 20), Some(0o1770)),
            false,
            "",
        ),
        ("type=image,src=alpine,dst=/x", image, true, ""),
    ]);
}

const REFUSED: &[(&str, &str)] = &[
    ("", "must be a key=value pair"),
    ("type=bind,source=/h", "target is required"),
    ("type=bind,target=/x", "source is required"),
    ("type=image,target=/x", "source is required"),
    ("type=bind,source=,target=/x", "must be a key=value pair"),
    ("type=bind,src=h,dst=/x", "write ./ in front"),
    ("type=bind,src=/h,dst=x", "must be absolute"),
    ("type=bind,src=/h,dst=/", "can't be '/'"),
    ("type=bind,src=/h,dst=/x,ro=maybe", "true or false"),
    ("type=bind,src=/h,dst=/x,rw", "must be a key=value pair"),
    (
        "type=bind,src=/h,dst=/x,colour=red",
        "unexpected key 'colour'",
    ),
    (
        "type=bind,src=/h,dst=/x,bind-propagation=up",
        "invalid propagation mode",
    ),
    (
        "type=bind,src=/h,dst=/x,bind-recursive=no",
        "invalid value for bind-recursive",
    ),
    (
        "type=bind,src=/h,dst=/x,bind-recursive=readonly",
        "needs readonly beside it",
    ),
    (
        "type=bind,src=/h,dst=/x,ro,bind-recursive=readonly",
        "needs bind-propagation=rprivate",
    ),
    (
        "type=bind,src=/h,dst=/x,volume-nocopy",
        "cannot mix 'volume-*' options with mount type 'bind'",
    ),
    (
        "type=volume,dst=/x,bind-propagation=rslave",
        "cannot mix 'bind-*'",
    ),
    (
        "dst=/x,tmpfs-size=1m",
        "cannot mix 'tmpfs-*' options with mount type 'volume'",
    ),
    ("type=tmpfs,src=a,dst=/x", "no source"),
    ("type=tmpfs,dst=/x,tmpfs-size=x", "tmpfs-size: invalid size"),
    ("type=tmpfs,dst=/x,tmpfs-mode=9", "mode in octal"),
    ("src=a/b,dst=/x", "not a volume's name"),
    ("src=data,dst=/x,volume-subpath=../x", "inside the volume"),
    ("src=data,dst=/x,volume-subpath=/x", "inside the volume"),
    (
        "src=data,dst=/x,volume-driver=nfs",
        "as the driver local does",
    ),
    ("src=data,dst=/x,volume-opt=size=1", "size"),
    ("src=data,dst=/x,volume-label==1", "empty name"),
    ("type=tmpfs,dst=/x,idmap", "no owners but its own"),
    ("type=image,src=i,dst=/x,idmap", "keep their owners"),
    ("src=data,dst=/x,idmap=uids=1", "invalid range"),
    ("src=data,dst=/x,idmap=perhaps", "true or false"),
    ("type=npipe,src=/a,dst=/x", "bind, volume, tmpfs or image"),
    ("type=bind,\"src=/h,dst=/x", "not closed"),
];

#[test]
fn what_does_not_fit_together() {
    for (text, why) in REFUSED {
        let e = parse(text).unwrap_err().to_string();
        assert!(e.contains(why), "{text:?}: {e}");
    }
}
