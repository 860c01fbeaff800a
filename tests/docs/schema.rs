//! `docs/record.schema.json`: which events there are, and which fields they have. A test in the library holds the file against the types.

use std::path::Path;

use serde_json::{Map, Value};

pub struct Schema(Value);

impl Schema {
    pub fn read(package: &Path) -> Schema {
        let text = std::fs::read_to_string(package.join("docs/record.schema.json")).unwrap();
        Schema(serde_json::from_str(&text).unwrap())
    }

    /// What every line has.
    pub fn of_every_line(&self) -> Vec<String> {
        names(&self.0["properties"])
    }

    /// The events: name and fields.
    pub fn events(&self) -> Vec<(String, Vec<String>)> {
        let events = self.0["oneOf"].as_array().unwrap().iter();
        events
            .map(|event| {
                let name = event["properties"]["event"]["const"].as_str().unwrap().to_owned();
                (name, self.fields(event))
            })
            .collect()
    }

    /// The fields of a type of that name.
    pub fn of_type(&self, name: &str) -> Vec<String> {
        let fields = names(&self.0["$defs"][name]["properties"]);
        assert!(!fields.is_empty(), "{name} has no fields");
        fields
    }

    /// The fields of an object: its own, those of the type that it refers to, and those of each of its forms.
    fn fields(&self, object: &Value) -> Vec<String> {
        let mut fields = names(&object["properties"]);
        if let Some(name) = object["$ref"].as_str().and_then(|link| link.strip_prefix("#/$defs/")) {
            fields.extend(self.of_type(name));
        }
        for form in object["anyOf"].as_array().into_iter().flatten() {
            fields.extend(self.fields(form));
        }
        fields.retain(|field| field != "event");
        fields
    }
}

fn names(properties: &Value) -> Vec<String> {
    properties.as_object().map(Map::keys).into_iter().flatten().cloned().collect()
}
