//! The fields of a struct of the record, as readers of any struct show them.

use serde::Serialize;
use serde_json::Value;

/// The fields that are there, by name.
pub(super) fn named(of: &impl Serialize) -> Vec<(String, Value)> {
    match serde_json::to_value(of) {
        Ok(Value::Object(fields)) => fields.into_iter().collect(),
        _ => Vec::new(),
    }
}
