//! An ordinary user who runs rcon: one line that says what is missing, and
//! nothing half made, in a store of his own, in root's, and in nobody's.

use crate::common::{Call, Need};
use crate::place::Place;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

/// Nobody on this machine is called that.
const USER: u32 = 54321;

/// Everything that has to do with containers.
const COMMANDS: &[&str] = &[
    "attach box",
    "build .",
    "builder prune -f",
    "commit box name",
    "container ls",
    "container prune -f",
    "cp box:/etc/passwd out",
    "cp Dockerfile box:/",
    "create hello",
    "diff box",
    "events --since 1m --until 0s",
    "exec box true",
    "export box",
    "history hello",
    "image prune -f",
    "images",
    "import in.tar name",
    "info",
    "inspect box",
    "kill box",
    "load -i in.tar",
    "logs box",
    "network create net",
    "network inspect bridge",
    "network ls",
    "network rm net",
    "pause box",
    "port box",
    "ps",
    "ps -a",
    "pull 127.0.0.1:1/a",
    "push 127.0.0.1:1/a",
    "rename box other",
    "restart box",
    "rm -f box",
    "rmi hello",
    "run --rm hello",
    "run -d hello",
    "run -v data:/data hello",
    "save hello",
    "start box",
    "stats --no-stream",
    "stop box",
    "system check",
    "system check --repair",
    "system df",
    "system prune -f",
    "tag hello name",
    "top box",
    "update --memory 1g box",
    "volume create data",
    "volume inspect data",
    "volume ls",
    "volume prune -f",
    "volume rm data",
    "wait box",
];

/// What anybody can do.
const WITHOUT_POWER: &[&str] = &[
    "--help",
    "--version",
    "version",
    "help run",
    "run --help",
    "network create --help",
    "completion bash",
    "completion zsh",
    "man",
    "oci --help",
    "oci spec -b own",
];

/// A place with a program that everybody may execute, and a directory of the
/// ordinary user's.
fn place() -> Option<Place> {
    let place = Place::needing(&[Need::Tool("setpriv")])?;
    // By another process: a file that a fork of ours still has open for writing
    // cannot be executed.
    let copied = Command::new("cp")
        .args([env!("CARGO_BIN_EXE_rcon"), &place.text_path("rcon")])
        .status();
    assert!(copied.is_ok_and(|s| s.success()));
    place.file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let tar = Command::new("tar")
        .args(["-cf", &place.text_path("in.tar"), "/etc/hostname"])
        .output();
    assert!(tar.is_ok_and(|out| out.status.success()));
    for file in ["Dockerfile", "in.tar"] {
        fs::set_permissions(place.path(file), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let own = place.path("own");
    fs::create_dir(&own).unwrap();
    chown(&own, Some(USER), Some(USER)).unwrap();
    Some(place)
}

/// rcon as that user.
fn by_user(place: &Place, args: &str) -> Call {
    let mut command = Command::new("setpriv");
    let ids = [format!("--reuid={USER}"), format!("--regid={USER}")];
    command.args(ids).arg("--clear-groups");
    command.arg(place.path("rcon"));
    let call = place.call(command);
    call.args(args.split(' ')).with(|c| {
        c.env_remove("RCON_ROOT");
    })
}

fn names(place: &Place, dir: &str) -> Vec<String> {
    let entries = fs::read_dir(place.path(dir)).unwrap().flatten();
    entries
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn an_ordinary_user_is_told_what_is_missing() {
    let Some(place) = place() else { return };
    // Somebody else's: root has used this one.
    place.run(&["--rm"], &["true"]).output().ok();
    let root = place.text_path("store");
    let own = place.text_path("own/store");
    for command in COMMANDS {
        let code = match command.split(' ').next() {
            Some("run" | "create") => 125,
            _ => 1,
        };
        for root in [&[][..], &["--root", &own], &["--root", &root]] {
            let call = by_user(&place, command);
            // Behind the command, where the flag may stand, too.
            let out = call.with(|c| {
                let mut args: Vec<_> = c.get_args().map(ToOwned::to_owned).collect();
                let at = args
                    .iter()
                    .position(|a| a == place.path("rcon").as_os_str());
                let at = at.expect("rcon itself") + 1;
                args.splice(at..at, root.iter().map(Into::into));
                let mut new = Command::new(c.get_program());
                new.args(args).current_dir(place.path("own")).env_clear();
                *c = new;
            });
            let out = out.output().code(code);
            assert_eq!(out.stdout, "", "{out}");
            out.fails_naming(&[&format!("user {USER}"), "root", "sudo"]);
        }
    }
    assert!(
        names(&place, "own").is_empty(),
        "{:?}",
        names(&place, "own")
    );
}

#[test]
fn what_takes_no_power_works() {
    let Some(place) = place() else { return };
    for command in WITHOUT_POWER {
        let out = by_user(&place, command).output().ok();
        let said = !out.stdout.is_empty() || command.starts_with("oci spec");
        assert!(said, "{out}");
    }
    assert_eq!(names(&place, "own"), ["config.json"]);
    // Completion knows no names, and says nothing of it.
    let out = by_user(&place, "__complete -- rm b").output();
    assert_eq!(out.stderr, "", "{out}");
}

/// A mistake in the command line is told first, as to everybody.
#[test]
fn a_mistake_is_told_first() {
    let Some(place) = place() else { return };
    let out = by_user(&place, "run --no-such-flag hello").output();
    out.code(125).fails_naming(&["--no-such-flag"]);
    let out = by_user(&place, "no-such-command").output();
    out.code(1).fails_naming(&["no-such-command"]);
}

/// Root without the power to mount is told by what fails, and no container
/// is left of it.
#[test]
fn root_without_the_power_to_mount_leaves_nothing() {
    let Some(place) = place() else { return };
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]);
    command.arg(place.path("rcon"));
    let line = place.line("run", &["--rm", "--network", "none"], &["true"]);
    let out = place.call(command).args(line).output();
    out.code(125).fails_naming(&["CAP_SYS_ADMIN"]);
    let left = fs::read_dir(place.store().join("containers"));
    assert_eq!(left.map_or(0, Iterator::count), 0);
}
