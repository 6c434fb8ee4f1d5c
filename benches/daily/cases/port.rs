//! How much goes through a published port.

use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::case::{Case, Measure, Unit};
use crate::engine::Engine;
use crate::leg::{Leg, Sample};
use crate::room::wait_until;
use crate::stage::{SERVERS, Stage};
use crate::tool::Tool;

pub(crate) fn case() -> Case {
    let goal = |title| Measure::new(title, Unit::Gigabits).goal(1.3, "docker");
    Case {
        name: "port",
        about: "iperf3 for two seconds from this machine to one in a container, through a port \
                published on 127.0.0.1.",
        measures: vec![goal("one stream"), goal("eight streams")],
        rounds: 5,
        warm_up: 0,
        legs: |stage| {
            stage.need_servers()?;
            let client = stage.floor("iperf3")?;
            let mut legs = stage.each(|engine| leg(&engine, stage.port(), client.clone()));
            legs.push(floor(stage, client)?);
            Ok(legs)
        },
    }
}

fn leg(engine: &Engine, port: u16, client: Tool) -> Leg {
    let run = format!("run -d --name port -p 127.0.0.1:{port}:5201");
    let started = engine.tool.run(&engine.line(&run, SERVERS, "iperf3 -s"));
    // A proxy may accept before there is anybody to hand a connection to.
    let ready = || rate(&client, port, 1).is_ok();
    let failure = match started {
        Ok(_) if wait_until(Duration::from_secs(10), ready) => None,
        Ok(_) => both(&client, port).err(),
        Err(why) => Some(why),
    };
    let last = engine.clone();
    Leg::new(engine.name, how(engine.name), move |_| both(&client, port))
        .unless(failure)
        .at_end(move || last.remove("port"))
}

/// By which way bytes come in from 127.0.0.1.
pub(super) fn how(engine: &str) -> &'static str {
    match engine {
        "docker" => "docker-proxy",
        "podman" => "the kernel's address translation",
        _ => "its worker",
    }
}

fn both(client: &Tool, port: u16) -> Sample {
    [1, 8]
        .map(|streams| rate(client, port, streams).map(Some))
        .into_iter()
        .collect()
}

fn rate(client: &Tool, port: u16, streams: usize) -> Result<f64, String> {
    let said = client.run(&format!("-c 127.0.0.1 -p {port} -t 2 -P {streams} -J"))?;
    let said: Value = serde_json::from_str(&said).map_err(|why| why.to_string())?;
    let why = || said["error"].as_str().unwrap_or("iperf3 names no rate");
    let rate = &said["end"]["sum_received"]["bits_per_second"];
    rate.as_f64().ok_or_else(|| why().to_owned())
}

fn floor(stage: &Stage, client: Tool) -> Result<Leg, String> {
    let port = stage.port();
    let server = Server::start(&client, &format!("-s -p {port}"), port)?;
    Ok(Leg::new("loopback", "no container", move |_| {
        let _alive = &server;
        both(&client, port)
    }))
}

/// A server that ends with this.
pub(super) struct Server(Child);

impl Server {
    pub(super) fn start(program: &Tool, line: &str, port: u16) -> Result<Self, String> {
        let mut command = program.command(line);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let server = Server(command.spawn().map_err(|why| why.to_string())?);
        let listens = || listening(port);
        if wait_until(Duration::from_secs(5), listens) {
            Ok(server)
        } else {
            Err(format!("`{line}` does not listen"))
        }
    }
}

/// Looked up, not tried: iperf3 takes a connection for a test.
fn listening(port: u16) -> bool {
    let table = |path| std::fs::read_to_string(path).unwrap_or_default();
    let (wanted, listen) = (format!(":{port:04X} "), " 0A ");
    let is = |line: &str| line.contains(&wanted) && line.contains(listen);
    let tables = table("/proc/net/tcp") + &table("/proc/net/tcp6");
    tables.lines().any(is)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
