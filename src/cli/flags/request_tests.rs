//! Whole command lines, from the words to the desired container.

use std::cell::RefCell;
use std::fs;
use std::time::Duration;

use clap::{FromArgMatches, Parser};

use super::*;
use crate::container::{
    Healthcheck, NetworkMode, Program, Protocol, Restart, Seccomp, Sharing, TmpfsOptions,
};

#[derive(Debug, Parser)]
#[command(name = "run")]
struct RunLine {
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Parser)]
#[command(name = "exec")]
struct ExecLine {
    #[command(flatten)]
    exec: Exec,
}

/// Knows one container, `web`, and what is mounted in it.
#[derive(Default)]
struct Others {
    asked: RefCell<Vec<String>>,
}

fn id() -> Id {
    Id::try_from("c".repeat(64)).unwrap()
}

fn volume(name: &str, target: &str, anonymous: bool) -> Mount {
    Mount {
        kind: MountKind::Volume {
            name: name.into(),
            anonymous,
            subpath: None,
        },
        target: target.into(),
        read_only: false,
        options: Vec::new(),
    }
}

impl Resolve for Others {
    fn container(&self, reference: &str) -> Result<Id> {
        self.asked.borrow_mut().push(reference.to_owned());
        if reference == "web" {
            return Ok(id());
        }
        Err(Error::user(format!("No such container: {reference}")))
    }

    fn mounts(&self, _: &Id) -> Result<Vec<Mount>> {
        let tmpfs = Mount {
            kind: MountKind::Tmpfs(TmpfsOptions::default()),
            ..volume("", "/theirs-only", false)
        };
        Ok(vec![
            volume("data", "/data", true),
            volume("log", "/log", false),
            tmpfs,
        ])
    }
}

/// A directory of its own that is gone afterwards.
struct Here(PathBuf);

impl Here {
    fn new() -> Self {
        let name = format!("rcon-test-flags-{}", Id::random().unwrap().short());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn try_run(&self, line: &str) -> Result<Request> {
        self.try_words(&words(line))
    }

    fn try_words(&self, line: &[&str]) -> Result<Request> {
        let line = ["run"].iter().chain(line);
        let run = RunLine::try_parse_from(line)
            .unwrap_or_else(|e| panic!("{e}"))
            .run;
        run.request(&self.surroundings(), &Others::default())
    }

    fn run(&self, line: &str) -> Request {
        self.try_run(line).unwrap_or_else(|e| panic!("{line}: {e}"))
    }

    fn refused(&self, line: &str) -> String {
        match self.try_run(line) {
            Err(e) => e.to_string(),
            Ok(_) => panic!("{line} is accepted"),
        }
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            variables: &|name| (name == "HOME").then(|| "/home/me".to_owned()),
            directory: &self.0,
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn image() -> ImageDefaults {
    ImageDefaults {
        cmd: vec!["sh".into()],
        ..ImageDefaults::default()
    }
}

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
    let c = &r.config;
    let p = &c.program;
    assert_eq!(p.argv(), ["ls", "-l"]);
    assert_eq!(p.env, ["A=1", "HOME=/home/me"]);
    assert_eq!(
        (&*p.workdir, &*p.user, &*p.hostname),
        ("/srv", "1:2", "inside")
    );
    assert_eq!((&*p.stop_signal, p.stop_timeout), ("SIGINT", Some(3)));
    assert!(p.tty && p.open_stdin && p.stdin_once && p.init && c.auto_remove);
    assert_eq!(p.groups, ["tty"]);
    assert_eq!(r.platform.as_deref(), Some("linux/arm64"));
    assert_eq!((r.pull, r.explain, r.quiet), (Pull::Always, true, true));
    assert_eq!(
        (r.name.as_deref(), &r.detach_keys[..]),
        (Some("web1"), &[1][..])
    );
    let l = &c.resources;
    assert_eq!(
        (l.nano_cpus, l.memory, l.memory_swap),
        (Some(1_500_000_000), Some(64 << 20), Some(-1))
    );
    assert_eq!((l.shm_size, l.pids_limit), (Some(1 << 20), Some(10)));
    let i = &c.isolation;
    assert_eq!((i.read_only, i.oom_score_adj), (true, Some(-5)));
    assert_eq!(
        (i.cap_drop.join(" "), i.cdi.join(" ")),
        ("ALL".into(), "v.com/c=n".into())
    );
    assert_eq!((i.devices[0].access.as_str(), i.ulimits[0].soft), ("r", 0));
    assert_eq!(i.sysctls["net.x"], "1");
    let n = &c.network;
    assert_eq!(
        (n.ports[0].host_port, n.ports[0].container_port),
        (Some(80), 81)
    );
    assert_eq!(
        (n.publish_all, &n.expose[..]),
        (true, &[(9, 9, Protocol::Udp)][..])
    );
    assert_eq!(n.hosts, [("a".to_owned(), "host-gateway".to_owned())]);
    assert_eq!(
        (
            &*c.labels["a"],
            &*c.annotations["x"],
            &*c.log.options["max-size"]
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
    let want = ["mine /log false false", "data /data true false"];
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
fn what_cannot_be_had_together() {
    let here = Here::new();
    for (line, want) in [
        (
            "--rm --restart always i",
            "cannot specify both --restart and --rm",
        ),
        (
            "-d -a stdout i",
            "cannot specify both --attach and --detach",
        ),
        (
            "--no-healthcheck --health-cmd x i",
            "--no-healthcheck conflicts with --health-*",
        ),
        (
            "--no-healthcheck --health-retries 1 i",
            "--no-healthcheck conflicts with --health-*",
        ),
        ("--uts host -h web i", "hostname and the UTS mode"),
        (
            "--uts host --domainname web i",
            "domainname and the UTS mode",
        ),
        (
            "--network container:web -h web i",
            "hostname and the network mode",
        ),
        (
            "--network container:web -p 80 i",
            "port publishing and the container type network mode",
        ),
        (
            "--network container:web -P i",
            "port publishing and the container type network mode",
        ),
        (
            "--network container:web --expose 80 i",
            "port exposing and the container",
        ),
        (
            "--network container:web --dns 1.1.1.1 i",
            "dns and the container",
        ),
        (
            "--network container:web --dns-search a i",
            "dns search and the container",
        ),
        (
            "--network container:web --dns-option a i",
            "dns options and the container",
        ),
        (
            "--network container:web --add-host a:1.1.1.1 i",
            "custom host-to-IP mapping and",
        ),
        (
            "--network container:web --mac-address 02:42:ac:11:00:02 i",
            "mac-address and the container",
        ),
        (
            "--network host --mac-address 02:42:ac:11:00:02 i",
            "mac-address and the host",
        ),
        (
            "--network host --ip 10.0.0.2 i",
            "a fixed address and a network that is not",
        ),
        (
            "--network none --ip6 fd00::1 i",
            "a fixed address and a network that is not",
        ),
        (
            "--network-alias db i",
            "only for containers in user defined networks",
        ),
        (
            "--network host --network aa i",
            "--network host cannot be had together",
        ),
        (
            "--network aa --network container:web i",
            "cannot be had together with another",
        ),
        (
            "--network aa --network aa i",
            "\"aa\" is specified more than once",
        ),
        (
            "--network name=aa,ip=10.0.0.2 --ip 10.0.0.3 i",
            "both --ip and per-network ip",
        ),
        (
            "--network name=aa,alias=x --network-alias y i",
            "both --network-alias and per-network alias",
        ),
        (
            "--userns 1:1 --privileged i",
            "incompatible with user namespaces",
        ),
        ("--userns 1:1 --network host i", "host's network namespace"),
        ("--userns 1:1 --pid host i", "host PID namespace"),
        ("-m 5m i", "Minimum memory limit allowed is 6MB"),
        ("--memory-swap 1g i", "always set the Memory limit"),
        (
            "-m 1g --memory-swap 512m i",
            "should be larger than memory limit",
        ),
        (
            "-m 64m --memory-reservation 65m i",
            "less than memory reservation limit",
        ),
        ("--memory-reservation 1m i", "Minimum memory reservation"),
        (
            "--cpus 1 --cpu-quota 1000 i",
            "Nano CPUs and CPU Quota cannot both be set",
        ),
        (
            "--cpus 1 --cpu-period 1000 i",
            "Nano CPUs and CPU Period cannot both be set",
        ),
        (
            "--cpu-period 999 i",
            "CPU cfs period can not be less than 1ms",
        ),
        (
            "--cpu-quota 999 i",
            "CPU cfs quota can not be less than 1ms",
        ),
        ("--cpus 0.001 i", "from 0.01"),
        ("--gpus all i", "--device nvidia.com/gpu=all"),
        ("--rootfs --platform linux/amd64 .", "--rootfs has none"),
        (
            "--detach-keys ctrl-1 i",
            "--detach-keys: invalid detach keys",
        ),
        ("--log-opt colour=red i", "unknown log opt 'colour'"),
        (
            "--log-opt max-size=x i",
            "--log-opt max-size=x: invalid value",
        ),
        (
            "--log-opt max-file=0 i",
            "--log-opt max-file=0: invalid value",
        ),
        (
            "--log-driver none --log-opt max-size=1m i",
            "has no options",
        ),
    ] {
        let e = here.refused(line);
        assert!(e.contains(want), "{line}: {e}");
    }
}

#[test]
fn what_goes_together_after_all() {
    let here = Here::new();
    for line in [
        "-dt i",
        "-dit i",
        "--rm --restart no i",
        "--network host -h web i",
        "--memory-swap -1 i",
        "-m 1g --memory-swap 1g i",
        "--cpus 0 --cpu-quota 1000 --cpu-period 1000 i",
        "--cpus 1 --cpu-quota -1 i",
        "--userns host --privileged --pid host i",
        "--ip 10.0.0.2 i",
        "--log-opt max-size=10m --log-opt max-file=3 i",
    ] {
        assert_eq!(here.run(line).warnings, [""; 0], "{line}");
    }
}

#[test]
fn what_is_odd_is_said() {
    let here = Here::new();
    for (line, want) in [
        ("--network host -p 80 i", "published ports are discarded"),
        ("--network none -P i", "lead nowhere"),
        ("--oom-kill-disable i", "disabling the OOM killer"),
        ("--privileged --cap-add ALL i", "--cap-add adds nothing"),
    ] {
        let warnings = here.run(line).warnings;
        assert!(
            warnings.len() == 1 && warnings[0].contains(want),
            "{line}: {warnings:?}"
        );
    }
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

fn exec(line: &str) -> Result<ExecRequest> {
    let here = Here::new();
    here.file("env", "B=2\n");
    let matches = <ExecLine as clap::CommandFactory>::command();
    let matches = matches.try_get_matches_from(["exec"].into_iter().chain(words(line)));
    let exec = ExecLine::from_arg_matches(&matches.unwrap()).unwrap().exec;
    exec.request(&here.surroundings(), &Others::default())
}

#[test]
fn a_further_program() {
    let r = exec("-it -eA=1 --env-file env -w /x -u 1 --privileged -d --detach-keys a web ls -l");
    let want = ExecRequest {
        container: id(),
        argv: vec!["ls".into(), "-l".into()],
        env: vec!["B=2".into(), "A=1".into()],
        workdir: Some("/x".into()),
        user: Some("1".into()),
        tty: true,
        interactive: true,
        privileged: true,
        detach: true,
        detach_keys: vec![b'a'],
    };
    assert_eq!(r.unwrap(), want);
    assert_eq!(exec("web sh").unwrap().detach_keys, [16, 17]);
    for (line, want) in [
        ("web", "no command specified"),
        ("db sh", "No such container: db"),
        ("--detach-keys ctrl-1 web sh", "--detach-keys"),
        ("-e= web sh", "--env: invalid"),
    ] {
        let e = exec(line).unwrap_err().to_string();
        assert!(e.contains(want), "{line}: {e}");
    }
}
