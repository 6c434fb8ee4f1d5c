//! `load` of a large image.

use std::fs;
use std::rc::Rc;

use crate::case::{Case, Measure, Unit};
use crate::engine::Engine;
use crate::leg::Leg;
use crate::stage::{Large, Stage};
use crate::tool::Tool;

const FLOOR: &str = "tar, two at a time";

pub(crate) fn case() -> Case {
    Case {
        name: "load",
        about: "`load` of an image of 289 MB in 5 layers with 27,000 entries, plain and with \
                gzipped layers; new layers each time, everything written back before, all of it \
                removed at the end.",
        measures: vec![
            Measure::new("load", Unit::Seconds).goal(1.0, FLOOR),
            Measure::new("load, gzipped", Unit::Seconds).goal(1.0, FLOOR),
        ],
        rounds: 3,
        warm_up: 0,
        legs: |stage| {
            let images = [stage.large("plain", false), stage.large("gzipped", true)];
            let mut legs = stage.each(|engine| leg(engine, images.clone()));
            legs.push(floor(stage, images)?);
            Ok(legs)
        },
    }
}

fn leg(engine: Engine, images: [Rc<Large>; 2]) -> Leg {
    let (remover, names) = (engine.clone(), images.clone());
    Leg::new(engine.name, "", move |number| {
        images
            .iter()
            .map(|image| one(&engine, image, number).map(Some))
            .collect()
    })
    .then(move |number| {
        for image in &names {
            remover.tool.run(&format!("rmi {}", image.name(number)))?;
        }
        Ok(Vec::new())
    })
}

fn one(engine: &Engine, image: &Large, number: usize) -> Result<f64, String> {
    let archive = image
        .get(number)?
        .archive()
        .map_err(|why| why.to_string())?;
    nix::unistd::sync();
    engine.tool.time(&format!("load -i {}", archive.display()))
}

fn floor(stage: &Stage, images: [Rc<Large>; 2]) -> Result<Leg, String> {
    let shell = stage.floor("sh")?;
    let into = stage.path("large/floor");
    let leg = Leg::new(FLOOR, "no sums, nothing recorded", move |number| {
        let both = images.iter().enumerate();
        let both = both.map(|(kind, image)| {
            let at = into.join(format!("{kind}-{number}"));
            unpack(&shell, image, number, &at, "").map(Some)
        });
        both.collect()
    });
    Ok(leg)
}

/// Unpacks an image's layers, two at a time, each into a directory below `at`,
/// after `first` was done with it.
pub(super) fn unpack(
    shell: &Tool,
    image: &Large,
    number: usize,
    at: &std::path::Path,
    first: &str,
) -> Result<f64, String> {
    let layout = image.get(number)?;
    let gzip = if layout.gzip { "z" } else { "" };
    let files: Vec<String> = layout
        .layers
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    fs::create_dir_all(at).map_err(|why| why.to_string())?;
    nix::unistd::sync();
    let each = format!(
        "{first} d={}/$(basename $0); mkdir $d; exec tar -x{gzip}f $0 -C $d",
        at.display()
    );
    let line = format!(
        "printf \"%s\\n\" {} | xargs -n 1 -P 2 sh -c \"$0\"",
        files.join(" ")
    );
    shell.time(&format!("-c '{line}' '{each}'"))
}
