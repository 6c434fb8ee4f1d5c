//! podman and buildah with a storage of the benchmark's own.

use std::fs;
use std::path::Path;

use crate::engine::{Engine, lacks};
use crate::house::Place;
use crate::podman_limits;
use crate::tool::Tool;

const NEEDS: &[&str] = &["podman", "conmon", "runc", "iptables"];

/// Short, and not below the benchmark's directory: where the path of a socket
/// is too long, each `run` takes 20 seconds. `/run` is the benchmark's own.
const RUN: &str = "/run/containers/storage";

pub(crate) fn prepare(place: &Place) -> Result<Engine, String> {
    lacks(NEEDS)?;
    if !Path::new("/usr/lib/podman/netavark").exists() {
        return Err("`netavark` is not installed".to_owned());
    }
    write(place).map_err(|why| why.to_string())?;
    let path = |name: &str| place.dir.join(name).display().to_string();
    let start = format!(
        "/usr/bin/podman --tmpdir /run/libpod --volumepath {} --network-config-dir {} \
         --cgroup-manager cgroupfs --events-backend file",
        path("podman-volumes"),
        path("podman-networks"),
    );
    let tool = configured(place, Tool::new(&start, &place.dir));
    let mut podman = Engine::new("podman", tool, place);
    podman.plain_http = "--tls-verify=false";
    podman.tool.run("version").map(|_| podman)
}

/// buildah, over the same storage.
pub(crate) fn buildah(place: &Place) -> Result<Tool, String> {
    lacks(&["buildah"])?;
    Ok(configured(place, Tool::new("/usr/bin/buildah", &place.dir)))
}

fn configured(place: &Place, tool: Tool) -> Tool {
    let path = |name: &str| place.dir.join(name).display().to_string();
    tool.env("CONTAINERS_CONF", path("containers.conf"))
        .env("CONTAINERS_STORAGE_CONF", path("storage.conf"))
}

fn write(place: &Place) -> std::io::Result<()> {
    let storage = format!(
        "[storage]\ndriver = \"overlay\"\ngraphroot = {:?}\nrunroot = {RUN:?}\n",
        place.dir.join("podman")
    );
    fs::write(place.dir.join("storage.conf"), storage)?;
    let containers = format!(
        "{}[engine]\nruntime = \"runc\"\n",
        podman_limits::containers()
    );
    fs::write(place.dir.join("containers.conf"), containers)
}
