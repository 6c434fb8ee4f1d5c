//! Ways between a container and the one who started it that are no files:
//! the terminal, sockets without a path, ports that somebody listens at.

use super::{Daily, HONEST};
use crate::common::host::proc_file;
use crate::common::{Need, eventually};
use crate::terminal::{KEYS, assert_nothing_pushed, assert_push_works_by, at_a_terminal};
use std::time::{Duration, Instant};

/// CVE-2017-5226: with the caller's terminal for input, with one of its own,
/// and by `exec`.
#[test]
fn cve_2017_5226_nothing_is_typed_into_the_callers_terminal() {
    let Some(daily) = Daily::needing(&[Need::Tool("setsid")]) else {
        return;
    };
    assert_push_works_by(daily.bed.path("free"));
    let push = ["/probe", "tiocsti", KEYS];
    daily.idle("box", &[]);
    for flags in [&[][..], &["-i"], &["-t"], &["-it"]] {
        let own = flags.iter().any(|f| f.contains('t'));
        let run = daily.run_call(flags, HONEST, &push);
        assert_nothing_pushed(at_a_terminal(run), own);
        let exec = [&["exec"], flags, &["box"], &push].concat();
        assert_nothing_pushed(at_a_terminal(daily.bed.call(&exec)), own);
    }
}

/// CVE-2020-15257: who shares the host's network reaches every socket there
/// that has no path; so nobody who looks after containers has one.
#[test]
fn cve_2020_15257_no_abstract_sockets_beside_the_hosts_network() {
    let Some(daily) = Daily::new() else { return };
    // The network of this test's own thread is the host's for rcon.
    let run = ["run", "-d", "--network", "host", "--name", "box"];
    let health = ["--health-cmd", "true", "--health-interval", "1s"];
    let args = [&run[..], &health, &[HONEST, "/probe", "idle", "600000"]].concat();
    daily.bed.rcon(&args).ok();
    let pid = daily.pid("box");
    let look = |when: &str| {
        let text = proc_file(pid, "net/unix");
        let found: Vec<&str> = text.lines().filter(|l| l.contains('@')).collect();
        assert!(found.is_empty(), "{when}: {found:#?}");
    };
    look("started");
    for args in [
        &["exec", "box", "/probe", "idle", "300"][..],
        &["logs", "-f", "box"],
        &["stats", "box"],
        &["attach", "box"],
    ] {
        let mut running = daily.bed.call(args).spawn();
        let end = Instant::now() + Duration::from_millis(400);
        while !running.has_ended() && Instant::now() < end {
            look(args[0]);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Who listens: address and port, in the words of procfs.
fn listeners(pid: i32) -> Vec<String> {
    let mut all = Vec::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = proc_file(pid, &format!("net/{table}"));
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // 0A listens; a datagram socket that is not connected is 07.
            if matches!(fields[3], "0A" | "07") {
                all.push(format!("{table} {}", fields[1]));
            }
        }
    }
    all.sort();
    all
}

/// CVE-2021-4024: a helper's own port was open to everybody. Here nobody
/// listens but for what was published, where it was published.
#[test]
fn cve_2021_4024_nobody_listens_but_for_published_ports() {
    let Some(daily) = Daily::needing(&[Need::Tool("nft")]) else {
        return;
    };
    // This thread's network, where rcon and its helpers are.
    let thread = nix::unistd::gettid().as_raw();
    let machine = || listeners(thread);
    assert!(machine().is_empty(), "{:?}", machine());
    let start = |name: &str, flags: &[&str]| {
        let args = [&["run", "-d", "--name", name], flags].concat();
        let serve = "while :; do nc -l -p 80 -e echo served; done";
        let program = [HONEST, "sh", "-c", serve];
        daily.bed.rcon(&[&args[..], &program].concat()).ok();
    };
    start("shut", &[]);
    assert!(machine().is_empty(), "{:?}", machine());
    start("open", &["-p", "127.0.0.1:8080:80"]);
    let published = ["tcp 0100007F:1F90"];
    assert_eq!(machine(), published);
    // Also while there is traffic, and after it.
    eventually("it is served", || {
        let got = crate::support::read_all(("127.0.0.1", 8080));
        got == "served\n"
    });
    assert_eq!(machine(), published);
    // In the container: its program, and its own name server on loopback.
    let inside = listeners(daily.pid("open"));
    for line in &inside {
        let known = line.ends_with(":0050") || line.contains(" 0B00007F:");
        assert!(known, "{inside:?}");
    }
    daily.bed.rcon(&["rm", "-f", "open", "shut"]).ok();
    assert!(machine().is_empty(), "{:?}", machine());
}
