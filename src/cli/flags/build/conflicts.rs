//! What cannot be had together, in Docker's words; and what is merely odd.

use super::super::typed::Create;
use crate::container::{Config, NetworkMode, Restart};
use crate::error::{Error, Result};

/// Less, and not even the first program starts.
const LEAST_MEMORY: i64 = 6 << 20;

/// Refuses what contradicts itself.
pub fn check(typed: &Create) -> Result<()> {
    life(typed)?;
    health(typed)?;
    names(typed)?;
    users(typed)?;
    memory(typed)?;
    processors(typed)
}

/// The first that holds.
fn first(conflicts: &[(bool, &str)]) -> Result<()> {
    match conflicts.iter().find(|(holds, _)| *holds) {
        Some((_, text)) => Err(Error::user(*text)),
        None => Ok(()),
    }
}

fn life(typed: &Create) -> Result<()> {
    let life = &typed.life;
    first(&[
        (
            life.rm && life.restart != Restart::No,
            "conflicting options: cannot specify both --restart and --rm",
        ),
        (
            life.rootfs && life.platform.is_some(),
            "conflicting options: --platform chooses an image, and --rootfs has none",
        ),
    ])
}

fn health(typed: &Create) -> Result<()> {
    let health = &typed.health;
    let any = health.health_cmd.is_some()
        || health.health_interval.is_some()
        || health.health_timeout.is_some()
        || health.health_retries.is_some()
        || health.health_start_period.is_some()
        || health.health_start_interval.is_some();
    first(&[(
        health.no_healthcheck && any,
        "conflicting options: --no-healthcheck conflicts with --health-* options",
    )])
}

fn given(text: Option<&str>) -> bool {
    text.is_some_and(|t| !t.is_empty())
}

/// A name can only be given where it is the container's own.
fn names(typed: &Create) -> Result<()> {
    let host_uts = typed.isolation.uts.as_deref() == Some("host");
    let hostname = given(typed.program.hostname.as_deref());
    let domainname = given(typed.program.domainname.as_deref());
    let mut networks = typed.network.network.iter();
    let joins = networks.any(|n| n.name.starts_with("container:"));
    first(&[
        (
            host_uts && hostname,
            "conflicting options: hostname and the UTS mode",
        ),
        (
            host_uts && domainname,
            "conflicting options: domainname and the UTS mode",
        ),
        (
            joins && hostname,
            "conflicting options: hostname and the network mode",
        ),
    ])
}

/// Root of a user namespace has no power over what is the host's.
fn users(typed: &Create) -> Result<()> {
    let asked = &typed.isolation;
    if asked
        .userns
        .as_deref()
        .is_none_or(|mode| mode.is_empty() || mode == "host")
    {
        return Ok(());
    }
    let host_network = typed.network.network.iter().any(|n| n.name == "host");
    first(&[
        (
            asked.privileged,
            "privileged mode is incompatible with user namespaces: leave --userns or --privileged out",
        ),
        (
            host_network,
            "cannot share the host's network namespace when user namespaces are enabled",
        ),
        (
            asked.pid.as_deref() == Some("host"),
            "cannot share the host PID namespace when user namespaces are enabled",
        ),
    ])
}

fn memory(typed: &Create) -> Result<()> {
    let limits = &typed.limits;
    let memory = limits.memory.unwrap_or(0);
    let swap = limits.memory_swap.unwrap_or(0);
    let reservation = limits.memory_reservation.unwrap_or(0);
    let least = 1..LEAST_MEMORY;
    first(&[
        (
            least.contains(&memory),
            "--memory: Minimum memory limit allowed is 6MB",
        ),
        (
            swap > 0 && memory == 0,
            "--memory-swap: You should always set the Memory limit when using Memoryswap limit: \
             add --memory",
        ),
        (
            swap > 0 && swap < memory,
            "--memory-swap: Minimum memoryswap limit should be larger than memory limit, \
             because it is both together",
        ),
        (
            least.contains(&reservation),
            "--memory-reservation: Minimum memory reservation allowed is 6MB",
        ),
        (
            memory > 0 && memory < reservation,
            "--memory: Minimum memory limit can not be less than memory reservation limit",
        ),
    ])
}

fn processors(typed: &Create) -> Result<()> {
    let limits = &typed.limits;
    let above = |value: Option<i64>| value.is_some_and(|v| v > 0);
    let cpus = above(limits.cpus);
    let period = limits.cpu_period.filter(|p| *p != 0);
    let quota = limits.cpu_quota.unwrap_or(0);
    first(&[
        (
            cpus && above(limits.cpu_period),
            "conflicting options: Nano CPUs and CPU Period cannot both be set: \
             leave --cpus or --cpu-period out",
        ),
        (
            cpus && above(limits.cpu_quota),
            "conflicting options: Nano CPUs and CPU Quota cannot both be set: \
             leave --cpus or --cpu-quota out",
        ),
        (
            period.is_some_and(|p| !(1_000..=1_000_000).contains(&p)),
            "--cpu-period: CPU cfs period can not be less than 1ms (i.e. 1000) or larger than \
             1s (i.e. 1000000)",
        ),
        (
            (1..1000).contains(&quota),
            "--cpu-quota: CPU cfs quota can not be less than 1ms (i.e. 1000)",
        ),
        (
            limits.cpus.is_some_and(|n| n > 0 && n < 10_000_000),
            "--cpus: range of CPUs is from 0.01: less is less than the kernel can count",
        ),
    ])
}

/// What is odd but no error.
pub fn warnings(typed: &Create, config: &Config) -> Vec<String> {
    let network = &config.network;
    let published = !network.ports.is_empty() || network.publish_all;
    let host = network.mode == NetworkMode::Host;
    let unbounded = config.resources.oom_kill_disable && config.resources.memory.is_none();
    let added = !typed.isolation.cap_add.is_empty() && typed.isolation.privileged;
    let list = [
        (
            published && host,
            "published ports are discarded when using host network mode: every port is the host's",
        ),
        (
            unbounded,
            "disabling the OOM killer on containers without setting a '-m/--memory' limit may be \
             dangerous",
        ),
        (
            added,
            "--cap-add adds nothing to --privileged, which gives every capability",
        ),
    ];
    let holds = list.into_iter().filter(|(holds, _)| *holds);
    holds.map(|(_, text)| text.to_owned()).collect()
}

#[cfg(test)]
#[path = "conflicts_tests.rs"]
mod tests;
