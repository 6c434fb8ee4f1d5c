//! `run --rm` of a program that ends at once.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::case::{Case, Measure, Unit};
use crate::engine::{Engine, IMAGE};
use crate::leg::Leg;
use crate::private_docker;
use crate::stage::Stage;

pub(crate) fn bridge() -> Case {
    Case {
        name: "run",
        about: "`run --rm` of `true` on the default network.",
        measures: vec![Measure::new("run --rm", Unit::Milliseconds).goal(0.5, "runc run")],
        rounds: 20,
        warm_up: 2,
        legs: |stage| {
            let mut legs = engines(stage, "", "an image, a network");
            legs.push(of_runc(
                stage,
                "runc run",
                "its own `runc spec`: no image, no interface, no seccomp",
                own,
            ));
            legs.push(of_runc(
                stage,
                "runc run, Docker's",
                "what dockerd asked it for, without hook and image",
                dockers,
            ));
            legs.push(of_bwrap(stage, ""));
            Ok(legs)
        },
    }
}

pub(crate) fn none() -> Case {
    Case {
        name: "run-none",
        about: "`run --rm --network none` of `true`.",
        measures: vec![
            Measure::new("run --rm --network none", Unit::Milliseconds).goal(1.6, "bwrap"),
        ],
        rounds: 20,
        warm_up: 2,
        legs: |stage| {
            let mut legs = engines(stage, "--network none", "an image");
            legs.push(of_bwrap(stage, ""));
            Ok(legs)
        },
    }
}

pub(crate) fn host() -> Case {
    Case {
        name: "run-host",
        about: "`run --rm --network host` of `true`.",
        measures: vec![
            Measure::new("run --rm --network host", Unit::Milliseconds).goal(1.6, "bwrap"),
        ],
        rounds: 20,
        warm_up: 2,
        legs: |stage| {
            let mut legs = engines(stage, "--network host", "an image");
            legs.push(of_bwrap(stage, "--share-net"));
            Ok(legs)
        },
    }
}

fn engines(stage: &Stage, options: &str, had: &str) -> Vec<Leg> {
    stage.each(|engine| {
        let Engine { name, tool, .. } = engine.clone();
        let line = engine.line(&format!("run --rm {options}"), IMAGE, "true");
        Leg::single(name, had, move |_| tool.time(&line)).unless(engine.proved(options))
    })
}

/// The image's files in a plain directory.
fn root(stage: &Stage) -> Result<PathBuf, String> {
    let root = stage.path("root");
    if !root.exists() {
        fs::create_dir(&root).map_err(|why| why.to_string())?;
        let layers = stage.path("small/blobs/sha256");
        let entries = fs::read_dir(layers).map_err(|why| why.to_string())?;
        let sized = entries
            .flatten()
            .filter_map(|e| Some((e.metadata().ok()?.len(), e.path())));
        let (_, layer) = sized.max().ok_or("no layer")?;
        let tar = format!("-xf {} -C {}", layer.display(), root.display());
        stage.floor("tar")?.run(&tar)?;
    }
    Ok(root)
}

fn of_bwrap(stage: &Stage, options: &str) -> Leg {
    let had = "namespaces, /proc, /dev; no cgroup, no masks, no filter, no record";
    let made = stage
        .floor("bwrap")
        .and_then(|bwrap| Ok((bwrap, root(stage)?)));
    let (bwrap, root) = match made {
        Ok(made) => made,
        Err(why) => return Leg::single("bwrap", had, |_| Ok(0.0)).unless(Some(why)),
    };
    let line = format!(
        "--unshare-all {options} --ro-bind {} / --proc /proc --dev /dev /bin/true",
        root.display()
    );
    Leg::single("bwrap", had, move |_| bwrap.time(&line))
}

/// runc with a bundle that `spec` makes.
fn of_runc(stage: &Stage, name: &str, had: &str, spec: fn(&Stage) -> Result<Value, String>) -> Leg {
    let made = stage
        .floor("runc")
        .and_then(|runc| Ok((runc, bundle(stage, name, spec)?)));
    let (runc, bundle) = match made {
        Ok(made) => made,
        Err(why) => return Leg::single(name, had, |_| Ok(0.0)).unless(Some(why)),
    };
    let line = format!(
        "--root {} run --bundle {} {}-runc",
        stage.text("runc"),
        bundle.display(),
        stage.place.name
    );
    Leg::single(name, had, move |_| runc.time(&line))
}

fn bundle(
    stage: &Stage,
    name: &str,
    spec: fn(&Stage) -> Result<Value, String>,
) -> Result<PathBuf, String> {
    let mut spec = spec(stage)?;
    spec["root"] = json!({"path": root(stage)?});
    spec["process"]["args"] = json!(["/bin/true"]);
    spec["process"]["terminal"] = json!(false);
    spec["linux"]["cgroupsPath"] = json!(format!("/{}/runc", stage.place.name));
    let folder = stage.path(&name.replace([' ', ',', '\''], "-"));
    let written = fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join("config.json"), spec.to_string()));
    written.map_err(|why| why.to_string())?;
    Ok(folder)
}

fn own(stage: &Stage) -> Result<Value, String> {
    let folder = stage.path("runc-spec");
    fs::create_dir_all(&folder).map_err(|why| why.to_string())?;
    fs::remove_file(folder.join("config.json")).ok();
    stage
        .floor("runc")?
        .run(&format!("spec --bundle {}", folder.display()))?;
    read(&folder.join("config.json"))
}

/// What dockerd gave to runc for a container of ours, on our root file
/// system, and without what ties it to that daemon.
fn dockers(stage: &Stage) -> Result<Value, String> {
    let docker = stage.engines().find(|engine| engine.name == "docker");
    let docker = docker.ok_or("there is no dockerd to ask")?;
    let id = docker.make("run -d --network none", "sleep 1000")?;
    let tasks = "containerd/daemon/io.containerd.runtime.v2.task/moby";
    let file = Path::new(private_docker::STATE)
        .join(tasks)
        .join(&id)
        .join("config.json");
    let spec = read(&file);
    docker.remove(&id);
    let mut spec = spec?;
    spec.as_object_mut()
        .ok_or("no specification")?
        .remove("hooks");
    let mounts = spec["mounts"].as_array_mut().ok_or("no mounts")?;
    mounts.retain(|mount| mount["type"] != "bind");
    Ok(spec)
}

fn read(file: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))?;
    serde_json::from_str(&text).map_err(|why| why.to_string())
}
