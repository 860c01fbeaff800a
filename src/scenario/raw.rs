//! `scenarios.toml` as written: strings with their places, whose meaning [`super::file`] finds.
//!
//! `deny_unknown_fields` is everywhere: the user would find a silently ignored key only weeks later.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// An array of names.
pub(super) type Names = Spanned<Vec<Spanned<String>>>;

/// Some values of some axes, by the axes' keys. [`super::read`] knows which there are.
pub(super) type Restriction = BTreeMap<Spanned<String>, Names>;

/// The table of a profile, or of a size. [`super::field`] knows the allowed values, and checks them.
pub(super) type ProfileTable = BTreeMap<Spanned<String>, Spanned<toml::Value>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub axes: Spanned<Restriction>,
    #[serde(default)]
    pub constraint: Vec<Constraint>,
    #[serde(default)]
    pub ignored: Vec<Ignored>,
    #[serde(default)]
    pub sizing: BTreeMap<Spanned<String>, Spanned<ProfileTable>>,
    #[serde(default)]
    pub set: BTreeMap<Spanned<String>, Set>,
    #[serde(default)]
    pub profile: BTreeMap<Spanned<String>, ProfileTable>,
    #[serde(default)]
    pub budget: Vec<Spanned<Budget>>,
    #[serde(default)]
    pub kernel_log: KernelLog,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Constraint {
    pub when: Spanned<Restriction>,
    pub only: Spanned<Restriction>,
    pub reason: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ignored {
    pub cases: Spanned<Restriction>,
    pub reason: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Set {
    pub description: Spanned<String>,
    pub filters: Option<Names>,
    pub cover: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budget {
    pub when: Option<Spanned<Restriction>>,
    pub scenario: Option<Spanned<String>>,
    pub max_downtime: Option<Spanned<toml::Value>>,
    pub max_total: Option<Spanned<toml::Value>>,
    pub reason: Spanned<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KernelLog {
    #[serde(default)]
    pub allow: Vec<AllowedLine>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AllowedLine {
    pub pattern: Spanned<String>,
    pub reason: Spanned<String>,
    pub of: Option<Spanned<String>>,
}
