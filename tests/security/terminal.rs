//! Channels between a container and whoever called the runtime: the terminal,
//! into which a program could push keystrokes, and sockets without a path.

use super::common::host::proc_file;
use super::common::pty::{UnderPty, under_pty};
use super::common::{Bed, Call, Need, drop_namespace, json, mount};
use super::support::{bed, bed_with, called_by, lines, probe_on_host, probing, push};
use nix::poll::{PollFd, PollFlags, poll};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;

/// What a careless program pushes, ending the line so that a shell would act.
pub(crate) const KEYS: &str = "echo pushed\n";

/// Runs a call whose terminal is a pty of ours, as its controlling terminal,
/// and returns what was shown and whether keystrokes wait to be read.
pub(crate) fn at_a_terminal(call: Call) -> (String, bool) {
    let call = called_by(call, &["setsid", "--ctty", "--wait"]);
    let mut ours = under_pty(call, 24, 80);
    let shown = read_while_running(&mut ours);
    let mut fds = [PollFd::new(ours.slave.as_fd(), PollFlags::POLLIN)];
    let waiting = poll(&mut fds, 200_u16).is_ok_and(|n| n > 0);
    (shown, waiting)
}

fn read_while_running(ours: &mut UnderPty) -> String {
    let running = &mut ours.running;
    super::common::eventually("the command ends", || running.has_ended());
    // A line of our own marks the end, for the slave stays open.
    nix::unistd::write(&ours.slave, b"the end\n").expect("the slave is open");
    ours.terminal.wait_for("the end").replace('\r', "")
}

fn tools() -> Option<Bed> {
    bed_with(&[Need::Tool("setsid")])
}

/// The push must work where nobody prevents it, unless this kernel's own
/// switch has already abolished it.
#[track_caller]
fn assert_push_works(bed: &Bed) {
    assert_push_works_by(bed.path("free"));
}

/// The same with a place for what is said.
#[track_caller]
pub(crate) fn assert_push_works_by(files: PathBuf) {
    let call = Call::new(probe_on_host(&["tiocsti", KEYS]), files);
    let (shown, waiting) = at_a_terminal(call);
    let abolished = shown.contains("stdin EIO");
    assert!(waiting || abolished, "the push itself fails: {shown}");
}

#[track_caller]
pub(crate) fn assert_nothing_pushed((shown, waiting): (String, bool), expect_own: bool) {
    assert!(!lines(&shown, "stderr").is_empty(), "did not run: {shown}");
    assert!(!waiting, "the caller's terminal was written to: {shown}");
    for name in ["stdin", "stdout", "stderr", "/dev/tty", "steal", "stolen"] {
        let pushed = lines(&shown, name) == [format!("{name} ok")];
        assert!(expect_own || !pushed, "{name}: {shown}");
    }
}

#[test]
fn cve_2017_5226_tiocsti_with_the_callers_terminal_as_standard_input() {
    let Some(bed) = tools() else { return };
    assert_push_works(&bed);
    let container = probing(&bed, &["tiocsti", KEYS], |_| ());
    assert_nothing_pushed(at_a_terminal(container.call_with_bundle("run", &[])), false);
}

#[test]
fn cve_2017_5226_tiocsti_by_exec() {
    let Some(bed) = tools() else { return };
    let container = probing(&bed, &["idle", "600000"], |_| ());
    container.run_detached();
    let call = container.call("exec", &[], &["/probe", "tiocsti", KEYS]);
    assert_nothing_pushed(at_a_terminal(call), false);
}

#[test]
fn cve_2017_5226_tiocsti_into_a_terminal_of_its_own() {
    let Some(bed) = tools() else { return };
    let container = probing(&bed, &["tiocsti", KEYS], |spec| {
        spec["process"]["terminal"] = json!(true);
    });
    assert_nothing_pushed(at_a_terminal(container.call_with_bundle("run", &[])), true);

    let idle = probing(&bed, &["idle", "600000"], |_| ());
    idle.run_detached();
    let call = idle.call("exec", &["--tty"], &["/probe", "tiocsti", KEYS]);
    assert_nothing_pushed(at_a_terminal(call), true);
}

/// In a network namespace of the caller's own, which the container shares,
/// every socket without a path is the runtime's.
#[test]
fn cve_2020_15257_no_abstract_sockets() {
    let Some(bed) = bed_with(&[Need::Tool("unshare")]) else {
        return;
    };
    let container = probing(&bed, &["idle", "600000"], |spec| {
        drop_namespace(spec, "network");
        // A sysfs of its own needs a network namespace that it owns.
        push(&mut spec["mounts"], mount("/run", "tmpfs", "tmpfs", &[]));
    });
    let alone = ["unshare", "--net"];
    called_by(container.call_with_bundle("create", &[]), &alone)
        .output()
        .ok();
    let pid = container.pid();
    let look = |when: &str| {
        let text = proc_file(pid, "net/unix");
        let found: Vec<&str> = text.lines().filter(|l| l.contains('@')).collect();
        assert!(found.is_empty(), "{when}: {found:#?}");
    };
    look("created");
    container.start();
    look("started");
    let mut exec = container
        .call("exec", &[], &["/probe", "idle", "300"])
        .spawn();
    while !exec.has_ended() {
        look("exec");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    look("after exec");
}

#[test]
fn cve_2020_15257_the_look_at_sockets_sees_one() {
    let Some(_bed) = bed() else { return };
    let name = format!("rcon-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let text = proc_file(std::process::id() as i32, "net/unix");
    assert!(text.contains(&format!("@{name}")));
}
