//! What a container says, kept and read back.

use std::fs;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use crate::case::{Case, Measure, Unit};
use crate::engine::{Engine, IMAGE};
use crate::leg::Leg;
use crate::stage::Stage;
use crate::tool::Tool;

/// What the others do by default: nothing is thrown away.
const NO_LIMIT: &str = "--log-opt max-size=-1";
const SIZE: usize = 200_000_000;

pub(crate) fn case() -> Case {
    Case {
        name: "logs",
        about: "200 MB in lines of 50 bytes, none of it thrown away: written by a container's `cat` until `wait` says \
                that it has ended, then read back with `logs` through a pipe.",
        measures: vec![
            Measure::new("logged", Unit::Seconds).goal(0.5, "podman"),
            Measure::new("read back", Unit::Seconds).goal(0.1, "podman"),
        ],
        rounds: 3,
        warm_up: 0,
        legs: |stage| {
            write(&stage.path("large/lines/lines")).map_err(|why| why.to_string())?;
            let lines = stage.text("large/lines");
            let mut legs = stage.each(|engine| leg(&engine, &lines));
            legs.push(floor(stage)?);
            Ok(legs)
        },
    }
}

fn write(file: &Path) -> std::io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(file))?;
    let mut file = BufWriter::new(fs::File::create(file)?);
    for number in 0..SIZE / 50 {
        writeln!(file, "{number:09} {:<39}", "said as programs say it")?;
    }
    file.flush()
}

fn leg(engine: &Engine, lines: &str) -> Leg {
    let limits = if engine.name == "rcon" { NO_LIMIT } else { "" };
    let start = format!("run -d --name logs {limits} -v {lines}:/lines:ro");
    let line = engine.line(&start, IMAGE, "cat /lines/lines");
    let (engine, last) = (engine.clone(), engine.clone());
    Leg::new(engine.name, "", move |_| {
        nix::unistd::sync();
        let done = logged(&engine.tool, &line);
        engine.remove("logs");
        done.map(|(written, back)| vec![Some(written), Some(back)])
    })
    .at_end(move || last.remove("logs"))
}

fn logged(tool: &Tool, line: &str) -> Result<(f64, f64), String> {
    let start = Instant::now();
    tool.time(line)?;
    tool.time("wait logs")?;
    let written = start.elapsed().as_secs_f64();
    Ok((written, read(tool, "logs logs")?))
}

/// How long it takes until all of it has come through a pipe.
fn read(tool: &Tool, line: &str) -> Result<f64, String> {
    let start = Instant::now();
    let mut command = tool.command(line);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|why| why.to_string())?;
    let mut pipe = child.stdout.take().ok_or("no pipe")?;
    let mut buffer = vec![0; 1 << 18];
    let mut all = 0;
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => all += count,
        }
    }
    child.wait().map_err(|why| why.to_string())?;
    let seconds = start.elapsed().as_secs_f64();
    if all == SIZE {
        Ok(seconds)
    } else {
        Err(format!("{all} bytes came back"))
    }
}

fn floor(stage: &Stage) -> Result<Leg, String> {
    let (shell, cat) = (stage.floor("sh")?, stage.floor("cat")?);
    let (lines, copy) = (
        stage.text("large/lines/lines"),
        stage.text("large/lines/copy"),
    );
    Ok(Leg::new(
        "cat",
        "through a pipe to a file, no container, no times",
        move |_| {
            nix::unistd::sync();
            let written = shell.time(&format!("-c 'cat {lines} | cat >{copy}'"))?;
            let back = read(&cat, &copy)?;
            fs::remove_file(&copy).ok();
            Ok(vec![Some(written), Some(back)])
        },
    ))
}
