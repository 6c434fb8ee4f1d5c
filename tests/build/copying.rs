//! `COPY`: which files, and where they come to be.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use crate::site::Site;

/// All below a directory of the image: kind and mode, owner, path.
const LIST: &str = "cd /d && find . -mindepth 1 | sort | xargs stat -c '%A %u:%g %n'";

#[test]
fn files_go_into_directories_or_take_their_place() {
    let Some(site) = Site::new() else { return };
    site.file("a", "a\n");
    site.file("b", "b\n");
    site.build(
        "FROM base\nWORKDIR /d\nRUN mkdir there && echo old >file\n\
         COPY a there\nCOPY b there/\nCOPY a new\nCOPY a new/dir/\nCOPY b file\n\
         COPY a b both/\nCOPY [\"a\", \"with space\"]\nCOPY . .\n"
            .replace("COPY a new/dir/\n", "COPY a new2/dir/\n")
            .replace("COPY . .\n", "")
            .as_str(),
        &[],
    );
    let files = site
        .sh("cd /d && find . -type f | sort | while read f; do echo \"$f $(cat \"$f\")\"; done");
    assert_eq!(
        files,
        "./both/a a\n./both/b b\n./file b\n./new a\n./new2/dir/a a\n./there/a a\n./there/b b\n\
         ./with space a\n"
    );
    site.assert_whole();
}

#[test]
fn of_directories_the_content_is_copied() {
    let Some(site) = Site::new() else { return };
    site.file("tree/one/f", "1");
    site.file("tree/two", "2");
    fs::set_permissions(site.path("tree/one"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::set_permissions(site.path("tree/two"), fs::Permissions::from_mode(0o4711)).unwrap();
    site.build("FROM base\nCOPY tree /d\nCOPY tree /d/again/\n", &[]);
    assert_eq!(
        site.sh(LIST),
        "drwxr-xr-x 0:0 ./again\ndrwxr-x--- 0:0 ./again/one\n-rw-r--r-- 0:0 ./again/one/f\n\
         -rws--x--x 0:0 ./again/two\ndrwxr-x--- 0:0 ./one\n-rw-r--r-- 0:0 ./one/f\n\
         -rws--x--x 0:0 ./two\n"
    );
    assert_eq!(site.sh("stat -c %a /d"), "755\n");
}

#[test]
fn owners_and_modes_are_chosen_by_the_images_own_names() {
    let Some(site) = Site::new() else { return };
    site.file("t/f", "x");
    site.build(
        "FROM base\nCOPY --chown=user t/f /d/a/f\nCOPY --chown=user:extra t /d/b\n\
         COPY --chown=7 t/f /d/c\nCOPY --chown=7:8 --chmod=640 t/f /d/e\n\
         COPY --chmod=u+x,go= t/f /d/g\nCOPY --chmod=700 t /d/h\n",
        &[],
    );
    assert_eq!(
        site.sh(LIST),
        "drwxr-xr-x 1000:1000 ./a\n-rw-r--r-- 1000:1000 ./a/f\n\
         drwxr-xr-x 1000:50 ./b\n-rw-r--r-- 1000:50 ./b/f\n\
         -rw-r--r-- 7:7 ./c\n-rw-r----- 7:8 ./e\n-rwx------ 0:0 ./g\n\
         drwxr-xr-x 0:0 ./h\n-rwx------ 0:0 ./h/f\n"
    );
    site.fails(
        "FROM base\nCOPY --chown=nobody-here t/f /d\n",
        &[],
        &["Dockerfile:2:1", "nobody-here"],
    );
    site.fails("FROM base\nCOPY --chmod=9 t/f /d\n", &[], &["--chmod"]);
}

#[test]
fn patterns_mean_several_files() {
    let Some(site) = Site::new() else { return };
    for name in [
        "a.txt",
        "b.txt",
        "c.md",
        "sub/d.txt",
        "sub/deep/e.txt",
        "yarn.lock",
    ] {
        site.file(name, name);
    }
    site.build(
        "FROM base\nCOPY *.txt /d/1/\nCOPY [ab].txt c.* /d/2/\nCOPY s*/d.txt /d/3\n\
         COPY package.json* yarn.loc[k] /d/4/\nCOPY sub* /d/5/\n",
        &[],
    );
    assert_eq!(
        site.sh("cd /d && find . -type f | sort | tr '\\n' ' '")
            .trim(),
        "./1/a.txt ./1/b.txt ./2/a.txt ./2/b.txt ./2/c.md ./3 ./4/yarn.lock ./5/d.txt \
         ./5/deep/e.txt"
    );
    site.fails("FROM base\nCOPY *.nothing /d/\n", &[], &["no file fits"]);
}

#[test]
fn links_are_copied_and_sources_are_followed() {
    let Some(site) = Site::new() else { return };
    site.file("t/f", "content");
    symlink("f", site.path("t/to-f")).unwrap();
    symlink("/nowhere", site.path("t/dangling")).unwrap();
    symlink("t", site.path("to-t")).unwrap();
    symlink("t/f", site.path("to-file")).unwrap();
    fs::hard_link(site.path("t/f"), site.path("t/same")).unwrap();
    site.build(
        "FROM base\nCOPY t /d/t\nCOPY to-t /d/u\nCOPY to-file /d/v\n",
        &[],
    );
    assert_eq!(
        site.sh(
            "cd /d && for l in t/to-f t/dangling u/to-f; do readlink $l; done; cat u/f v; \
                 [ t/f -ef t/same ] && echo one"
        ),
        "f\n/nowhere\nf\ncontentcontentone\n"
    );
}

#[test]
fn a_link_in_the_destination_is_followed_inside_the_image() {
    let Some(site) = Site::new() else { return };
    site.file("f", "x");
    site.file("t/lib/g", "y");
    site.build(
        "FROM base\nRUN mkdir -p /usr/lib && ln -s usr/lib /lib && ln -s /usr/lib/h /link && \
         ln -s ../../../outside /up\nCOPY f /lib/\nCOPY f /link\nCOPY f /up/made/\n",
        &[],
    );
    assert_eq!(
        site.sh("ls /usr/lib /outside; readlink /link"),
        "/outside:\nmade\n\n/usr/lib:\nf\nh\n/usr/lib/h\n"
    );
    // What a directory of the source meets there must be one.
    site.fails(
        "FROM base\nRUN mkdir -p /usr/lib && ln -s usr/lib /lib\nCOPY t /\n",
        &[],
        &["cannot copy a directory over lib"],
    );
}

#[test]
fn what_is_in_the_way_is_replaced_or_told() {
    let Some(site) = Site::new() else { return };
    site.file("t/x", "new");
    site.file("f", "file");
    site.build(
        "FROM base\nRUN mkdir /d && ln -s /etc/passwd /d/x && echo keep >/d/y\nCOPY t /d\n",
        &[],
    );
    assert_eq!(
        site.sh("cat /d/x /d/y; head -c 4 /etc/passwd"),
        "newkeep\nroot"
    );
    let dir = "FROM base\nRUN mkdir -p /d/x\nCOPY t /d\n";
    site.fails(dir, &[], &["Dockerfile:3:1", "over the directory x"]);
    let file = "FROM base\nRUN echo >/d\nCOPY t /d/\n";
    site.fails(file, &[], &["Dockerfile:3:1", "not a directory"]);
}

#[test]
fn what_a_person_keeps_out_is_not_there() {
    let Some(site) = Site::new() else { return };
    for name in [
        "a.log",
        "keep.log",
        "src/b.log",
        "src/c",
        "secret/key",
        "secret/open",
    ] {
        site.file(name, name);
    }
    site.file(
        ".dockerignore",
        "**/*.log\n!keep.log\nsecret\n!secret/open\nDockerfile*\n.dockerignore\n",
    );
    site.build(
        "FROM base\nCOPY . /d\nRUN --mount=target=/c find /c -type f | sort >/seen\n",
        &[],
    );
    let list = "keep.log\nsecret/open\nsrc/c\n";
    assert_eq!(site.sh("cd /d && find * -type f | sort"), list);
    assert_eq!(site.sh("sed s,/c/,, /seen"), list);
    site.fails(
        "FROM base\nCOPY a.log /d\n",
        &[],
        &["a.log", ".dockerignore leaves it out"],
    );
    site.file("Dockerfile.dockerignore", "src\n");
    site.build("FROM base\nCOPY . /d\n", &[]);
    assert_eq!(
        site.sh("ls /d/a.log /d/secret/key; [ -e /d/src ] || echo gone"),
        "/d/a.log\n/d/secret/key\ngone\n"
    );
}

#[test]
fn parts_can_be_left_out_and_parents_taken_along() {
    let Some(site) = Site::new() else { return };
    for name in ["t/a.txt", "t/b.md", "t/s/c.txt", "t/s/d"] {
        site.file(name, name);
    }
    fs::set_permissions(site.path("t/s"), fs::Permissions::from_mode(0o711)).unwrap();
    site.build(
        "FROM base\nCOPY --exclude=*.txt --exclude=s/d t /d/1\nCOPY --exclude=**/*.txt t/a* t /d/2/\n\
         COPY --parents t/s/c.txt t/a.txt /d/3/\nCOPY --parents t/./s /d/4\n",
        &[],
    );
    assert_eq!(
        site.sh("cd /d && find * -type f | sort | tr '\\n' ' '")
            .trim(),
        "1/b.md 1/s/c.txt 2/b.md 2/s/d 3/t/a.txt 3/t/s/c.txt 4/s/c.txt 4/s/d"
    );
    assert_eq!(site.sh("stat -c %a /d/3/t/s /d/4/s"), "711\n711\n");
}

#[test]
fn a_linked_layer_looks_at_nothing_below() {
    let Some(site) = Site::new() else { return };
    site.file("f", "x");
    let text = "FROM base\nRUN mkdir /real && ln -s real /l && echo 1\nCOPY --link f /l/\n";
    site.build(text, &[]);
    assert_eq!(
        site.sh("[ -L /l ] || echo replaced; ls /l /real"),
        "replaced\n/l:\nf\n\n/real:\n"
    );
    let changed = site.build(&text.replace("echo 1", "echo 2 >/other"), &[]);
    assert!(crate::site::is_cached(&changed, "COPY --link"), "{changed}");
}

#[test]
fn here_documents_are_files() {
    let Some(site) = Site::new() else { return };
    site.build(
        "FROM base\nARG WHO=you\nCOPY <<one <<'two' /d/\nfor $WHO\none\nfor $WHO\ntwo\n\
         COPY --chmod=755 <<EOF /d/run\n#!/bin/sh\necho \"ran\"\nEOF\n",
        &[],
    );
    assert_eq!(
        site.sh("cat /d/one /d/two; /d/run"),
        "for you\nfor $WHO\nran\n"
    );
}

#[test]
fn a_source_that_is_not_there_is_told_with_its_place() {
    let Some(site) = Site::new() else { return };
    site.file("f", "x");
    site.fails(
        "FROM base\nCOPY f nothing /d/\n",
        &[],
        &["Dockerfile:2:8", "\"nothing\" not found", "^^^^^^^"],
    );
    site.fails(
        "FROM base\nCOPY ../f /d/\n",
        &[],
        &[
            "Dockerfile:2:6",
            "forbidden path",
            "outside of the build context",
        ],
    );
    site.fails(
        "FROM base AS a\nFROM base\nCOPY --from=a /nothing /d/\n",
        &[],
        &["Dockerfile:3:15", "not found"],
    );
}

#[test]
fn from_a_stage_owners_stay_and_from_the_context_they_do_not() {
    let Some(site) = Site::new() else { return };
    site.file("f", "x");
    std::os::unix::fs::chown(site.path("f"), Some(33), Some(44)).unwrap();
    site.build(
        "FROM base AS a\nRUN mkdir /o && touch /o/f && chown -R user:extra /o\n\
         FROM base\nCOPY --from=a /o /d/1\nCOPY --from=a /o/f /d/2\nCOPY f /d/3\n\
         COPY --from=base /etc/passwd /d/4\n",
        &[],
    );
    assert_eq!(
        site.sh("stat -c %u:%g /d/1/f /d/2 /d/3; cmp /d/4 /etc/passwd && echo same"),
        "1000:50\n1000:50\n0:0\nsame\n"
    );
}

#[test]
fn a_source_that_is_nothing_is_told() {
    let Some(site) = Site::new() else { return };
    site.file("some/requirements.txt", "x");
    symlink("nowhere", site.path("some/dangling")).unwrap();
    symlink("/etc/hostname", site.path("some/out")).unwrap();
    let _socket = UnixListener::bind(site.path("socket")).unwrap();
    for (copy, words) in [
        (
            "some/requirement.txt",
            &["not found", "did you mean \"some/requirements.txt\"?"][..],
        ),
        ("nothing/like/it", &["not found", "from the top"]),
        ("some/dangling", &["some/dangling", "a link to \"nowhere\""]),
        ("some/out", &["some/out", "a link to \"/etc/hostname\""]),
        ("some/*", &["some/dangling", "a link to \"nowhere\""]),
        ("socket", &["\"socket\" is a socket"]),
    ] {
        site.fails(&format!("FROM base\nCOPY {copy} /d/\n"), &[], words);
    }
    site.build("FROM base\nCOPY some/r* s*t /d/\n", &[]);
    assert_eq!(site.sh("ls /d"), "requirements.txt\n");
}

#[test]
fn patterns_of_every_size_take_no_time() {
    let Some(site) = Site::new() else { return };
    let long = "a".repeat(200);
    site.file(&format!("{}{long}", "a/".repeat(40)), "deep");
    let name = "a*".repeat(30);
    site.fails(
        &format!("FROM base\nCOPY {}{name}b /d/\n", "a/".repeat(40)),
        &[],
        &["no file fits"],
    );
    let deep = "**/a/".repeat(12);
    site.build(&format!("FROM base\nCOPY {deep}{long} /d/\n"), &[]);
    assert_eq!(site.sh("cat /d/*"), "deep");
}
