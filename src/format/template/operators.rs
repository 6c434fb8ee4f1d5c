//! `eq`, `ne`, `lt`, `le`, `gt` and `ge`.

use std::cmp::Ordering;

use serde_json::Value;

use super::Options;
use super::functions::Outcome;
use super::value::{Val, integer, type_name};

const INCOMPATIBLE: &str = "incompatible types for comparison";

/// Compares the first argument with the others: `eq` with any of them.
pub(super) fn compare<'d>(name: &str, args: &[Val<'d>], options: Options) -> Outcome<'d> {
    // A title is compared with values in vain; what it heads, it shows.
    if options.header {
        return Ok(Val::made(true));
    }
    let first = args[0].json();
    let Some(second) = args.get(1).map(Val::json) else {
        return Err("missing argument for comparison".to_owned());
    };
    let result = match name {
        "eq" => return equal_to_any(first, &args[1..]),
        "ne" => !equal(first, second)?,
        "lt" => order(first, second)?.is_lt(),
        "le" => order(first, second)?.is_le(),
        "gt" => order(first, second)?.is_gt(),
        _ => order(first, second)?.is_ge(),
    };
    Ok(Val::made(result))
}

fn equal_to_any<'d>(first: &Value, others: &[Val<'_>]) -> Outcome<'d> {
    for other in others {
        if equal(first, other.json())? {
            return Ok(Val::made(true));
        }
    }
    Ok(Val::made(false))
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => Ok(a.is_null() && b.is_null()),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::String(a), Value::String(b)) => Ok(a == b),
        (Value::Number(_), Value::Number(_)) => Ok(numbers(a, b).is_some_and(Ordering::is_eq)),
        (Value::Array(_) | Value::Object(_), _) => {
            Err(format!("non-comparable type {}", type_name(a)))
        }
        (_, Value::Array(_) | Value::Object(_)) => {
            Err(format!("non-comparable type {}", type_name(b)))
        }
        _ => Err(INCOMPATIBLE.to_owned()),
    }
}

fn order(a: &Value, b: &Value) -> Result<Ordering, String> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (Value::Number(_), Value::Number(_)) => {
            numbers(a, b).ok_or_else(|| INCOMPATIBLE.to_owned())
        }
        (Value::String(_) | Value::Number(_), _) => Err(INCOMPATIBLE.to_owned()),
        _ => Err("invalid type for comparison".to_owned()),
    }
}

/// Whole numbers exactly; a broken one makes both floating.
fn numbers(a: &Value, b: &Value) -> Option<Ordering> {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}
