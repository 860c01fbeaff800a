//! The sizes of guests that a file declares.

use std::collections::BTreeMap;

use toml::Spanned;

use super::field::field;
use super::raw::ProfileTable;
use super::read::value;
use super::{Bytes, Profile, Sizing};
use crate::failure::input::{InputError, InputFile};

/// The fields that a size sets; all others are the profile's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GuestSize {
    vcpus: Option<u32>,
    memory: Option<Bytes>,
}

impl GuestSize {
    /// The profile with guests of this size.
    pub fn of(&self, profile: &Profile) -> Profile {
        Profile {
            vcpus: self.vcpus.unwrap_or(profile.vcpus),
            memory: self.memory.unwrap_or(profile.memory),
            ..profile.clone()
        }
    }
}

/// The sizes that a file declares, in its order.
pub(super) fn read(
    source: InputFile<'_>,
    raw: &BTreeMap<Spanned<String>, Spanned<ProfileTable>>,
) -> Result<Vec<(Sizing, GuestSize)>, InputError> {
    let mut entries: Vec<_> = raw.iter().collect();
    // The map has the sizes by name.
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
        .into_iter()
        .map(|(name, table)| Ok((value(source, name)?, size(source, name.get_ref(), table)?)))
        .collect()
}

fn size(source: InputFile<'_>, name: &str, table: &Spanned<ProfileTable>) -> Result<GuestSize, InputError> {
    const KEYS: [&str; 2] = ["vcpus", "memory"];
    let allowed = ["allowed: `vcpus` and `memory`, at least one of them".to_owned()];
    if table.get_ref().is_empty() {
        let what = format!("the sizing `{name}` sets nothing");
        return Err(source.error(table.span(), &what, "the profile's own size has no name", &allowed));
    }
    let mut read = Profile::blank(name);
    for (key, value) in table.get_ref() {
        let Some(field) = field(key.get_ref()).filter(|field| KEYS.contains(&field.key)) else {
            let what = format!("unknown key `{key}` in the sizing `{name}`");
            return Err(source.error(key.span(), &what, "no size of a guest", &allowed));
        };
        field.read(source, value, &mut read)?;
    }
    let is_set = |key| table.get_ref().contains_key(key);
    Ok(GuestSize {
        vcpus: is_set("vcpus").then_some(read.vcpus),
        memory: is_set("memory").then_some(read.memory),
    })
}
