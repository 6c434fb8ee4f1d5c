//! Processes that enter a container from outside are the moment at which the
//! container can reach out: through what they hold open, what they execute and
//! where they stand.

use super::common::host::{PATIENCE, becomes_true, eventually};
use super::common::{Bed, Call, Container, Need, Value, json, words};
use super::support::{
    HostTree, as_other_user, assert_same, bed, bed_with, by_copy, lines, plant, probe_args,
    probing, script, tree, with_leaked,
};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a spy inside may see of newcomers: the program they became, and the
/// three standard streams.
pub(crate) fn judge_spy(text: &str) {
    for line in text.lines().filter(|l| *l != "haunting") {
        let parts: Vec<&str> = line.splitn(4, ' ').collect();
        let sound = match parts[1..] {
            ["exe", program] => program == "/probe",
            ["fd", number, _] => number.parse::<u32>().is_ok_and(|n| n < 3),
            ["traced"] => true,
            _ => false,
        };
        assert!(sound, "the spy saw {line:?}");
    }
    assert!(text.contains("exe /probe"), "the spy saw nobody: {text}");
    assert!(text.contains("traced"), "the spy traced nobody: {text}");
}

fn spy_on_newcomers(patch: impl FnOnce(&mut Value)) {
    let Some(bed) = bed() else { return };
    let spy = probing(&bed, &["spy"], patch);
    spy.run_detached().wait_for_output("haunting");
    let visit = || {
        let call = spy.call("exec", &[], &["/probe", "idle", "3"]);
        call.env("RCON_TEST_SECRET", "1").output().ok();
    };
    (0..60).for_each(|_| visit());
    // On a busy machine it may take the spy longer to meet anybody.
    becomes_true(PATIENCE, || {
        visit();
        spy.stdout().contains("traced")
    });
    judge_spy(&spy.stdout());
}

#[test]
fn cve_2016_9962_a_process_that_joins_cannot_be_traced() {
    spy_on_newcomers(|_| ());
}

#[test]
fn cve_2016_9962_nor_by_the_owner_of_a_user_namespace() {
    spy_on_newcomers(|spec| {
        as_other_user(spec);
        let capabilities = &mut spec["process"]["capabilities"];
        for set in ["bounding", "permitted", "effective"] {
            super::support::push(&mut capabilities[set], json!("CAP_SYS_PTRACE"));
        }
    });
}

/// A copy of the runtime to attack, since a success would destroy it.
fn sacrifice(bed: &Bed, call: Call) -> (PathBuf, Call) {
    let mut copy = PathBuf::new();
    let call = call.with(|command| {
        let original = Path::new(command.get_program());
        bed.directory("sacrifice");
        copy = bed.path("sacrifice").join(original.file_name().unwrap());
        if !copy.exists() {
            fs::copy(original, &copy).unwrap();
        }
    });
    let call = by_copy(call, &copy);
    (copy, call)
}

#[test]
fn cve_2019_5736_the_runtime_cannot_be_overwritten() {
    let Some(bed) = bed() else { return };
    let attacker = probing(&bed, &["overwrite"], |_| ());
    plant(&attacker, "victim");
    script(&attacker.rootfs("entry"), "#!/proc/self/exe\n");
    let (copy, run) = sacrifice(&bed, attacker.call_with_bundle("run", &["--detach"]));
    let before = tree(&copy);
    run.output().ok();
    attacker.wait_for_output("haunting");

    // The attack itself must work, on a program nobody protects.
    let victim = attacker.rootfs("victim");
    let unharmed = tree(&victim);
    eventually("the attack works", || {
        attacker.exec(&["/victim", "idle", "50"]);
        tree(&victim) != unharmed
    });

    for program in [&["/entry"][..], &["/probe", "hello"], &["/proc/self/exe"]] {
        for _ in 0..15 {
            let exec = attacker.call("exec", &[], program);
            sacrifice(&bed, exec).1.output();
        }
    }
    let pids = format!("/proc/{}/ns/pid", attacker.pid());
    for program in ["/entry", "/proc/self/exe"] {
        let second = bed.container(|spec| {
            spec["process"]["args"] = words(program);
            super::common::namespace(spec, json!({ "type": "pid", "path": pids }));
        });
        script(&second.rootfs("entry"), "#!/proc/self/exe\n");
        for _ in 0..10 {
            sacrifice(&bed, second.call_with_bundle("run", &[]))
                .1
                .output();
            bed.call(&["delete", "--force", &second.id]).output();
        }
    }
    let changed = || tree(&copy) != before;
    becomes_true(Duration::from_millis(300), changed);
    assert_same(&before, &tree(&copy), "attacks through /proc/self/exe");
}

#[test]
fn the_program_starts_with_three_descriptors() {
    let Some(bed) = bed_with(&[Need::Tool("bash")]) else {
        return;
    };
    let leaked = [3, 4, 7, 42, 200];
    let audit = |text: &str, how: &str| {
        let numbers: Vec<&str> = text.lines().filter_map(|l| l.split(' ').nth(1)).collect();
        assert_eq!(numbers, ["0", "1", "2"], "{how}: {text}");
    };
    let run = probing(&bed, &["fds"], |_| ());
    let out = with_leaked(run.call_with_bundle("run", &[]), &leaked).output();
    audit(&out.ok().stdout, "run");

    let created = probing(&bed, &["fds"], |_| ());
    with_leaked(created.call_with_bundle("create", &[]), &leaked)
        .output()
        .ok();
    with_leaked(created.call("start", &[], &[]), &leaked)
        .output()
        .ok();
    audit(&created.wait_for_output("fd 2"), "create and start");

    let idle = probing(&bed, &["idle", "600000"], |_| ());
    idle.run_detached();
    let exec = idle.call("exec", &[], &["/probe", "fds"]);
    audit(&with_leaked(exec, &leaked).output().ok().stdout, "exec");
}

/// The caller holds the host's root open at some of the numbers tried.
const LEAKED: [u32; 5] = [9, 20, 21, 22, 23];

#[track_caller]
fn judge_climb(text: &str, cwd: &str) {
    assert!(lines(text, "escaped").is_empty(), "from {cwd}: {text}");
    for line in lines(text, "cwd") {
        // The kernel's two ways to say "outside of your root".
        let outside = line.contains("unreachable") || line == "cwd ENOENT";
        assert!(!outside, "{cwd} is outside: {text}");
    }
}

fn climber<'b>(bed: &'b Bed, host: &HostTree, cwd: &str) -> Container<'b> {
    let wanted = host.path("secret");
    probing(bed, &["climb", wanted.trim_start_matches('/')], |spec| {
        spec["process"]["cwd"] = json!(cwd);
    })
}

#[test]
fn cve_2024_21626_leaked_descriptor_as_cwd() {
    let Some(bed) = bed_with(&[Need::Tool("bash")]) else {
        return;
    };
    let host = HostTree::make(&bed);
    // The attack itself must work where nobody stands in the way.
    let mut free = super::support::probe_on_host(&["climb", host.path("secret").trim_matches('/')]);
    let free = free.current_dir("/").output().unwrap();
    assert!(String::from_utf8_lossy(&free.stdout).contains("escaped"));
    let honest = climber(&bed, &host, "/tmp").run().ok();
    assert_eq!(honest.text(), "cwd /tmp");
    for number in 3..=50 {
        let cwd = format!("/proc/self/fd/{number}");
        let container = climber(&bed, &host, &cwd);
        let call = with_leaked(container.call_with_bundle("run", &[]), &LEAKED);
        judge_climb(&call.output().stdout, &cwd);
    }
    host.assert_unchanged("working directories in /proc/self/fd");
}

#[test]
fn cve_2024_21626_leaked_descriptor_as_cwd_of_exec() {
    let Some(bed) = bed_with(&[Need::Tool("bash")]) else {
        return;
    };
    let host = HostTree::make(&bed);
    let container = probing(&bed, &["idle", "600000"], |_| ());
    container.run_detached();
    let wanted = host.path("secret");
    let climb = ["/probe", "climb", wanted.trim_start_matches('/')];
    let honest = container.exec_with(&["--cwd", "/tmp"], &climb).ok();
    assert_eq!(honest.text(), "cwd /tmp");
    for number in 3..=50 {
        let cwd = format!("/proc/self/fd/{number}");
        let call = container.call("exec", &["--cwd", &cwd], &climb);
        judge_climb(&with_leaked(call, &LEAKED).output().stdout, &cwd);
    }
    let link = container.rootfs("link");
    for number in 3..=12 {
        let _ = fs::remove_file(&link);
        symlink(format!("/proc/self/fd/{number}"), &link).unwrap();
        let call = container.call("exec", &["--cwd", "/link"], &climb);
        judge_climb(&with_leaked(call, &LEAKED).output().stdout, "/link");
    }
}

#[test]
fn cve_2024_21626_leaked_descriptor_on_the_way_to_the_program() {
    let Some(bed) = bed_with(&[Need::Tool("bash")]) else {
        return;
    };
    let host = HostTree::make(&bed);
    fs::copy(
        super::support::probe_on_host(&[]).get_program(),
        bed.path("tool"),
    )
    .unwrap();
    let tool = bed.text_path("tool");
    for number in 3..=25 {
        let program = format!("/proc/self/fd/{number}/../../../../../../../{tool}");
        let container = bed.container(|spec| {
            spec["process"]["args"] = json!([program, "hello"]);
        });
        let call = with_leaked(container.call_with_bundle("run", &[]), &LEAKED);
        let out = call.output();
        assert!(!out.stdout.contains("hello"), "{program} ran: {out}");
    }
    let inside = bed.container(|spec| spec["process"]["args"] = probe_args(&["hello"]));
    plant(&inside, "probe");
    assert_eq!(inside.run().ok().text(), "hello");
    host.assert_unchanged("programs in /proc/self/fd");
}
