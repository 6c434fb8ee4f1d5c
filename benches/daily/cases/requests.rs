//! How many requests go through a published port.

use crate::case::{Case, Measure, Unit};
use crate::cases::port::{Server, how};
use crate::client::until_answered;
use crate::engine::Engine;
use crate::leg::{Leg, Sample};
use crate::picture::NGINX;
use crate::stage::{SERVERS, Stage};
use crate::tool::Tool;

pub(crate) fn case() -> Case {
    let goal = |title| {
        let measure = Measure::new(title, Unit::PerSecond).goal(1.3, "docker");
        measure.goal(1.0, "podman")
    };
    Case {
        name: "requests",
        about: "wrk with 32 connections for two seconds to an nginx in a container, through a \
                port published on 127.0.0.1.",
        measures: vec![
            goal("requests, keep-alive"),
            goal("requests, a connection each"),
        ],
        rounds: 5,
        warm_up: 0,
        legs: |stage| {
            stage.need_servers()?;
            let wrk = stage.floor("wrk")?;
            let mut legs = stage.each(|engine| leg(&engine, stage.port(), wrk.clone()));
            legs.push(floor(stage, wrk)?);
            Ok(legs)
        },
    }
}

fn leg(engine: &Engine, port: u16, wrk: Tool) -> Leg {
    let run = format!("run -d --name requests -p 127.0.0.1:{port}:80");
    let started = engine
        .tool
        .run(&engine.line(&run, SERVERS, "nginx -c /etc/nginx.conf"));
    let failure = started.and_then(|_| until_answered(port)).err();
    let last = engine.clone();
    Leg::new(engine.name, how(engine.name), move |_| both(&wrk, port))
        .unless(failure)
        .at_end(move || last.remove("requests"))
}

fn both(wrk: &Tool, port: u16) -> Sample {
    let kept = rate(wrk, port, "")?;
    let each = rate(wrk, port, "-H 'Connection: close'")?;
    Ok(vec![Some(kept), Some(each)])
}

fn rate(wrk: &Tool, port: u16, options: &str) -> Result<f64, String> {
    let said = wrk.run(&format!(
        "-t 1 -c 32 -d 2s {options} http://127.0.0.1:{port}/"
    ))?;
    if let Some(bad) = said.lines().find(|line| line.contains("Non-2xx")) {
        return Err(bad.trim().to_owned());
    }
    let rate = said
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    let rate = rate.and_then(|rate| rate.trim().parse().ok());
    rate.ok_or_else(|| "wrk names no rate".to_owned())
}

fn floor(stage: &Stage, wrk: Tool) -> Result<Leg, String> {
    let port = stage.port();
    let nginx = stage.floor("nginx")?;
    let file = stage.path("nginx.conf");
    let config = NGINX.replace("listen 80;", &format!("listen 127.0.0.1:{port};"));
    let config = config.replace("/tmp/", &format!("{}/", stage.text("home")));
    std::fs::write(&file, config).map_err(|why| why.to_string())?;
    let server = Server::start(&nginx, &format!("-c {}", file.display()), port)?;
    Ok(Leg::new("loopback", "no container", move |_| {
        let _alive = &server;
        both(&wrk, port)
    }))
}
