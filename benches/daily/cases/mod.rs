//! The cases, each with the goals that rcon has set itself.

mod build;
mod create;
mod exec;
mod http;
mod hundred;
mod load;
mod logs;
mod memory;
mod port;
mod ps;
mod pull;
mod removal;
mod requests;
mod run;

use crate::case::Case;

/// In the order in which they are run.
pub(crate) fn all() -> Vec<Case> {
    vec![
        run::bridge(),
        run::none(),
        run::host(),
        http::case(),
        exec::case(),
        create::case(),
        ps::hundred(),
        ps::thousand(),
        removal::case(),
        hundred::case(),
        memory::case(),
        port::case(),
        requests::case(),
        logs::case(),
        build::case(),
        load::case(),
        pull::case(),
    ]
}
