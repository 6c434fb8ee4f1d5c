//! `exec` of a program that ends at once.

use crate::case::{Case, Measure, Unit};
use crate::engine::{Engine, STAY};
use crate::leg::Leg;
use crate::stage::Stage;

pub(crate) fn case() -> Case {
    Case {
        name: "exec",
        about: "`exec` of `true` in a container that runs.",
        measures: vec![Measure::new("exec", Unit::Milliseconds).goal(2.0, "nsenter")],
        rounds: 30,
        warm_up: 2,
        legs: |stage| {
            let mut legs = stage.each(|engine| leg(&engine));
            legs.push(floor(stage));
            Ok(legs)
        },
    }
}

fn leg(engine: &Engine) -> Leg {
    let started = engine.make("run -d --name exec", STAY);
    let proof = started.and_then(|_| engine.tool.run("exec exec echo it-ran"));
    let failure = match proof {
        Ok(said) if said == "it-ran" => None,
        Ok(_) => Some("the program did not run".to_owned()),
        Err(why) => Some(why),
    };
    let Engine { name, tool, .. } = engine.clone();
    let last = engine.clone();
    Leg::single(name, "", move |_| tool.time("exec exec true"))
        .unless(failure)
        .at_end(move || last.remove("exec"))
}

/// Into the namespaces of rcon's container.
fn floor(stage: &Stage) -> Leg {
    let pid = stage.rcon().tool.run("inspect -f {{.State.Pid}} exec");
    let found = stage
        .floor("nsenter")
        .and_then(|nsenter| Ok((nsenter, pid?)));
    let had = "namespaces only: no cgroup, no filter, all powers";
    match found {
        Err(why) => Leg::single("nsenter", had, |_| Ok(0.0)).unless(Some(why)),
        Ok((nsenter, pid)) => {
            let line = format!("--target {pid} --all /bin/true");
            Leg::single("nsenter", had, move |_| nsenter.time(&line))
        }
    }
}
