//! Programs and the rules they come from, read in the plainest way.

use proptest::prelude::*;

use super::*;

const NAMES: &[&str] = &[
    "read",
    "socket",
    "bind",
    "accept",
    "semop",
    "shmget",
    "socketcall",
    "ipc",
    "lseek",
    "futex",
    "personality",
    "execve",
    "clone3",
    "openat2",
    "mmap",
    "ioctl",
];
const OPS: &[&str] = &["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
const ACTIONS: &[(&str, u32)] = &[
    ("SCMP_ACT_ALLOW", ALLOW),
    ("SCMP_ACT_LOG", LOG),
    ("SCMP_ACT_ERRNO", EPERM),
    ("SCMP_ACT_TRAP", TRAP),
    ("SCMP_ACT_KILL", KILL_THREAD),
];
/// Numbers at which 32-bit halves, signs and carries meet.
const EDGES: &[u64] = &[
    0,
    1,
    2,
    38,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x1_0000_0026,
    0x1_ffff_ffff,
    0x2_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_8000_0000,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];

#[derive(Debug, Clone)]
struct Compare {
    index: usize,
    op: &'static str,
    value: u64,
    two: u64,
}

#[derive(Debug, Clone)]
struct Rule {
    name: &'static str,
    action: usize,
    args: Vec<Compare>,
}

#[derive(Debug, Clone)]
struct Profile {
    default: usize,
    x86: bool,
    x32: bool,
    rules: Vec<Rule>,
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => prop::sample::select(EDGES),
        1 => any::<u64>(),
        1 => 0u64..64,
    ]
}

fn compare() -> impl Strategy<Value = Compare> {
    (0..3usize, prop::sample::select(OPS), number(), number()).prop_map(
        |(index, op, value, two)| Compare {
            index,
            op,
            value,
            two,
        },
    )
}

fn rule() -> impl Strategy<Value = Rule> {
    (
        prop::sample::select(NAMES),
        0..ACTIONS.len(),
        prop::collection::vec(compare(), 0..4),
    )
        .prop_map(|(name, action, args)| Rule { name, action, args })
}

fn profile() -> impl Strategy<Value = Profile> {
    (
        0..ACTIONS.len(),
        any::<bool>(),
        any::<bool>(),
        prop::collection::vec(rule(), 0..12),
    )
        .prop_map(|(default, x86, x32, rules)| Profile {
            default,
            x86,
            x32,
            rules,
        })
}

impl Profile {
    fn json(&self) -> Value {
        let mut arches = vec!["SCMP_ARCH_AARCH64"];
        arches.extend(self.x86.then_some("SCMP_ARCH_X86"));
        arches.extend(self.x32.then_some("SCMP_ARCH_X32"));
        let rules: Vec<Value> = self.rules.iter().map(Rule::json).collect();
        json!({
            "defaultAction": ACTIONS[self.default].0,
            "architectures": arches,
            "syscalls": rules,
        })
    }

    /// The answers that are right; several where rules overlap.
    fn answers(&self, arch: Arch, number: u32, args: &[u64; 6]) -> Vec<u32> {
        let default = ACTIONS[self.default].1;
        let listed = match arch {
            Arch::X86_64 => true,
            Arch::X86 => self.x86,
            Arch::X32 => self.x32,
            _ => false,
        };
        if !listed {
            return vec![KILL_THREAD];
        }
        let carrier = arch == Arch::X86 && (number == 102 || number == 117);
        let of_call = self.rules.iter().filter(|r| r.number(arch) == Some(number));
        let rules: Vec<&Rule> = of_call
            .filter(|r| carrier || r.answer() != default)
            .collect();
        let largest = self.rules.iter().flat_map(|r| r.numbers(arch)).max();
        if default != ALLOW && default != LOG && largest.is_some_and(|l| l > 0 && number > l) {
            return vec![ENOSYS];
        }
        if let Some(rule) = rules.iter().find(|r| r.args.is_empty()) {
            return vec![rule.answer()];
        }
        let holding = rules.iter().filter(|r| r.holds(arch, args));
        let answers: Vec<u32> = holding.map(|r| r.answer()).collect();
        if !answers.is_empty() {
            return answers;
        }
        if carrier {
            return vec![self.by_way_of(number, args[0] as u32 & 0xffff, default)];
        }
        vec![default]
    }

    fn by_way_of(&self, carrier: u32, sub: u32, default: u32) -> u32 {
        let rules: Vec<&Rule> = self
            .rules
            .iter()
            .filter(|r| names::lookup(r.name).unwrap().carried_by() == Some((carrier, sub)))
            .filter(|r| r.answer() != default)
            .collect();
        if let Some(plain) = rules.iter().find(|r| r.args.is_empty()) {
            return plain.answer();
        }
        let all = rules.iter().map(|r| r.answer()).chain([default]);
        // KILL_THREAD, TRAP, ERRNO, LOG, ALLOW: the values happen to be in order.
        all.min().unwrap()
    }
}

impl Rule {
    fn json(&self) -> Value {
        let args: Vec<Value> = self
            .args
            .iter()
            .map(|a| {
                json!({"index": a.index, "value": a.value, "valueTwo": a.two,
                       "op": format!("SCMP_CMP_{}", a.op)})
            })
            .collect();
        json!({"names": [self.name], "action": ACTIONS[self.action].0, "args": args})
    }

    fn answer(&self) -> u32 {
        ACTIONS[self.action].1
    }

    fn number(&self, arch: Arch) -> Option<u32> {
        names::lookup(self.name).unwrap().number(arch)
    }

    /// Every number that the rule is about: a carrier's, too.
    fn numbers(&self, arch: Arch) -> Vec<u32> {
        let carrier = names::lookup(self.name).unwrap().carried_by();
        let carrier = carrier.filter(|_| arch == Arch::X86).map(|c| c.0);
        carrier.into_iter().chain(self.number(arch)).collect()
    }

    fn holds(&self, arch: Arch, args: &[u64; 6]) -> bool {
        let narrow = names::lookup(self.name).unwrap().narrow;
        let narrow = |i: usize| arch == Arch::X86 || narrow >> i & 1 == 1;
        let mut each = self.args.iter().map(|c| c.holds(narrow(c.index), args));
        let twice = (0..6).any(|i| self.args.iter().filter(|c| c.index == i).count() > 1);
        if twice {
            each.any(|holds| holds)
        } else {
            each.all(|holds| holds)
        }
    }
}

impl Compare {
    fn holds(&self, narrow: bool, args: &[u64; 6]) -> bool {
        let masked = self.op == "MASKED_EQ";
        let mask = if masked { self.value } else { u64::MAX };
        let mut want = if masked { self.two & mask } else { self.value };
        let mut have = args[self.index] & mask;
        let equality = ["EQ", "NE", "MASKED_EQ"].contains(&self.op);
        let negative = equality && want >> 32 == mask >> 32;
        if narrow && (want >> 32 == 0 || negative) {
            (want, have) = (want & 0xffff_ffff, have & 0xffff_ffff);
        }
        match self.op {
            "NE" => have != want,
            "LT" => have < want,
            "LE" => have <= want,
            "GE" => have >= want,
            "GT" => have > want,
            _ => have == want,
        }
    }
}

/// A call that has something to do with the profile.
fn call(profile: &Profile) -> impl Strategy<Value = (Arch, u32, [u64; 6])> + use<> {
    let mut values: Vec<u64> = EDGES.to_vec();
    for c in profile.rules.iter().flat_map(|r| &r.args) {
        for v in [c.value, c.two, c.value & c.two] {
            values.extend([
                v,
                v.wrapping_sub(1),
                v.wrapping_add(1),
                v ^ 1 << 32,
                v & 0xffff_ffff,
            ]);
        }
    }
    values.extend([1, 2, 5, 23, 23 + (1 << 16)]);
    let mut calls: Vec<(Arch, u32)> = Vec::new();
    for arch in [Arch::X86_64, Arch::X86, Arch::X32, Arch::Aarch64] {
        for n in NAMES
            .iter()
            .filter_map(|n| names::lookup(n).unwrap().number(arch))
        {
            calls.extend([(arch, n), (arch, n + 1)]);
        }
    }
    let args = prop::array::uniform6(prop::sample::select(values));
    (prop::sample::select(calls), args).prop_map(|((arch, n), args)| (arch, n, args))
}

fn case() -> impl Strategy<Value = (Profile, Vec<(Arch, u32, [u64; 6])>)> {
    profile().prop_flat_map(|profile| {
        let calls = prop::collection::vec(call(&profile), 64);
        (Just(profile), calls)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_program_answers_as_its_rules_do((profile, calls) in case()) {
        let filter = match try_compile(&profile.json()) {
            Ok(filter) => filter,
            Err(e) => {
                prop_assert!(e.to_string().contains("same conditions"), "{}", e);
                return Ok(());
            }
        };
        for (arch, number, args) in calls {
            let got = ask_number(&filter, arch, number, &args);
            let right = profile.answers(arch, number, &args);
            prop_assert!(
                right.contains(&got),
                "{:?} {:#x} {:x?}: {:#x}, not one of {:x?}", arch, number, args, got, right
            );
        }
    }
}
