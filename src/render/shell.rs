//! placeholder
use crate::plan::Plan;
/// Placeholder.
pub fn script(plan: &Plan) -> String {
    format!("{plan:?}")
}
