//! Names in a configuration that the types do not take as they are.
//!
//! Two flags of the scheduler have another spelling in the types than in the
//! specification, which is the one that counts. And a capability nobody here
//! has heard of must not stop a container: the specification wants a warning.
//! Both are set right in the text before it is read again; only a text that
//! could not be read the first time comes here.

use oci_spec::runtime::Capability;
use serde::Deserialize;
use serde_json::Value;

/// The specification's word, and that of the types.
const FLAGS: [(&str, &str); 2] = [
    ("SCHED_FLAG_RESET_ON_FORK", "SCHED_RESET_ON_FORK"),
    ("SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_D_L_OVERRUN"),
];

/// Translates a `process` object. The warnings tell what was left out.
pub(super) fn translate(process: &mut Value) -> Vec<String> {
    if let Some(Value::Array(flags)) = process.pointer_mut("/scheduler/flags") {
        flags.iter_mut().for_each(translate_flag);
    }
    let mut unknown = Vec::new();
    if let Some(Value::Object(sets)) = process.get_mut("capabilities") {
        for set in sets.values_mut() {
            take_unknown(set, &mut unknown);
        }
    }
    if unknown.is_empty() {
        return Vec::new();
    }
    // In runc's words, which others look for.
    let list = unknown.join(" ");
    vec![format!(
        "process: ignoring unknown or unavailable capabilities: [{list}]"
    )]
}

fn translate_flag(flag: &mut Value) {
    let known = FLAGS.iter().find(|(theirs, _)| flag == theirs);
    if let Some((_, ours)) = known {
        *flag = Value::from(*ours);
    }
}

/// Each unknown name once, though it may be in all five sets.
fn take_unknown(set: &mut Value, unknown: &mut Vec<String>) {
    let Value::Array(list) = set else { return };
    list.retain(|name| {
        let Value::String(text) = name else {
            return true;
        };
        let known = Capability::deserialize(name).is_ok();
        if !known && !unknown.contains(text) {
            unknown.push(text.clone());
        }
        known
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::LinuxSchedulerFlag;
    use serde_json::json;

    #[test]
    fn every_flag_of_the_specification_is_known() {
        let mut process = json!({"scheduler": {"flags": [
            "SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN",
            "SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS",
            "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX",
        ]}});
        assert!(translate(&mut process).is_empty());
        let flags = &process["scheduler"]["flags"];
        let flags: Vec<LinuxSchedulerFlag> = serde_json::from_value(flags.clone()).unwrap();
        assert_eq!(flags[0], LinuxSchedulerFlag::SchedResetOnFork);
        assert_eq!(flags[2], LinuxSchedulerFlag::SchedFlagDLOverrun);
        assert_eq!(flags.len(), 7);
    }

    #[test]
    fn an_unknown_capability_is_told_once_and_left_out_everywhere() {
        let mut process = json!({"capabilities": {
            "bounding": ["CAP_COFFEE", "CAP_KILL"],
            "permitted": ["CAP_COFFEE"],
        }});
        let warnings = translate(&mut process);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("CAP_COFFEE"));
        let left = json!({"bounding": ["CAP_KILL"], "permitted": []});
        assert_eq!(process["capabilities"], left);
    }

    #[test]
    fn what_is_no_name_stays_for_the_parser_to_refuse() {
        let odd = json!({"capabilities": {"bounding": [7]}, "scheduler": {"flags": [null]}});
        let mut process = odd.clone();
        assert!(translate(&mut process).is_empty());
        assert_eq!(process, odd);
        assert!(translate(&mut json!("x")).is_empty());
    }
}
