//! What was asked for together with what the record says. Values in, values
//! out; nothing here touches a cgroup.

use serde_json::{Map, Value};

use crate::cgroup::Layout;
use crate::cgroup::layout::Version;

/// Fields in which a zero, or an empty text, says "not set", as older versions
/// of the specification have it and callers still write it.
const UNSET_WHEN_ZERO: [(&str, &[&str]); 4] = [
    (
        "memory",
        &["limit", "reservation", "swap", "kernel", "kernelTCP"],
    ),
    (
        "cpu",
        &[
            "shares",
            "quota",
            "period",
            "realtimeRuntime",
            "realtimePeriod",
            "cpus",
            "mems",
        ],
    ),
    ("pids", &["limit"]),
    ("blockIO", &["weight", "leafWeight"]),
];

/// Takes out what says nothing, so that it hides nothing in the record.
pub fn forget_unset(asked: &mut Value) {
    drop_nulls(asked);
    for (object, fields) in UNSET_WHEN_ZERO {
        let Some(object) = asked.get_mut(object).and_then(Value::as_object_mut) else {
            continue;
        };
        object.retain(|key, value| {
            !fields.contains(&key.as_str()) || !(*value == 0 || value.as_str() == Some(""))
        });
    }
    if let Some(resources) = asked.as_object_mut() {
        resources.retain(|_, value| value.as_object().is_none_or(|o| !o.is_empty()));
    }
}

fn drop_nulls(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
        object.values_mut().for_each(drop_nulls);
    }
}

/// Adds from the record what the kernel takes only together with something
/// that was asked for.
pub fn complete(asked: &mut Value, recorded: &Value, layout: &Layout) {
    let is_v2 = |controller| {
        let found = layout.find(controller);
        found.is_some_and(|h| h.version == Version::V2)
    };
    if let Some(memory) = object(asked, "memory") {
        complete_memory(memory, &recorded["memory"], is_v2("memory"));
    }
    if let Some(cpu) = object(asked, "cpu") {
        complete_cpu(cpu, &recorded["cpu"], is_v2("cpu"));
    }
}

fn object<'a>(asked: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    asked.get_mut(name).and_then(Value::as_object_mut)
}

/// v2 counts swap alone, so that a new limit moves it, and a new total needs
/// the limit.
fn complete_memory(memory: &mut Map<String, Value>, recorded: &Value, v2: bool) {
    if memory.get("limit").is_some_and(|l| *l == -1) {
        // Any amount of memory, but no more than so much with swap: no.
        memory.entry("swap").or_insert((-1).into());
    }
    if v2 && (memory.contains_key("limit") || memory.contains_key("swap")) {
        fill(memory, recorded, &["limit", "swap"]);
    }
}

/// v2's one file takes a period only behind a quota. On both, the end of
/// idleness brings the default weight, not the one before.
fn complete_cpu(cpu: &mut Map<String, Value>, recorded: &Value, v2: bool) {
    if v2 && cpu.contains_key("period") {
        fill(cpu, recorded, &["quota"]);
    }
    let was_idle = recorded["idle"].as_i64().is_some_and(|i| i != 0);
    if was_idle && cpu.get("idle").is_some_and(|i| *i == 0) {
        fill(cpu, recorded, &["shares"]);
    }
}

fn fill(asked: &mut Map<String, Value>, recorded: &Value, fields: &[&str]) {
    for field in fields {
        if let (false, Some(value)) = (asked.contains_key(*field), recorded.get(field)) {
            asked.insert((*field).to_owned(), value.clone());
        }
    }
}

/// Objects field by field; a list takes the place of the old one.
pub fn merge(recorded: &mut Value, asked: Value) {
    match (recorded, asked) {
        (Value::Object(recorded), Value::Object(asked)) => {
            for (key, value) in asked {
                merge(recorded.entry(key).or_insert(Value::Null), value);
            }
        }
        (recorded, asked) => *recorded = asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_says_nothing_hides_nothing() {
        let mut asked = json!({
            "memory": { "limit": 0, "swap": null, "swappiness": 0 },
            "cpu": { "quota": 0, "cpus": "", "idle": 0, "burst": 0 },
            "pids": { "limit": 0 },
            "blockIO": { "weight": 0 },
            "network": null,
        });
        forget_unset(&mut asked);
        assert_eq!(
            asked,
            json!({ "memory": { "swappiness": 0 }, "cpu": { "idle": 0, "burst": 0 } })
        );
    }

    #[test]
    fn merging_keeps_what_was_not_mentioned() {
        let mut recorded = json!({ "cpu": { "quota": 1, "period": 2 }, "devices": [1, 2] });
        merge(
            &mut recorded,
            json!({ "cpu": { "quota": 9 }, "devices": [3], "pids": { "limit": 4 } }),
        );
        assert_eq!(
            recorded,
            json!({ "cpu": { "quota": 9, "period": 2 }, "devices": [3], "pids": { "limit": 4 } })
        );
        let mut nothing = Value::Null;
        merge(&mut nothing, json!({ "pids": { "limit": 4 } }));
        assert_eq!(nothing, json!({ "pids": { "limit": 4 } }));
    }

    fn unified() -> Layout {
        let mountinfo = "30 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        Layout::parse(mountinfo, "0::/\n").with_v2_controllers("cpu memory pids")
    }

    fn legacy() -> Layout {
        let mountinfo = "30 1 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                         31 1 0:2 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        Layout::parse(mountinfo, "2:cpu:/\n1:memory:/\n")
    }

    fn completed(mut asked: Value, layout: &Layout) -> Value {
        let recorded = json!({
            "memory": { "limit": 100, "swap": 200 },
            "cpu": { "quota": 50, "period": 1000, "shares": 512, "idle": 1 },
        });
        complete(&mut asked, &recorded, layout);
        asked
    }

    #[test]
    fn v2_gets_swap_with_limit_and_quota_with_period() {
        let v2 = unified();
        assert_eq!(
            completed(json!({ "memory": { "swap": 300 } }), &v2)["memory"],
            json!({ "limit": 100, "swap": 300 })
        );
        assert_eq!(
            completed(json!({ "memory": { "limit": 150 } }), &v2)["memory"],
            json!({ "limit": 150, "swap": 200 })
        );
        assert_eq!(
            completed(json!({ "cpu": { "period": 2000 } }), &v2)["cpu"],
            json!({ "quota": 50, "period": 2000 })
        );
        let other = json!({ "memory": { "reservation": 5 } });
        assert_eq!(completed(other.clone(), &v2), other);
    }

    #[test]
    fn v1_gets_only_what_was_asked_for() {
        for asked in [
            json!({ "memory": { "swap": 300 } }),
            json!({ "memory": { "limit": 150 } }),
            json!({ "cpu": { "period": 2000 } }),
        ] {
            assert_eq!(completed(asked.clone(), &legacy()), asked);
        }
    }

    #[test]
    fn unlimited_memory_is_unlimited_swap_too() {
        for layout in [unified(), legacy()] {
            let asked = completed(json!({ "memory": { "limit": -1 } }), &layout);
            assert_eq!(asked["memory"], json!({ "limit": -1, "swap": -1 }));
        }
    }

    #[test]
    fn the_end_of_idleness_brings_the_old_weight_back() {
        let asked = completed(json!({ "cpu": { "idle": 0 } }), &legacy());
        assert_eq!(asked["cpu"], json!({ "idle": 0, "shares": 512 }));
        let asked = completed(json!({ "cpu": { "idle": 1 } }), &legacy());
        assert_eq!(asked["cpu"], json!({ "idle": 1 }));
    }
}
