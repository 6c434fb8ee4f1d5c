//! `ps -a` with many containers.

use crate::case::{Case, Measure, Unit};
use crate::engine::Engine;
use crate::leg::Leg;

pub(crate) fn hundred() -> Case {
    Case {
        name: "ps",
        about: "`ps -a` with 100 containers, none of which runs.",
        measures: vec![Measure::new("ps -a", Unit::Milliseconds).goal(0.25, "docker")],
        rounds: 30,
        warm_up: 2,
        legs: |stage| Ok(stage.each(|engine| leg(engine, 100))),
    }
}

pub(crate) fn thousand() -> Case {
    Case {
        name: "ps-1000",
        about: "`ps -a` with 1,000 containers, rcon alone.",
        measures: vec![Measure::new("ps -a, 1,000 containers", Unit::Milliseconds).value(0.03)],
        rounds: 30,
        warm_up: 2,
        legs: |stage| Ok(vec![leg(stage.rcon(), 1000)]),
    }
}

fn leg(engine: Engine, count: usize) -> Leg {
    let names: Vec<String> = (0..count)
        .map(|number| format!("listed-{number}"))
        .collect();
    let make = |name: &String| engine.make(&format!("create --name {name}"), "true").err();
    let failure = names.iter().find_map(make);
    let listed = engine
        .tool
        .run("ps -aq")
        .map_or(0, |list| list.lines().count());
    let short = (listed != count).then(|| format!("it lists {listed}"));
    let tool = engine.tool.clone();
    Leg::single(engine.name, format!("{count} containers"), move |_| {
        tool.time("ps -a")
    })
    .unless(failure.or(short))
    .at_end(move || engine.remove(&names.join(" ")))
}
