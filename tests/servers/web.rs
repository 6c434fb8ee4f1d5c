//! nginx, spoken to by curl.

use crate::programs::world_with;
use crate::world::{MACHINE, World};
use std::fs;
use std::io::Write;

const CONFIG: &str = "
daemon off;
pid /tmp/nginx.pid;
worker_processes 1;
worker_rlimit_nofile LIMIT;
events { worker_connections CONNECTIONS; }
http {
    access_log off;
    keepalive_requests 1000000;
    client_max_body_size 100m;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {
        listen 80;
        listen [::]:80;
        root /srv;
        location = /who { return 200 \"$remote_addr\\n\"; }
        location = /sink { proxy_pass http://127.0.0.1:81/; }
    }
    server {
        listen 127.0.0.1:81;
        return 200 \"taken\\n\";
    }
}
";

impl World {
    /// Starts nginx, for as many connections at a time; what it serves is the
    /// directory `srv` of the bed.
    #[track_caller]
    pub fn serve_pages(&self, name: &str, flags: &[&str], connections: usize) {
        // With less than a sixteenth of them free, nginx closes the idle ones.
        let limit = (connections + connections / 8 + 100).to_string();
        let config = CONFIG.replace("CONNECTIONS", &limit);
        let config = config.replace("LIMIT", &limit);
        fs::write(self.bed.path("nginx.conf"), config).unwrap();
        fs::create_dir_all(self.bed.path("srv")).unwrap();
        fs::write(self.bed.path("srv/hello"), "hello from nginx\n").unwrap();
        let config = format!("{}:/nginx.conf:ro", self.bed.path("nginx.conf").display());
        let pages = format!("{}:/srv:ro", self.bed.path("srv").display());
        let own = ["-v", &config, "-v", &pages, "--user", "33:33"];
        let program = [
            "/usr/sbin/nginx",
            "-e",
            "stderr",
            "-p",
            "/tmp",
            "-c",
            "/nginx.conf",
        ];
        self.serve(name, &[&own, flags].concat(), &program);
    }
}

/// Bytes that are not all alike, and the same each time.
fn page(length: u32) -> Vec<u8> {
    (0..length)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

#[test]
fn pages_come_whole_from_everywhere() {
    let Some(world) = world_with(&["nginx", "curl", "cmp"]) else {
        return;
    };
    world.says(&["network", "create", "--ipv6", "shop"]);
    world.serve_pages("web", &["--network", "shop", "-p", "8000:80"], 100);
    let large = world.bed.path("srv/large");
    fs::File::create(&large)
        .and_then(|mut f| f.write_all(&page(5_000_000)))
        .unwrap();
    // The first who comes may come before nginx listens.
    for place in ["127.0.0.1", "[::1]", MACHINE, "[2001:db8::1]"] {
        let got = world.sh(&format!("curl -sS http://{place}:8000/hello"));
        assert_eq!(got, "hello from nginx\n", "{place}");
    }
    let whole = format!(
        "curl -sS http://127.0.0.1:8000/large | cmp - {}",
        large.display()
    );
    world.sh(&whole);
    // Many at once, each with a connection of its own.
    let many = "for n in 1 2 3 4 5 6 7 8; do \
         curl -sS http://127.0.0.1:8000/large | cksum & done; wait";
    let sums = world.sh(many);
    let first = sums.lines().next().unwrap();
    assert!(sums.lines().all(|l| l == first), "{sums}");
    assert_eq!(sums.lines().count(), 8);
    assert!(first.ends_with(" 20000000"), "{first}");
    for place in [MACHINE, "[2001:db8::1]"] {
        let got = world.outside(&format!("curl -sS http://{place}:8000/hello"));
        assert_eq!(got, "hello from nginx\n", "{place}");
    }
    // By name, from a container in the network; over both kinds of address.
    for kind in ["-4", "-6"] {
        let line = format!("/usr/bin/curl {kind} -sS http://web/hello");
        let got = world.client(&["--network", "shop"], &line);
        assert_eq!(got, "hello from nginx\n", "{kind}");
    }
    world.remove(&["web"]);
}

#[test]
fn what_a_client_sends_is_taken_as_fast_as_it_is_read() {
    let Some(world) = world_with(&["nginx", "curl"]) else {
        return;
    };
    world.serve_pages("web", &["-p", "127.0.0.1:8000:80"], 100);
    fs::write(world.bed.path("sent"), page(2_000_000)).unwrap();
    let line = format!(
        "curl -sS -w '%{{http_code}} %{{size_upload}}' --data-binary @{} \
         http://127.0.0.1:8000/sink",
        world.bed.path("sent").display()
    );
    assert_eq!(world.sh(&line), "taken\n200 8000000");
    world.remove(&["web"]);
}
