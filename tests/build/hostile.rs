//! What others got wrong: images, contexts and Dockerfiles that want out.
//! Named after the cases in the field.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::site::{Site, holding};

/// A file of the host's beside the context, which no build may read, and a
/// directory, into which none may write.
fn outside(site: &Site) -> std::path::PathBuf {
    let dir = site.bed.path("outside");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("key"), "the host's own key").unwrap();
    dir
}

fn assert_untouched(dir: &Path) {
    assert_eq!(crate::site::names(dir), ["key"]);
    assert_eq!(
        fs::read_to_string(dir.join("key")).unwrap(),
        "the host's own key"
    );
}

/// CVE-2022-4122, CVE-2022-4123: links in the context.
#[test]
fn a_link_does_not_lead_out_of_the_context() {
    let Some(site) = Site::new() else { return };
    let outside = outside(&site);
    symlink(&outside, site.path("abs")).unwrap();
    symlink("../outside", site.path("rel")).unwrap();
    symlink("../outside/key", site.path("file")).unwrap();
    symlink("/proc/self/root", site.path("magic")).unwrap();
    for source in [
        "abs/key",
        "rel/key",
        "file",
        "abs",
        "rel/*",
        "magic/etc/hostname",
    ] {
        for line in [
            format!("COPY {source} /d/"),
            format!("ADD {source} /d/"),
            format!("RUN --mount=source={source},target=/m cat /m /m/key >/d"),
        ] {
            let output = site.call(&format!("FROM base\n{line}\n"), &[]).output();
            assert!(!output.status.success(), "{line}: {output}");
        }
    }
    // As links they may be copied: in the image they lead to its own files.
    site.build("FROM base\nCOPY . /d\n", &[]);
    assert_eq!(
        site.sh("readlink /d/rel; cat /d/rel/key 2>/dev/null; true"),
        "../outside\n"
    );
    assert!(holding(&site.bed.root(), b"the host's own key").is_empty());
    assert_untouched(&outside);
}

/// CVE-2024-11218, CVE-2024-9407, CVE-2024-1753: links in an image, at every
/// place a Dockerfile can name.
#[test]
fn a_link_does_not_lead_out_of_an_image() {
    let Some(site) = Site::new() else { return };
    let outside = outside(&site);
    let path = outside.to_string_lossy();
    let evil = format!(
        "FROM base AS evil\nRUN ln -s {path} /abs && ln -s ../../../../../../../..{path} /rel && \
         ln -s /proc/1/root{path} /magic && ln -s {path}/new /dangling\n"
    );
    site.file("f", "x");
    for source in ["abs/key", "rel/key", "abs", "magic/key"] {
        let text = format!("{evil}FROM base\nCOPY --from=evil /{source} /d/\n");
        let output = site.call(&text, &[]).output();
        assert!(!output.status.success(), "{source}: {output}");
        for kind in ["", ",rw"] {
            let text = format!(
                "{evil}FROM base\nRUN --mount=from=evil,source=/{source},target=/m{kind} cat /m/key\n"
            );
            let output = site.call(&text, &[]).output();
            assert!(!output.status.success(), "{source}{kind}: {output}");
        }
        let text = format!(
            "{evil}FROM base\nRUN --mount=type=cache,from=evil,source=/{source},target=/m true\n"
        );
        assert!(!site.call(&text, &[]).output().status.success(), "{source}");
    }
    for place in ["abs/", "rel/", "abs/in/", "dangling", "magic/"] {
        for line in [
            format!("COPY f /{place}"),
            format!("WORKDIR /{place}deep"),
            format!("RUN --mount=type=cache,target=/{place}c true"),
            format!("RUN --mount=type=tmpfs,target=/{place}c true"),
            format!("RUN --mount=source=f,target=/{place}g true"),
        ] {
            // In the image it may do as it likes.
            site.call(&format!("{evil}{line}\n"), &[]).output();
            assert_untouched(&outside);
        }
    }
    assert!(holding(&site.bed.root(), b"the host's own key").is_empty());
    site.assert_whole();
}

/// CVE-2024-23651: the source of a mount is swapped while it is mounted.
#[test]
fn a_swapped_source_is_not_followed() {
    let Some(site) = Site::new() else { return };
    let outside = outside(&site);
    site.file("dir/key", "harmless");
    symlink(&outside, site.path("link")).unwrap();
    let (dir, link) = (site.path("dir"), site.path("link"));
    let swapping = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while swapping.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = nix::fcntl::renameat2(
                    nix::fcntl::AT_FDCWD,
                    &dir,
                    nix::fcntl::AT_FDCWD,
                    &link,
                    nix::fcntl::RenameFlags::RENAME_EXCHANGE,
                );
            }
        });
        for _ in 0..10 {
            let text =
                "FROM base\nRUN --mount=source=dir,target=/m cat /m/key >/f\nCOPY dir/key /g\n";
            site.call(text, &["--no-cache"]).output();
        }
        swapping.store(false, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(holding(&site.bed.root(), b"the host's own key").is_empty());
}

/// CVE-2024-9675: the name of a cache was a path of the host's.
#[test]
fn a_caches_name_is_no_path() {
    let Some(site) = Site::new() else { return };
    let outside = outside(&site);
    let path = outside.to_string_lossy();
    let up = format!("{}{path}", "../".repeat(12));
    for id in [&*path, &up, "..", "../..", "a/../../..", "/"] {
        let text = format!(
            "FROM base\nRUN --mount=type=cache,id={id},target=/m ls -A /m >/found; touch /m/planted\n"
        );
        // It may be refused, or be the name of a cache like any other.
        let output = site.call(&text, &["--no-cache"]).output();
        assert_untouched(&outside);
        if output.status.success() {
            assert_eq!(site.says(&["cat", "/found"]), "", "{id}");
        }
    }
    site.assert_whole();
}

/// CVE-2021-3602: variables of the host.
#[test]
fn the_hosts_environment_is_not_in_the_image() {
    let Some(site) = Site::new() else { return };
    let text = "FROM base\nRUN env >/env; cat /proc/1/environ >>/env\n";
    let call = site
        .call(text, &[])
        .env("HOST_TOKEN", "hunter2-of-the-host");
    call.output().ok();
    assert!(holding(&site.bed.root(), b"hunter2-of-the-host").is_empty());
    let said = site.says(&["cat", "/env"]);
    assert!(said.contains("HOSTNAME=build"), "{said}");
}

/// CVE-2024-9676 and kin: an image's passwd that never ends, or never answers.
#[test]
fn an_images_accounts_are_read_without_harm() {
    let Some(site) = Site::new() else { return };
    site.file("f", "x");
    for trick in [
        "rm /etc/passwd && mkfifo /etc/passwd",
        "rm /etc/passwd && ln -s /dev/zero /etc/passwd",
        "rm /etc/passwd && ln -s /proc/self/mem /etc/passwd",
    ] {
        let text = format!("FROM base\nRUN {trick}\nCOPY --chown=user f /f\n");
        site.fails(&text, &[], &["Dockerfile:3:1", "user"]);
    }
}

/// An id that overflows is nobody's (CVE-2024-40635).
#[test]
fn no_id_wraps_around() {
    let Some(site) = Site::new() else { return };
    site.file("f", "x");
    for id in ["4294967296", "4294967295", "-1", "99999999999999999999"] {
        let copy = format!("FROM base\nCOPY --chown={id} f /f\n");
        site.fails(&copy, &[], &["Dockerfile:2:1"]);
        let user = format!("FROM base\nUSER {id}\nRUN true\n");
        site.fails(&user, &[], &["Dockerfile:3:1"]);
    }
}

/// Whiteouts are for layers, and no business of the files in them.
#[test]
fn a_file_that_would_mean_something_else_is_refused() {
    let Some(site) = Site::new() else { return };
    site.file("d/.wh.passwd", "");
    site.fails(
        "FROM base\nCOPY d /etc\n",
        &[],
        &["Dockerfile:2:1", "a removed one"],
    );
    site.fails(
        "FROM base\nRUN touch /etc/.wh.passwd\n",
        &[],
        &["Dockerfile:2:1", "a removed one"],
    );
    site.assert_whole();
}

/// A program of the build cannot write to rcon's own binary (CVE-2019-5736),
/// nor see what the one who builds holds.
#[test]
fn a_program_has_nothing_of_the_builders() {
    let Some(site) = Site::new() else { return };
    site.build("FROM base\nRUN ls -l /proc/self/fd | grep -c -- '->' >/fds; ls /proc | grep -c '^[0-9]' >/pids\n", &[]);
    let said = site.says(&["cat", "/fds", "/pids"]);
    let counts: Vec<u32> = said.lines().map(|l| l.parse().unwrap()).collect();
    // Its three streams and the directory it lists; the shell and the two.
    assert!(counts[0] <= 4 && counts[1] <= 4, "{said}");
}
