//! The recipes in `rootfs-tools`. The small one is made for real; the large
//! ones fetch a hundred packages, so only their manners are tested here.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::store::StoreBed;
use common::{Need, eventually, needs_met};

const RECIPES: [&str; 5] = ["busybox", "debian", "python", "mysql", "notebook"];

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rootfs-tools")
}

/// A recipe, whose temporary files are in `tmp` of the bed.
fn recipe(bed: &StoreBed, name: &str, args: &[&str]) -> Command {
    let tmp = bed.path("tmp");
    fs::create_dir_all(&tmp).expect("our directory");
    let mut command = Command::new(tools().join(name));
    command.args(args).current_dir(bed.path(""));
    command.env("TMPDIR", tmp).env_remove("SOURCE_DATE_EPOCH");
    command
}

#[track_caller]
fn made(mut command: Command) -> Output {
    let out = command.output().expect("a shell");
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    out
}

fn left_in(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    names
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect()
}

fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("our directory");
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
}

#[test]
fn shellcheck_has_nothing_to_say() {
    if !needs_met(&[Need::Tool("shellcheck")]) {
        return;
    }
    let dirs = [tools(), tools().join("files")];
    let files = dirs
        .iter()
        .flat_map(|d| fs::read_dir(d).expect("it is there"));
    let paths = files.map(|e| e.expect("an entry").path());
    let scripts: Vec<PathBuf> = paths
        .filter(|p| p.is_file() && p.extension().is_none_or(|e| e != "md"))
        .collect();
    assert!(scripts.len() > RECIPES.len());
    let out = Command::new("shellcheck").arg("-x").args(&scripts).output();
    let out = out.expect("shellcheck runs");
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stdout)
    );
}

#[test]
fn each_tells_what_it_does_and_what_is_wrong() {
    for name in RECIPES {
        let run = |args: &[&str]| {
            let out = Command::new(tools().join(name)).args(args).output();
            let out = out.expect("a shell");
            let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
            (out.status.code(), text(&out.stdout), text(&out.stderr))
        };
        let (code, help, _) = run(&["--help"]);
        assert_eq!(code, Some(0), "{name}");
        assert!(
            help.starts_with(&format!("Makes the image {name}")),
            "{help}"
        );
        assert!(help.contains("  --output FILE  ") && help.contains("  --rootfs DIR  "));
        assert_eq!(help.contains("--with"), name != "busybox", "{help}");
        for wrong in [
            &["--fast"][..],
            &["python"],
            &["--output"],
            &["--output="],
            &["--rootfs", ""],
            &["--output", "a", "--rootfs", "b"],
            &["--with", "a\"b"],
            &["--suite", "--evil"],
        ] {
            let (code, out, errors) = run(wrong);
            assert_eq!(
                (code, &out[..]),
                (Some(2), ""),
                "{name} {wrong:?}: {errors}"
            );
            assert!(errors.starts_with(&format!("{name}: ")), "{errors}");
            assert_eq!(errors.lines().count(), 1, "{errors}");
        }
    }
    let out = Command::new(tools().join("busybox"))
        .args(["--with", "x"])
        .output();
    assert_eq!(out.expect("a shell").status.code(), Some(2));
}

#[test]
fn busybox_is_the_same_each_time_and_runs() {
    let Some(bed) = StoreBed::new() else { return };
    for output in ["one.tar", "other.tar"] {
        made(recipe(&bed, "busybox", &["--output", output]));
        // Another second: no time of today may be in it.
        std::thread::sleep(Duration::from_millis(1100));
    }
    let read = |name: &str| fs::read(bed.path(name)).expect("an archive");
    assert!(read("one.tar") == read("other.tar"), "the archives differ");
    let mut dated = recipe(&bed, "busybox", &["--output", "dated.tar"]);
    dated.env("SOURCE_DATE_EPOCH", "1000000000");
    made(dated);
    assert!(read("one.tar") != read("dated.tar"));
    made(recipe(&bed, "busybox", &["--rootfs", "root"]));
    let root = bed.path("root");
    let root = format!("{}:O", root.display());
    let script = "id -un && stat -c %a /tmp /root && ls -l /bin/ls | cut -d' ' -f1 && ls /";
    let said = bed.says(&["run", "--rm", "--rootfs", &root, "sh", "-c", script]);
    assert!(said.starts_with("root\n1777\n700\nl"), "{said}");
    assert_eq!(left_in(&bed.path("tmp")), [""; 0]);
    // What is there is not overwritten.
    let out = recipe(&bed, "busybox", &["--rootfs", "root"]).output();
    assert_eq!(out.expect("a shell").status.code(), Some(1));
}

/// Without `--output` and `--rootfs` the image goes to rcon, under its names.
#[test]
fn an_image_is_loaded_and_runs() {
    let Some(bed) = StoreBed::new() else { return };
    let mut command = recipe(&bed, "busybox", &[]);
    let rcon = env!("CARGO_BIN_EXE_rcon");
    command.env("RCON", rcon).env("RCON_ROOT", bed.root());
    made(command);
    for name in [
        "busybox",
        "busybox:stable",
        "docker.io/library/busybox:glibc",
    ] {
        let said = bed.says(&["run", "--rm", "--pull", "never", name, "id", "-un"]);
        assert_eq!(said, "root\n", "{name}");
    }
    // The name of its command is found without a path, and so is the shell.
    let said = bed.rcon(&["run", "--rm", "busybox"]).ok();
    assert_eq!(said.stdout, "");
}

#[test]
fn rcon_is_told_to_load_and_heard_if_it_cannot() {
    let Some(bed) = StoreBed::new() else { return };
    let rcon = bed.path("bin/rcon");
    script(
        &rcon,
        "#!/bin/sh\necho \"$1 $2\" >called && cp \"$3\" loaded.tar\n",
    );
    let mut command = recipe(&bed, "busybox", &[]);
    command.env("RCON", &rcon);
    made(command);
    let called = fs::read_to_string(bed.path("called"));
    assert_eq!(called.expect("it was called"), "load --input\n");
    made(recipe(&bed, "busybox", &["--output", "one.tar"]));
    let read = |name: &str| fs::read(bed.path(name)).expect("an archive");
    assert!(read("loaded.tar") == read("one.tar"));
    script(&rcon, "#!/bin/sh\nexit 3\n");
    let mut command = recipe(&bed, "busybox", &[]);
    let out = command.env("RCON", &rcon).output().expect("a shell");
    assert_eq!(out.status.code(), Some(3));
    assert_eq!(left_in(&bed.path("tmp")), [""; 0]);
}

/// `debian` with a stand-in for mmdebstrap.
fn with_stand_in(bed: &StoreBed, text: &str, args: &[&str]) -> Command {
    script(&bed.path("bin/mmdebstrap"), text);
    let mut command = recipe(bed, "debian", args);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", bed.path("bin").display()));
    command
}

/// What mmdebstrap leaves, as far as the recipe looks at it.
const TINY: &str = r#"#!/bin/sh
echo "$*" >arguments
for tree in "$@"; do case $tree in */tree) break ;; esac; done
cd "$tree" && mkdir -p dev run tmp var/tmp var/log var/cache/debconf var/lib/dpkg/info \
    var/lib/apt/lists etc/apt/apt.conf.d
echo 'VERSION_ID="12"' >etc/os-release
echo 'root:*:12345:0:99999:7:::' >etc/shadow
date >etc/machine-id && date >var/log/dpkg.log && date >dev/node
touch -d @86400 var/lib/dpkg/info/x.md5sums
"#;

#[test]
fn what_was_installed_becomes_an_image_without_traces_of_the_day() {
    let Some(bed) = StoreBed::new() else { return };
    let args = ["--suite", "bookworm", "--with", "file less"];
    let mut command = with_stand_in(&bed, TINY, &args);
    command.env("RCON", env!("CARGO_BIN_EXE_rcon"));
    command.env("RCON_ROOT", bed.root());
    made(command);
    let asked = fs::read_to_string(bed.path("arguments")).expect("it was called");
    assert!(asked.contains("tzdata,file,less "), "{asked}");
    let history = bed.says(&["history", "--no-trunc", "debian:bookworm-slim"]);
    assert!(
        history.contains("rootfs-tools/debian --with 'file less'"),
        "{history}"
    );
    let directory = [&args[..], &["--rootfs", "root"]].concat();
    made(with_stand_in(&bed, TINY, &directory));
    let read = |name: &str| fs::read_to_string(bed.path("root").join(name));
    assert_eq!(
        read("etc/shadow").expect("it stays"),
        "root:*:1:0:99999:7:::\n"
    );
    for gone in ["etc/machine-id", "var/log/dpkg.log", "dev/node"] {
        assert!(read(gone).is_err(), "{gone}");
    }
}

#[test]
fn an_interrupted_one_leaves_nothing() {
    let Some(bed) = StoreBed::new() else { return };
    let slow = "#!/bin/sh\nsleep 600 &\necho $! >child.new\nmv child.new child\nwait\n";
    let mut command = with_stand_in(&bed, slow, &["--output", "x.tar"]);
    command.stderr(Stdio::null());
    let mut running = command.spawn().expect("a shell");
    let child = bed.path("child");
    eventually("it is under way", || child.exists());
    let pid = nix::unistd::Pid::from_raw(running.id().cast_signed());
    let begun = Instant::now();
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it is there");
    assert_eq!(running.wait().expect("it ends").code(), Some(143));
    // So long it would wait for one that does not listen.
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(left_in(&bed.path("tmp")), [""; 0]);
    let child = fs::read_to_string(child).expect("a number");
    let gone = || !Path::new("/proc").join(child.trim()).join("exe").exists();
    eventually("what it started has ended", gone);
    assert!(!bed.path("x.tar").exists());
}

#[test]
fn a_failure_is_shown_and_leaves_nothing() {
    let Some(bed) = StoreBed::new() else { return };
    let broken = "#!/bin/sh\necho E: no such mirror >&2\nexit 25\n";
    let out = with_stand_in(&bed, broken, &["--rootfs", "there/root"]).output();
    let out = out.expect("a shell");
    assert_eq!(out.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(errors.contains("E: no such mirror\n"), "{errors}");
    assert!(
        errors.ends_with("debian: mmdebstrap failed: what it said is above\n"),
        "{errors}"
    );
    assert_eq!(left_in(&bed.path("there")), [""; 0]);
}
