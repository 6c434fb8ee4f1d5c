//! The end of a container that runs: `rm -f`, and `stop`.

use std::thread::sleep;
use std::time::Duration;

use crate::case::{Case, Measure, Unit};
use crate::engine::{Engine, STAY};
use crate::leg::Leg;

pub(crate) fn case() -> Case {
    Case {
        name: "removal",
        about: "`rm -f` of a container that runs on the default network, and `stop` of one that \
                ends when it is asked to.",
        measures: vec![
            Measure::new("rm -f", Unit::Milliseconds).goal(0.15, "docker"),
            Measure::new("stop", Unit::Milliseconds).goal(0.15, "docker"),
        ],
        rounds: 20,
        warm_up: 1,
        legs: |stage| Ok(stage.each(|engine| leg(&engine))),
    }
}

fn leg(engine: &Engine) -> Leg {
    let (engine, last) = (engine.clone(), engine.clone());
    Leg::new(engine.name, "", move |_| {
        let removed = timed(&engine, "rm -f over")?;
        let stopped = timed(&engine, "stop over");
        engine.remove("over");
        Ok(vec![Some(removed), Some(stopped?)])
    })
    .at_end(move || last.remove("over"))
}

fn timed(engine: &Engine, end: &str) -> Result<f64, String> {
    engine.make("run -d --name over", STAY)?;
    // Until its shell has said what it does when it is asked to end.
    sleep(Duration::from_millis(60));
    engine.tool.time(end)
}
