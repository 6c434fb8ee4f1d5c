//! The flags of `update` as `linux.resources` would say them, and back: an
//! error about a field is told as one about its flag.

use serde_json::{Value, json};

use super::Update;
use crate::error::{Error, Result};

/// Each flag and the field it sets, as `object.field`.
const FIELDS: [(&str, &str); 14] = [
    ("--blkio-weight", "blockIO.weight"),
    ("--cpu-period", "cpu.period"),
    ("--cpu-quota", "cpu.quota"),
    ("--cpu-burst", "cpu.burst"),
    ("--cpu-share", "cpu.shares"),
    ("--cpu-rt-period", "cpu.realtimePeriod"),
    ("--cpu-rt-runtime", "cpu.realtimeRuntime"),
    ("--cpuset-cpus", "cpu.cpus"),
    ("--cpuset-mems", "cpu.mems"),
    ("--memory", "memory.limit"),
    ("--memory-reservation", "memory.reservation"),
    ("--memory-swap", "memory.swap"),
    ("--pids-limit", "pids.limit"),
    ("--cpu-idle", "cpu.idle"),
];

/// In the order of [`FIELDS`].
fn values(args: &Update) -> [Option<Value>; 14] {
    let a = args;
    [
        a.blkio_weight.map(Value::from),
        a.cpu_period.map(Value::from),
        a.cpu_quota.map(Value::from),
        a.cpu_burst.map(Value::from),
        a.cpu_share.map(Value::from),
        a.cpu_rt_period.map(Value::from),
        a.cpu_rt_runtime.map(Value::from),
        a.cpuset_cpus.clone().map(Value::from),
        a.cpuset_mems.clone().map(Value::from),
        a.memory.map(Value::from),
        a.memory_reservation.map(Value::from),
        a.memory_swap.map(Value::from),
        // In a file 0 is "not set"; typed, it is the least, as in runc.
        a.pids_limit
            .map(|n| Value::from(if n == 0 { 1 } else { n })),
        a.cpu_idle.map(Value::from),
    ]
}

/// A `linux.resources` object with what the flags ask for, and no more.
pub fn asked(args: &Update) -> Value {
    let mut resources = json!({});
    for ((_, path), value) in FIELDS.iter().zip(values(args)) {
        if let (Some(value), Some((object, field))) = (value, path.split_once('.')) {
            resources[object][field] = value;
        }
    }
    resources
}

/// The same; a command that changes nothing was not meant.
pub fn asked_of(args: &Update) -> Result<Value> {
    let asked = asked(args);
    if asked == json!({}) && ignored(args).is_empty() {
        return Err(Error::user("nothing to update")
            .hint("say what is to change, as with --memory 64M, or name a file with --resources"));
    }
    Ok(asked)
}

/// Puts the flag before an error about its field.
pub fn name_in(error: Error) -> Error {
    let about = |field: &str| {
        let full = format!("linux.resources.{field}");
        let at = error.what().find(&full);
        at.filter(|at| {
            let rest = &error.what()[at + full.len()..];
            !rest.starts_with(|c: char| c.is_alphanumeric())
        })
    };
    // What stands first is what it is about.
    let found = FIELDS
        .iter()
        .filter_map(|(flag, field)| about(field).map(|at| (at, flag)));
    match found.min() {
        Some((_, flag)) => error.context(flag),
        None => error,
    }
}

/// Cache partitions are not there to be changed.
pub fn refuse_unsupported(args: &Update) -> Result<()> {
    let asked = [
        ("--l3-cache-schema", &args.l3_cache_schema),
        ("--mem-bw-schema", &args.mem_bw_schema),
    ];
    match asked.iter().find(|(_, value)| value.is_some()) {
        Some((flag, _)) => Err(Error::user(format!(
            "{flag} is not supported: rcon makes no Intel RDT groups"
        ))),
        None => Ok(()),
    }
}

/// A warning for each flag that has no effect.
pub fn ignored(args: &Update) -> Vec<String> {
    let mut warnings = Vec::new();
    let kernel = [
        ("--kernel-memory", &args.kernel_memory),
        ("--kernel-memory-tcp", &args.kernel_memory_tcp),
    ];
    for (flag, value) in kernel {
        if value.is_some() {
            warnings.push(format!(
                "{flag} is ignored: the kernel no longer limits it apart"
            ));
        }
    }
    if args.resources.is_some() {
        let given = FIELDS.iter().zip(values(args));
        let given = given.filter(|(_, value)| value.is_some());
        warnings.extend(given.map(|((flag, _), _)| {
            format!("{flag} is ignored: --resources says everything that changes")
        }));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_sets_a_field_the_specification_knows() {
        let args = Update {
            blkio_weight: Some(1),
            cpu_period: Some(2),
            cpu_quota: Some(3),
            cpu_burst: Some(4),
            cpu_share: Some(5),
            cpu_rt_period: Some(6),
            cpu_rt_runtime: Some(7),
            cpuset_cpus: Some("8".into()),
            cpuset_mems: Some("9".into()),
            memory: Some(10),
            memory_reservation: Some(11),
            memory_swap: Some(12),
            pids_limit: Some(13),
            cpu_idle: Some(14),
            ..Update::default()
        };
        let asked = asked(&args);
        let typed = super::super::typed(&asked).unwrap();
        // What the specification does not know would not come back.
        assert_eq!(serde_json::to_value(typed).unwrap(), asked);
        assert_eq!(asked["cpu"]["quota"], 3);
        assert_eq!(asked["memory"]["swap"], 12);
    }

    #[test]
    fn nothing_is_asked_without_flags_and_that_is_an_error() {
        assert_eq!(asked(&Update::default()), json!({}));
        let e = asked_of(&Update::default()).unwrap_err().to_string();
        assert!(e.starts_with("nothing to update"), "{e}");
    }

    #[test]
    fn no_tasks_at_all_is_the_least_there_can_be() {
        let limit = |n| {
            let args = Update {
                pids_limit: Some(n),
                ..Update::default()
            };
            asked_of(&args).unwrap()["pids"]["limit"].clone()
        };
        assert_eq!(
            (limit(0), limit(7), limit(-1)),
            (1.into(), 7.into(), (-1).into())
        );
    }

    #[test]
    fn an_error_names_the_flag_of_the_first_field() {
        let e = Error::user("linux.resources.memory.swap is 1, less than memory.limit 2");
        let e = name_in(e.hint("do this")).to_string();
        assert!(e.starts_with("--memory-swap: "), "{e}");
        assert!(e.ends_with("(do this)"), "{e}");
        let e = name_in(Error::user("linux.resources.cpu.periodical is odd"));
        assert_eq!(e.to_string(), "linux.resources.cpu.periodical is odd");
    }

    #[test]
    fn flags_beside_a_file_are_told_to_be_ignored() {
        let args = Update {
            resources: Some("-".into()),
            memory: Some(1),
            kernel_memory: Some("1M".into()),
            ..Update::default()
        };
        let warnings = ignored(&args).join("\n");
        assert!(warnings.contains("--memory is ignored"), "{warnings}");
        assert!(
            warnings.contains("--kernel-memory is ignored"),
            "{warnings}"
        );
    }
}
