//! Running a hook: the container's state on its standard input, a limit on its
//! time, and its words kept for the case that it fails.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::{Context, Error, Result};
use crate::plan::{HookEnv, HookRun};
use crate::sys::fd;

/// The state of a container as the specification defines it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Of the specification.
    pub oci_version: String,
    /// The container's name.
    pub id: String,
    /// `creating`, `created`, `running`, `stopped`; we add `paused`.
    pub status: String,
    /// As seen on the host; absent when there is no process.
    #[serde(skip_serializing_if = "is_zero")]
    pub pid: i32,
    /// Absolute path.
    pub bundle: PathBuf,
    /// As in `config.json`.
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    pub annotations: HashMap<String, String>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_zero(n: &i32) -> bool {
    *n == 0
}

/// Runs `hook` and waits for it.
pub fn run(hook: &HookRun, state: &State) -> Result<()> {
    let named = || {
        format!(
            "hook {}[{}] {}",
            hook.field,
            hook.index,
            hook.path.display()
        )
    };
    let told = State {
        status: hook.status.to_owned(),
        ..state.clone()
    };
    let json = serde_json::to_vec(&told).map_err(|e| Error::internal(e.to_string()))?;
    // A file, not a pipe: a hook that says much, or leaves a daemon behind
    // that holds its output, must not keep us waiting.
    let mut said = File::from(fd::memfd("hook output").context(named)?);
    let mut child = command(hook)
        .stdin(input(&json).context(named)?)
        .stdout(said.try_clone().context(named)?)
        .stderr(said.try_clone().context(named)?)
        .spawn()
        .context(named)?;
    let status = wait(&mut child, hook.timeout).context(named)?;
    if status.success() {
        return Ok(());
    }
    let words = last_words(&mut said);
    Err(Error::user(format!("{} failed: {status}{words}", named())))
}

/// The whole state, ready to be read; no writer that could block.
fn input(json: &[u8]) -> Result<Stdio> {
    let mut file = File::from(fd::memfd("hook state")?);
    file.write_all(json)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(Stdio::from(file))
}

fn command(hook: &HookRun) -> Command {
    let mut command = Command::new(&hook.path);
    if let Some((first, rest)) = hook.args.split_first() {
        command.arg0(first).args(rest);
    }
    let env = match &hook.env {
        HookEnv::Runtime => return command,
        HookEnv::Own(env) | HookEnv::Program(env) => env,
    };
    command.env_clear();
    for entry in env {
        let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
        if !key.is_empty() {
            command.env(key, value);
        }
    }
    command
}

fn wait(child: &mut Child, timeout: Option<u64>) -> Result<std::process::ExitStatus> {
    // A time too far away to be told is none.
    let end = |seconds| Instant::now().checked_add(Duration::from_secs(seconds));
    let Some((seconds, deadline)) = timeout.and_then(|s| Some((s, end(s)?))) else {
        return Ok(child.wait()?);
    };
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Err(Error::user(format!("did not end within {seconds} s")));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn last_words(said: &mut File) -> String {
    let mut text = Vec::new();
    let read = said
        .seek(SeekFrom::Start(0))
        .and_then(|_| said.take(2048).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    match (read, text.trim()) {
        (Ok(_), words) if !words.is_empty() => format!(": {words}"),
        _ => String::new(),
    }
}
