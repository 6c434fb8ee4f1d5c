//! A hundred containers: started, and removed while they run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::case::{Case, Measure, Unit};
use crate::engine::{Engine, IMAGE, STAY};
use crate::leg::Leg;

const COUNT: usize = 100;
const AT_A_TIME: usize = 8;

pub(crate) fn case() -> Case {
    Case {
        name: "hundred",
        about: "`run -d` of 100 containers on the default network, one after the other and 8 at a \
                time, and one `rm -f` of all 100 while they run.",
        measures: vec![
            Measure::new("run -d, one after the other", Unit::Seconds).goal(0.1, "podman"),
            Measure::new("run -d, 8 at a time", Unit::Seconds).goal(0.1, "podman"),
            Measure::new("rm -f of 100 running", Unit::Seconds).goal(0.2, "podman"),
        ],
        rounds: 3,
        warm_up: 0,
        legs: |stage| Ok(stage.each(leg)),
    }
}

fn leg(engine: Engine) -> Leg {
    let last = engine.clone();
    let all = |to: usize| (0..to).map(name).collect::<Vec<_>>().join(" ");
    let (remove, at_end) = (format!("rm -f {}", all(COUNT)), all(COUNT));
    Leg::new(engine.name, "", move |_| {
        let one = start(&engine, 1)?;
        let removed = engine.tool.time(&remove)?;
        let eight = start(&engine, AT_A_TIME)?;
        engine.tool.run(&remove)?;
        Ok(vec![Some(one), Some(eight), Some(removed)])
    })
    .at_end(move || last.remove(&at_end))
}

fn name(number: usize) -> String {
    format!("hundred-{number}")
}

/// Starts all of them, so many at a time.
fn start(engine: &Engine, at_a_time: usize) -> Result<f64, String> {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= COUNT {
                return Ok(());
            }
            let run = format!("run -d --name {}", name(number));
            engine.tool.time(&engine.line(&run, IMAGE, STAY))?;
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..at_a_time).map(|_| scope.spawn(work)).collect();
        let ends = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        ends.collect::<Result<Vec<()>, String>>()
    })?;
    Ok(start.elapsed().as_secs_f64())
}
