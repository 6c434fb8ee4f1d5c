//! The program, run by a small interpreter, against the plainest reading of
//! the rules.

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};
use proptest::prelude::*;

use super::*;
use crate::cgroup::devices::add_default_rules;

/// One attempt: what kind, numbers, and access asked.
#[derive(Debug, Clone, Copy)]
struct Try {
    kind: Kind,
    major: u32,
    minor: u32,
    access: u8,
}

/// Runs `program` as the kernel would. It panics on anything a verifier
/// would refuse: unknown code, jumping back or out, reading beside the context.
fn run(program: &[Insn], t: Try) -> bool {
    let kind = if t.kind == Kind::Block { 1 } else { 2 };
    let context = [u32::from(t.access) << 16 | kind, t.major, t.minor];
    let mut r: [Option<u64>; 11] = [None; 11];
    let (mut at, mut context_in_r1) = (0, true);
    loop {
        let i = program[at];
        let (dst, src, imm) = (
            usize::from(i.dst),
            usize::from(i.src),
            i64::from(i.imm) as u64,
        );
        let low = |v: u64| v & 0xffff_ffff;
        let jump = |yes: bool| {
            if yes {
                usize::try_from(i.off).unwrap()
            } else {
                0
            }
        };
        at += 1;
        match i.code {
            op::LOAD_WORD => {
                assert!(context_in_r1 && src == 1 && i.off % 4 == 0);
                r[dst] = Some(context[i.off as usize / 4].into());
            }
            op::AND_IMM => r[dst] = Some(low(r[dst].unwrap()) & low(imm)),
            op::SHIFT_RIGHT_IMM => r[dst] = Some(low(r[dst].unwrap()) >> i.imm),
            op::MOVE => {
                context_in_r1 &= dst != 1;
                r[dst] = Some(low(r[src].unwrap()));
            }
            op::MOVE_IMM => r[dst] = Some(low(imm)),
            op::JUMP_EQ_IMM => at += jump(r[dst].unwrap() == imm),
            op::JUMP_NE_IMM => at += jump(r[dst].unwrap() != imm),
            op::JUMP_NE => at += jump(r[dst].unwrap() != r[src].unwrap()),
            op::EXIT => return r[0].unwrap() == 1,
            other => panic!("no such instruction: {other:#x}"),
        }
    }
}

/// The plainest reading for one bit of access: the last rule about it wins.
fn naive(rules: &[LinuxDeviceCgroup], t: Try) -> bool {
    let letter = match t.access {
        READ => 'r',
        WRITE => 'w',
        _ => 'm',
    };
    let about = |r: &&LinuxDeviceCgroup| {
        let kind = match r.typ().unwrap() {
            LinuxDeviceType::A => true,
            LinuxDeviceType::B => t.kind == Kind::Block,
            _ => t.kind == Kind::Char,
        };
        kind && r.major().is_none_or(|m| m == i64::from(t.major))
            && r.minor().is_none_or(|m| m == i64::from(t.minor))
            && r.access().as_ref().unwrap().contains(letter)
    };
    rules
        .iter()
        .rev()
        .find(about)
        .is_some_and(LinuxDeviceCgroup::allow)
}

/// How the v1 controller looks at several bits at once.
fn kernel_v1(list: &DeviceList, t: Try) -> bool {
    let number = |n: Option<u32>, is: u32| n.is_none_or(|n| n == is);
    let about =
        |s: &Scope| s.kind == t.kind && number(s.major, t.major) && number(s.minor, t.minor);
    let mut found = list.exceptions.iter().filter(|(s, _)| about(s));
    if list.default_allow {
        !found.any(|(_, a)| a & t.access != 0)
    } else {
        found.any(|(_, a)| t.access & !a == 0)
    }
}

fn any_number() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![Just(None), (0i64..3).prop_map(Some)]
}

fn any_rule() -> impl Strategy<Value = LinuxDeviceCgroup> {
    let kind = prop_oneof![
        Just(LinuxDeviceType::A),
        Just(LinuxDeviceType::B),
        Just(LinuxDeviceType::C)
    ];
    let access = prop_oneof![
        Just("rwm"),
        Just("r"),
        Just("w"),
        Just("m"),
        Just("rw"),
        Just("rm")
    ];
    (any::<bool>(), kind, any_number(), any_number(), access).prop_map(
        |(allow, kind, major, minor, access)| {
            let mut rule = LinuxDeviceCgroup::default();
            rule.set_allow(allow)
                .set_typ(Some(kind))
                .set_major(major)
                .set_minor(minor);
            rule.set_access(Some(access.to_owned()));
            rule
        },
    )
}

/// Every attempt on the numbers rules are made of, and one number beyond.
fn all_tries(accesses: &[u8]) -> impl Iterator<Item = Try> {
    let kinds = [Kind::Block, Kind::Char];
    kinds.into_iter().flat_map(move |kind| {
        (0..4).flat_map(move |major| {
            (0..4).flat_map(move |minor| {
                accesses.iter().map(move |&access| Try {
                    kind,
                    major,
                    minor,
                    access,
                })
            })
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn later_rules_win(rules in prop::collection::vec(any_rule(), 0..7)) {
        if let Ok(list) = DeviceList::compile(&rules) {
            let program = program(&list);
            for t in all_tries(&[READ, WRITE, MKNOD]) {
                prop_assert_eq!(run(&program, t), naive(&rules, t), "{:?} under {:?}", t, list);
            }
        }
    }

    #[test]
    fn several_bits_at_once_are_judged_as_v1_does(rules in prop::collection::vec(any_rule(), 0..7)) {
        if let Ok(list) = DeviceList::compile(&rules) {
            let program = program(&list);
            for t in all_tries(&[0, 1, 2, 3, 4, 5, 6, 7]) {
                prop_assert_eq!(run(&program, t), kernel_v1(&list, t), "{:?} under {:?}", t, list);
            }
        }
    }
}

#[test]
fn default_rules_let_null_be_opened_and_disks_only_be_made() {
    let mut rules = Vec::new();
    add_default_rules(&mut rules, &[]);
    let program = program(&DeviceList::compile(&rules).unwrap());
    let t = |kind, major, minor, access| {
        run(
            &program,
            Try {
                kind,
                major,
                minor,
                access,
            },
        )
    };
    assert!(t(Kind::Char, 1, 3, READ | WRITE));
    assert!(t(Kind::Char, 136, 77, READ | WRITE));
    assert!(t(Kind::Block, 8, 0, MKNOD));
    assert!(!t(Kind::Block, 8, 0, READ));
    assert!(!t(Kind::Char, 1, 1, READ), "/dev/mem");
    assert!(
        !t(Kind::Block, 1, 3, READ),
        "a block device with the numbers of null"
    );
}

#[test]
fn numbers_no_device_can_have_match_nothing() {
    let rules = r#"[{"allow":true,"type":"c","major":4294967295,"minor":0,"access":"r"}]"#;
    let list = DeviceList::compile(&serde_json::from_str::<Vec<_>>(rules).unwrap()).unwrap();
    assert_eq!(program(&list), program(&DeviceList::compile(&[]).unwrap()));
}

#[test]
fn instructions_are_laid_out_as_the_kernel_reads_them() {
    let bytes = Insn::new(op::JUMP_NE, 1, 3, 5, -2).encode();
    if cfg!(target_endian = "little") {
        assert_eq!(bytes, [0x5d, 0x31, 5, 0, 0xfe, 0xff, 0xff, 0xff]);
    } else {
        assert_eq!(bytes, [0x5d, 0x13, 0, 5, 0xff, 0xff, 0xff, 0xfe]);
    }
}
