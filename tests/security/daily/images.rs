//! What an image says of itself grants nothing, and what it has in its files
//! leads nowhere.

use super::Daily;
use crate::common::{Need, Value};
use crate::support::{assert_same, tree};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Words by which one runtime or another has taken off a container's
/// isolation, or run a command on the host.
const WORDS: &[&str] = &[
    "com.docker.security.privileged",
    "io.container.manager.privileged",
    "io.containers.capabilities",
    "io.containers.trace-syscall",
    "io.kubernetes.cri-o.userns-mode",
    "io.kubernetes.cri-o.Devices",
    "io.kubernetes.cri.sandbox-privileged",
    "io.podman.annotations.privileged",
    "io.podman.annotations.seccomp",
    "io.podman.annotations.label",
    "run.oci.keep_original_groups",
    "run.oci.handler",
    "run.oci.hooks.stderr",
    "run.oci.mount_context_type",
    "org.systemd.property.DevicePolicy",
    "RUN",
    "INSTALL",
];

/// Variables that a runtime, a loader or a shell would believe.
const VARIABLES: &[&str] = &[
    "RCON_ROOT",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "_LIBCONTAINER_INITPIPE",
    "_OCI_SYNCPIPE",
    "CONTAINERS_CONF",
    "XDG_RUNTIME_DIR",
    "container",
    "privileged",
];

/// podman 2026-94603, containerd 2026-53488, CVE-2024-3154: what was made of
/// an image that says all of it is what is made of one that says nothing.
#[test]
fn what_an_image_says_of_itself_grants_nothing() {
    let Some(daily) = Daily::new() else { return };
    let labels = WORDS.iter().map(|w| format!("LABEL {w}=all"));
    let variables = VARIABLES.iter().map(|v| format!("ENV {v}=/evil"));
    let changes: Vec<String> = labels.chain(variables).collect();
    let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
    daily.import(&changes, "talks").ok();
    let spec = |image: &str, flags: &[&str]| {
        let args = ["run", "-d", "--network", "none", "--name", "box"];
        let program = [image, "/probe", "idle", "60000"];
        let call = [&args[..], flags, &program].concat();
        let id = daily.bed.rcon(&call).ok().text().to_owned();
        let status = fs::read_to_string(format!("/proc/{}/status", daily.pid("box"))).unwrap();
        let spec = daily.bed.root().join("containers").join(&id);
        let text = fs::read_to_string(spec.join("spec.json")).unwrap();
        daily.bed.rcon(&["rm", "-f", "box"]).ok();
        let text = text.replace(&id, "ID").replace(&id[..12], "ID");
        let mut spec: Value = serde_json::from_str(&text).unwrap();
        spec.as_object_mut().unwrap().remove("annotations");
        let env = spec["process"]["env"].take();
        for (_, set) in spec["process"]["capabilities"].as_object_mut().unwrap() {
            // Sets have no order.
            let set = set.as_array_mut().unwrap();
            set.sort_by_key(Value::to_string);
        }
        (spec, env, powers(&status))
    };
    let silent = spec(super::HONEST, &[]);
    let talks = spec("talks", &[]);
    assert!(
        talks.1.to_string().contains("LD_PRELOAD=/evil"),
        "{}",
        talks.1
    );
    let annotations: Vec<String> = WORDS
        .iter()
        .map(|w| format!("--annotation={w}=all"))
        .collect();
    let annotations: Vec<&str> = annotations.iter().map(String::as_str).collect();
    let told = spec(super::HONEST, &annotations);
    for other in [talks, told] {
        let layers = |spec: &Value| spec["root"].clone();
        assert_eq!(silent.2, other.2);
        assert_eq!(layers(&silent.0)["readonly"], layers(&other.0)["readonly"]);
        for part in ["mounts", "linux", "hooks", "process", "hostname"] {
            assert_eq!(silent.0[part], other.0[part], "{part}");
        }
    }
}

/// What the kernel says a process may do.
fn powers(status: &str) -> Vec<String> {
    let told = ["Cap", "Seccomp", "NoNewPrivs", "Uid", "Gid", "Groups"];
    let is = |line: &&str| told.iter().any(|t| line.starts_with(t));
    status.lines().filter(is).map(str::to_owned).collect()
}

/// CVE-2022-0811: a value brought a second parameter along, which was the
/// host's.
#[test]
fn cve_2022_0811_a_parameter_is_one_parameter() {
    let Some(daily) = Daily::new() else { return };
    let pattern = || fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let before = pattern();
    for sysctl in [
        "net.ipv4.ip_forward=1\nkernel.core_pattern=|/evil",
        "kernel.core_pattern=|/evil",
        "net.ipv4.ip_forward+kernel.core_pattern=|/evil",
        "net/../kernel/core_pattern=|/evil",
        "net.ipv4/../../kernel.core_pattern=|/evil",
        "kernel.shm_rmid_forced=1+kernel.core_pattern=|/evil",
    ] {
        let run = ["run", "--rm", "--sysctl", sysctl, super::HONEST, "true"];
        daily.bed.rcon(&run).code(125).fails_naming(&["kernel"]);
        assert_eq!(pattern(), before, "{sysctl}");
    }
}

/// CVE-2019-19921, CVE-2023-27561, CVE-2026-41579: the kernel's own
/// directories are links of the image's, to its own files or the host's.
#[test]
fn cve_2026_41579_the_kernels_directories_are_links() {
    let Some(daily) = Daily::new() else { return };
    let host = daily.host();
    let before = tree(&host);
    fs::create_dir_all(daily.bed.rootfs("evil/sys/kernel")).unwrap();
    let climbing = format!("../../../../../../../..{}", host.display());
    for name in ["proc", "sys", "dev"] {
        for target in ["/evil", &host.to_string_lossy(), &climbing] {
            let path = daily.bed.rootfs(name);
            fs::remove_dir(&path).unwrap();
            symlink(target, &path).unwrap();
            daily.import(&[], "odd").ok();
            let root = daily.bed.rootfs("").to_string_lossy().into_owned();
            let all = [&[][..], &["-t"], &["--privileged"]];
            let some = if target == "/evil" { &all[..1] } else { &all };
            for flags in some {
                let look = ["sh", "-c", "cat /proc/self/status; ls /evil"];
                let out = daily.run(flags, "odd", &look);
                // Where it runs at all, procfs is procfs.
                assert!(
                    !out.status.success() || out.stdout.contains("CapEff"),
                    "{out}"
                );
                let run = ["run", "--rm", "--network", "none"];
                let args = [&run[..], flags, &["--rootfs", &root], &look].concat();
                let out = daily.bed.rcon(&args);
                assert!(
                    !out.status.success() || out.stdout.contains("CapEff"),
                    "{out}"
                );
                assert_same(&before, &tree(&host), &format!("{name} -> {target}"));
            }
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
        }
    }
}

/// CVE-2025-31133, CVE-2025-52565, crun 2026-88264, 2026-88265: a volume for
/// `/dev`, full of links where a runtime makes or binds something.
#[test]
fn cve_2025_52565_a_volume_of_links_for_dev() {
    let Some(daily) = Daily::new() else { return };
    let host = daily.host();
    let before = tree(&host);
    let dev = daily.bed.path("dev");
    let volume = format!("{}:/dev", dev.display());
    for target in ["null", "dir"] {
        for name in ["console", "null", "pts", "ptmx", "shm", "fd", "tty"] {
            let _ = fs::remove_dir_all(&dev);
            fs::create_dir(&dev).unwrap();
            symlink(host.join(target), dev.join(name)).unwrap();
            for flags in [&["-v", &volume][..], &["-t", "-v", &volume]] {
                let out = daily.run(
                    flags,
                    super::HONEST,
                    &["sh", "-c", "echo x; cat /proc/keys"],
                );
                let keys = out.stdout.contains("keyring");
                assert!(!keys, "what is covered is covered: {out}");
                let after = format!("{name} -> {target}");
                assert_same(&before, &tree(&host), &after);
            }
        }
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&*host.to_string_lossy()), "{mounts}");
}

/// One entry of a tar archive, as it stands there.
fn entry(name: &str, kind: u8, link: &str, content: &str) -> Vec<u8> {
    let mut head = [0_u8; 512];
    head[..name.len()].copy_from_slice(name.as_bytes());
    head[100..108].copy_from_slice(b"0000777\0");
    head[108..116].copy_from_slice(b"0000000\0");
    head[116..124].copy_from_slice(b"0000000\0");
    head[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    head[136..148].copy_from_slice(b"00000000000\0");
    head[148..156].copy_from_slice(b"        ");
    head[156] = kind;
    head[157..157 + link.len()].copy_from_slice(link.as_bytes());
    head[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = head.iter().map(|b| u32::from(*b)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = head.to_vec();
    bytes.extend_from_slice(content.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// Archives that want out, each in its own way.
fn hostile(host: &Path) -> Vec<Vec<u8>> {
    let host = host.to_string_lossy();
    let up = format!("{}{host}", "../".repeat(12));
    let link = |name: &str, to: &str| entry(name, b'2', to, "");
    let file = |name: &str| entry(name, b'0', "", "planted\n");
    let ways: Vec<Vec<Vec<u8>>> = vec![
        // CVE-2021-32760, CVE-2025-11395: through a link.
        vec![link("x", &host), file("x/planted")],
        vec![link("x", &up), file("x/planted")],
        vec![
            link("x", &host),
            entry("x/dir", b'5', "", ""),
            file("x/dir/planted"),
        ],
        // CVE-2026-33056: a directory over a link changes a mode.
        vec![link("x", &host), entry("x", b'5', "", "")],
        // Over a link to a file.
        vec![link("x", &format!("{host}/secret")), file("x")],
        // A second name of a file outside.
        vec![entry("x", b'1', &format!("{host}/secret"), ""), file("x")],
        vec![
            link("y", &host),
            entry("x", b'1', "y/secret", ""),
            file("x"),
        ],
        // By its name alone.
        vec![file(&format!("{up}/planted"))],
        vec![file(&format!("{host}/planted"))],
        // Something outside is to be removed.
        vec![link("x", &host), file("x/.wh.secret")],
        vec![link("x", &host), file("x/.wh..wh..opq")],
        // A device and a pipe where a file was.
        vec![link("x", &host), entry("x/null", b'6', "", "")],
    ];
    let ended = |mut all: Vec<Vec<u8>>| {
        all.push(vec![0; 1024]);
        all.concat()
    };
    ways.into_iter().map(ended).collect()
}

/// By every command that unpacks something.
#[test]
fn cve_2021_32760_an_archive_stays_inside() {
    let Some(daily) = Daily::needing(&[Need::Tool("tar")]) else {
        return;
    };
    let host = daily.host();
    let before = tree(&host);
    let rcon = |args: &[&str]| daily.bed.rcon(args);
    rcon(&["create", "--name", "box", super::HONEST, "true"]).ok();
    let context = daily.bed.path("context");
    fs::create_dir(&context).unwrap();
    let recipe = format!("FROM {}\nADD in.tar /d/\n", super::HONEST);
    fs::write(context.join("Dockerfile"), recipe).unwrap();
    let context_text = context.to_string_lossy().into_owned();
    for (number, archive) in hostile(&host).into_iter().enumerate() {
        let tar = daily.bed.path("in.tar");
        fs::write(&tar, &archive).unwrap();
        fs::copy(&tar, context.join("in.tar")).unwrap();
        rcon(&["import", &tar.to_string_lossy(), "odd"]);
        rcon(&["build", "-q", &context_text]);
        let saved = saved(&daily, &archive);
        rcon(&["load", "-q", "-i", &saved]);
        let into = daily.bed.call(&["cp", "-", "box:/mnt"]);
        let open = fs::File::open(&tar).unwrap();
        let into = into.with(|c| {
            c.stdin(open);
        });
        into.output();
        assert_same(&before, &tree(&host), &format!("archive {number}"));
    }
    // An honest one is unpacked by all of them.
    let honest = [entry("f", b'0', "", "here\n"), vec![0; 1024]].concat();
    fs::write(context.join("in.tar"), &honest).unwrap();
    rcon(&["build", "-q", &context_text]).ok();
    rcon(&["load", "-q", "-i", &saved(&daily, &honest)]).ok();
}

/// `docker save` of an image with this one layer.
fn saved(daily: &Daily, layer: &[u8]) -> String {
    use crate::common::json;
    let dir = daily.bed.path("saved");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("layer.tar"), layer).unwrap();
    let sum = std::process::Command::new("sha256sum")
        .arg(dir.join("layer.tar"))
        .output()
        .expect("sha256sum");
    let sum = String::from_utf8_lossy(&sum.stdout);
    let diff = format!("sha256:{}", sum.split(' ').next().unwrap());
    let config = json!({"architecture": std::env::consts::ARCH.replace("x86_64", "amd64")
        .replace("aarch64", "arm64"), "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [diff]}});
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let manifest =
        json!([{"Config": "config.json", "RepoTags": ["odd:2"], "Layers": ["layer.tar"]}]);
    fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
    let to = daily.bed.path("saved.tar").to_string_lossy().into_owned();
    let done = std::process::Command::new("tar")
        .args(["-cf", &to, "-C"])
        .arg(&dir)
        .args(["manifest.json", "config.json", "layer.tar"])
        .status();
    assert!(done.is_ok_and(|s| s.success()));
    to
}

/// CVE-2019-14271, CVE-2026-41567, CVE-2022-1227: programs and libraries of
/// the image, under the names by which a helper would be called.
#[test]
fn cve_2019_14271_nothing_of_the_image_is_run() {
    let Some(daily) = Daily::new() else { return };
    let trap = "#!/bin/busybox sh\n/bin/busybox touch /tmp/trapped\n";
    for name in ["tar", "ps", "ls", "sh", "cp", "top", "id", "getent"] {
        let path = daily.bed.rootfs("bin").join(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, trap).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for dir in ["lib", "lib64", "lib/x86_64-linux-gnu", "usr/lib"] {
        fs::create_dir_all(daily.bed.rootfs(dir)).unwrap();
        for name in ["libnss_files.so.2", "libc.so.6"] {
            fs::write(daily.bed.rootfs(dir).join(name), trap).unwrap();
        }
    }
    fs::write(daily.bed.rootfs("etc/ld.so.preload"), "/lib/libc.so.6\n").unwrap();
    daily.import(&[], super::HONEST).ok();
    daily.idle("box", &[]);
    fs::write(daily.bed.path("mine"), "mine\n").unwrap();
    let mine = daily.bed.path("mine").to_string_lossy().into_owned();
    let out = daily.bed.path("out").to_string_lossy().into_owned();
    for args in [
        &["cp", &mine, "box:/tmp/mine"][..],
        &["cp", "box:/etc/passwd", &out],
        &["export", "-o", &out, "box"],
        &["diff", "box"],
        &["top", "box"],
        &["stats", "--no-stream", "box"],
        &["logs", "box"],
        &["inspect", "box"],
        &["commit", "box", "kept"],
        &["exec", "-u", "user", "box", "/probe", "hello"],
        &["pause", "box"],
        &["unpause", "box"],
        &["stop", "-t", "0", "box"],
        &["cp", "box:/etc/group", &out],
    ] {
        daily.bed.rcon(args).ok();
    }
    let changed = daily.bed.says(&["diff", "box"]);
    assert!(
        changed.contains("/tmp/mine") && !changed.contains("trapped"),
        "{changed}"
    );
    assert!(!Path::new("/tmp/trapped").exists());
}
