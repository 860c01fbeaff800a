//! A profile by its fields: read from a file, overridden by the environment.

use super::Profile;
use super::field::{FIELDS, field};
use super::raw::ProfileTable;
use crate::failure::input::{InputError, InputFile, did_you_mean};

impl Profile {
    /// Every environment variable that [`Profile::override_from`] reads, with its allowed values.
    pub fn variables() -> impl Iterator<Item = (String, &'static str)> {
        FIELDS.iter().map(|field| (field.variable(), field.allowed))
    }

    /// The profile with every field replaced for which `variable` has a value.
    ///
    /// Each field has a variable of its own, `MULTIVM_` and its name in upper case: `MULTIVM_GUESTS=10`,
    /// `MULTIVM_PROBE_INTERVAL=10ms`. The text is the same as in the file, without quotes. For the process' environment
    /// pass `|name| std::env::var(name).ok()`.
    ///
    /// # Errors
    ///
    /// A variable has a value that its field cannot have; the message names the variable, the value and the allowed values.
    pub fn override_from(mut self, variable: impl Fn(&str) -> Option<String>) -> Result<Self, InputError> {
        for field in &FIELDS {
            let name = field.variable();
            // An empty variable counts as not set.
            let Some(value) = variable(&name).filter(|value| !value.is_empty()) else {
                continue;
            };
            if (field.set)(&mut self, &value).is_none() {
                // Quotes belong to TOML. The message must not tell a user who copied them into the variable to do it again.
                let allowed = field.allowed.replace('"', "`");
                return Err(InputError::new(
                    &format!("the environment variable {name} cannot be `{value}`"),
                    &[format!("allowed: {allowed}")],
                ));
            }
        }
        Ok(self)
    }

    /// The profile that a table declares. Messages about missing fields point at `at`, the place of `name`.
    pub(super) fn from_table(
        source: InputFile<'_>,
        name: &str,
        at: std::ops::Range<usize>,
        table: &ProfileTable,
    ) -> Result<Self, InputError> {
        if let Some(unknown) = table.keys().find(|key| field(key.get_ref()).is_none()) {
            let mut help = vec![format!("allowed: {}", keys())];
            help.extend(did_you_mean(unknown.get_ref(), FIELDS.map(|f| f.key)));
            return Err(source.error(
                unknown.span(),
                &format!("unknown key `{unknown}` in the profile `{name}`"),
                "not a field of a profile",
                &help,
            ));
        }

        let mut profile = Self::blank(name);
        for field in &FIELDS {
            let value = table.get(field.key).ok_or_else(|| {
                source.error(
                    at.clone(),
                    &format!("the profile `{name}` has no `{}`", field.key),
                    "missing in this profile",
                    &[format!("allowed: {}", field.allowed)],
                )
            })?;
            field.read(source, value, &mut profile)?;
        }
        Ok(profile)
    }
}

fn keys() -> String {
    FIELDS.map(|field| format!("`{}`", field.key)).join(", ")
}
