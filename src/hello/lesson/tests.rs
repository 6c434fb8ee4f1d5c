//! What is said of which facts.

use super::super::observe::{
    Capabilities, IdRange, Interface, Limits, Mounts, Namespace, Seccomp, Ulimit,
};
use super::*;

const MOUNTS: &str = "\
1 0 0:50 / / rw - overlay overlay rw
2 1 0:51 / /proc rw - proc proc rw
3 1 0:54 / /sys ro - sysfs sysfs ro
4 2 0:51 /sys /proc/sys ro - proc proc rw
5 2 0:57 /null /proc/kcore rw - tmpfs tmpfs rw
6 2 0:57 /null /proc/keys rw - tmpfs tmpfs rw
7 1 8:1 /h /etc/hosts rw - ext4 /dev/sda rw
8 1 8:1 /n /etc/hostname rw - ext4 /dev/sda rw
9 1 8:1 /d /data ro - xfs /dev/sda rw
";

fn namespace(kind: &str, initial: Option<bool>) -> Namespace {
    Namespace {
        kind: kind.to_owned(),
        inode: 7,
        initial,
    }
}

fn usual() -> Vec<String> {
    crate::spec::DEFAULT_CAPABILITIES
        .iter()
        .map(|n| n.trim_start_matches("CAP_").to_ascii_lowercase())
        .collect()
}

fn facts() -> Facts {
    let mut facts = Facts::default();
    facts.machine.kernel = "6.18.1".to_owned();
    facts.machine.memory = Some(2 << 30);
    facts.machine.processors = 2;
    facts.process.pid = 1;
    facts.process.visible = 1;
    facts.process.arguments = vec!["/hello".to_owned()];
    facts.process.directory = "/".to_owned();
    facts.host_name = "0123456789ab".to_owned();
    facts.user.name = Some("root".to_owned());
    facts.user.map = vec![IdRange {
        inside: 0,
        outside: 0,
        count: u32::MAX,
    }];
    facts.namespaces = vec![
        namespace("pid", Some(false)),
        namespace("uts", Some(false)),
        namespace("user", Some(true)),
        namespace("net", None),
    ];
    facts.mounts = Mounts::parse(MOUNTS);
    facts.capabilities = Capabilities {
        effective: usual(),
        bounding: usual(),
        known: 41,
        ..Capabilities::default()
    };
    facts.seccomp = Seccomp::Filter;
    facts.ulimits = vec![Ulimit {
        name: "open files".to_owned(),
        soft: Some(1024),
        hard: None,
    }];
    facts.interfaces = vec![Interface {
        name: "lo".to_owned(),
        up: true,
        addresses: vec!["127.0.0.1/8".to_owned()],
    }];
    let variables = [("PATH", "/bin"), ("PASSWORD", "hunter2")];
    let variables = variables.map(|(n, v)| (n.to_owned(), v.to_owned()));
    facts.environment = variables.into();
    facts
}

/// All that is said, a fact a line.
fn said(facts: &Facts, audience: Audience) -> String {
    let lesson = teach(facts, audience);
    let facts = lesson.sections.iter().flat_map(|s| &s.facts);
    let lines: Vec<String> = facts
        .map(|f| format!("{}: {}; {}\n", f.about, f.is, f.why))
        .collect();
    lines.concat()
}

#[track_caller]
fn says(facts: &Facts, wanted: &[&str]) {
    let said = said(facts, Audience::Caller);
    for wanted in wanted {
        assert!(said.contains(wanted), "{wanted:?} is not in:\n{said}");
    }
}

#[test]
fn an_ordinary_container() {
    says(
        &facts(),
        &[
            "process: number 1, its parent outside, 1 in sight; another number",
            "user: root (uid 0, gid 0); root outside, too",
            "host name: 0123456789ab; the container's own",
            "command: /hello; ",
            "its own: pid:7 uts:7; ",
            "shared: user:7; ",
            "unknown whose: net:7; ",
            "/: overlay, writable; ",
            "/sys: sysfs, read-only; ",
            "hidden: /proc: kcore keys; ",
            "protected: /proc/sys; ",
            "mounted: /etc: hosts hostname; rcon's, ",
            "mounted: /data: xfs, read-only; ",
            "may: 14 of 41 capabilities: audit_write ",
            "; Docker's usual ones\n",
            "may not: sys_admin (mount), net_admin",
            "calls: filtered; ",
            "privileges: can grow (su, sudo); ",
            "memory: no limit; the machine's 2GiB; ",
            "cpu: no limit; 2 processors; ",
            "processes: no limit; ",
            "ulimits: open files 1024; ",
            "lo: 127.0.0.1/8; ",
            "others: none; ",
            "2 variables: PASSWORD=hunter2 PATH=/bin; ",
        ],
    );
}

#[test]
fn limits_are_told() {
    let mut facts = facts();
    facts.limits = Limits {
        memory: Some(64 << 20),
        cpus: Some(0.5),
        processes: Some(100),
        cgroups: None,
    };
    says(
        &facts,
        &[
            "memory: 64MiB; beyond",
            "cpu: 0.5 of 2 processors; ",
            "processes: 100; ",
        ],
    );
}

#[test]
fn less_power_and_more() {
    let mut facts = facts();
    facts.no_new_privs = true;
    facts.capabilities.effective.retain(|c| c != "net_raw");
    says(
        &facts,
        &[
            "Docker's usual ones without net_raw\n",
            "privileges: never more; ",
        ],
    );
    facts.capabilities.effective = usual();
    facts.capabilities.effective.push("sys_admin".to_owned());
    says(
        &facts,
        &["Docker's usual ones and 1 more\n", "may not: net_admin"],
    );
    facts.capabilities.effective.clear();
    says(
        &facts,
        &["may: nothing that needs a capability; root without"],
    );
    facts.user.uid = 1000;
    says(&facts, &["not root; a set-user-id program could get 14\n"]);
    facts.capabilities.bounding.clear();
    says(&facts, &["and no program in here can get any"]);
    facts.capabilities.known = 2;
    facts.capabilities.effective = vec!["chown".to_owned(), "kill".to_owned()];
    facts.seccomp = Seccomp::Off;
    says(
        &facts,
        &["may: all 2 capabilities; ", "calls: all of them; "],
    );
}

#[test]
fn another_user_outside() {
    let mut facts = facts();
    facts.user.map[0].outside = 100_000;
    says(&facts, &["outside it is 100000: a user namespace"]);
    facts.user.map.clear();
    facts.user.name = None;
    facts.user.groups = vec![0, 5, 6];
    says(
        &facts,
        &[
            "user: a user without a name (uid 0, gid 0); nobody outside",
            "groups: 5 6; ",
        ],
    );
}

#[test]
fn outside_of_any_container() {
    let mut facts = facts();
    facts.namespaces = vec![namespace("pid", Some(true)), namespace("uts", Some(true))];
    let greeting = teach(&facts, Audience::Caller).greeting;
    assert!(greeting.starts_with("Hello from outside"), "{greeting}");
    says(&facts, &["numbered as everywhere", "; the machine's\n"]);
    facts.namespaces[0].initial = Some(false);
    let greeting = teach(&facts, Audience::Caller).greeting;
    assert!(greeting.starts_with("Hello from inside"), "{greeting}");
}

#[test]
fn who_sees_the_page_does_not_see_passwords() {
    let mut facts = facts();
    let said = said(&facts, Audience::Anybody);
    assert!(said.contains("PASSWORD=… PATH=/bin"), "{said}");
    assert!(!said.contains("hunter2"));
    keep_back(&mut facts);
    assert_eq!(facts.environment["PASSWORD"], "(kept back)");
    assert_eq!(facts.environment["PATH"], "/bin");
}

#[test]
fn long_and_many_values_are_cut() {
    let mut facts = facts();
    facts.environment = (0..20)
        .map(|n| (format!("V{n:02}"), "x".repeat(100)))
        .collect();
    let said = said(&facts, Audience::Caller);
    assert!(
        said.contains(&format!("V11={}… …;", "x".repeat(40))),
        "{said}"
    );
    assert!(!said.contains("V12"));
}

#[test]
fn nothing_speaks_to_the_terminal() {
    let mut facts = facts();
    let evil = "\x1b[2J\u{202e}evil";
    facts.host_name = evil.to_owned();
    facts.machine.kernel = evil.to_owned();
    facts.process.arguments = vec![evil.to_owned()];
    facts.user.name = Some(evil.to_owned());
    facts.environment = [(evil.to_owned(), evil.to_owned())].into();
    facts.interfaces[0].name = evil.to_owned();
    facts.mounts.0[8].path = format!("/{evil}");
    for audience in [Audience::Caller, Audience::Anybody] {
        let lesson = format!("{:#}", said(&facts, audience)) + &teach(&facts, audience).greeting;
        assert!(!lesson.contains(['\x1b', '\u{202e}']), "{lesson}");
        assert!(lesson.contains("evil"));
    }
}

#[test]
fn a_page_names_its_container() {
    let mut facts = facts();
    let command = |facts: &Facts| teach(facts, Audience::Anybody).next[0].command.clone();
    assert_eq!(command(&facts), "rcon exec 0123456789ab /hello");
    facts.host_name = "web".to_owned();
    assert_eq!(command(&facts), "rcon exec CONTAINER /hello");
}
