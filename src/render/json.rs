//! placeholder
use crate::plan::Plan;
/// Placeholder.
pub fn plan(plan: &Plan) -> String {
    format!("{plan:?}")
}
