//! Documents that say what a container is allowed: seccomp profiles and the
//! configuration of an OCI bundle. Nothing of it is done here, only planned.

use std::path::PathBuf;

use oci_spec::runtime::LinuxSeccomp;
use rcon::cgroup::layout::Layout;
use rcon::facts::{BundleFacts, Facts};
use rcon::oci::parse_spec;
use rcon::plan::{Options, container};
use rcon::render;
use rcon::seccomp::{Arch, Filter, MAX_INSTRUCTIONS, compile};
use rcon::spec::seccomp::{Conditions, profile_to_spec};
use rcon::sys::identity::CapSet;

use super::{check_error, text};

/// Fields and values of profiles.
pub const SECCOMP: &[&str] = &[
    "\"defaultAction\":\"SCMP_ACT_ERRNO\"",
    "\"SCMP_ACT_ALLOW\"",
    "\"SCMP_ACT_NOTIFY\"",
    "\"SCMP_ACT_KILL_PROCESS\"",
    "\"SCMP_ACT_TRACE\"",
    "\"SCMP_CMP_MASKED_EQ\"",
    "\"SCMP_CMP_LT\"",
    "\"SCMP_CMP_GE\"",
    "\"SCMP_CMP_NE\"",
    "\"SCMP_ARCH_X86\"",
    "\"SCMP_ARCH_X32\"",
    "\"SCMP_ARCH_AARCH64\"",
    "\"socketcall\"",
    "\"ipc\"",
    "\"write\"",
    "\"names\":[\"read\",\"clone\"]",
    "\"args\":[{\"index\":0,\"value\":18446744073709551615,\"op\":\"SCMP_CMP_EQ\"}]",
    "\"index\":6",
    "\"valueTwo\":4294967296",
    "\"errnoRet\":4096",
    "\"errno\":\"EPERM\"",
    "\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"],\"minKernel\":\"4.8\"}",
    "\"excludes\":{\"arches\":[\"amd64\"]}",
    "\"archMap\":[]",
    "\"flags\":[\"SECCOMP_FILTER_FLAG_TSYNC\"]",
    "\"listenerPath\":\"/x\"",
];

/// Fields and values of `config.json`.
pub const OCI: &[&str] = &[
    "\"ociVersion\":\"1.2.0\"",
    "\"../../..\"",
    "\"/proc\"",
    "\"/dev/../proc/self\"",
    "\"type\":\"bind\"",
    "\"options\":[\"rbind\",\"ro\",\"idmap=uids=0-0-1#1-1-1\"]",
    "\"rootfsPropagation\":\"shared\"",
    "\"namespaces\":[{\"type\":\"user\"}]",
    "\"path\":\"/proc/1/ns/net\"",
    "\"uidMappings\":[{\"containerID\":0,\"hostID\":4294967295,\"size\":4294967295}]",
    "\"cgroupsPath\":\"/../../x\"",
    "\"sysctl\":{\"kernel.x/../y\":\"1\\n2\"}",
    "\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":-1,\"minor\":1}]",
    "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":2,\"hard\":1}]",
    "\"maskedPaths\":[\"..\"]",
    "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"}",
    "\"hooks\":{\"prestart\":[{\"path\":\"x\"}]}",
    "\"memory\":{\"limit\":-9223372036854775808}",
    "\"cpu\":{\"quota\":-1,\"period\":0,\"cpus\":\"0-4294967295\"}",
    "\"uid\":4294967295",
    "\\u001b[2J",
    "\\u0000",
    "null",
    "-1",
    "{}",
    "[]",
];

/// A profile becomes a program that the kernel could not refuse.
pub fn seccomp(bytes: &[u8]) {
    let text = text(bytes);
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let conditions = Conditions {
            caps: CapSet(0x0000_00ff_0000_00ff),
            arch,
            kernel: (6, 1),
        };
        if let Ok(profile) = serde_json::from_str(&text) {
            match profile_to_spec(&profile, &conditions) {
                Ok(profile) => compiled(&profile, arch),
                Err(e) => check_error(&e),
            }
        }
        // And as it stands in a bundle.
        if let Ok(profile) = serde_json::from_str::<LinuxSeccomp>(&text) {
            compiled(&profile, arch);
        }
    }
}

fn compiled(profile: &LinuxSeccomp, arch: Arch) {
    match compile(profile, arch) {
        Ok(filter) => check_program(&filter),
        Err(e) => check_error(&e),
    }
}

/// What the kernel looks at before it takes a filter.
fn check_program(filter: &Filter) {
    let program = &filter.program;
    assert!((1..=MAX_INSTRUCTIONS).contains(&program.len()));
    for (at, one) in program.iter().enumerate() {
        let within = |skip: usize| at + 1 + skip < program.len();
        match one.code {
            0x20 => assert!(
                one.k.is_multiple_of(4) && one.k < 64,
                "a load beyond the data"
            ),
            0x05 => assert!(within(one.k as usize), "a jump out of the program"),
            0x15 | 0x25 | 0x35 => {
                assert!(within(one.jt.into()) && within(one.jf.into()), "a jump out");
            }
            0x54 => assert!(within(0)),
            0x06 => {}
            code => panic!("an instruction {code:#x}"),
        }
    }
    assert_eq!(program.last().map(|one| one.code), Some(0x06), "no end");
}

/// A plan can be told in all three ways, and none speaks to the terminal.
pub fn oci(bytes: &[u8]) {
    let (spec, warnings) = match parse_spec(bytes) {
        Ok(read) => read,
        Err(e) => return check_error(&e),
    };
    assert!(warnings.len() <= bytes.len());
    let bundle = BundleFacts {
        bundle: PathBuf::from("/host/bundle"),
        rootfs: PathBuf::from("/host/bundle/rootfs"),
        ..BundleFacts::default()
    };
    let options = Options {
        id: "example".to_owned(),
        ..Options::default()
    };
    for facts in [host((0, 0)), host((1000, 1000))] {
        let plan = match container(&spec, &facts, &bundle, &options) {
            Ok(plan) => plan,
            Err(e) => {
                check_error(&e);
                continue;
            }
        };
        assert!(!plan.steps.is_empty());
        for told in [render::words::plan(&plan), render::json::plan(&plan)] {
            assert!(!told.contains('\x1b'), "{told:?}");
        }
        let _ = render::shell::script(&plan);
    }
}

fn host(ids: (u32, u32)) -> Facts {
    let mounts = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let layout = Layout::parse(mounts, "0::/user.slice/a.scope\n");
    let all = (1 << 41) - 1;
    Facts {
        ids,
        caps: CapSet(if ids.0 == 0 { all } else { 0 }),
        last_cap: 40,
        apparmor: false,
        selinux: false,
        cgroups: layout.with_v2_controllers("cpuset cpu io memory pids"),
        map_helpers: None,
    }
}
