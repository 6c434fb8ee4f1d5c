//! What podman needs in its `containers.conf` wherever it is a peer. Also the
//! benchmark's and other tests'.

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

/// The table `[containers]`. podman asks for higher limits than a machine
/// without `CAP_SYS_RESOURCE` may give, unless it is told otherwise.
pub(crate) fn containers() -> String {
    let processes = match getrlimit(Resource::RLIMIT_NPROC) {
        Ok((_, hard)) if hard != RLIM_INFINITY => hard.to_string(),
        _ => "-1".to_owned(),
    };
    format!(
        "[containers]\n\
         default_ulimits = [\"nofile=1024:2048\", \"nproc={processes}:{processes}\"]\n\
         log_driver = \"k8s-file\"\n"
    )
}
