//! `create`.

use crate::case::{Case, Measure, Unit};
use crate::engine::{Engine, IMAGE};
use crate::leg::Leg;

pub(crate) fn case() -> Case {
    Case {
        name: "create",
        about: "`create` of a container from an image that is there.",
        measures: vec![Measure::new("create", Unit::Milliseconds).goal(0.2, "docker")],
        rounds: 30,
        warm_up: 2,
        legs: |stage| Ok(stage.each(|engine| leg(&engine))),
    }
}

fn leg(engine: &Engine) -> Leg {
    let Engine { name, tool, .. } = engine.clone();
    let line = engine.line("create --name create", IMAGE, "true");
    let (engine, last) = (engine.clone(), engine.clone());
    Leg::single(name, "", move |_| {
        let took = tool.time(&line);
        engine.remove("create");
        took
    })
    .at_end(move || last.remove("create"))
}
