//! `wait`.

use std::process::ExitCode;

use super::common;
use crate::error::Result;
use crate::keeper::{self, Reply, Request};
use crate::say;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub struct Wait {
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// `wait`.
pub fn wait(store: &Store, args: &Wait) -> ExitCode {
    let mut result = ExitCode::SUCCESS;
    for name in &args.containers {
        match end_of(store, name) {
            Ok(code) => say::out(code),
            Err(e) => {
                say::error(e);
                result = ExitCode::FAILURE;
            }
        }
    }
    result
}

fn end_of(store: &Store, name: &str) -> Result<i32> {
    loop {
        let found = common::find(store, name)?;
        if !found.state.status.is_up() {
            return Ok(found.state.exit_code);
        }
        if let Ok(connection) = keeper::connect(&found.entry) {
            // A keeper at its end does not listen any more, but it still says
            // how that was.
            let _ = Request::Wait.send(&connection);
            if let Some(code) = common::wait_for_exit(&connection, |c| Ok(Reply::receive(c)?))? {
                return Ok(code);
            }
        }
        // The keeper does not listen any more: in an instant it gives back the
        // lock, or the kernel does for it.
        std::thread::sleep(common::PAUSE);
    }
}
