//! A service in two stages.

use crate::common::{Need, needs_met};
use crate::kitchen::{Kitchen, Web, within};
use std::fs;

fn health(kitchen: &Kitchen) -> String {
    kitchen.ok(&[
        "inspect",
        "--format",
        "{{.State.Health.Status}}",
        "fastapi-app",
    ])
}

#[test]
fn a_service_from_its_folder_to_its_end() {
    if !needs_met(&[Need::Tool("curl")]) {
        return;
    }
    let Some(k) = Kitchen::new("fastapi", &["python"]) else {
        return;
    };
    k.build(&["-t", "fastapi-study"]);
    let web = run_and_ask(&k);
    tell_it_something(&k);
    look_at_it(&k, &web);
    change_and_edit(&k);
    two_stages_leave_less_than_one(&k);

    // Away with everything.
    k.ok(&["system", "prune", "-a", "-f"]);
    assert_eq!(k.ok(&["images", "-aq"]), "");
    assert_eq!(k.ok(&["system", "check"]), "");
}

fn run_and_ask(k: &Kitchen) -> Web {
    let web = Web::new();
    k.ok(&[
        "run",
        "-d",
        "-p",
        &web.publish(8000),
        "--name",
        "fastapi-app",
        "fastapi-study",
    ]);
    assert_eq!(health(k), "starting");
    assert!(web.get("/").contains("Hello from a container"));
    assert!(web.get("/info").contains("fastapi-study"));
    assert!(k.ok(&["ps"]).contains("fastapi-app"));
    web
}

fn tell_it_something(k: &Kitchen) {
    let told = Web::new();
    let publish = told.publish(8000);
    let flags = ["-e", "APP_NAME=mine", "-e", "VERSION=2.0"];
    k.ok(&[
        &["run", "-d", "--name", "told", "-p", &publish],
        &flags[..],
        &["fastapi-study"],
    ]
    .concat());
    assert_eq!(told.get("/info"), r#"{"app_name":"mine","version":"2.0"}"#);
    k.ok(&["rm", "-f", "told"]);
}

fn look_at_it(k: &Kitchen, web: &Web) {
    // Look at it.
    let mut follower = k.call(&["logs", "-f", "fastapi-app"]).spawn();
    web.get("/info?seen");
    within(20, "the log has the request", || {
        follower.stdout().contains("GET /info?seen")
    });
    assert!(!follower.has_ended());
    let shell = k.ok(&[
        "exec",
        "fastapi-app",
        "/bin/bash",
        "-c",
        "echo $APP_NAME; pwd",
    ]);
    assert_eq!(shell, "fastapi-study\n/app");
    within(30, "it is healthy", || health(k) == "healthy");
    assert!(k.ok(&["ps"]).contains("(healthy)"));
    web.ask(&["-X", "POST"], "/break").expect("to be broken");
    within(30, "it is unhealthy", || health(k) == "unhealthy");

    // Stop and remove; whoever followed the log is told the end.
    k.ok(&["stop", "fastapi-app"]);
    follower.wait().ok();
    k.ok(&["rm", "fastapi-app"]);
    assert!(!k.ok(&["ps", "-a"]).contains("fastapi-app"));
}

fn change_and_edit(k: &Kitchen) {
    // A change of the program installs nothing anew.
    let program = k.folder().join("main.py");
    let changed = fs::read_to_string(&program)
        .unwrap()
        .replace("Hello", "Good day");
    fs::write(&program, changed).unwrap();
    let said = k.build(&["-t", "fastapi-study"]);
    assert!(
        !said.contains("Successfully installed") && said.contains("CACHED"),
        "{said}"
    );
    let web = Web::new();
    k.ok(&[
        "run",
        "-d",
        "-p",
        &web.publish(8000),
        "--name",
        "fastapi-app",
        "fastapi-study",
    ]);
    assert!(web.get("/").contains("Good day from a container"));

    // Edit while it runs.
    let edit = Web::new();
    let publish = edit.publish(8000);
    let line = ["uvicorn", "main:app", "--host", "0.0.0.0", "--reload"];
    k.ok(&[
        &[
            "run",
            "-d",
            "-p",
            &publish,
            "--name",
            "edit",
            "-v",
            ".:/app",
            "fastapi-study",
        ],
        &line[..],
    ]
    .concat());
    assert!(edit.get("/").contains("Good day"));
    let changed = fs::read_to_string(&program)
        .unwrap()
        .replace("Good day", "Good night");
    fs::write(&program, changed).unwrap();
    within(30, "the change is seen", || {
        edit.get("/").contains("Good night")
    });
    k.ok(&["rm", "-f", "edit", "fastapi-app"]);
}

fn two_stages_leave_less_than_one(k: &Kitchen) {
    k.build(&["-t", "one-stage", "-f", "Dockerfile.one-stage"]);
    let size = |image: &str| -> u64 {
        k.ok(&["image", "inspect", "--format", "{{.Size}}", image])
            .parse()
            .expect("a size")
    };
    let (two, one) = (size("fastapi-study"), size("one-stage"));
    assert!(two < one, "{two} is not less than {one}");
    let images = k.ok(&["images"]);
    assert!(
        images.contains("fastapi-study") && images.contains("one-stage"),
        "{images}"
    );
}
