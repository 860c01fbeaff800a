//! An inventory file as it is written: strings with their places. Meaning is given to them in [`super::read`].
//!
//! A key that nothing knows is a mistake: one that is silently ignored is found weeks later. Nothing here has `Debug`: a password that was
//! written by mistake is in it.

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub pair: Vec<Spanned<Pair>>,
    /// Images and guests, which a catalogue's reader reads.
    #[serde(default)]
    pub image: Vec<IgnoredAny>,
    #[serde(default)]
    pub guest: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    pub name: Spanned<String>,
    #[serde(default)]
    pub labels: Vec<Spanned<String>>,
    pub catalogue: Option<Spanned<String>>,
    pub source: Spanned<Host>,
    pub target: Spanned<Host>,
    pub storage: Spanned<Storage>,
    pub network: Spanned<Network>,
    #[serde(default)]
    pub allow: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    pub address: Spanned<String>,
    pub migration_address: Option<Spanned<String>>,
    pub storage_address: Option<Spanned<String>>,
    pub port: Option<Spanned<i64>>,
    pub user: Option<Spanned<String>>,
    pub sudo: Option<Spanned<String>>,
    pub key: Option<Spanned<String>>,
    pub agent: Option<Spanned<bool>>,
    /// Any value: what serde says of one that does not fit has the value in it, which may be a password.
    pub password: Option<Spanned<toml::Value>>,
    pub host_key: Option<Spanned<String>>,
    pub jump: Option<Spanned<String>>,
    pub uri: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Storage {
    pub mount: Option<Spanned<String>>,
    pub export: Option<Spanned<String>>,
    pub serve_on: Option<Spanned<String>>,
    pub keep_gib: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    pub bridge: Option<Spanned<String>>,
    pub overlay: Option<Spanned<String>>,
    pub nat: Option<Spanned<bool>>,
    pub subnet: Option<Spanned<String>>,
    pub guests: Option<Spanned<String>>,
    pub gateway: Option<Spanned<String>>,
}
