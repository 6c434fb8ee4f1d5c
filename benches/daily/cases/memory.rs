//! What stays in memory for each container that runs, beside its program.

use std::collections::BTreeSet;
use std::fs;

use crate::case::{Case, Measure, Unit};
use crate::client::until_answered;
use crate::engine::{Engine, IMAGE};
use crate::leg::Leg;
use crate::stage::Stage;

const TEN: usize = 10;

pub(crate) fn case() -> Case {
    let goal = |title| Measure::new(title, Unit::Kilobytes).goal(0.8, "podman");
    Case {
        name: "memory",
        about: "The helper processes of a container with a published port that has answered a \
                request: proportional set size, without daemons that all containers share.",
        measures: vec![goal("helpers of one"), goal("helpers of ten, the mean")],
        rounds: 3,
        warm_up: 0,
        legs: |stage| Ok(stage.each(|engine| leg(stage, engine))),
    }
}

fn leg(stage: &Stage, engine: Engine) -> Leg {
    let ports: Vec<u16> = (0..TEN).map(|_| stage.port()).collect();
    let last = engine.clone();
    Leg::new(engine.name, helpers(engine.name), move |_| {
        let one = mean(&engine, &ports[..1])?;
        Ok(vec![Some(one), Some(mean(&engine, &ports)?)])
    })
    .at_end(move || last.remove(&names(TEN)))
}

fn helpers(engine: &str) -> &'static str {
    match engine {
        "docker" => "containerd-shim, docker-proxy",
        "podman" => "conmon; its port is the kernel's",
        _ => "keeper, worker",
    }
}

fn names(count: usize) -> String {
    let names: Vec<String> = (0..count)
        .map(|number| format!("memory-{number}"))
        .collect();
    names.join(" ")
}

/// Starts a container at each port, and takes them away again.
fn mean(engine: &Engine, ports: &[u16]) -> Result<f64, String> {
    let before = processes();
    let started = ports.iter().enumerate().try_for_each(|(number, port)| {
        let run = format!("run -d --name memory-{number} -p 127.0.0.1:{port}:80");
        engine
            .tool
            .run(&engine.line(&run, IMAGE, "httpd -f -h /www"))?;
        until_answered(*port)
    });
    std::thread::sleep(std::time::Duration::from_millis(300));
    let helpers: Vec<u32> = processes().difference(&before).copied().collect();
    let sum: u64 = helpers.iter().filter_map(|pid| proportional(*pid)).sum();
    engine.remove(&names(ports.len()));
    started?;
    if helpers.is_empty() {
        return Err("there are no helpers to be seen".to_owned());
    }
    let mean = sum / ports.len() as u64;
    u32::try_from(mean)
        .map(f64::from)
        .map_err(|why| why.to_string())
}

/// Those of our own pid namespace: a container's program has another. So has
/// rcon's worker, which is known by its name.
fn processes() -> BTreeSet<u32> {
    let own = fs::read_link("/proc/self/ns/pid").ok();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_helper = |pid: &u32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name == "rcon:net\n" || fs::read_link(format!("/proc/{pid}/ns/pid")).ok() == own
    };
    pids.filter(is_helper).collect()
}

/// In bytes.
fn proportional(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}
