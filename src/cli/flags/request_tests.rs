//! Whole command lines, from the words to the desired container.

use std::fs;
use std::time::Duration;

use clap::Parser;

use super::super::testing::{Here, Others, RunLine, id, image};
use super::*;
use crate::container::{Healthcheck, NetworkMode, Program, Protocol, Restart, Seccomp, Sharing};

#[test]
fn nothing_said_is_nothing_asked() {
    let mut r = Here::new().run("alpine");
    assert_eq!(r.source, Source::Image("alpine".into()));
    assert_eq!(
        (r.detach, r.sig_proxy, r.explain, r.quiet),
        (false, true, false, false)
    );
    assert_eq!(
        (r.pull, r.name.take(), r.platform.take()),
        (Pull::Missing, None, None)
    );
    assert_eq!(r.detach_keys, [16, 17]);
    let attach = Attach {
        stdin: false,
        stdout: true,
        stderr: true,
    };
    assert_eq!(r.attach, attach);
    assert_eq!((r.warnings.len(), r.volumes_from.len()), (0, 0));
    let c = &r.config;
    assert_eq!(c.program, Program::default());
    assert_eq!(c.isolation, crate::container::Isolation::default());
    assert_eq!(c.resources, crate::container::Resources::default());
    assert_eq!(c.network, crate::container::Network::default());
    assert_eq!(c.log, crate::container::LogConfig::default());
    assert_eq!(
        (c.restart, c.auto_remove, c.mounts.len()),
        (Restart::No, false, 0)
    );
}

#[test]
fn a_full_command_line() {
    let here = Here::new();
    let mut r = here.run(
        "-it --rm --name web1 -h inside -eA=1 -eHOME -w /srv -u 1:2 --group-add tty --init \
         --stop-signal INT --stop-timeout 3 -l a=b --pull always --platform arm64 --read-only \
         --cpus 1.5 -m 64m --memory-swap -1 --shm-size 1m --pids-limit 10 --oom-score-adj -5 \
         -p 127.0.0.1:80:81 -P --expose 9/udp --dns 1.1.1.1 --add-host a:host-gateway \
         --cap-drop ALL --ulimit core=0 --sysctl net.x=1 --device /dev/null:r --device v.com/c=n \
         --detach-keys ctrl-a --annotation x=y --log-opt max-size=1m --explain -q alpine ls -l",
    );
    r.merge(&image()).unwrap();
    let config = &r.config;
    let p = &config.program;
    assert_eq!(p.argv(), ["ls", "-l"]);
    assert_eq!(p.env, ["A=1", "HOME=/home/me"]);
    assert_eq!(
        (&*p.workdir, &*p.user, &*p.hostname),
        ("/srv", "1:2", "inside")
    );
    assert_eq!((&*p.stop_signal, p.stop_timeout), ("SIGINT", Some(3)));
    assert!(p.tty && p.open_stdin && p.stdin_once && p.init && config.auto_remove);
    assert_eq!(p.groups, ["tty"]);
    assert_eq!(r.platform.as_deref(), Some("linux/arm64"));
    assert_eq!((r.pull, r.explain, r.quiet), (Pull::Always, true, true));
    assert_eq!(
        (r.name.as_deref(), &r.detach_keys[..]),
        (Some("web1"), &[1][..])
    );
    let limits = &config.resources;
    assert_eq!(
        (limits.nano_cpus, limits.memory, limits.memory_swap),
        (Some(1_500_000_000), Some(64 << 20), Some(-1))
    );
    assert_eq!(
        (limits.shm_size, limits.pids_limit),
        (Some(1 << 20), Some(10))
    );
    let i = &config.isolation;
    assert_eq!((i.read_only, i.oom_score_adj), (true, Some(-5)));
    assert_eq!(
        (i.cap_drop.join(" "), i.cdi.join(" ")),
        ("ALL".into(), "v.com/c=n".into())
    );
    assert_eq!((i.devices[0].access.as_str(), i.ulimits[0].soft), ("r", 0));
    assert_eq!(i.sysctls["net.x"], "1");
    let network = &config.network;
    assert_eq!(
        (network.ports[0].host_port, network.ports[0].container_port),
        (Some(80), 81)
    );
    assert_eq!(
        (network.publish_all, &network.expose[..]),
        (true, &[(9, 9, Protocol::Udp)][..])
    );
    assert_eq!(network.hosts, [("a".to_owned(), "host-gateway".to_owned())]);
    assert_eq!(
        (
            &*config.labels["a"],
            &*config.annotations["x"],
            &*config.log.options["max-size"]
        ),
        ("b", "y", "1m")
    );
}

#[test]
fn files_of_variables_and_labels() {
    let here = Here::new();
    here.file("env", "A=file\nB=file\n# no\nHOME\nNOWHERE\n");
    here.file("labels", "a=file\nb\n");
    let mut r = here.run("--env-file env -eA=typed -eGONE --label-file labels -l a=typed alpine");
    r.merge(&image()).unwrap();
    assert_eq!(
        r.config.program.env,
        ["A=typed", "B=file", "HOME=/home/me", "GONE"]
    );
    let labels: Vec<_> = r.config.labels.into_iter().collect();
    let own = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
    assert_eq!(labels, [("a", "typed"), ("b", "")].map(own));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let here = Here::new();
    here.file("bad", "A=1\nB C=2\n");
    here.file("binary", b"A=1\n\xff\n");
    here.file("long", "A=1\n".repeat(300_000));
    here.file("json", "{");
    here.file("list", "[]");
    let at = here.0.display().to_string();
    for (line, want) in [
        (
            "--env-file none i",
            format!("--env-file {at}/none: No such file or directory"),
        ),
        (
            "--env-file . i",
            format!("--env-file {at}/.: Is a directory"),
        ),
        (
            "--env-file bad i",
            format!("--env-file {at}/bad: line 2: variable has a blank in its name"),
        ),
        (
            "--label-file bad i",
            format!("--label-file {at}/bad: line 2: label has a blank"),
        ),
        (
            "--env-file binary i",
            format!("--env-file {at}/binary: line 2: invalid utf8 bytes"),
        ),
        (
            "--env-file long i",
            "the file is longer than 1024 KiB".to_owned(),
        ),
        (
            "--env-file /dev/zero i",
            "the file is longer than 1024 KiB".to_owned(),
        ),
        ("-e= i", "--env: invalid environment variable".to_owned()),
        (
            "--security-opt seccomp=none i",
            format!("seccomp {at}/none: No such file"),
        ),
        (
            "--security-opt seccomp=json i",
            format!("seccomp {at}/json: not JSON"),
        ),
        (
            "--security-opt seccomp=list i",
            "a profile is a JSON object".to_owned(),
        ),
    ] {
        let e = here.refused(line);
        assert!(e.contains(&want), "{line}: {e}");
    }
}

#[test]
fn the_entrypoint_and_the_command() {
    let here = Here::new();
    let nginx = ImageDefaults {
        entrypoint: vec!["nginx".into()],
        cmd: vec!["-g".into()],
        ..ImageDefaults::default()
    };
    for (line, want) in [
        (&["i"][..], "nginx -g"),
        (&["i", "-v"], "nginx -v"),
        (&["--entrypoint", "sh", "i"], "sh"),
        (&["--entrypoint", "sh", "i", "-c", "x"], "sh -c x"),
        (&["--entrypoint", "", "i", "ls"], "ls"),
        (&["--entrypoint=", "i", "ls"], "ls"),
    ] {
        let mut r = here.try_words(line).unwrap();
        r.merge(&nginx).unwrap();
        assert_eq!(r.config.program.argv().join(" "), want, "{line:?}");
    }
    let mut r = here.try_words(&["--entrypoint", "", "i"]).unwrap();
    assert!(
        r.merge(&nginx)
            .unwrap_err()
            .to_string()
            .contains("no command specified")
    );
}

#[test]
fn networks() {
    let here = Here::new();
    let named =
        |names: &[&str]| NetworkMode::Named(names.iter().map(|n| (*n).to_owned()).collect());
    for (line, want) in [
        ("i", NetworkMode::Default),
        ("--network bridge i", NetworkMode::Default),
        ("--net default i", NetworkMode::Default),
        ("--network host i", NetworkMode::Host),
        ("--network none i", NetworkMode::None),
        ("--network container:web i", NetworkMode::Container(id())),
        ("--network aa i", named(&["aa"])),
        ("--network aa --network bridge i", named(&["aa", "bridge"])),
    ] {
        assert_eq!(here.run(line).config.network.mode, want, "{line}");
    }
    let r = here.run("--network name=aa,alias=x --network name=bb,ip=10.0.0.2 --ip 10.1.0.2 i");
    let n = r.config.network;
    assert_eq!(n.ip, Some("10.1.0.2".parse().unwrap()));
    assert_eq!(n.aliases, ["x"]);
    assert_eq!(n.further.keys().collect::<Vec<_>>(), ["bb"]);
    assert_eq!(n.further["bb"].ip, Some("10.0.0.2".parse().unwrap()));
    let twice = here.run("-p 80:80 -p 80:80 i");
    assert_eq!(twice.config.network.ports.len(), 1);
}

#[test]
fn namespaces() {
    let here = Here::new();
    let i = here
        .run("--pid host --ipc container:web --uts host --cgroupns host i")
        .config
        .isolation;
    assert_eq!(
        (i.pid, i.uts, i.cgroup),
        (Sharing::Host, Sharing::Host, Sharing::Host)
    );
    assert_eq!(i.ipc, Sharing::Container(id()));
    let i = here
        .run("--pid container:web --ipc shareable --userns 1000:10 i")
        .config
        .isolation;
    assert_eq!((i.pid, i.ipc), (Sharing::Container(id()), Sharing::Private));
    assert_eq!(i.userns, Some((1000, 10)));
    for (line, want) in [
        (
            "--pid container:db i",
            "--pid container:db: No such container: db",
        ),
        ("--pid container: i", "--pid: invalid mode"),
        ("--pid none i", "--pid: invalid mode \"none\""),
        ("--ipc none i", "--ipc: invalid mode"),
        ("--uts container:web i", "--uts: invalid mode"),
        ("--cgroupns x i", "--cgroupns: invalid mode"),
        ("--userns keep-id i", "--userns: invalid USER mode"),
        ("--userns 1:0 i", "--userns: invalid USER mode"),
        ("--userns 4294967295:2 i", "--userns: invalid USER mode"),
        (
            "--network container:db i",
            "--network container:db: No such container",
        ),
    ] {
        assert!(here.refused(line).contains(want), "{line}");
    }
}

#[test]
fn security_options() {
    let here = Here::new();
    here.file("p.json", r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#);
    let s = here.run(
        "--security-opt seccomp=p.json --security-opt no-new-privileges --security-opt apparmor=x \
         --security-opt label=type:a_t --security-opt label=level:s0:c1 \
         --security-opt systempaths=unconfined i",
    );
    let s = s.config.isolation.security;
    let profile = serde_json::json!({"defaultAction": "SCMP_ACT_ALLOW"});
    assert_eq!(s.seccomp, Seccomp::Profile(profile));
    assert_eq!(s.label.as_deref(), Some("system_u:system_r:a_t:s0:c1"));
    assert_eq!(
        (s.no_new_privileges, s.unmask, s.apparmor.as_deref()),
        (true, true, Some("x"))
    );
    let s = here.run("--security-opt label=type:a_t --security-opt label=disable i");
    assert_eq!(
        s.config.isolation.security,
        crate::container::Security::default()
    );
    let s = here
        .run("--security-opt seccomp=unconfined i")
        .config
        .isolation
        .security;
    assert_eq!(s.seccomp, Seccomp::Unconfined);
}

#[test]
fn health() {
    let here = Here::new();
    let mut r = here
        .try_words(&["--health-cmd", "a b", "--health-interval", "1m", "i"])
        .unwrap();
    r.merge(&image()).unwrap();
    let want = Healthcheck {
        command: ["/bin/sh", "-c", "a b"].map(str::to_owned).to_vec(),
        interval: Duration::from_secs(60),
        timeout: Duration::from_secs(30),
        start_period: Duration::ZERO,
        start_interval: Duration::from_secs(5),
        retries: 3,
    };
    assert_eq!(r.config.health, Some(want));
    let own = ImageDefaults {
        healthcheck: Some(crate::container::ImageHealthcheck {
            test: vec!["CMD".into(), "x".into()],
            ..Default::default()
        }),
        ..image()
    };
    let merged = |line: &str| {
        let mut r = here.run(line);
        r.merge(&own).unwrap();
        r.config.health
    };
    assert_eq!(merged("--no-healthcheck i"), None);
    assert_eq!(
        merged("--health-retries 0 --health-timeout 0s i"),
        merged("i")
    );
    assert_eq!(merged("--health-retries 9 i").unwrap().retries, 9);
}

#[test]
fn an_empty_name_is_none() {
    let here = Here::new();
    assert_eq!(here.try_words(&["--name", "", "i"]).unwrap().name, None);
    let e = here.try_words(&[""]).unwrap_err().to_string();
    assert!(e.starts_with("invalid reference format"), "{e}");
}

#[test]
fn streams() {
    let here = Here::new();
    for (line, streams, once) in [
        ("-i i", (true, true, true), true),
        ("-a stdout i", (false, true, false), false),
        ("-i -a stdin -a stderr i", (true, false, true), true),
        ("-i -a stdout i", (false, true, false), false),
        ("-di i", (false, false, false), false),
    ] {
        let r = here.run(line);
        let a = r.attach;
        assert_eq!((a.stdin, a.stdout, a.stderr), streams, "{line}");
        assert_eq!(r.config.program.stdin_once, once, "{line}");
    }
}

#[test]
fn directories_in_place_of_images() {
    let here = Here::new();
    fs::create_dir(here.0.join("root")).unwrap();
    for (line, overlay) in [("--rootfs root sh", false), ("--rootfs ./root:O sh", true)] {
        let mut r = here.run(line);
        let path = here.0.join("root");
        assert_eq!(r.config.root, Root::Directory { path, overlay });
        assert_eq!(r.source, Source::Directory);
        r.merge(&ImageDefaults::default()).unwrap();
        assert_eq!(r.config.program.argv(), ["sh"]);
    }
    for line in ["--rootfs none sh", "--rootfs root:idmap sh"] {
        assert!(here.refused(line).contains("is not a directory"), "{line}");
    }
}

#[test]
fn the_id_is_written_to_a_new_file_only() {
    let here = Here::new();
    assert_eq!(here.run("--cidfile id i").cidfile, Some(here.0.join("id")));
    here.file("id", "");
    let e = here.refused("--cidfile id i");
    assert!(e.starts_with("container ID file found: "), "{e}");
    std::os::unix::fs::symlink("nowhere", here.0.join("link")).unwrap();
    assert!(
        here.refused("--cidfile link i")
            .contains("container ID file found")
    );
}

#[test]
fn a_wrong_flag_asks_nobody() {
    let others = Others::default();
    let here = Here::new();
    let line = [
        "run",
        "--rm",
        "--restart",
        "always",
        "--volumes-from",
        "web",
        "i",
    ];
    let run = RunLine::try_parse_from(line).unwrap().run;
    assert!(run.request(&here.surroundings(), &others).is_err());
    assert!(others.asked.borrow().is_empty());
}
