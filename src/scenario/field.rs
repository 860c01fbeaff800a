//! The fields of a profile: one list for reading files, naming variables, and making messages.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{AtTimeout, Bytes, Profile};
use crate::failure::input::{InputError, InputFile};

/// One field of a profile, whether its value comes from the file or from the environment.
pub(super) struct Field {
    pub key: &'static str,
    form: Form,
    /// The allowed values, for messages.
    pub allowed: &'static str,
    /// Reads a value from its text into the profile; `None` if the text is no such value.
    pub set: fn(&mut Profile, &str) -> Option<()>,
}

/// The TOML type of a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A bare integer.
    Number,
    /// A quoted string.
    Text,
}

const DURATION: &str = "a duration above zero such as \"120s\", \"20ms\" or \"1m 30s\" (units ms, s, m, h)";
const MIBS: &str = "a size of whole MiB above zero such as \"64MiB\" (units KiB, MiB, GiB)";
const SIZE: &str = "a size above zero such as \"256MiB\" (units KiB, MiB, GiB)";
const LIMIT: &str = "\"unlimited\" or a size of whole MiB above zero such as \"64MiB\" (units KiB, MiB, GiB)";
const AT_TIMEOUT: &str = "one of \"abort\", \"suspend\", \"suspend_allowed\"";

/// Makes a [`Field`] for a field of [`Profile`] of a given kind.
macro_rules! field {
    ($key:ident: number from $least:literal to $most:literal) => {
        field!($key, Form::Number, concat!("a whole number from ", $least, " to ", $most), |text| number(
            text,
            $least..=$most
        ))
    };
    ($key:ident: duration) => {
        field!($key, Form::Text, DURATION, duration)
    };
    ($key:ident: size) => {
        field!($key, Form::Text, SIZE, size)
    };
    ($key:ident: whole MiB) => {
        field!($key, Form::Text, MIBS, mibs)
    };
    ($key:ident: whole MiB or unlimited) => {
        field!($key, Form::Text, LIMIT, limit)
    };
    ($key:ident: what to do at a timeout) => {
        field!($key, Form::Text, AT_TIMEOUT, AtTimeout::named)
    };
    ($key:ident, $form:expr, $allowed:expr, $read:expr) => {
        Field {
            key: stringify!($key),
            form: $form,
            allowed: $allowed,
            set: |profile, text| {
                profile.$key = $read(text)?;
                Some(())
            },
        }
    };
}

/// Every field of a profile except its name.
pub(super) const FIELDS: [Field; 24] = [
    field!(guests: number from 1 to 200),
    field!(load_guests: number from 1 to 50),
    field!(vcpus: number from 1 to 256),
    field!(memory: size),
    field!(rounds: number from 1 to 1_000_000),
    field!(precopy_timeout: duration),
    field!(postcopy_timeout: duration),
    field!(at_timeout: what to do at a timeout),
    field!(boot_timeout: duration),
    field!(probe_interval: duration),
    field!(max_gap: duration),
    field!(max_recovery: duration),
    field!(max_slowdown: number from 2 to 10000),
    field!(settle: duration),
    field!(max_clock_drift: duration),
    field!(cpu_workers: number from 1 to 1024),
    field!(memory_workers: number from 1 to 1024),
    field!(memory_bytes: size),
    field!(pattern_memory: whole MiB),
    field!(precopy_rewrite: duration),
    field!(postcopy_rewrite: duration),
    field!(downtime_limit: duration),
    field!(bandwidth: whole MiB or unlimited),
    field!(first_pass_bandwidth: whole MiB),
];

/// The field with a given key.
pub(super) fn field(key: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.key == key)
}

fn number(text: &str, allowed: RangeInclusive<u32>) -> Option<u32> {
    text.parse().ok().filter(|n| allowed.contains(n))
}

fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|duration| !duration.is_zero())
}

/// A duration in a file that is no field of a profile.
pub(super) fn duration_above_zero(
    source: InputFile<'_>,
    key: &str,
    value: &toml::Spanned<toml::Value>,
) -> Result<Duration, InputError> {
    value.get_ref().as_str().and_then(duration).ok_or_else(|| {
        let what = format!("`{key}` cannot be {}", value.get_ref());
        source.error(value.span(), &what, "", &[format!("allowed: {DURATION}")])
    })
}

/// A size of whole MiB: libvirt takes bandwidths in MiB/s, and our program in guests takes the size of its pattern in MiB.
fn mibs(text: &str) -> Option<Bytes> {
    size(text).filter(|bytes| bytes.0 % (1 << 20) == 0)
}

fn limit(text: &str) -> Option<Option<Bytes>> {
    if text == "unlimited" { Some(None) } else { mibs(text).map(Some) }
}

fn size(text: &str) -> Option<Bytes> {
    text.parse().ok().filter(|bytes| *bytes > Bytes(0))
}

impl Field {
    /// The environment variable that overrides the field.
    pub fn variable(&self) -> String {
        format!("MULTIVM_{}", self.key.to_uppercase())
    }

    /// Reads a value from a file into the profile.
    pub fn read(
        &self,
        source: InputFile<'_>,
        value: &toml::Spanned<toml::Value>,
        profile: &mut Profile,
    ) -> Result<(), InputError> {
        self.text(value.get_ref()).and_then(|text| (self.set)(profile, &text)).ok_or_else(|| {
            source.error(
                value.span(),
                &format!("`{}` cannot be {}", self.key, value.get_ref()),
                "",
                &[format!("allowed: {}", self.allowed)],
            )
        })
    }

    /// The text of a TOML value, if the value has the field's type.
    fn text(&self, value: &toml::Value) -> Option<String> {
        match (self.form, value) {
            (Form::Number, toml::Value::Integer(number)) => Some(number.to_string()),
            (Form::Text, toml::Value::String(text)) => Some(text.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_fields_share_a_key() {
        let keys = FIELDS.map(|field| field.key);
        assert_eq!(keys.into_iter().collect::<BTreeSet<_>>().len(), FIELDS.len(), "{keys:?}");
    }

    #[test]
    fn the_message_lists_every_way_to_end_at_a_timeout() {
        let names = AtTimeout::ALL.map(|value| format!("{:?}", value.name()));
        assert_eq!(AT_TIMEOUT, format!("one of {}", names.join(", ")));
    }
}
