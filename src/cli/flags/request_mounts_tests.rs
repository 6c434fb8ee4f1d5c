//! Whole command lines, and the mounts that come of them.

use std::fs;
use std::path::Path;

use super::super::testing::{Here, id, image};
use super::*;

#[test]
fn mounts_from_every_flag() {
    let here = Here::new();
    fs::create_dir(here.0.join("d")).unwrap();
    let mut r = here.run(
        "-v ./new:/a -v /anon -v cache:/c:ro --mount type=bind,src=./d,dst=/d --tmpfs /t:size=1m \
         -v /c i",
    );
    let imaged = ImageDefaults {
        volumes: vec!["/img".into(), "/t".into()],
        ..image()
    };
    r.merge(&imaged).unwrap();
    let bind = |name: &str, create| MountKind::Bind {
        source: here.0.join(name),
        create,
        recursive: true,
    };
    let mounts = &r.config.mounts;
    let at = |target: &str| {
        let found: Vec<_> = mounts
            .iter()
            .filter(|m| m.target == Path::new(target))
            .collect();
        assert_eq!(found.len(), 1, "{target}");
        &found[0].kind
    };
    assert_eq!(
        (at("/a"), at("/d")),
        (&bind("new", true), &bind("d", false))
    );
    assert!(
        matches!(at("/c"), MountKind::Volume { name, anonymous: false, .. } if name == "cache")
    );
    assert!(matches!(at("/t"), MountKind::Tmpfs(t) if t.size == Some(1 << 20)));
    let (mut names, made) = (Vec::new(), ["/anon", "/img"]);
    for target in made {
        let MountKind::Volume {
            name,
            anonymous: true,
            ..
        } = at(target)
        else {
            panic!("{target}");
        };
        names.push(name);
    }
    assert!(names.iter().all(|n| n.len() == 64) && names[0] != names[1]);
    assert_eq!(mounts.len(), 6);
}

#[test]
fn two_mounts_at_one_place() {
    let here = Here::new();
    for line in [
        "-v aa:/x -v bb:/x i",
        "-v aa:/x --tmpfs /x/ i",
        "--mount dst=/x,src=aa -v /h:/y/../x i",
    ] {
        assert!(
            here.refused(line)
                .starts_with("Duplicate mount point: /x ("),
            "{line}"
        );
    }
    let missing = here.refused("--mount type=bind,src=./none,dst=/x i");
    assert!(
        missing.contains("bind source path does not exist"),
        "{missing}"
    );
    here.run("--mount type=bind,src=./none,dst=/x,bind-create-src i");
    std::os::unix::fs::symlink("gone", here.0.join("link")).unwrap();
    for line in ["-v ./link:/x i", "--mount type=bind,src=./link,dst=/x i"] {
        let refused = here.refused(line);
        assert!(
            refused.contains("link is a link to nowhere: gone"),
            "{refused}"
        );
    }
}

#[test]
fn volumes_from_another_container() {
    let here = Here::new();
    let r = here.run("--volumes-from web:ro -v mine:/log -v /data i");
    let shown = r.config.mounts.iter().map(|m| match &m.kind {
        MountKind::Volume {
            name, anonymous, ..
        } => {
            format!("{name} {} {} {anonymous}", m.target.display(), m.read_only)
        }
        other => panic!("{other:?}"),
    });
    let want = ["mine /log false false", "data /data true true"];
    assert_eq!(shown.collect::<Vec<_>>(), want);
    assert_eq!(r.volumes_from, [id()]);
    for (line, want) in [
        (
            "--volumes-from db i",
            "--volumes-from db: No such container: db",
        ),
        ("--volumes-from web:x i", "invalid mode: x"),
        ("--volumes-from :ro i", "no container is named"),
    ] {
        assert!(here.refused(line).contains(want), "{line}");
    }
}
