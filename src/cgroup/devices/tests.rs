//! Rule lists as callers write them, down to lines for v1.

use super::*;

pub(in crate::cgroup) fn rules(json: &str) -> Vec<LinuxDeviceCgroup> {
    serde_json::from_str(json).unwrap()
}

fn lines(json: &str) -> Vec<String> {
    show(
        &DeviceList::compile(&rules(json))
            .unwrap()
            .transition("a *:* rwm\n"),
    )
}

fn show(lines: &[Line]) -> Vec<String> {
    let sign = |l: &Line| if l.allow { '+' } else { '-' };
    lines
        .iter()
        .map(|l| format!("{}{}", sign(l), l.text))
        .collect()
}

fn refusal(json: &str) -> String {
    DeviceList::compile(&rules(json)).unwrap_err().to_string()
}

#[test]
fn deny_all_then_some() {
    let json = r#"[{"allow":false,"access":"rwm"},
        {"allow":true,"type":"c","major":1,"minor":3,"access":"rw"},
        {"allow":true,"type":"b","major":8,"access":"r"},
        {"allow":true,"type":"c","major":1,"minor":3,"access":"m"}]"#;
    assert_eq!(lines(json), ["-a", "+b 8:* r", "+c 1:3 rwm"]);
}

#[test]
fn no_rules_deny_everything() {
    assert_eq!(lines("[]"), ["-a"]);
}

#[test]
fn privileged_is_allow_all_and_defaults_change_nothing() {
    let mut list = rules(r#"[{"allow":true,"access":"rwm"}]"#);
    list.extend(default_rules(&[]));
    let list = DeviceList::compile(&list).unwrap();
    assert_eq!(list, DeviceList::everything(true));
    assert_eq!(show(&list.transition("a *:* rwm\n")), ["+a"]);
}

#[test]
fn later_wildcard_takes_back_what_narrower_rules_gave() {
    let json = r#"[{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"},
        {"allow":false,"type":"c","access":"w"},
        {"allow":false,"type":"b","access":"rwm"}]"#;
    assert_eq!(lines(json), ["-a", "+c 1:3 rm"]);
}

#[test]
fn partial_a_is_both_kinds_and_no_more() {
    let json = r#"[{"allow":true,"type":"a","major":10,"access":"r"}]"#;
    assert_eq!(lines(json), ["-a", "+b 10:* r", "+c 10:* r"]);
}

#[test]
fn exception_to_a_wildcard_is_refused() {
    let json = r#"[{"allow":true,"type":"c","major":10,"access":"rw"},
        {"allow":false,"type":"c","major":10,"minor":200,"access":"r"}]"#;
    let e = refusal(json);
    assert!(e.contains("linux.resources.devices[1] (c 10:200 r)"), "{e}");
    assert!(e.contains("wider rule c 10:*"), "{e}");
    let other_access = r#"[{"allow":true,"type":"c","major":10,"access":"rw"},
        {"allow":false,"type":"c","major":10,"minor":200,"access":"m"}]"#;
    assert_eq!(lines(other_access), ["-a", "+c 10:* rw"]);
}

#[test]
fn malformed_rules_name_their_place() {
    assert!(refusal(r#"[{"allow":true,"type":"c"}]"#).contains("devices[0]"));
    assert!(
        refusal(r#"[{"allow":true,"type":"c","access":"rx"}]"#).contains("other than r, w and m")
    );
    assert!(refusal(r#"[{"allow":true,"type":"p","access":"r"}]"#).contains("not a, b or c"));
    assert!(refusal(r#"[{"allow":true,"type":"c","major":-2,"access":"r"}]"#).contains("major -2"));
    assert!(
        refusal(r#"[{"allow":true,"type":"c","minor":4294967296,"access":"r"}]"#).contains("minor")
    );
}

#[test]
fn default_rules_keep_the_usual_nodes_working() {
    let list = DeviceList::compile(&default_rules(&[])).unwrap();
    assert_eq!(
        show(&list.transition("a *:* rwm")),
        [
            "-a",
            "+b *:* m",
            "+c *:* m",
            "+c 1:3 rwm",
            "+c 1:5 rwm",
            "+c 1:7 rwm",
            "+c 1:8 rwm",
            "+c 1:9 rwm",
            "+c 5:0 rwm",
            "+c 5:2 rwm",
            "+c 10:200 rwm",
            "+c 136:* rwm",
        ]
    );
}

#[test]
fn what_is_allowed_already_is_not_said_again() {
    let null = r#"{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"}"#;
    let count = |json: &str| {
        let mut all = rules(json);
        let given = all.len();
        add_default_rules(&mut all, &[]);
        all.len() - given
    };
    let all = count("[]");
    assert_eq!(count(&format!("[{null}]")), all - 1);
    let other = null.replace("rwm", "rw");
    assert_eq!(count(&format!("[{other}]")), all);
    let denied = r#"{"allow":false,"type":"c","major":1,"access":"rwm"}"#;
    assert_eq!(count(&format!("[{null},{denied}]")), all);
    assert_eq!(count(&format!("[{denied},{null}]")), all - 1);
}

#[test]
fn a_device_of_the_spec_replaces_the_default_of_its_path() {
    let list = DeviceList::compile(&default_rules(&[Path::new("/dev/null")])).unwrap();
    let null = Scope {
        kind: Kind::Char,
        major: Some(1),
        minor: Some(3),
    };
    assert!(!list.exceptions.contains_key(&null));
    assert_eq!(list.exceptions.len(), 10);
}

#[test]
fn an_update_writes_only_what_changes() {
    let json = r#"[{"allow":true,"type":"c","major":1,"minor":3,"access":"rw"},
        {"allow":true,"type":"c","major":1,"minor":5,"access":"r"}]"#;
    let list = DeviceList::compile(&rules(json)).unwrap();
    let now = "c 1:3 rw\nc 1:5 rwm\nb *:* m\n";
    assert_eq!(show(&list.transition(now)), ["-b *:* m", "-c 1:5 wm"]);
    assert_eq!(
        show(&list.transition("c 1:3 rw\nc 1:5 r\n")),
        Vec::<String>::new()
    );
    assert_eq!(show(&DeviceList::everything(true).transition(now)), ["+a"]);
    assert_eq!(
        show(&list.transition("z nonsense"))[0],
        "-a",
        "unknown means start afresh"
    );
}

#[test]
fn writes_say_which_file() {
    let list = DeviceList::compile(&rules(r#"[{"allow":true,"type":"c","access":"m"}]"#)).unwrap();
    let w = list.writes("a *:* rwm");
    let got: Vec<_> = w
        .iter()
        .map(|w| (w.file.as_str(), w.value.as_str(), w.field.as_str()))
        .collect();
    let field = "linux.resources.devices";
    assert_eq!(
        got,
        [
            ("devices.deny", "a", field),
            ("devices.allow", "c *:* m", field)
        ]
    );
}
