//! A server that keeps data.

use crate::common::pty::under_pty;
use crate::common::registry::{Registry, have};
use crate::common::{Need, needs_met};
use crate::kitchen::{Kitchen, Web, within};
use std::fs;
use std::process::Command;

/// A statement, by a client inside of the container.
fn inside(k: &Kitchen, name: &str, database: &str, statement: &str) -> Option<String> {
    let args = [
        "exec", name, "mysql", "-uroot", "-p1234", "-N", "-e", statement, database,
    ];
    let out = k.run(&args);
    out.status
        .success()
        .then(|| out.stdout.trim_end().to_owned())
}

#[test]
fn a_database_is_started_asked_and_put_away() {
    if !needs_met(&[Need::Tool("mysql")]) || !have(&["docker-registry"]) {
        return;
    }
    let Some(k) = Kitchen::new("database", &["mysql"]) else {
        return;
    };
    // The image goes to a registry and is gone here; then a mirror has it.
    let registry = Registry::plain();
    let there = format!("{}/library/mysql:8", registry.host);
    k.ok(&["tag", "mysql:8", &there]);
    k.ok(&["push", "-q", &there]);
    k.ok(&["image", "prune", "-a", "-f"]);
    assert_eq!(k.ok(&["images", "-q"]), "");
    let home = k.path("home");
    fs::create_dir_all(home.join(".config/rcon")).unwrap();
    let text = format!(
        "[registry.\"docker.io\"]\nmirrors = [\"{}\"]\n",
        registry.host
    );
    fs::write(home.join(".config/rcon/registries.toml"), text).unwrap();
    let pull = k.call(&["pull", "mysql:8"]);
    pull.env("HOME", home.to_str().unwrap()).output().ok();

    let web = Web::new();
    let port = web.publish(3306);
    let password = "MYSQL_ROOT_PASSWORD=1234";
    k.ok(&[
        "run",
        "--name",
        "mysql-tutorial",
        "-e",
        password,
        "-d",
        "-p",
        &port,
        "mysql:8",
    ]);
    within(90, "it answers", || {
        inside(&k, "mysql-tutorial", "mysql", "select 1").is_some()
    });
    let number = web.url("").rsplit(':').next().unwrap().to_owned();
    within(60, "it answers a client outside", || {
        let line = [
            "-h",
            "127.0.0.1",
            "-P",
            &number,
            "-uroot",
            "-p1234",
            "-N",
            "-e",
            "select 6*7",
        ];
        let out = Command::new("mysql").args(line).output().expect("a client");
        String::from_utf8_lossy(&out.stdout).trim() == "42"
    });

    // In a terminal.
    let line = ["exec", "-it", "mysql-tutorial", "mysql", "-uroot", "-p1234"];
    let mut person = under_pty(k.call(&line), 30, 100);
    person.terminal.wait_for("> ");
    person
        .terminal
        .type_in("select concat('from', '-inside');\n");
    person.terminal.wait_for("| from-inside ");
    person.terminal.type_in("exit\n");
    person.running.wait().ok();

    // Stop, start, remove.
    let out = k.run(&["rm", "mysql-tutorial"]).code(1);
    assert!(out.stderr.contains("running"), "{out}");
    k.ok(&["stop", "mysql-tutorial"]);
    assert!(k.ok(&["ps", "-a"]).contains("Exited (0)"));
    k.ok(&["start", "mysql-tutorial"]);
    k.ok(&["rm", "-f", "-v", "mysql-tutorial"]);
    assert_eq!(k.ok(&["volume", "ls", "-q"]), "");

    // What is in a volume with a name outlives the container.
    let volume = "shop-data:/var/lib/mysql";
    let run = |more: &[&str]| {
        let own = ["run", "-d", "--name", "db", "-e", password, "-v", volume];
        k.ok(&[&own, more, &["mysql:8"]].concat());
    };
    run(&["-e", "MYSQL_DATABASE=shop"]);
    within(90, "a table is made", || {
        inside(&k, "db", "shop", "create table if not exists t (n int)").is_some()
    });
    inside(&k, "db", "shop", "insert into t values (42)").expect("a row");
    k.ok(&["rm", "-f", "-v", "db"]);
    assert_eq!(k.ok(&["volume", "ls", "-q"]), "shop-data");
    run(&[]);
    within(90, "the row is there", || {
        inside(&k, "db", "shop", "select n from t").is_some_and(|n| n == "42")
    });
    k.run(&["volume", "rm", "shop-data"]).code(1);
    k.ok(&["rm", "-f", "db"]);
    k.ok(&["volume", "rm", "shop-data"]);
}
