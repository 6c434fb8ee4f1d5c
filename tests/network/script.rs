//! The script that stands for a plan makes the same network as the plan.

use crate::world::{OUTSIDE, World};
use rcon::facts;
use rcon::network::wanted::{Bridge, Interface, Wanted, Wire};
use rcon::plan::{self, Options};
use rcon::render::shell;
use std::fs;
use std::path::Path;

fn networks() -> Wanted {
    Wanted {
        bridges: vec![Bridge {
            name: "rc-test".to_owned(),
            mark: "rcon test".to_owned(),
            mtu: 0,
            mac: "02:42:0a:09:00:01".to_owned(),
            addresses: vec!["10.9.0.1/24".parse().unwrap()],
            table: "rcon-test".to_owned(),
            subnets: vec!["10.9.0.0/24".parse().unwrap()],
            internal: false,
            apart: false,
        }],
        interfaces: vec![Interface {
            name: "eth0".to_owned(),
            wire: Wire::Bridge {
                bridge: "rc-test".to_owned(),
                port: "rvtest".to_owned(),
                apart: false,
            },
            mac: "02:42:0a:09:00:02".to_owned(),
            mtu: 1400,
            addresses: vec!["10.9.0.2/24".parse().unwrap()],
            gateways: vec!["10.9.0.1".parse().unwrap()],
        }],
    }
}

/// The script of a container that looks at its network, in this directory.
fn script(bundle: &Path) -> String {
    // The script's halves do not wait for each other as rcon's do.
    let look = format!(
        "n=0; until ip route | grep -q default || [ $n = 50 ]; do n=$((n+1)); sleep 0.1; done; \
         ip address show eth0; ip route; ping -c 1 -W 2 {OUTSIDE} > /dev/null"
    );
    let group = format!("/rcon-test-{}-script", std::process::id());
    let mut spec = crate::common::default_spec(&group);
    spec["process"]["args"] = serde_json::json!(["sh", "-c", look]);
    let spec = serde_json::from_value(spec).expect("a valid spec");
    let facts = facts::observe().expect("a host");
    let observed = facts::observe_bundle(bundle, &spec).expect("a bundle");
    let options = Options {
        id: "rcon-test-script".to_owned(),
        network: networks(),
        ..Options::default()
    };
    let plan = plan::container(&spec, &facts, &observed, &options).expect("a plan");
    shell::script(&plan)
}

#[test]
fn a_network_by_hand() {
    let Some(world) = World::new() else { return };
    let bundle = world.bed.path("image");
    fs::write(bundle.join("script.sh"), script(&bundle)).unwrap();
    let seen = world.sh(&format!(
        "cd {} && sh script.sh < /dev/null",
        bundle.display()
    ));
    for part in [
        "mtu 1400",
        "02:42:0a:09:00:02",
        "inet 10.9.0.2/24 brd 10.9.0.255",
        "default via 10.9.0.1 dev eth0",
    ] {
        assert!(seen.contains(part), "{part} is not in {seen}");
    }
    let by_hand = world.sh("nft list ruleset");
    // What rcon itself makes of the same reads the same.
    world.sh("nft flush ruleset");
    rcon::network::bridge::ensure(&networks().bridges[0]).unwrap();
    assert_eq!(world.sh("nft list ruleset"), by_hand);
}
