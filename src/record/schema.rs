//! `docs/record.schema.json`: the format of a line as a JSON Schema, made from the types.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::line::Line;

/// The variable with which the test writes the file instead of comparing it.
const WRITE: &str = "MULTIVM_WRITE_SCHEMA";

/// Removes nulls: a missing field is absent and never null, and a field that may be absent is not `required`.
fn without_nulls(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
                choices.retain(|choice| *choice != json!({"type": "null"}));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    fields.remove("anyOf");
                    fields.extend(only);
                }
            }
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let mut schema = schemars::schema_for!(Line).to_value();
    without_nulls(&mut schema);
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/record.schema.json");
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &text).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == text,
        "{} is not what the types say; write it with: {WRITE}=1 cargo test --lib record::schema",
        path.display()
    );
}
