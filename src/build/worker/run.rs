//! `RUN`: a container like any other, but that nobody sees, that ends with the
//! build, and whose changes become the layer.

use super::mounts::Mounts;
use super::{Done, Ended, Job, Teller, Word};
use crate::build::work::Run;
use crate::container::{
    BuildStep, Config, Id, Isolation, LogConfig, Network, Program, Restart, Root, SCHEMA, Seccomp,
    Security, Timestamp,
};
use crate::error::{Context, Error, Result};
use crate::keeper::{self, Attached, Reply, Stream};
use crate::store::files;

/// What the container calls itself; always the same, so that no step's outcome
/// depends on it.
const HOSTNAME: &str = "build";

/// Runs the program to its end.
pub(super) fn run(job: &Job<'_>, run: &Run, teller: &Teller<'_>) -> Result<Ended> {
    let mounts = Mounts::make(job, run)?;
    let lowers = lowers(job)?;
    let config = config(job, run, &mounts, &lowers)?;
    teller.tell(&Word::Container(config.id.to_string()))?;
    let (entry, lock) = job.store.add(&config, None)?;
    let start = keeper::Start {
        attached: Attached {
            input: false,
            output: true,
            errors: true,
        },
        ..keeper::Start::first(entry, lock, config)
    };
    let connection = keeper::start(job.store, start)?;
    let code = attend(&connection, teller)?;
    drop(mounts);
    if code != 0 {
        return Ok(Ended::Badly(code));
    }
    if !job.store.layer(&job.to_be).is_dir() {
        return Err(
            Error::environment("the program has ended, but what it changed was lost")
                .hint("look for a full disk, or for somebody who removes files of rcon's"),
        );
    }
    let layer = job.finish(job.lowers)?;
    Ok(Ended::Well(Done {
        layer,
        ..Done::default()
    }))
}

/// Passes on what the program says until its end.
fn attend(connection: &std::os::fd::OwnedFd, teller: &Teller<'_>) -> Result<i32> {
    loop {
        match Reply::receive(connection)? {
            Some(Reply::Started(_)) => {}
            Some(Reply::Warned(text)) => teller.tell(&Word::Note(text))?,
            Some(Reply::Failed(failure)) => return Err(Error::told(failure.text)),
            Some(Reply::Output(Stream::Out, bytes)) => teller.tell(&Word::Out(bytes))?,
            Some(Reply::Output(Stream::Err, bytes)) => teller.tell(&Word::Err(bytes))?,
            Some(Reply::Exit(code)) => return Ok(code),
            Some(other) => return Err(Error::internal(format!("was told {other:?}"))),
            None => return Err(Error::environment("the keeper of this step was killed")),
        }
    }
}

/// The layers below; of none, an empty one, for an overlay needs one.
fn lowers(job: &Job<'_>) -> Result<Vec<String>> {
    if !job.lowers.is_empty() {
        return Ok(job.lowers.to_vec());
    }
    let empty = format!("{}e", job.to_be);
    files::public_dir_all(&job.store.layer(&empty)).context(|| "cannot make an empty layer")?;
    Ok(vec![empty])
}

fn config(job: &Job<'_>, run: &Run, mounts: &Mounts, lowers: &[String]) -> Result<Config> {
    let limits = &run.limits;
    Ok(Config {
        version: SCHEMA,
        id: Id::random()?,
        created: Timestamp::now(),
        image: None,
        root: Root::Layers {
            layers: lowers.to_vec(),
        },
        program: Program {
            command: Mounts::argv(run),
            env: run.env.clone(),
            workdir: run.workdir.clone(),
            user: run.user.clone(),
            hostname: HOSTNAME.to_owned(),
            ..Program::default()
        },
        isolation: Isolation {
            privileged: run.insecure,
            security: Security {
                seccomp: if run.insecure {
                    Seccomp::Unconfined
                } else {
                    Seccomp::Default
                },
                ..Security::default()
            },
            ulimits: limits.ulimits.clone(),
            cgroup_parent: limits.cgroup_parent.clone(),
            ..Isolation::default()
        },
        mounts: [&limits.mounts[..], &mounts.all].concat(),
        resources: limits.resources.clone(),
        network: Network {
            mode: run.network.clone(),
            hosts: limits.hosts.clone(),
            ..Network::default()
        },
        restart: Restart::No,
        health: None,
        log: LogConfig {
            driver: "none".to_owned(),
            ..LogConfig::default()
        },
        auto_remove: true,
        labels: std::collections::BTreeMap::new(),
        annotations: std::collections::BTreeMap::new(),
        build: Some(BuildStep {
            keep: job.to_be.clone(),
        }),
    })
}
