//! Redis: many small requests, and a client that waits long for an answer.

use crate::programs::world_with;
use std::process::{Command, Stdio};

const SERVER: [&str; 9] = [
    "/usr/bin/redis-server",
    "--dir",
    "/data",
    "--save",
    "",
    "--bind",
    "*",
    "--protected-mode",
    "no",
];

#[test]
fn clients_share_what_they_keep_there() {
    let Some(world) = world_with(&["redis-server", "redis-cli", "redis-benchmark"]) else {
        return;
    };
    world.says(&["network", "create", "shop"]);
    let flags = [
        "--user",
        "1000:1000",
        "--network",
        "shop",
        "--network-alias",
        "cache",
        "-p",
        "127.0.0.1:6400:6379",
    ];
    world.serve("redis", &flags, &SERVER);
    world.answers("redis-cli -p 6400 ping");
    assert_eq!(world.sh("redis-cli -p 6400 set colour green").trim(), "OK");
    let inside = &["--network", "shop"];
    let got = world.client(inside, "/usr/bin/redis-cli -h cache get colour");
    assert_eq!(got.trim(), "green");
    // One waits at the port while another, inside, brings it what it waits for.
    let waiting = Command::new("redis-cli")
        .args(["-p", "6400", "blpop", "letters", "20"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    world.answers("redis-cli -p 6400 client list | grep -q cmd=blpop");
    world.client(inside, "/usr/bin/redis-cli -h redis rpush letters a");
    let got = waiting.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&got.stdout), "letters\na\n");
    // A pipeline of many, from fifty connections; an error would be told.
    let told = world.sh("redis-benchmark -p 6400 -q -c 50 -n 20000 -P 16 -t set,get 2>&1");
    assert!(
        told.contains("SET:") && told.contains("GET:") && !told.contains("rror"),
        "{told}"
    );
    world.remove(&["redis"]);
}
