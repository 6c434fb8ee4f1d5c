//! What runs, with which variables.

use super::super::parse::env as variables;
use super::super::reading;
use super::super::request::{Attach, Surroundings};
use super::super::typed::{Create, Environment};
use crate::container::Program;
use crate::error::Result;

/// The program as typed; the image's part is still missing.
pub fn build(typed: &Create, attach: Attach, here: &Surroundings<'_>) -> Result<Program> {
    let (program, life) = (&typed.program, &typed.life);
    let text = |given: &Option<String>| given.clone().unwrap_or_default();
    Ok(Program {
        entrypoint: Vec::new(),
        command: typed.command().to_vec(),
        env: env(&typed.environment, here)?,
        workdir: text(&program.workdir),
        user: text(&program.user),
        groups: program.group_add.clone(),
        tty: life.tty,
        open_stdin: life.interactive,
        // Who was connected from the beginning is who it was for.
        stdin_once: life.interactive && attach.stdin,
        init: life.init,
        hostname: text(&program.hostname),
        domainname: text(&program.domainname),
        stop_signal: text(&life.stop_signal),
        stop_timeout: life.stop_timeout,
    })
}

/// `--entrypoint ""` takes the image's away.
pub fn entrypoint(typed: &str) -> Vec<String> {
    let given = !typed.is_empty();
    given.then(|| typed.to_owned()).into_iter().collect()
}

/// Those of files first, so that what is typed wins.
pub fn env(typed: &Environment, here: &Surroundings<'_>) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for file in &typed.env_file {
        let path = here.directory.join(file);
        let text = reading::text("--env-file", &path)?;
        let named = |e: crate::error::Error| e.context(format!("--env-file {}", path.display()));
        all.extend(variables::parse_file(&text, here.variables).map_err(named)?);
    }
    for text in &typed.env {
        let one = variables::parse(text, here.variables);
        all.push(one.map_err(|e| e.context("--env"))?);
    }
    Ok(all)
}
