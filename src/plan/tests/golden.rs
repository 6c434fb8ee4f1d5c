//! What people are told about each kind of start, letter by letter.
//!
//! With `UPDATE_GOLDEN=1` the files are written anew; read the difference
//! before keeping it.

use std::fs;

use super::fixtures::{all, further, golden_dir};
use crate::plan::Plan;
use crate::render::{json, shell, words};

fn compare(file: &str, text: &str) {
    let path = golden_dir().join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).expect("tests/golden is writable");
        return;
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    let at = wanted.lines().zip(text.lines()).position(|(a, b)| a != b);
    let line = at.unwrap_or_else(|| wanted.lines().count().min(text.lines().count()));
    assert!(
        wanted == text,
        "{file} differs from line {} on:\n  was: {:?}\n  now: {:?}\n(UPDATE_GOLDEN=1 accepts)",
        line + 1,
        wanted.lines().nth(line),
        text.lines().nth(line)
    );
}

/// How long a compiled filter is depends on the machine it is for.
fn portable(text: &str) -> String {
    let number = |line: &str| {
        let (before, rest) = line.split_once("seccomp filter of ")?;
        let (_, after) = rest.split_once(" instructions")?;
        Some(format!("{before}seccomp filter of N instructions{after}"))
    };
    let lines = text
        .lines()
        .map(|l| number(l).unwrap_or_else(|| l.to_owned()));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn plans() -> Vec<(&'static str, Plan)> {
    let plan = |f: &super::fixtures::Fixture| {
        let plan = f.plan().unwrap_or_else(|e| panic!("{}: {e}", f.name));
        (f.name, plan)
    };
    let mut all: Vec<_> = all().iter().map(plan).collect();
    all.push(("exec", further()));
    all
}

#[test]
fn every_kind_of_start_in_words() {
    for (name, plan) in plans() {
        compare(&format!("{name}.txt"), &portable(&words::plan(&plan)));
    }
}

#[test]
fn some_kinds_of_start_as_shell() {
    for (name, plan) in plans() {
        if [
            "docker_v1",
            "docker_v2",
            "user_namespace",
            "joined",
            "time",
            "hooks",
            "hostile",
            "connected",
        ]
        .contains(&name)
        {
            compare(&format!("{name}.sh"), &portable(&shell::script(&plan)));
        }
    }
}

#[test]
fn a_start_as_json() {
    for (name, plan) in plans() {
        if ["minimal", "rootless", "hooks"].contains(&name) {
            compare(&format!("{name}.json"), &(json::plan(&plan) + "\n"));
        }
    }
}

#[test]
fn json_says_its_version_first_and_has_every_step() {
    for (name, plan) in plans() {
        let text = json::plan(&plan);
        assert!(
            text.starts_with("{\n  \"version\": 1,"),
            "{name}: {text:.40}"
        );
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let steps = value["steps"].as_array().expect("steps");
        assert_eq!(steps.len(), plan.steps.len(), "{name}");
        assert!(
            steps.iter().all(|s| s["action"]["do"].is_string()),
            "{name}"
        );
    }
}

#[test]
fn no_step_in_words_breaks_its_line_or_speaks_to_the_terminal() {
    for (name, plan) in plans() {
        for (i, step) in plan.steps.iter().enumerate() {
            let line = words::step(i + 1, step);
            assert!(!line.chars().any(char::is_control), "{name}: {line:?}");
        }
    }
}

#[test]
fn values_of_the_environment_are_not_told() {
    for (name, plan) in plans() {
        let text = words::plan(&plan);
        assert!(!text.contains("secret"), "{name} tells a secret");
    }
}

#[test]
fn shell_reads_every_script_without_complaint() {
    for (name, plan) in plans() {
        let script = shell::script(&plan);
        assert!(
            script.chars().all(|c| c == '\n' || !c.is_control()),
            "{name}: a control character"
        );
        let path = std::env::temp_dir().join(format!("rcon-test-{}-{name}.sh", std::process::id()));
        fs::write(&path, &script).expect("a temporary file");
        let out = std::process::Command::new("sh")
            .arg("-n")
            .arg(&path)
            .output();
        let _ = fs::remove_file(&path);
        let out = out.expect("a shell");
        assert!(
            out.status.success() && out.stderr.is_empty(),
            "{name}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
}
