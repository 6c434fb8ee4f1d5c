//! `build` of a small image in six steps.

use std::fs;

use crate::case::{Case, Measure, Unit};
use crate::engine::{Engine, IMAGE};
use crate::leg::Leg;
use crate::podman;
use crate::stage::Stage;
use crate::tool::Tool;

const BUILDKIT: &str = "docker";

pub(crate) fn case() -> Case {
    let goal = |title| Measure::new(title, Unit::Milliseconds).goal(0.25, BUILDKIT);
    Case {
        name: "build",
        about: "`build` of a context of 200 files in six steps after FROM: one folder copied, one \
                file, two programs run, two settings. Cold is `--no-cache`.",
        measures: vec![goal("everything cached"), goal("cold")],
        rounds: 8,
        warm_up: 1,
        legs,
    }
}

fn legs(stage: &Stage) -> Result<Vec<Leg>, String> {
    write_context(stage).map_err(|why| why.to_string())?;
    let mut legs: Vec<Leg> = stage.each(|engine| leg(stage, &engine));
    match podman::buildah(&stage.place) {
        Ok(buildah) => legs.push(built(stage, "buildah", "--layers", buildah)),
        Err(why) => println!("Left out: {why}."),
    }
    legs.push(floor(stage)?);
    Ok(legs)
}

fn leg(stage: &Stage, engine: &Engine) -> Leg {
    let tool = engine.tool.clone();
    match engine.name {
        "docker" => built(stage, "docker", "", tool.env("DOCKER_BUILDKIT", "1")),
        "rcon" if tool.run("build --help").is_err() => Leg::new("rcon", "", |_| Ok(Vec::new()))
            .unless(Some("it has no `build` yet".to_owned())),
        name => built(stage, name, "", tool),
    }
}

fn built(stage: &Stage, name: &str, options: &str, tool: Tool) -> Leg {
    let had = if name == BUILDKIT { "BuildKit" } else { "" };
    let context = stage.text("context");
    let group = &stage.place.name;
    let build = format!("build {options} --cgroup-parent /{group} -t localhost/bench:built");
    let (cached, cold) = (
        format!("{build} {context}"),
        format!("{build} --no-cache {context}"),
    );
    let first = tool.run(&cached);
    Leg::new(name, had, move |_| {
        let cached = tool.time(&cached)?;
        Ok(vec![Some(cached), Some(tool.time(&cold)?)])
    })
    .unless(first.err())
}

fn write_context(stage: &Stage) -> std::io::Result<()> {
    let context = stage.path("context");
    fs::create_dir_all(context.join("source"))?;
    for number in 0..200 {
        let text = format!("line of file {number}\n").repeat(200);
        fs::write(context.join(format!("source/file-{number}")), text)?;
    }
    fs::write(context.join("settings"), "colour=blue\n")?;
    let file = format!(
        "FROM {IMAGE}\nENV COLOUR=blue\nWORKDIR /work\nCOPY settings /etc/settings\n\
         RUN echo one >/one\nCOPY source /work/source\nRUN cat /work/source/* | wc -c >/two\n"
    );
    fs::write(context.join("Dockerfile"), file)
}

fn floor(stage: &Stage) -> Result<Leg, String> {
    let shell = stage.floor("sh")?;
    let line = format!("-c 'tar -C {} -c . | sha256sum'", stage.text("context"));
    let had = "tar and sha256 of the context";
    Ok(Leg::new("tar", had, move |_| {
        Ok(vec![Some(shell.time(&line)?), None])
    }))
}
