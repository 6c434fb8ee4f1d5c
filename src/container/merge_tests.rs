use super::*;
use crate::container::{
    Id, Isolation, LogConfig, Network, Program, Protocol, Resources, Restart, Root, SCHEMA,
    Timestamp,
};
use proptest::prelude::*;

fn config() -> Config {
    Config {
        version: SCHEMA,
        id: Id::try_from("a".repeat(64)).unwrap(),
        created: Timestamp {
            seconds: 0,
            nanos: 0,
        },
        image: None,
        root: Root::Layers { layers: Vec::new() },
        program: Program::default(),
        isolation: Isolation::default(),
        mounts: Vec::new(),
        resources: Resources::default(),
        network: Network::default(),
        restart: Restart::No,
        health: None,
        log: LogConfig::default(),
        auto_remove: false,
        labels: std::collections::BTreeMap::new(),
        annotations: std::collections::BTreeMap::new(),
        build: None,
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn image() -> ImageDefaults {
    ImageDefaults {
        cmd: words("sh"),
        ..ImageDefaults::default()
    }
}

#[test]
fn what_is_executed() {
    // Image's entrypoint and cmd, typed entrypoint and command.
    for (entry, cmd, typed, command, want) in [
        ("", "sh", None, "", "sh"),
        ("", "sh", None, "ls -l", "ls -l"),
        ("nginx", "-g x", None, "", "nginx -g x"),
        ("nginx", "-g x", None, "-v", "nginx -v"),
        ("nginx", "-g x", Some("bash"), "", "bash"),
        ("nginx", "-g x", Some("bash"), "-l", "bash -l"),
        ("nginx", "-g x", Some(""), "ls", "ls"),
    ] {
        let mut config = config();
        config.program.command = words(command);
        let typed = Overrides {
            entrypoint: typed.map(words),
            ..Overrides::default()
        };
        let image = ImageDefaults {
            entrypoint: words(entry),
            cmd: words(cmd),
            ..ImageDefaults::default()
        };
        merge(&mut config, &typed, &image).unwrap();
        assert_eq!(config.program.argv(), words(want));
    }
}

#[test]
fn without_any_command_there_is_nothing_to_run() {
    let none = Overrides::default();
    let reset = Overrides {
        entrypoint: Some(Vec::new()),
        ..Overrides::default()
    };
    for (typed, image) in [(&none, ImageDefaults::default()), (&reset, image())] {
        let e = merge(&mut config(), typed, &image).unwrap_err().to_string();
        assert!(e.starts_with("no command specified ("), "{e}");
    }
}

#[test]
fn variables_are_replaced_in_their_place() {
    for (image, typed, want) in [
        ("A=1 B=2", "", "A=1 B=2"),
        ("A=1 B=2", "A=3 C=4", "A=3 B=2 C=4"),
        ("A=1", "A", "A"),
        ("A=1", "HOME", "A=1 HOME"),
        ("", "A=1 A=2", "A=2"),
        ("A=1", "AB=2", "A=1 AB=2"),
        // An image's own without a value: as in Docker none reaches the
        // program, and PATH would be taken away.
        ("A PATH", "B=1", "A PATH B=1"),
        ("A", "A=1", "A=1"),
    ] {
        assert_eq!(
            env(&words(image), &words(typed)),
            words(want),
            "{image} + {typed}"
        );
    }
}

#[test]
fn what_is_typed_wins_over_the_image() {
    let own = |pairs: &[(&str, &str)]| {
        let own = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        own.collect()
    };
    let image = ImageDefaults {
        workdir: "srv".into(),
        user: "web".into(),
        stop_signal: "SIGQUIT".into(),
        labels: own(&[("a", "image"), ("b", "image")]),
        exposed_ports: words("80/tcp 53/udp"),
        ..image()
    };
    let mut plain = config();
    merge(&mut plain, &Overrides::default(), &image).unwrap();
    let program = &plain.program;
    assert_eq!(
        (&*program.workdir, &*program.user, &*program.stop_signal),
        ("/srv", "web", "SIGQUIT")
    );

    let mut typed = config();
    typed.program.workdir = "/x".into();
    typed.program.user = "0".into();
    typed.program.stop_signal = "SIGINT".into();
    typed.labels = own(&[("a", "typed")]);
    typed.network.expose = vec![(53, 53, Protocol::Udp), (1, 2, Protocol::Tcp)];
    merge(&mut typed, &Overrides::default(), &image).unwrap();
    let program = &typed.program;
    assert_eq!(
        (&*program.workdir, &*program.user, &*program.stop_signal),
        ("/x", "0", "SIGINT")
    );
    assert_eq!(typed.labels, own(&[("a", "typed"), ("b", "image")]));
    let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
    assert_eq!(
        typed.network.expose,
        [(53, 53, udp), (1, 2, tcp), (80, 80, tcp)]
    );
}

#[test]
fn an_image_that_exposes_nonsense_is_refused() {
    let image = ImageDefaults {
        exposed_ports: words("80/x"),
        ..image()
    };
    let e = merge(&mut config(), &Overrides::default(), &image).unwrap_err();
    assert!(
        e.to_string()
            .starts_with("the image's exposed ports: invalid proto"),
        "{e}"
    );
}

fn targets(config: &Config) -> Vec<&str> {
    config
        .mounts
        .iter()
        .filter_map(|m| m.target.to_str())
        .collect()
}

#[test]
fn volumes_of_the_image_give_way() {
    let mut config = config();
    config.mounts.push(Mount {
        kind: MountKind::Tmpfs(crate::container::TmpfsOptions::default()),
        target: "/data".into(),
        read_only: false,
        options: Vec::new(),
    });
    let image = ImageDefaults {
        volumes: words("/data/ /log /a/../log srv //x/./y"),
        ..image()
    };
    merge(&mut config, &Overrides::default(), &image).unwrap();
    assert_eq!(targets(&config), ["/data", "/log", "/srv", "/x/y"]);
    let made = MountKind::Volume {
        name: String::new(),
        anonymous: true,
        subpath: None,
        wish: crate::container::VolumeWish::default(),
    };
    assert!(config.mounts[1..].iter().all(|m| m.kind == made));
}

/// CVE-2022-23648.
#[test]
fn volumes_of_the_image_stay_inside() {
    for (volume, why) in [
        ("../../etc", "leads out of the image"),
        ("/a/../../etc", "leads out of the image"),
        ("/", "is the whole file system"),
        ("", "is the whole file system"),
        ("a/..", "is the whole file system"),
        ("/a\0b", "is not a path"),
    ] {
        let image = ImageDefaults {
            volumes: vec![volume.to_owned()],
            ..image()
        };
        let e = merge(&mut config(), &Overrides::default(), &image).unwrap_err();
        assert!(e.to_string().contains(why), "{volume:?}: {e}");
    }
}

fn check(test: &str, interval: Option<u64>, retries: Option<u32>) -> ImageHealthcheck {
    ImageHealthcheck {
        test: test
            .split('|')
            .filter(|w| !w.is_empty())
            .map(str::to_owned)
            .collect(),
        interval: interval.map(Duration::from_secs),
        retries,
        ..ImageHealthcheck::default()
    }
}

fn merged_health(
    typed: HealthOverride,
    own: Option<ImageHealthcheck>,
    shell: &str,
) -> Result<Option<Healthcheck>> {
    let image = ImageDefaults {
        healthcheck: own,
        shell: words(shell),
        ..image()
    };
    let typed = Overrides {
        health: typed,
        ..Overrides::default()
    };
    let mut config = config();
    merge(&mut config, &typed, &image)?;
    Ok(config.health)
}

#[test]
fn health_checks_are_merged_part_by_part() {
    use HealthOverride::{Off, Parts, Unsaid};
    let own = || Some(check("CMD|curl|x", Some(7), Some(5)));
    for (typed, own, shell, want) in [
        (Unsaid, None, "", None),
        (Unsaid, own(), "", Some(("curl x", 7, 5))),
        (Off, own(), "", None),
        (Unsaid, Some(check("NONE", None, None)), "", None),
        (
            Unsaid,
            Some(check("CMD-SHELL|a b", None, None)),
            "",
            Some(("/bin/sh -c a b", 30, 3)),
        ),
        (
            Unsaid,
            Some(check("CMD-SHELL|a b", None, None)),
            "ash -e",
            Some(("ash -e a b", 30, 3)),
        ),
        (
            Parts(check("", Some(9), None)),
            own(),
            "",
            Some(("curl x", 9, 5)),
        ),
        (
            Parts(check("CMD-SHELL|y", None, Some(1))),
            own(),
            "",
            Some(("/bin/sh -c y", 7, 1)),
        ),
        (Parts(check("", Some(9), None)), None, "", None),
    ] {
        let told = format!("{typed:?} over {own:?}");
        let got = merged_health(typed, own, shell).unwrap();
        let got = got.map(|h| (h.command.join(" "), h.interval.as_secs(), h.retries));
        assert_eq!(got, want.map(|(c, i, r)| (c.to_owned(), i, r)), "{told}");
    }
}

#[test]
fn a_health_check_of_an_unknown_kind_is_refused() {
    for test in ["CMD", "CMD-SHELL", "MAGIC|x", "curl|x"] {
        let own = Some(check(test, None, None));
        let e = merged_health(HealthOverride::Unsaid, own, "").unwrap_err();
        assert!(
            e.to_string().starts_with("unknown kind of health check"),
            "{e}"
        );
    }
}

#[test]
fn the_usual_times() {
    let own = Some(check("CMD|x", Some(0), Some(0)));
    let health = merged_health(HealthOverride::Unsaid, own, "")
        .unwrap()
        .unwrap();
    let seconds = Duration::from_secs;
    assert_eq!(
        (
            health.interval,
            health.timeout,
            health.start_period,
            health.start_interval
        ),
        (seconds(30), seconds(30), seconds(0), seconds(5))
    );
    assert_eq!(health.retries, 3);
}

proptest! {
    /// Whatever an image says, it changes nothing of the isolation, the limits,
    /// what of the host is shown, or which ports are published.
    #[test]
    fn an_image_gains_nothing(
        env in "[A-Z_]{1,8}=[ -~]{0,8}",
        label in "(privileged|io.rcon.[a-z]{1,6}|[a-z.]{1,10})",
        volume in "[a-z./]{0,12}",
        user in "[a-z0-9:]{0,8}",
    ) {
        let mut asked = config();
        let image = ImageDefaults {
            env: vec![env],
            labels: [(label, "true".to_owned())].into(),
            volumes: vec![volume],
            user,
            ..image()
        };
        if merge(&mut asked, &Overrides::default(), &image).is_ok() {
            prop_assert_eq!(&asked.isolation, &Isolation::default());
            prop_assert_eq!(&asked.resources, &Resources::default());
            prop_assert_eq!(&asked.network, &Network::default());
            prop_assert!(asked.annotations.is_empty());
            for mount in &asked.mounts {
                let anonymous = matches!(mount.kind, MountKind::Volume { anonymous: true, .. });
                prop_assert!(anonymous && mount.target.is_absolute());
            }
        }
    }
}

#[test]
fn an_image_may_have_as_many_variables_as_it_likes() {
    // One by one compared, they would take an hour.
    let mut image = image();
    image.env = (0..400_000).map(|n| format!("V{n}={n}")).collect();
    let mut config = config();
    config.program.env = words("V7=typed NEW=x");
    merge(&mut config, &Overrides::default(), &image).unwrap();
    let env = &config.program.env;
    assert_eq!(env.len(), 400_001);
    assert_eq!((&*env[7], &*env[8]), ("V7=typed", "V8=8"));
    assert_eq!(env.last().unwrap(), "NEW=x");
}
