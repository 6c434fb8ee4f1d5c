//! A database of Postgres: sessions with a state, and rows by the ten thousand.

use crate::programs::world_with;
use std::path::{Path, PathBuf};

/// Where Debian has its programs, whichever version it is.
fn programs() -> Option<PathBuf> {
    let all = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut all = all.flatten().map(|e| e.path().join("bin"));
    all.find(|bin| bin.join("initdb").exists())
}

fn start(bin: &Path) -> String {
    let bin = bin.display();
    format!(
        "{bin}/initdb --no-sync -A trust -U me -D /data/base > /data/log &&
         echo 'host all all all trust' >> /data/base/pg_hba.conf &&
         exec {bin}/postgres -D /data/base -k /data -h '*' -c fsync=off"
    )
}

#[test]
fn a_database_is_used_from_the_machine_and_from_a_container() {
    let Some(world) = world_with(&["psql"]) else {
        return;
    };
    let bin = programs().expect("psql comes with the rest of it");
    world.says(&["network", "create", "shop"]);
    let flags = [
        "--user",
        "user",
        "--network",
        "shop",
        "-p",
        "127.0.0.1:5400:5432",
    ];
    world.serve("db", &flags, &["sh", "-c", &start(&bin)]);
    let psql = |host: &str| format!("{}/psql -h {host} -U me -At postgres", bin.display());
    let ask = format!("{} -p 5400", psql("127.0.0.1"));
    world.answers(&format!("{ask} -c 'select 1'"));
    world.sh(&format!(
        "{ask} -q -c 'create table rows(n int, word text)'; \
         seq 1 100000 | sed 's/$/\\tword/' | {ask} -q -c 'copy rows from stdin'"
    ));
    let own = &["--user", "user", "--network", "shop"];
    let sum = format!("{} -c 'select sum(n) from rows'", psql("db"));
    assert_eq!(world.client(own, &sum).trim(), "5000050000");
    let lines = world.sh(&format!("{ask} -c 'copy rows to stdout' | wc -l"));
    assert_eq!(lines.trim(), "100000");
    // A session that the server ends is told so, rather than left hanging.
    let ended = world.sh(&format!(
        "{ask} -c 'select pg_terminate_backend(pg_backend_pid())' 2>&1 || true"
    ));
    assert!(ended.contains("terminating connection"), "{ended}");
    world.remove(&["db"]);
}
