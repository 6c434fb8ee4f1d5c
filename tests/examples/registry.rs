//! To a registry and back.

use crate::common::registry::{Registry, have};
use crate::common::{Need, needs_met};
use crate::kitchen::{Kitchen, Web};

#[test]
fn what_was_pushed_is_what_is_pulled() {
    if !needs_met(&[Need::Tool("curl")]) || !have(&["docker-registry"]) {
        return;
    }
    let Some(k) = Kitchen::new("fastapi", &["python"]) else {
        return;
    };
    k.build(&["-t", "fastapi-study"]);
    let registry = Registry::plain();
    let name = format!("{}/fastapi-study:1.0", registry.host);
    k.ok(&["tag", "fastapi-study", &name]);
    let pushed = k.run(&["push", &name]).ok();
    let digest = k.ok(&[
        "image",
        "inspect",
        "--format",
        "{{index .RepoDigests 0}}",
        &name,
    ]);
    let digest = digest.rsplit('@').next().unwrap().to_owned();
    assert!(
        (pushed.stdout.clone() + &pushed.stderr).contains(&digest),
        "{pushed}"
    );

    let Some(other) = Kitchen::new("fastapi", &[]) else {
        return;
    };
    let pulled = other.run(&["pull", &name]).ok();
    assert!(
        (pulled.stdout.clone() + &pulled.stderr).contains(&digest),
        "{pulled}"
    );
    let id = |k: &Kitchen| k.ok(&["image", "inspect", "--format", "{{.Id}}", &name]);
    assert_eq!(id(&k), id(&other));
    let web = Web::new();
    other.ok(&[
        "run",
        "-d",
        "-p",
        &web.publish(8000),
        "--name",
        "fastapi-app",
        &name,
    ]);
    assert!(web.get("/info").contains("fastapi-study"));
    other.ok(&["rm", "-f", "fastapi-app"]);
}
