//! The command line as clap sees it.

use clap::{CommandFactory, Parser, Subcommand};

use super::super::one_line;
use super::*;

#[derive(Debug, Parser)]
#[command(name = "rcon", term_width = 100)]
struct Line {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Run
    Run(Run),
    /// Create
    Create(Create),
    /// Exec
    Exec(Exec),
}

fn read(line: &[&str]) -> Result<Sub, clap::Error> {
    Line::try_parse_from(["rcon"].iter().chain(line)).map(|l| l.command)
}

fn run(line: &[&str]) -> Run {
    let line: Vec<&str> = ["run"].iter().chain(line).copied().collect();
    match read(&line) {
        Ok(Sub::Run(run)) => run,
        Ok(other) => panic!("{other:?}"),
        Err(e) => panic!("{line:?}: {e}"),
    }
}

fn exec(line: &[&str]) -> Exec {
    match read(line) {
        Ok(Sub::Exec(exec)) => exec,
        other => panic!("{other:?}"),
    }
}

/// Every flag that is promised: the short letter if it has one, and a value
/// that it takes.
const FLAGS: &[(&str, &str, &str)] = &[
    ("detach", "d", ""),
    ("interactive", "i", ""),
    ("tty", "t", ""),
    ("rm", "", ""),
    ("name", "", "web"),
    ("hostname", "h", "web"),
    ("domainname", "", "example"),
    ("env", "e", "A=b"),
    ("env-file", "", "file"),
    ("workdir", "w", "/x"),
    ("user", "u", "1:1"),
    ("group-add", "", "tty"),
    ("entrypoint", "", "sh"),
    ("init", "", ""),
    ("restart", "", "always"),
    ("stop-signal", "", "INT"),
    ("stop-timeout", "", "-1"),
    ("label", "l", "a=b"),
    ("label-file", "", "file"),
    ("cidfile", "", "file"),
    ("pull", "", "never"),
    ("platform", "", "linux/amd64"),
    ("read-only", "", ""),
    ("tmpfs", "", "/run"),
    ("volume", "v", "/x:/y"),
    ("mount", "", "target=/x"),
    ("volumes-from", "", "web"),
    ("volume-driver", "", "local"),
    ("device", "", "/dev/null"),
    ("device-cgroup-rule", "", "c 1:3 r"),
    ("privileged", "", ""),
    ("cap-add", "", "net_admin"),
    ("cap-drop", "", "ALL"),
    ("security-opt", "", "seccomp=unconfined"),
    ("sysctl", "", "a.b=1"),
    ("ulimit", "", "core=0"),
    ("shm-size", "", "1g"),
    ("pid", "", "host"),
    ("ipc", "", "host"),
    ("uts", "", "host"),
    ("userns", "", "host"),
    ("cgroupns", "", "host"),
    ("cgroup-parent", "", "/x"),
    ("network", "", "web"),
    ("net", "", "web"),
    ("network-alias", "", "db"),
    ("dns", "", "1.1.1.1"),
    ("dns-search", "", "example.com"),
    ("dns-option", "", "ndots:2"),
    ("add-host", "", "db:10.0.0.2"),
    ("publish", "p", "80:80"),
    ("publish-all", "P", ""),
    ("publish-keep-source", "", ""),
    ("expose", "", "80"),
    ("ip", "", "10.0.0.2"),
    ("ip6", "", "fd00::2"),
    ("mac-address", "", "02:42:ac:11:00:02"),
    ("memory", "m", "1g"),
    ("memory-swap", "", "-1"),
    ("memory-reservation", "", "1g"),
    ("memory-swappiness", "", "-1"),
    ("cpus", "", "1.5"),
    ("cpu-shares", "c", "512"),
    ("cpuset-cpus", "", "0-1"),
    ("cpuset-mems", "", "0"),
    ("cpu-quota", "", "-1"),
    ("cpu-period", "", "1000"),
    ("cpu-rt-period", "", "1000"),
    ("cpu-rt-runtime", "", "1000"),
    ("pids-limit", "", "-1"),
    ("blkio-weight", "", "10"),
    ("blkio-weight-device", "", "/dev/sda:10"),
    ("device-read-bps", "", "/dev/sda:1m"),
    ("device-write-bps", "", "/dev/sda:1m"),
    ("device-read-iops", "", "/dev/sda:10"),
    ("device-write-iops", "", "/dev/sda:10"),
    ("oom-score-adj", "", "-500"),
    ("oom-kill-disable", "", ""),
    ("health-cmd", "", "-x"),
    ("health-interval", "", "1s"),
    ("health-timeout", "", "1s"),
    ("health-retries", "", "1"),
    ("health-start-period", "", "1s"),
    ("health-start-interval", "", "1s"),
    ("no-healthcheck", "", ""),
    ("log-driver", "", "none"),
    ("log-opt", "", "max-size=1m"),
    ("annotation", "", "a=b"),
    ("detach-keys", "", "ctrl-a"),
    ("sig-proxy", "", ""),
    ("attach", "a", "stdout"),
    ("gpus", "", "all"),
    ("rootfs", "", ""),
    ("explain", "", ""),
    ("timings", "", ""),
    ("quiet", "q", ""),
];

fn long_help(of: &str) -> String {
    let mut command = Line::command();
    command.build();
    let sub = command.find_subcommand_mut(of);
    sub.expect("a subcommand").render_long_help().to_string()
}

#[test]
fn every_flag_is_known_and_takes_what_it_should() {
    for (long, short, value) in FLAGS {
        let long = format!("--{long}");
        let mut lines = vec![vec![&*long, value, "img"]];
        if !value.is_empty() {
            lines.push(vec!["-t", &*long, value, "img", "x"]);
        }
        let short = format!("-{short}");
        if short != "-" {
            lines.push(vec![&short, value, "img"]);
        }
        for mut line in lines {
            line.retain(|word| !word.is_empty());
            assert_eq!(run(&line).create.image(), "img", "{line:?}");
        }
    }
}

#[test]
fn every_flag_is_documented_with_its_default() {
    let mut command = Line::command();
    command.build();
    let sub = command.find_subcommand("run").unwrap();
    for (long, ..) in FLAGS {
        let known = |a: &&clap::Arg| {
            let also = a.get_visible_aliases().unwrap_or_default();
            a.get_long() == Some(*long) || also.contains(long)
        };
        let arg = sub.get_arguments().find(known);
        let arg = arg.unwrap_or_else(|| panic!("--{long} is not known"));
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let default = !arg.get_default_values().is_empty();
        let says = help.contains("[default: ") || default || *long == "gpus";
        assert!(says && help.len() > 20, "--{long}: {help}");
        assert!(
            !help.ends_with('.') && !arg.is_hide_set(),
            "--{long}: {help}"
        );
        assert!(arg.get_help_heading().is_some(), "--{long} stands alone");
    }
    let promised = |long: &str| FLAGS.iter().any(|(name, ..)| *name == long);
    for arg in sub.get_arguments().filter_map(clap::Arg::get_long) {
        assert!(promised(arg) || arg == "help", "--{arg} is not in the list");
    }
}

#[test]
fn help_is_grouped() {
    let help = long_help("run");
    for heading in [
        "Life:",
        "Program:",
        "Variables:",
        "Files and devices:",
        "Network:",
        "Limits:",
        "Isolation:",
        "Health:",
        "Records:",
    ] {
        assert_eq!(
            help.matches(&format!("\n{heading}\n")).count(),
            1,
            "{heading}"
        );
    }
    assert!(
        help.contains("Usage: rcon run [OPTIONS] IMAGE [COMMAND] [ARG]..."),
        "{help}"
    );
    assert!(
        !help.contains("\nOptions:"),
        "a flag without a group: {help}"
    );
    assert!(long_help("exec").contains("Usage: rcon exec [OPTIONS] CONTAINER COMMAND [ARG]..."));
    assert!(long_help("create").contains("Usage: rcon create [OPTIONS] IMAGE"));
}

#[test]
fn options_end_at_the_image() {
    for command in [
        &["ls", "-l", "--help"][..],
        &["-l", "--rm"],
        &["--help"],
        &["--", "x"],
        &["-h"],
        &["sh", "-c", "echo --name=x"],
        &[],
    ] {
        let line: Vec<&str> = ["-t", "img"].iter().chain(command).copied().collect();
        let run = run(&line).create;
        assert_eq!(
            (run.image(), run.command()),
            (
                "img",
                &command.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..]
            )
        );
        assert!(run.life.tty && !run.life.rm && run.life.name.is_none());
    }
    assert_eq!(run(&["--rm", "--", "img", "-x"]).create.command(), ["-x"]);
    let exec = exec(&["exec", "-it", "web", "ls", "-d", "--help"]);
    assert_eq!(exec.container_and_command, ["web", "ls", "-d", "--help"]);
    assert!(exec.interactive && exec.tty && !exec.detach);
}

#[test]
fn short_flags_go_together() {
    let run = run(&["-itdeA=b", "-p80:80", "-hweb", "-v", "/x", "img"]);
    let create = &run.create;
    assert!(run.detach && create.life.interactive && create.life.tty);
    assert_eq!(create.environment.env, ["A=b"]);
    assert_eq!(create.program.hostname.as_deref(), Some("web"));
    assert_eq!(
        (create.network.publish.len(), create.files.volume.len()),
        (1, 1)
    );
}

#[test]
fn the_last_of_two_counts_and_lists_grow() {
    let create = run(&["--name", "aa", "--name", "bb", "-eA", "-eB", "-eA", "img"]).create;
    assert_eq!(create.life.name.as_deref(), Some("bb"));
    assert_eq!(create.environment.env, ["A", "B", "A"]);
}

#[test]
fn help_is_not_the_host_name() {
    let e = read(&["run", "--help"]).unwrap_err();
    assert!(one_line(&e).is_none(), "{e}");
    assert!(read(&["run", "-h"]).is_err_and(|e| one_line(&e).is_some()));
    assert!(one_line(&read(&["exec", "--help"]).unwrap_err()).is_none());
}

#[test]
fn a_wrong_line_is_told_in_one_line() {
    for (line, want) in [
        (
            &["run", "-m", "5x", "img"][..],
            "--memory: invalid size: \"5x\" (a number of bytes, or with a unit as in 64k, 512m, 1.5g)",
        ),
        (
            &["run", "--pull", "often", "img"],
            "invalid value 'often' for '--pull <WHEN>' [possible values: always, missing, never] (see --help)",
        ),
        (
            &["run", "--colour", "img"],
            "unexpected argument '--colour' found (see --help)",
        ),
        (
            &["run", "--vollume", "x", "img"],
            "unexpected argument '--vollume' found (a similar argument exists: '--volume')",
        ),
        (&["create", "-d", "img"], "unexpected argument '-d' found"),
        (
            &["run", "--name", "-t", "img"],
            "a value is required for '--name <NAME>'",
        ),
        (
            &["run", "--name", "a/b", "img"],
            "invalid container name \"a/b\"",
        ),
        (
            &["run", "-u", "4294967296", "img"],
            "invalid user \"4294967296\"",
        ),
        (&["run", "--user=-1", "img"], "invalid user \"-1\""),
        (
            &["run", "-w", "x", "img"],
            "it needs to be an absolute path",
        ),
        (
            &["run", "--stop-signal", "X", "img"],
            "invalid signal: \"X\"",
        ),
        (
            &["run", "--stop-timeout", "-2", "img"],
            "a whole number from -1",
        ),
        (
            &["run", "--oom-score-adj", "1001", "img"],
            "a whole number from -1000 to 1000",
        ),
        (
            &["run", "--memory-swappiness", "101", "img"],
            "a whole number from -1 to 100",
        ),
        (
            &["run", "--blkio-weight", "9", "img"],
            "a whole number from 10 to 1000",
        ),
        (
            &["run", "--cpu-shares", "1", "img"],
            "a whole number from 2 to 262144",
        ),
        (
            &["run", "--health-interval", "-1s", "img"],
            "it cannot be negative",
        ),
        (
            &["run", "--health-retries", "-1", "img"],
            "cannot be negative",
        ),
        (
            &["run", "--log-driver", "syslog", "img"],
            "json-file, none or passthrough",
        ),
        (
            &["run", "--log-driver", "local", "img"],
            "json-file is limited here",
        ),
        (&["run", "--cap-add", "a b", "img"], "invalid capability"),
        (
            &["run", "-a", "stdlog", "img"],
            "valid streams are STDIN, STDOUT and STDERR",
        ),
        (&["run"], "required arguments were not provided"),
    ] {
        let e = one_line(&read(line).unwrap_err()).unwrap().to_string();
        assert!(e.contains(want) && !e.contains("\\n"), "{line:?}: {e}");
    }
}

#[test]
fn values_are_read_as_they_are_typed() {
    let all = run(&[
        "-u",
        "web:www",
        "-w",
        "/a/../b",
        "--cap-add",
        "net_admin",
        "--cap-add",
        "cap_chown",
        "--cap-drop",
        "all",
        "--stop-signal",
        "quit",
        "-aSTDIN",
        "-a",
        "stderr",
        "img",
    ]);
    let create = all.create;
    assert_eq!(create.program.user.as_deref(), Some("web:www"));
    assert_eq!(create.program.workdir.as_deref(), Some("/b"));
    assert_eq!(create.isolation.cap_add, ["CAP_NET_ADMIN", "CAP_CHOWN"]);
    assert_eq!(create.isolation.cap_drop, ["ALL"]);
    assert_eq!(create.life.stop_signal.as_deref(), Some("SIGQUIT"));
    assert_eq!(create.life.attach, [Stream::Stdin, Stream::Stderr]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever stands behind a flag is read or refused, and a refusal is one
    /// line that names the flag.
    #[test]
    fn any_value_of_any_flag_is_survived(value in "\\PC{0,16}|[a-z0-9:/=,.\\-]{0,16}") {
        for (long, _, example) in FLAGS.iter().filter(|(.., example)| !example.is_empty()) {
            let word = format!("--{long}={value}");
            if let Err(e) = read(&["run", &word, "img"]) {
                let told = one_line(&e).unwrap().to_string();
                let name = if *long == "net" { "network" } else { long };
                proptest::prop_assert!(told.contains(&format!("--{name}")), "{} {}: {}", long, example, told);
            }
        }
    }
}
