//! The small images: Debian's busybox, and programs with their libraries.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::layout::{Layout, Tar};
use crate::needs;
use crate::outcome::Outcome;

/// What nginx is told: one worker, nothing written, an answer from memory.
pub(crate) const NGINX: &str = "daemon off; user root; worker_processes 1; pid /tmp/nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
    server { listen 80; location / { return 200 \"hello\\n\"; } }
}
";

/// Writes the image with these programs beside busybox, in one layer.
pub(crate) fn write(dir: &Path, name: &str, programs: &[&str]) -> io::Result<Layout> {
    let layer = layer(programs)?;
    Layout::write(dir, name, false, 1, |_| layer.clone())
}

fn layer(programs: &[&str]) -> io::Result<Vec<u8>> {
    let mut tar = Tar::default();
    for folder in [
        "bin", "dev", "etc", "proc", "root", "sys", "usr", "usr/sbin", "usr/bin", "www",
    ] {
        tar.folder(folder, 0o755);
    }
    for folder in [
        "tmp",
        "var",
        "var/log",
        "var/log/nginx",
        "var/lib",
        "var/lib/nginx",
        "lib64",
        "lib",
    ] {
        tar.folder(folder, 0o1777);
    }
    tar.file("etc/passwd", 0o644, b"root:x:0:0::/root:/bin/sh\n");
    tar.file("etc/group", 0o644, b"root:x:0:\n");
    tar.file("etc/nginx.conf", 0o644, NGINX.as_bytes());
    tar.file("www/index.html", 0o644, b"hello\n");
    busybox(&mut tar)?;
    for file in with_libraries(programs)? {
        let name = file.trim_start_matches('/');
        tar.file(name, 0o755, &fs::read(&file)?);
    }
    Ok(tar.finish())
}

fn busybox(tar: &mut Tar) -> io::Result<()> {
    let busybox = needs::find("busybox").ok_or_else(|| io::Error::other("no busybox"))?;
    tar.file("bin/busybox", 0o755, &fs::read(&busybox)?);
    let mut list = Command::new(&busybox);
    list.arg("--list");
    for applet in Outcome::of(list, "").stdout.lines() {
        if applet != "busybox" {
            tar.link(&format!("bin/{applet}"), "busybox");
        }
    }
    Ok(())
}

/// Programs where they are on this host, with all that the loader wants.
fn with_libraries(programs: &[&str]) -> io::Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    for program in programs {
        let at = needs::find(program).ok_or_else(|| io::Error::other(format!("no {program}")))?;
        let mut ldd = Command::new("ldd");
        ldd.arg(&at);
        let listed = Outcome::of(ldd, "").stdout;
        let paths = listed
            .split_whitespace()
            .filter(|word| word.starts_with('/'));
        files.extend(paths.map(str::to_owned));
        files.insert(at.display().to_string());
    }
    Ok(files)
}
