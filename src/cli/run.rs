//! `run`, `create` and `start`: a container comes to life.

use std::process::ExitCode;

use super::start;
use crate::container::{
    Config, Id, Isolation, LogConfig, Network, Program, Resources, Restart, Root, SCHEMA, Timestamp,
};
use crate::error::{Error, Result};
use crate::foreground::session;
use crate::keeper::Attached;
use crate::store::Store;

/// Temporary.
pub fn run(store: &Store, args: &[String]) -> Result<ExitCode> {
    let mut args = args.to_vec();
    let mut flag = |name: &str| {
        let at = args.iter().position(|a| a == name);
        at.map(|i| args.remove(i)).is_some()
    };
    let (detach, tty, input, rm, explain) = (
        flag("-d"),
        flag("-t"),
        flag("-i"),
        flag("--rm"),
        flag("--explain"),
    );
    let mut args = args.into_iter();
    let root = args.next().ok_or_else(|| Error::user("no root"))?;
    let (path, overlay) = match root.strip_suffix(":O") {
        Some(path) => (path.to_owned(), true),
        None => (root, false),
    };
    let config = Config {
        version: SCHEMA,
        id: Id::random()?,
        created: Timestamp::now(),
        image: None,
        root: Root::Directory {
            path: path.into(),
            overlay,
        },
        program: Program {
            command: args.collect(),
            tty,
            open_stdin: input,
            stdin_once: input && !detach,
            ..Program::default()
        },
        isolation: Isolation::default(),
        mounts: Vec::new(),
        resources: Resources::default(),
        network: Network::default(),
        restart: Restart::default(),
        health: None,
        log: LogConfig::default(),
        auto_remove: rm,
        labels: std::collections::BTreeMap::default(),
        annotations: std::collections::BTreeMap::default(),
    };
    let (entry, lock) = store.add(&config, None)?;
    let attached = Attached {
        input: input && !detach,
        output: !detach,
        errors: !detach,
    };
    if detach {
        start::background(store, entry, lock, explain)?;
        println!("{}", config.id);
        return Ok(ExitCode::SUCCESS);
    }
    let options = session::options(&config, attached, true, None);
    start::foreground(store, entry, lock, &config, &options, explain)
}
