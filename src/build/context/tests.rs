use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::archive::{Entry, Kind, Time, Writer};
use crate::build::ignore::Verdict;

/// A directory that goes away with the test.
struct Bed(PathBuf);

impl Bed {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rcon-test-context-{}-{n}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap();
        names
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn file(context: &Context, path: &str) -> Option<String> {
    context.read(Path::new(path)).unwrap()
}

fn is_out(context: &Context, path: &str) -> bool {
    context.ignore().verdict(path.as_bytes(), false) != Verdict::Keep
}

#[test]
fn a_folder_is_held_by_its_descriptor() {
    let bed = Bed::new();
    bed.write("c/a", "inside");
    let folder = bed.0.join("c");
    let context = Context::folder(&folder).unwrap();
    assert_eq!(context.path(), Some(folder.as_path()));
    fs::rename(&folder, bed.0.join("moved")).unwrap();
    bed.write("c/a", "another");
    assert_eq!(file(&context, "a").as_deref(), Some("inside"));
    assert_eq!(file(&context, "none"), None);
    assert!(context.root().as_raw_fd() >= 0);
}

#[test]
fn a_folder_that_is_not_there() {
    let bed = Bed::new();
    bed.write("f", "");
    let e = Context::folder(&bed.0.join("none")).unwrap_err();
    assert!(e.to_string().contains("is not there"), "{e}");
    let e = Context::folder(&bed.0.join("f")).unwrap_err();
    assert!(e.to_string().contains("is no folder"), "{e}");
}

#[test]
fn no_link_leads_out() {
    let bed = Bed::new();
    bed.write("secret", "outside");
    bed.write("c/real", "inside");
    let c = bed.0.join("c");
    symlink(bed.0.join("secret"), c.join("absolute")).unwrap();
    symlink("../secret", c.join("climbing")).unwrap();
    symlink("/real", c.join("rooted")).unwrap();
    symlink("real", c.join("near")).unwrap();
    symlink("loop", c.join("loop")).unwrap();
    let context = Context::folder(&c).unwrap();
    for path in ["absolute", "climbing", "../secret", "../../secret"] {
        assert_eq!(file(&context, path), None, "{path}");
    }
    for path in ["near", "rooted", "/real", "../real"] {
        assert_eq!(file(&context, path).as_deref(), Some("inside"), "{path}");
    }
    assert!(context.read(Path::new("loop")).is_err());
}

#[test]
fn what_is_no_text_is_not_read() {
    let bed = Bed::new();
    fs::write(bed.0.join("latin"), b"FROM a\n# \xe9\n").unwrap();
    fs::create_dir(bed.0.join("dir")).unwrap();
    nix::unistd::mkfifo(&bed.0.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let big = fs::File::create(bed.0.join("big")).unwrap();
    big.set_len(LARGEST + 1).unwrap();
    let context = Context::folder(&bed.0).unwrap();
    for (name, why) in [
        ("latin", "line 2 is no text in UTF-8"),
        ("dir", "is no regular file"),
        ("pipe", "is no regular file"),
        ("big", "has more than 4194304 bytes"),
    ] {
        let e = context.read(Path::new(name)).unwrap_err().to_string();
        assert!(e.contains(why), "{e}");
    }
}

#[test]
fn the_usual_dockerfile() {
    let bed = Bed::new();
    let mut context = Context::folder(&bed.0).unwrap();
    let e = context.recipe(Which::Usual).unwrap_err().to_string();
    assert!(e.contains("no Dockerfile in the context"), "{e}");
    for name in ["Containerfile", "dockerfile", "Dockerfile"] {
        bed.write(name, name);
        let recipe = context.recipe(Which::Usual).unwrap();
        assert_eq!((recipe.name.as_str(), recipe.text.as_str()), (name, name));
    }
}

#[test]
fn which_rules_go_with_which_dockerfile() {
    let bed = Bed::new();
    bed.write("c/.dockerignore", "general\nDockerfile\n.dockerignore\n");
    bed.write("c/Dockerfile", "FROM a");
    bed.write("c/sub/other", "FROM b");
    bed.write("c/sub/other.dockerignore", "special\n");
    bed.write("outside", "FROM c");
    let at = |name: &str| Which::Named(bed.0.join(name));
    let mut context = Context::folder(&bed.0.join("c")).unwrap();
    for (which, text, general, special) in [
        (Which::Usual, "FROM a", true, false),
        (at("c/sub/other"), "FROM b", false, true),
        (at("outside"), "FROM c", true, false),
        (Which::Text("FROM d".to_owned()), "FROM d", true, false),
    ] {
        let recipe = context.recipe(which).unwrap();
        assert_eq!(recipe.text, text);
        assert_eq!(is_out(&context, "general"), general, "{text}");
        assert_eq!(is_out(&context, "special"), special, "{text}");
    }
    // An empty one counts, too.
    bed.write("c/Dockerfile.dockerignore", "");
    context.recipe(Which::Usual).unwrap();
    assert!(context.ignore().is_empty());
    bed.write("c/Dockerfile.dockerignore", "a\n[b");
    let e = context.recipe(Which::Usual).unwrap_err().to_string();
    assert!(e.starts_with("Dockerfile.dockerignore: line 2: "), "{e}");
}

#[test]
fn a_named_dockerfile_that_is_not_there() {
    let bed = Bed::new();
    bed.write("c/x", "");
    let mut context = Context::folder(&bed.0.join("c")).unwrap();
    let e = context.recipe(Which::Named("x".into())).unwrap_err();
    assert!(e.remedy().unwrap().contains("not from the context"), "{e}");
    let e = context.recipe(Which::Named("y".into())).unwrap_err();
    assert!(e.to_string().contains("no Dockerfile \"y\""), "{e}");
}

fn entry(path: &str, kind: Kind, link: &str, data: &[u8]) -> (Entry, Vec<u8>) {
    let entry = Entry {
        path: path.into(),
        kind,
        link: link.into(),
        mode: 0o644,
        uid: 12345,
        gid: 12345,
        size: data.len() as u64,
        mtime: Time::default(),
        xattrs: Vec::new(),
    };
    (entry, data.to_vec())
}

fn archive_of(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, data) in entries {
        match entry.kind {
            Kind::File => writer.file(entry, &data[..]).unwrap(),
            _ => writer.bare(entry).unwrap(),
        }
    }
    writer.finish().unwrap()
}

fn arrived(bytes: &[u8], bed: &Bed) -> Result<Arrived> {
    Context::arriving(bytes, &bed.0)
}

#[test]
fn an_archive_is_unpacked_into_a_private_folder_that_goes() {
    let bed = Bed::new();
    let plain = archive_of(&[
        entry("Dockerfile", Kind::File, "", b"FROM a"),
        entry("d/x", Kind::File, "", b"x"),
    ]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &plain).unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    for bytes in [plain.clone(), gzip.finish().unwrap(), zstd] {
        let Arrived::Files(mut context) = arrived(&bytes, &bed).unwrap() else {
            panic!("an archive is taken for a Dockerfile");
        };
        assert_eq!(context.recipe(Which::Usual).unwrap().text, "FROM a");
        assert_eq!(file(&context, "d/x").as_deref(), Some("x"));
        assert_eq!(context.path(), None);
        let names = bed.names();
        assert_eq!(names.len(), 1);
        let private = fs::metadata(bed.0.join(&names[0])).unwrap();
        assert_eq!(private.permissions().mode() & 0o777, 0o700);
        let x = fs::metadata(bed.0.join(&names[0]).join("files/d/x")).unwrap();
        assert_eq!(x.uid(), nix::unistd::geteuid().as_raw());
        drop(context);
        assert!(bed.names().is_empty());
    }
    let Arrived::Files(context) = arrived(&plain, &bed).unwrap() else {
        panic!();
    };
    context.close().unwrap();
    assert!(bed.names().is_empty());
}

#[test]
fn a_hostile_archive_stays_inside_and_leaves_nothing() {
    let bed = Bed::new();
    bed.write("outside", "safe");
    let out = bed.0.join("outside");
    let private = || bed.names().len() > 1;
    for entries in [
        vec![entry("../outside", Kind::File, "", b"bad")],
        vec![entry("a/../../outside", Kind::File, "", b"bad")],
    ] {
        let e = arrived(&archive_of(&entries), &bed).unwrap_err();
        assert!(e.to_string().contains(".."), "{e}");
        assert!(!private());
    }
    let links = [
        entry("l", Kind::Symlink, bed.0.to_str().unwrap(), b""),
        entry("l/outside", Kind::File, "", b"bad"),
        entry("m", Kind::Symlink, "../../..", b""),
        entry("m/outside", Kind::File, "", b"bad"),
    ];
    let context = arrived(&archive_of(&links), &bed).unwrap();
    assert_eq!(fs::read_to_string(&out).unwrap(), "safe");
    drop(context);
    assert!(!private());
    // One that is cut short.
    let whole = archive_of(&[entry("a", Kind::File, "", &[b'x'; 5000])]);
    assert!(arrived(&whole[..2000], &bed).is_err());
    assert!(!private());
}

#[test]
fn a_lone_dockerfile_has_no_context() {
    let bed = Bed::new();
    let got = arrived(b"FROM a\nRUN b\n", &bed).unwrap();
    let Arrived::Dockerfile(which) = got else {
        panic!("{got:?}");
    };
    assert!(bed.names().is_empty());
    let mut context = Context::empty(&bed.0).unwrap();
    let recipe = context.recipe(which).unwrap();
    assert_eq!(
        (recipe.name.as_str(), recipe.text.as_str()),
        ("-", "FROM a\nRUN b\n")
    );
    assert_eq!(file(&context, "Dockerfile"), None);
    let e = arrived(&vec![b'x'; 5 << 20], &bed).unwrap_err();
    assert!(e.to_string().contains("more than"), "{e}");
}

#[test]
fn what_a_context_may_be() {
    let bed = Bed::new();
    bed.write("git@h:x.git/a", "");
    let folder = bed.0.join("git@h:x.git");
    let folder = folder.to_str().unwrap();
    assert_eq!(Wanted::parse("-").unwrap(), Wanted::Stdin);
    assert_eq!(
        Wanted::parse(folder).unwrap(),
        Wanted::Folder(folder.into())
    );
    assert_eq!(
        Wanted::parse("none").unwrap(),
        Wanted::Folder("none".into())
    );
    let git = Wanted::parse("https://h/x.git#v1:d").unwrap();
    assert!(matches!(git, Wanted::Git(_)), "{git:?}");
    let web = "https://h/x.tar.gz";
    assert_eq!(Wanted::parse(web).unwrap(), Wanted::Web(web.into()));
}

fn git(dir: &Path, args: &[&str]) {
    let done = Command::new("git")
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(done.status.success(), "{args:?}: {done:?}");
}

/// A repository with two commits, a tag, a branch, and links in it.
fn repository(bed: &Bed) -> PathBuf {
    bed.write("r/Dockerfile", "FROM one");
    bed.write("r/d/Dockerfile", "FROM sub");
    let r = bed.0.join("r");
    symlink("/etc", r.join("out")).unwrap();
    git(&r, &["init", "-q"]);
    git(&r, &["add", "."]);
    git(&r, &["commit", "-qm", "one"]);
    git(&r, &["tag", "v1"]);
    git(&r, &["branch", "old"]);
    bed.write("r/Dockerfile", "FROM two");
    git(&r, &["commit", "-qam", "two"]);
    r
}

fn cloned(bed: &Bed, reference: Option<&str>, folder: Option<&str>) -> Result<Context> {
    let repository = Repository {
        remote: format!("file://{}/r", bed.0.display()),
        reference: reference.map(str::to_owned),
        folder: folder.map(str::to_owned),
    };
    Context::git_by(&repository, &bed.0, &["file"])
}

#[test]
fn a_repository_is_fetched() {
    let bed = Bed::new();
    let r = repository(&bed);
    let first = Command::new("git")
        .args(["rev-parse", "v1"])
        .current_dir(&r)
        .output()
        .unwrap();
    let first = String::from_utf8(first.stdout).unwrap();
    let first = first.trim();
    for (reference, folder, want) in [
        (None, None, "FROM two"),
        (Some("main"), None, "FROM two"),
        (Some("v1"), None, "FROM one"),
        (Some("old"), None, "FROM one"),
        (Some("refs/tags/v1"), None, "FROM one"),
        (Some(first), None, "FROM one"),
        (Some(&first[..8]), None, "FROM one"),
        (None, Some("d"), "FROM sub"),
    ] {
        let mut context = cloned(&bed, reference, folder).unwrap();
        let recipe = context.recipe(Which::Usual).unwrap();
        assert_eq!(recipe.text, want, "{reference:?} {folder:?}");
        let at_git = fd::openat2(
            context.root(),
            Path::new(".git"),
            libc::O_PATH,
            0,
            fd::IN_ROOT,
        );
        assert!(at_git.is_err());
    }
    assert_eq!(bed.names(), ["r"]);
}

#[test]
fn what_a_repository_cannot_be_made_to_do() {
    let bed = Bed::new();
    repository(&bed);
    for (reference, folder, why) in [
        (Some("none"), None, "git says: "),
        (None, Some("out"), "the folder \"out\""),
        (None, Some("../../.."), "the folder"),
        (None, Some("none"), "the folder \"none\""),
        (None, Some("Dockerfile"), "the folder"),
    ] {
        let e = cloned(&bed, reference, folder).unwrap_err().to_string();
        assert!(e.contains(why), "{e}");
        assert_eq!(bed.names(), ["r"], "{e}");
    }
    // What is on this machine can only be named as a folder.
    let repository = Repository {
        remote: format!("file://{}/r", bed.0.display()),
        reference: None,
        folder: None,
    };
    let e = Context::git(&repository, &bed.0).unwrap_err().to_string();
    assert!(e.contains("'file' not allowed"), "{e}");
    let repository = Repository {
        remote: format!("ext::touch {}/pwned", bed.0.display()),
        ..repository
    };
    assert!(Context::git(&repository, &bed.0).is_err());
    assert_eq!(bed.names(), ["r"]);
}
