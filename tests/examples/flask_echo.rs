//! A server in the foreground of a terminal.

use crate::common::pty::under_pty;
use crate::common::{Need, Value, needs_met};
use crate::kitchen::{Kitchen, Web};

#[test]
fn a_server_that_echoes() {
    if !needs_met(&[Need::Tool("curl")]) {
        return;
    }
    let Some(k) = Kitchen::new("flask-echo", &["python"]) else {
        return;
    };
    k.build(&["-t", "echo"]);
    let web = Web::new();
    let port = web.publish(5000);
    let mut terminal = under_pty(
        k.call(&["run", "-it", "--rm", "--publish", &port, "echo"]),
        30,
        100,
    );
    terminal.terminal.wait_for("Running on");
    web.get("/");
    let answer = web
        .ask(&["-d", "some text", "-H", "X-Mine: yes"], "/a/path")
        .expect("an answer");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["method"], "POST");
    assert_eq!(answer["path"], "/a/path");
    assert_eq!(answer["headers"]["X-Mine"], "yes");
    assert_eq!(answer["body"], "some text");
    assert_eq!(answer["greeting"], "hello");
    // Whoever types sees each request as it comes.
    terminal.terminal.wait_for("\"POST /a/path HTTP/1.1\" 200");
    terminal.terminal.type_in("\x03");
    terminal.running.wait();
    assert_eq!(k.ok(&["ps", "-aq"]), "");

    // Another port outside, and arguments of the program's.
    let other = Web::new();
    let port = other.publish(5000);
    let args = [
        "run",
        "-d",
        "--rm",
        "--name",
        "echo8080",
        "--publish",
        &port,
        "echo",
        "--greeting",
        "moin",
    ];
    k.ok(&args);
    assert!(other.get("/").contains("moin"));
    k.ok(&["stop", "echo8080"]);
    assert_eq!(k.ok(&["ps", "-aq"]), "");
    let version = k.ok(&["run", "--rm", "--entrypoint", "python", "echo", "--version"]);
    assert!(version.starts_with("Python 3"), "{version}");
}
