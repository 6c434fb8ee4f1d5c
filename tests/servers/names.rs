//! The name server of a container, as dig sees it.

use crate::programs::world_with;
use crate::world::World;

/// What dig prints of all these questions, asked in one container.
fn dig(world: &World, flags: &[&str], questions: &[&str]) -> String {
    let all: Vec<String> = questions
        .iter()
        .map(|q| format!("/usr/bin/dig +tries=1 +time=14 {q} || true"))
        .collect();
    world.client(flags, &all.join("; "))
}

#[test]
fn dig_has_nothing_to_complain_about() {
    let Some(world) = world_with(&["dig"]) else {
        return;
    };
    world.says(&["network", "create", "--ipv6", "shop"]);
    let flags = ["--network", "shop", "--network-alias", "db"];
    for n in 0..40 {
        let name = format!("db{n}");
        world.serve(&name, &flags, &["sleep", "600"]);
    }
    let own = &["--network", "shop"];
    let one = dig(&world, own, &["db0", "db0 AAAA", "db0 TXT", "nothing.shop"]);
    for part in [
        "status: NOERROR",
        "SERVER: 127.0.0.11#53",
        "aa",
        "EDNS: version: 0",
    ] {
        assert!(one.contains(part), "{part} is not in {one}");
    }
    for part in ["WARNING", "Warning", "malformed", "timed out"] {
        assert!(!one.contains(part), "{part} is in {one}");
    }
    assert_eq!(one.matches("status: NOERROR").count(), 3, "{one}");
    assert_eq!(one.matches("ANSWER: 0").count(), 2, "{one}");
    let count = |how: &str| dig(&world, own, &[how]).lines().count();
    assert_eq!(count("+short db"), 40);
    assert_eq!(count("+short +tcp db"), 40);
    // Forty addresses do not fit 512 bytes: dig comes again by TCP.
    assert_eq!(count("+short +noedns db"), 40);
    let cut = dig(&world, own, &["+noedns +ignore db"]);
    assert!(
        cut.contains(" tc") && !cut.contains("OPT PSEUDOSECTION"),
        "{cut}"
    );
    let later = dig(&world, own, &["+edns=7 +noednsnegotiation db0"]);
    assert!(later.contains("status: BADVERS"), "{later}");
    let names: Vec<String> = (0..40).map(|n| format!("db{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.remove(&names);
}

#[test]
fn a_question_that_nobody_answers_is_answered_with_a_failure() {
    let Some(world) = world_with(&["dig"]) else {
        return;
    };
    // One that is silent, one that is nowhere, and nobody else.
    let silent = std::net::UdpSocket::bind("198.51.100.1:53").unwrap();
    for servers in [
        &["--dns", "198.51.100.1", "--dns", "198.51.100.77"][..],
        &["--dns", "198.51.100.77"],
    ] {
        let told = dig(
            &world,
            servers,
            &["www.example.org", "+tcp www.example.org"],
        );
        assert_eq!(told.matches("status: SERVFAIL").count(), 2, "{told}");
    }
    drop(silent);
}
