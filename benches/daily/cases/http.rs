//! From nothing to the first answer of a server in a container.

use std::process::{Child, Stdio};
use std::time::Instant;

use crate::case::{Case, Measure, Unit};
use crate::client::until_answered;
use crate::engine::{Engine, IMAGE};
use crate::leg::Leg;
use crate::stage::Stage;

pub(crate) fn case() -> Case {
    Case {
        name: "http",
        about: "`run -d -p` of busybox's httpd, until it has answered a first request.",
        measures: vec![
            Measure::new("run -d -p, first answer", Unit::Milliseconds).goal(0.1, "podman"),
        ],
        rounds: 20,
        warm_up: 2,
        legs: |stage| {
            let mut legs = stage.each(|engine| leg(&engine, stage.port()));
            legs.push(floor(stage));
            Ok(legs)
        },
    }
}

fn leg(engine: &Engine, port: u16) -> Leg {
    let start = format!("run -d --name http -p 127.0.0.1:{port}:80");
    let line = engine.line(&start, IMAGE, "httpd -f -h /www");
    let Engine { name, tool, .. } = engine.clone();
    let (engine, last) = (engine.clone(), engine.clone());
    Leg::single(name, "", move |_| {
        let start = Instant::now();
        let took = tool.time(&line).and_then(|_| until_answered(port));
        let value = start.elapsed().as_secs_f64();
        engine.remove("http");
        took.map(|()| value)
    })
    .at_end(move || last.remove("http"))
}

fn floor(stage: &Stage) -> Leg {
    let port = stage.port();
    let busybox = stage.tool("busybox");
    let line = format!("httpd -f -p 127.0.0.1:{port} -h {}", stage.text("home"));
    std::fs::write(stage.path("home/index.html"), "hello\n").ok();
    Leg::single("busybox httpd", "no container", move |_| {
        let start = Instant::now();
        let mut command = busybox.command(&line);
        let server = command.stdout(Stdio::null()).spawn();
        let _server = Ended(server.map_err(|why| why.to_string())?);
        until_answered(port).map(|()| start.elapsed().as_secs_f64())
    })
}

/// A program that is ended at the latest with this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
