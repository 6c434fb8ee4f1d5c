//! A plan as JSON, for programs and for tests.

use serde::Serialize;

use crate::plan::Plan;

/// Raised when a reader of the older form would be misled by the newer.
const VERSION: u32 = 1;

/// The plan with the version of its form.
#[derive(Serialize)]
struct Versioned<'a> {
    version: u32,
    #[serde(flatten)]
    plan: &'a Plan,
}

/// The whole plan, in the order in which it happens.
pub fn plan(plan: &Plan) -> String {
    let versioned = Versioned {
        version: VERSION,
        plan,
    };
    // Every key is a string and no value can fail, so neither can this.
    serde_json::to_string_pretty(&versioned).unwrap_or_else(|e| format!("{{\"error\": \"{e}\"}}"))
}
