//! `pull` of a large image from a registry on this machine, and its end.

use std::fs;
use std::process::{Child, Stdio};
use std::rc::Rc;
use std::time::Duration;

use crate::case::{Case, Measure, Unit};
use crate::cases::load::unpack;
use crate::engine::{self, Engine};
use crate::leg::Leg;
use crate::room::wait_until;
use crate::stage::{Large, Stage};
use crate::tool::Tool;

const FLOOR: &str = "sha256, gunzip, tar";
const HOST: &str = "127.0.0.1:5000";

pub(crate) fn case() -> Case {
    Case {
        name: "pull",
        about: "`pull` of the same image, gzipped, from Debian's docker-registry on the loopback \
                interface; and, when all have pulled, `rmi`.",
        measures: vec![
            Measure::new("pull", Unit::Seconds).goal(0.9, FLOOR),
            Measure::new("rmi", Unit::Seconds).goal(0.25, "docker"),
        ],
        rounds: 3,
        warm_up: 0,
        legs: |stage| {
            let image = stage.large("pulled", true);
            let registry = Rc::new(Registry::start(stage, image.clone())?);
            let mut legs = stage.each(|engine| leg(engine, registry.clone()));
            let (shell, into) = (stage.floor("sh")?, stage.path("large/pull-floor"));
            legs.push(Leg::new(
                FLOOR,
                "two at a time, from files, nothing recorded",
                move |number| {
                    let at = into.join(number.to_string());
                    let took = unpack(&shell, &image, number, &at, "sha256sum $0 && ")?;
                    Ok(vec![Some(took), None])
                },
            ));
            Ok(legs)
        },
    }
}

fn leg(engine: Engine, registry: Rc<Registry>) -> Leg {
    let (remover, names) = (engine.clone(), registry.clone());
    Leg::new(engine.name, "", move |number| {
        let name = registry.has(number)?;
        nix::unistd::sync();
        let pull = format!("pull {} {name}", engine.plain_http);
        Ok(vec![Some(engine.tool.time(&pull)?), None])
    })
    .then(move |number| {
        let rmi = format!("rmi {}", names.name(number));
        Ok(vec![None, Some(remover.tool.time(&rmi)?)])
    })
}

/// A registry that is given an image when somebody asks for it.
struct Registry {
    daemon: Child,
    image: Rc<Large>,
    skopeo: Tool,
}

impl Registry {
    fn start(stage: &Stage, image: Rc<Large>) -> Result<Self, String> {
        engine::lacks(&["docker-registry", "skopeo"])?;
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n\
             http:\n  addr: {HOST}\n",
            stage.text("large/registry")
        );
        let file = stage.path("registry.yml");
        fs::write(&file, config).map_err(|why| why.to_string())?;
        let mut command = stage.floor("docker-registry")?.command("serve");
        let command = command
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let registry = Registry {
            daemon: command.spawn().map_err(|why| why.to_string())?,
            image,
            skopeo: stage.floor("skopeo")?,
        };
        let up = || std::net::TcpStream::connect(HOST).is_ok();
        if wait_until(Duration::from_secs(10), up) {
            Ok(registry)
        } else {
            Err("the registry does not start".to_owned())
        }
    }

    fn name(&self, number: usize) -> String {
        self.image.name(number).replace("localhost", HOST)
    }

    /// The image's name, once the registry has it.
    fn has(&self, number: usize) -> Result<String, String> {
        let (layout, name) = (self.image.get(number)?, self.name(number));
        let from = format!("oci:{}", layout.dir.display());
        let copy = "copy --insecure-policy --dest-tls-verify=false";
        self.skopeo.run(&format!("{copy} {from} docker://{name}"))?;
        Ok(name)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.daemon.kill().ok();
        self.daemon.wait().ok();
    }
}
