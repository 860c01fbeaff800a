//! `docs/record.schema.json`: the format of a line as a JSON Schema, made from the types.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::line::Line;
use super::{Envelope, Event, line_text};

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

/// The smallest value that a schema admits: an object has only the fields that it requires, and its arrays, whose one item is as
/// small.
fn smallest(schema: &Value, whole: &Value) -> Value {
    let one_of = |choices: &str| schema[choices].get(0).cloned();
    if let Some(only) = schema.get("const").cloned().or_else(|| one_of("enum")) {
        return only;
    }
    let named = schema["$ref"].as_str().and_then(|link| whole.pointer(link.trim_start_matches('#'))).cloned();
    let mut fields = serde_json::Map::new();
    for part in [named, one_of("anyOf"), one_of("oneOf")].into_iter().flatten() {
        match smallest(&part, whole) {
            Value::Object(of_part) => fields.extend(of_part),
            word => return word,
        }
    }
    match schema["type"].as_str() {
        Some("string") => json!("1970-01-01T00:00:00.000Z"),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(false),
        Some("array") => match schema["prefixItems"].as_array() {
            Some(items) => items.iter().map(|item| smallest(item, whole)).collect(),
            None => json!([smallest(&schema["items"], whole)]),
        },
        _ => {
            let is_required =
                |name: &str| schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
            let properties = schema["properties"].as_object().into_iter().flatten();
            let written = properties.filter(|(name, of)| is_required(name) || of["type"] == "array");
            fields.extend(written.map(|(name, of)| (name.clone(), smallest(of, whole))));
            Value::Object(fields)
        }
    }
}

/// Every event is written with everything absent that may be.
#[test]
fn what_is_absent_is_not_null() {
    let mut schema = schemars::schema_for!(Line).to_value();
    without_nulls(&mut schema);
    let forms = schema["oneOf"].as_array().unwrap();
    assert!(forms.len() > 20, "{forms:#?}");
    for form in forms {
        let line = smallest(form, &schema);
        let event: Event =
            serde_json::from_value(line.clone()).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(event.name(), line["event"]);
        let text = line_text(&Envelope { at: SystemTime::UNIX_EPOCH, t_ms: 1 }, &event).unwrap();
        assert!(!text.contains("null"), "{text}");
    }
}
