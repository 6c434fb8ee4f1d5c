//! Each instruction in the forms it may have.

use std::time::Duration;

use super::*;

fn pairs(text: &str) -> Vec<(String, String)> {
    let (Instruction::Env(pairs) | Instruction::Label(pairs)) = step(text) else {
        panic!("{text}");
    };
    pairs
        .into_iter()
        .map(|pair| (pair.name.text, pair.value.text))
        .collect()
}

#[test]
fn env_and_label() {
    let one = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for (text, want) in [
        ("ENV a=b", vec![one("a", "b")]),
        (
            "ENV a=b c= d=\"e f\" g='h i' j=k\\ l",
            vec![
                one("a", "b"),
                one("c", ""),
                one("d", "\"e f\""),
                one("g", "'h i'"),
                one("j", "k\\ l"),
            ],
        ),
        ("ENV a=b=c", vec![one("a", "b=c")]),
        ("ENV a b c=d  e", vec![one("a", "b c=d  e")]),
        ("ENV a \"b\"", vec![one("a", "\"b\"")]),
        ("ENV a=b \\\n  c=d", vec![one("a", "b"), one("c", "d")]),
        ("LABEL \"a.b\"=c", vec![one("\"a.b\"", "c")]),
        ("LABEL a b", vec![one("a", "b")]),
        ("ENV a=\"x\\\"y z\"", vec![one("a", "\"x\\\"y z\"")]),
    ] {
        assert_eq!(pairs(text), want, "{text}");
    }
}

#[test]
fn arguments() {
    let Instruction::Arg(args) = step("ARG a b=1 c= d=\"x y\"") else {
        panic!();
    };
    let got: Vec<(&str, Option<&str>)> = args
        .iter()
        .map(|a| {
            (
                a.name.text.as_str(),
                a.default.as_ref().map(|d| d.text.as_str()),
            )
        })
        .collect();
    let want = [
        ("a", None),
        ("b", Some("1")),
        ("c", Some("")),
        ("d", Some("\"x y\"")),
    ];
    assert_eq!(got, want);
}

#[test]
fn commands() {
    let exec = |list: &[&str]| Command::Exec(list.iter().map(|s| (*s).to_owned()).collect());
    let shell = |text: &str| Command::Shell(text.to_owned());
    for (text, want) in [
        ("a b", shell("a b")),
        ("[\"a\", \"b c\"]", exec(&["a", "b c"])),
        ("[]", exec(&[])),
        ("[\"\\u00e9\\n\"]", exec(&["é\n"])),
        ("['a']", shell("['a']")),
        ("[ \"$x\" = y ] && z", shell("[ \"$x\" = y ] && z")),
        ("[\"a\"] b", shell("[\"a\"] b")),
        ("[\"a\\x\"]", shell("[\"a\\x\"]")),
        ("\"a b\"", shell("\"a b\"")),
    ] {
        assert_eq!(step(&format!("CMD {text}")), Instruction::Cmd(want.clone()));
        let entrypoint = step(&format!("ENTRYPOINT {text}"));
        assert_eq!(entrypoint, Instruction::Entrypoint(want));
    }
    assert_eq!(
        step("SHELL [\"/bin/bash\", \"-c\"]"),
        Instruction::Shell(vec!["/bin/bash".to_owned(), "-c".to_owned()])
    );
    assert_eq!(run("RUN [\"a\"]"), RunCommand::Exec(vec!["a".to_owned()]));
    assert_eq!(run("RUN a --b"), super::shell("a --b"));
}

#[test]
fn flags_of_run() {
    let Instruction::Run(run) = step(
        "RUN --mount=type=cache,target=/c --network=host --security=insecure \\\n  --mount='type=secret,id=$x' make --mount=no",
    ) else {
        panic!();
    };
    assert_eq!(run.command, shell("make --mount=no"));
    assert_eq!(run.network, Some(RunNetwork::Host));
    assert_eq!(run.security, Some(RunSecurity::Insecure));
    let keys: Vec<&str> = run.mounts[1]
        .options
        .iter()
        .map(|(k, _)| k.as_str())
        .collect();
    assert_eq!(keys, ["type", "id"]);
    assert_eq!(run.mounts.len(), 2);
    assert_eq!(super::run("RUN -- --x"), shell("--x"));
}

#[test]
fn copy_and_add() {
    let Instruction::Copy(copy) = step(
        "COPY --from=0a --chown=$u --chmod=755 --link --parents=true --exclude=*.md --exclude=x a b /c/",
    ) else {
        panic!();
    };
    assert!(copy.from.unwrap().is("0a"));
    assert!(copy.parents && copy.files.link);
    assert!(copy.files.chown.unwrap().is("$u"));
    assert!(copy.files.chmod.unwrap().is("755"));
    assert_eq!(texts(&copy.files.exclude), ["*.md", "x"]);
    assert_eq!(copy.files.sources.len(), 2);
    let Instruction::Copy(copy) = step("COPY --link=FALSE [\"a b\", \"/c d\"]") else {
        panic!();
    };
    assert!(!copy.files.link && copy.from.is_none());
    assert!(copy.files.destination.is("/c d"));
    let Instruction::Add(add) =
        step("ADD --keep-git-dir --checksum=sha256:0 --unpack=false --chmod=u+x https://x/y /")
    else {
        panic!();
    };
    assert!(add.keep_git_dir);
    assert_eq!(add.unpack, Some(false));
    assert!(add.checksum.unwrap().is("sha256:0"));
    let Instruction::Add(add) = step("ADD a /") else {
        panic!();
    };
    assert_eq!((add.unpack, add.keep_git_dir), (None, false));
    // Quotes do not hold together there, as with Docker.
    let Instruction::Copy(copy) = step("COPY a\\ b 'c' /d") else {
        panic!();
    };
    assert_eq!(copy.files.sources.len(), 3);
}

#[test]
fn places_and_people() {
    let word = |text: &str| match step(text) {
        Instruction::Workdir(w) | Instruction::User(w) | Instruction::Stopsignal(w) => w.text,
        other => panic!("{other:?}"),
    };
    assert_eq!(word("WORKDIR /a b/$c"), "/a b/$c");
    assert_eq!(word("USER a:b"), "a:b");
    assert_eq!(word("STOPSIGNAL SIGINT"), "SIGINT");
    let list = |text: &str| match step(text) {
        Instruction::Volume(words) | Instruction::Expose(words) => texts(&words)
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(list("VOLUME /a  /b"), ["/a", "/b"]);
    assert_eq!(list("VOLUME [\"/a b\"]"), ["/a b"]);
    assert_eq!(
        list("EXPOSE 80 53/udp ${P} 3000-3005"),
        ["80", "53/udp", "${P}", "3000-3005"]
    );
    let who = Instruction::Maintainer("A B <a@b>".to_owned());
    assert_eq!(step("MAINTAINER A B <a@b>"), who);
}

#[test]
fn health() {
    let check = |text: &str| match step(text) {
        Instruction::Healthcheck(Healthcheck::Check(check)) => check,
        other => panic!("{other:?}"),
    };
    let full = check(
        "HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=2s --start-interval=1s --retries=3 CMD [\"a\"]",
    );
    assert_eq!(full.command, Command::Exec(vec!["a".to_owned()]));
    assert_eq!(full.interval, Some(Duration::from_secs(90)));
    assert_eq!(full.timeout, Some(Duration::from_millis(500)));
    assert_eq!(full.start_period, Some(Duration::from_secs(2)));
    assert_eq!(full.start_interval, Some(Duration::from_secs(1)));
    assert_eq!(full.retries, Some(3));
    let plain = check("healthcheck cmd curl -f x || exit 1");
    assert_eq!(
        plain.command,
        Command::Shell("curl -f x || exit 1".to_owned())
    );
    let zero = check("HEALTHCHECK --interval=0 --retries=0 CMD x");
    assert_eq!((zero.interval, zero.retries), (None, None));
    assert_eq!(
        step("HEALTHCHECK none"),
        Instruction::Healthcheck(Healthcheck::None)
    );
}

#[test]
fn triggers() {
    let file =
        parse("FROM a\nONBUILD RUN --network=none make\nONBUILD copy <<E /x\nb\nE\n").unwrap();
    let onbuild = |n: usize| file.stages[0].steps[n].onbuild().unwrap();
    assert_eq!(onbuild(0).text, "RUN --network=none make");
    assert!(matches!(*onbuild(0).instruction, Instruction::Run(_)));
    assert_eq!(onbuild(1).text, "copy <<E /x\nb\nE");
    for n in 0..2 {
        let step = parse_trigger(&onbuild(n).text).unwrap();
        let plain = |i: &Instruction| match i {
            // Where it stands is another place now.
            Instruction::Copy(copy) => format!("{:?}", copy.files.sources.len()),
            other => format!("{other:?}"),
        };
        assert_eq!(plain(&step.instruction), plain(&onbuild(n).instruction));
    }
    for (text, why) in [
        ("", "says nothing"),
        ("RUN a\nRUN b", "more than one"),
        ("FROM a", "behind ONBUILD"),
        ("ONBUILD RUN a", "behind ONBUILD"),
        ("RNU a", "unknown instruction"),
    ] {
        let e = parse_trigger(text).unwrap_err();
        assert!(e.message.contains(why), "{text}: {e:?}");
    }
}

#[test]
fn stages_and_what_names_lead_to() {
    let file = parse(
        "ARG v=1 w\nARG x\nFROM --platform=$p img:$v AS Base\nFROM base as two\nCOPY --from=BASE a b\nFROM scratch\nRUN --mount=from=two,target=/t x\nCOPY --from=1 a b\nCOPY --from=nginx a b\n",
    )
    .unwrap();
    assert_eq!(file.global_args.len(), 2);
    assert_eq!(file.global_args[0].args.len(), 2);
    let base = &file.stages[0];
    assert!(base.base.is("img:$v") && base.platform.as_ref().unwrap().is("$p"));
    assert!(base.alias.as_ref().unwrap().is("base"));
    assert_eq!(base.text, "FROM --platform=$p img:$v AS Base");
    assert_eq!(file.base(0, "base"), Source::Image("base".to_owned()));
    assert_eq!(file.base(1, "Base"), Source::Stage(0));
    assert_eq!(file.base(2, "scratch"), Source::Scratch);
    assert_eq!(file.base(2, "1"), Source::Image("1".to_owned()));
    assert_eq!(file.from(2, "1"), Source::Stage(1));
    assert_eq!(file.from(2, "TWO"), Source::Stage(1));
    assert_eq!(file.from(2, "nginx"), Source::Image("nginx".to_owned()));
    assert_eq!(file.target("two"), Some(1));
    assert_eq!(file.target("2"), Some(2));
    assert_eq!(file.target("3"), None);
}

#[test]
fn a_stage_may_be_named_as_its_image() {
    let file = parse("FROM nginx AS nginx\nFROM alpine\nCOPY --from=nginx a b").unwrap();
    assert_eq!(file.base(0, "nginx"), Source::Image("nginx".to_owned()));
    assert_eq!(file.from(1, "nginx"), Source::Stage(0));
}

#[test]
fn a_step_is_told_in_one_line() {
    let file = parse("FROM a\nrun --network=none \\\n  # c\n  a && \\\n  b").unwrap();
    assert_eq!(
        file.stages[0].steps[0].text,
        "RUN --network=none   a &&   b"
    );
}
