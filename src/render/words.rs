//! Each action in words.

use crate::plan::Action;

/// What an action does, as an English phrase.
pub fn action(action: &Action) -> String {
    format!("{action:?}")
}

/// Placeholder.
pub fn plan(plan: &crate::plan::Plan) -> String {
    format!("{plan:#?}")
}
