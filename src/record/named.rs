//! Structs of the record whose fields may all be absent, and whose readers show any field by its name.

/// Makes such a struct: a reader of records of other versions finds some fields and lacks others.
macro_rules! named_fields {
    ($(#[$of:meta])* pub struct $name:ident { $($(#[$about:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$of])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(default)]
        pub struct $name {
            $($(#[$about])*
            #[serde(skip_serializing_if = "Option::is_none")]
            pub $field: Option<$type>,)*
        }

        impl $name {
            /// The fields that are there, by name.
            pub fn named(&self) -> Vec<(String, serde_json::Value)> {
                match serde_json::to_value(self) {
                    Ok(serde_json::Value::Object(fields)) => fields.into_iter().collect(),
                    _ => Vec::new(),
                }
            }
        }
    };
}

pub(super) use named_fields;
