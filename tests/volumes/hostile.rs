//! Images and programs that want out by way of a volume.

use crate::place::{PLAIN, Place};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// All there is to know of a directory of the host.
fn tree(dir: &str) -> String {
    let list = Command::new("sh")
        .args([
            "-c",
            "find . -printf '%p %m %U %G %s %l\\n' | sort; find . -type f | sort | xargs cat",
        ])
        .current_dir(dir)
        .output()
        .expect("a command");
    String::from_utf8_lossy(&list.stdout).into_owned()
}

/// CVE-2022-23648: an image's volume path led to the host's files, which were
/// copied into the volume.
#[test]
fn cve_2022_23648_an_images_volume_path_stays_inside() {
    let Some(place) = Place::new() else { return };
    for (n, path) in ["../../etc", "/../../../etc", "/data/../../../etc"]
        .iter()
        .enumerate()
    {
        let name = format!("climb:{n}");
        place.import(&[&format!("VOLUME {path}")], &name);
        let out = place.run(&[], &name, "cat /etc/shadow /etc/hostname.host");
        assert!(!out.stdout.contains("root:"), "{out}");
        assert_eq!(place.volumes(), [""; 0]);
    }
}

/// The same with links in the image: absolute ones, climbing ones, and chains.
#[test]
fn a_volume_at_a_link_gets_what_the_image_has_there() {
    let Some(place) = Place::new() else { return };
    let secret = place.host_dir("secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o700)).unwrap();
    let before = tree(&secret);
    let up = format!("{}{secret}", "../".repeat(12));
    for (n, target) in [secret.clone(), up, "/hop".to_owned()].iter().enumerate() {
        let link = place.bed.rootfs("srv");
        let _ = fs::remove_file(&link);
        symlink(target, &link).unwrap();
        let hop = place.bed.rootfs("hop");
        let _ = fs::remove_file(&hop);
        symlink(&secret, &hop).unwrap();
        let name = format!("linked:{n}");
        place.import(&["VOLUME /srv"], &name);
        let shown = place.prints(
            &[],
            &name,
            "cat /srv/theirs 2>/dev/null; touch /srv/x; ls /srv",
        );
        assert_eq!(shown, "x", "{target}");
        place
            .run(&["-v", "data:/srv/deep"], &name, "touch /srv/deep/y")
            .ok();
        assert_eq!(tree(&secret), before, "{target}");
    }
    // An honest link is followed, inside.
    let link = place.bed.rootfs("srv");
    fs::remove_file(&link).unwrap();
    symlink("data", &link).unwrap();
    place.import(&["VOLUME /srv"], "honest:1");
    assert_eq!(place.prints(&[], "honest:1", "cat /srv/file"), "image");
}

/// CVE-2019-16884 and its kin: a volume over procfs would show a container
/// what no kernel says.
#[test]
fn nothing_is_mounted_over_procfs() {
    let Some(place) = Place::new() else { return };
    for at in ["/proc", "/proc/sys", "/proc/self/attr"] {
        let out = place.run(&["-v", &format!("data:{at}")], PLAIN, "true");
        out.code(125).fails_naming(&[at]);
    }
    place.import(&["VOLUME /proc/sys"], "proc:1");
    place
        .run(&[], "proc:1", "true")
        .code(125)
        .fails_naming(&["/proc/sys"]);
    assert_eq!(place.volumes(), ["data"], "and none without a name is left");
}

/// CVE-2021-41091: what a container keeps can have set-user-id programs in it,
/// which nobody else on the host may reach.
#[test]
fn cve_2021_41091_volumes_are_out_of_reach() {
    let Some(place) = Place::new() else { return };
    let make = "cp /bin/busybox /data/su; chmod 4755 /data/su; chmod 777 /data";
    place.prints(&["-v", "data:/data"], PLAIN, make);
    let program = place.data("data").join("su");
    assert_eq!(fs::metadata(&program).unwrap().mode() & 0o7777, 0o4755);
    assert_eq!(fs::metadata(place.dir()).unwrap().mode() & 0o777, 0o700);
    let reach = Command::new("setpriv")
        .args(["--reuid", "1000", "--clear-groups", "--regid", "1000"])
        .arg(&program)
        .args(["id", "-u"])
        .output()
        .expect("setpriv");
    assert!(!reach.status.success(), "{reach:?}");
}

/// A program swaps a directory of a shared volume for a link to the host's root
/// while other containers start with that part of it.
#[test]
fn a_part_of_a_volume_is_swapped_while_containers_start() {
    let Some(place) = Place::new() else { return };
    let host = place.host_dir("outside");
    let before = tree(&host);
    let swap = "mkdir -p /v/part/mine; ln -s $HOSTDIR /v/evil; \
                while :; do mv -T /v/part /v/tmp; mv -T /v/evil /v/part; \
                mv -T /v/part /v/evil; mv -T /v/tmp /v/part; done";
    let line = [
        "run",
        "-d",
        "--name",
        "swapper",
        "-e",
        &format!("HOSTDIR={host}"),
        "-v",
        "data:/v",
    ];
    place.line(&line, PLAIN, swap).output().ok();
    let until = Instant::now() + Duration::from_secs(4);
    let mut inside = 0;
    while Instant::now() < until {
        let mount = "src=data,dst=/x,volume-subpath=part";
        let out = place.run(&["--mount", mount], PLAIN, "ls /x; touch /x/by-me");
        assert!(!out.stdout.contains("theirs"), "{out}");
        inside += usize::from(out.stdout.contains("mine"));
    }
    assert_eq!(tree(&host), before);
    assert!(inside > 0, "it never was there");
    place.says(&["rm", "-f", "swapper"]);
}

/// A container that is in a volume with a file system of its own knows where the
/// next one's files are brought together, and has been there before.
#[test]
fn the_place_where_a_volume_is_filled_is_swapped() {
    let Some(place) = Place::new() else { return };
    let host = place.host_dir("outside");
    let before = tree(&host);
    let opts = ["-o", "type=tmpfs", "-o", "device=tmpfs", "mem"];
    place.says(&[&["volume", "create"], &opts[..]].concat());
    for (n, plant) in [
        "ln -s $H .rcon-filling",
        "ln -s $H .rcon-filled",
        "mkdir .rcon-filled; ln -s $H .rcon-filled/out; touch .rcon-filled/.rcon-filled",
        "touch .rcon-filling .rcon-filled",
        "(while :; do rm -rf .rcon-filling; ln -s $H .rcon-filling; rm -f .rcon-filling; done) &",
        "(while :; do rm -rf .rcon-filled; ln -s $H .rcon-filled; rm -f .rcon-filled; done) &",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("planter{n}");
        let env = format!("H={host}");
        place.start(&name, &["-e", &env, "-v", "mem:/v:nocopy"], PLAIN);
        place.exec(&name, &format!("cd /v; {plant}\ntrue"));
        for _ in 0..20 {
            // It may not start, and then says so.
            let out = place.run(&["-v", "mem:/data"], PLAIN, "true");
            assert!(!out.stderr.contains("panicked"), "{out}");
            assert_eq!(tree(&host), before, "{plant}");
        }
        place.says(&["rm", "-f", &name]);
    }
    // The honest case, when nobody is in the way.
    assert_eq!(
        place.prints(&["-v", "mem:/data"], PLAIN, "cat /data/file"),
        "image"
    );
}

/// CVE-2021-41089: `cp` changed the modes of files of the host's.
#[test]
fn links_in_a_volume_lead_nowhere_on_the_host() {
    let Some(place) = Place::new() else { return };
    let host = place.host_dir("outside");
    let before = tree(&host);
    let links = format!("ln -s {host} /data/out; ln -s {host}/theirs /data/file2; true");
    place.create("web", &["-v", "data:/data"], PLAIN, &links);
    place.says(&["start", "-a", "web"]);
    let file = place.bed.path("mine");
    fs::write(&file, "mine\n").unwrap();
    let file = file.to_string_lossy().into_owned();
    for to in ["web:/data/out/new", "web:/data/file2"] {
        // Whether that is a place in the container or none at all.
        place.rcon(&["cp", "-q", &file, to]);
        assert_eq!(tree(&host), before, "{to}");
    }
    let out = place.rcon(&["cp", "web:/data/out/theirs", "-"]);
    assert!(!out.stdout.contains("host\n"), "{out}");
    // A volume that is removed has links, and they are what is removed.
    place.says(&["rm", "web"]);
    place.says(&["volume", "rm", "data"]);
    assert_eq!(tree(&host), before);
    assert!(Path::new(&host).join("theirs").exists());
}

/// A name is never a path.
#[test]
fn names_that_are_paths_are_refused() {
    let Some(place) = Place::new() else { return };
    for name in ["..", "../x", "a/../..", ".hidden", "a\nb", "x/_data"] {
        for args in [
            vec!["volume", "create", name],
            vec!["volume", "rm", name],
            vec!["volume", "inspect", name],
        ] {
            let out = place.rcon(&args).code(1);
            assert_eq!(out.stderr.lines().count(), 1, "{out}");
        }
        let mount = format!("src={name},dst=/x");
        place.run(&["--mount", &mount], PLAIN, "true").code(125);
    }
    assert_eq!(place.volumes(), [""; 0]);
}
