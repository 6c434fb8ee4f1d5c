//! Docker's credential helpers: programs that keep passwords elsewhere, in a
//! desktop's key ring or a cloud's vault.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize};

use super::Credentials;
use crate::error::{Context, Error, Result};

/// Some ask a person first.
const PATIENCE: Duration = Duration::from_secs(60);
/// An answer is a name and a password.
const LARGEST: usize = 1 << 20;
/// The name that says: this is a token.
const TOKEN: &str = "<token>";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(default, rename = "ServerURL")]
    server: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// What the helper knows about a server; `None` if it knows nothing.
pub(super) fn get(name: &str, server: &str) -> Result<Option<Credentials>> {
    let answer = run(name, "get", server.as_bytes())?;
    let Ok(out) = answer else {
        let said = answer.unwrap_err();
        // The one sentence all helpers have in common.
        if said.contains("credentials not found") {
            return Ok(None);
        }
        return Err(failed(name, &said));
    };
    let entry: Entry = serde_json::from_str(&out)
        .map_err(|_| failed(name, "its answer is not the JSON it should be"))?;
    if entry.username.is_empty() && entry.secret.is_empty() {
        return Ok(None);
    }
    Ok(Some(if entry.username == TOKEN {
        Credentials::Token(entry.secret)
    } else {
        Credentials::Password {
            user: entry.username,
            password: entry.secret,
        }
    }))
}

/// Gives the helper something to keep.
pub(super) fn store(name: &str, server: &str, user: &str, password: &str) -> Result<()> {
    let entry = Entry {
        server: server.to_owned(),
        username: user.to_owned(),
        secret: password.to_owned(),
    };
    let json = serde_json::to_vec(&entry).map_err(|e| Error::internal(e.to_string()))?;
    run(name, "store", &json)?
        .map(drop)
        .map_err(|said| failed(name, &said))
}

/// Makes the helper forget a server.
pub(super) fn erase(name: &str, server: &str) -> Result<()> {
    run(name, "erase", server.as_bytes())?
        .map(drop)
        .map_err(|said| failed(name, &said))
}

fn failed(name: &str, said: &str) -> Error {
    let said: String = said.trim().chars().take(200).collect();
    Error::environment(format!("docker-credential-{name}: {said}"))
        .hint("it is named in the file that Docker's passwords are in")
}

/// What the helper said: as an error if it has failed.
fn run(name: &str, verb: &str, input: &[u8]) -> Result<std::result::Result<String, String>> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if name.is_empty() || !name.bytes().all(fine) {
        return Err(Error::user(format!(
            "{name:?} cannot be a credential helper's name"
        )));
    }
    let program = format!("docker-credential-{name}");
    let mut child = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context(|| format!("cannot run {program}"))?;
    let talked = talk(&mut child, input);
    if talked.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().context(|| program.clone())?;
    let out = talked.map_err(|e| e.context(&program))?;
    let out = String::from_utf8_lossy(&out).into_owned();
    Ok(if status.success() { Ok(out) } else { Err(out) })
}

/// Says what is to be said and listens until the helper closes its output.
fn talk(child: &mut Child, input: &[u8]) -> Result<Vec<u8>> {
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(input) {
            // It may know without being told.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => {}
            written => written?,
        }
    }
    let mut out = Vec::new();
    let Some(mut stdout) = child.stdout.take() else {
        return Ok(out);
    };
    let end = Instant::now() + PATIENCE;
    let mut buffer = [0; 4096];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(0) => return Err(Error::environment("it does not answer")),
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => continue,
            Err(e) => return Err(Error::environment(e.desc())),
        }
        let n = stdout.read(&mut buffer)?;
        if n == 0 {
            return Ok(out);
        }
        out.extend_from_slice(&buffer[..n]);
        if out.len() > LARGEST {
            return Err(Error::environment("it does not stop talking"));
        }
    }
}
