//! A catalogue as it is written: values with their places. Meaning is given to them in [`super::read`].

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub image: Vec<Image>,
    #[serde(default)]
    pub guest: Vec<Guest>,
    /// Pairs of hosts, in a file that is an inventory, too.
    #[serde(default, rename = "pair")]
    _pair: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Image {
    pub name: Spanned<String>,
    pub file: Option<Spanned<String>>,
    pub sha256: Option<Spanned<String>>,
    pub arch: Option<Spanned<String>>,
    pub firmware: Spanned<String>,
    pub identity: Spanned<String>,
    pub user: Option<Spanned<String>>,
    pub domain: Option<Spanned<String>>,
    pub disk: Option<Spanned<String>>,
    #[serde(default)]
    pub kernel_log: KernelLog,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KernelLog {
    #[serde(default)]
    pub allow: Vec<HarmlessLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HarmlessLine {
    pub pattern: Spanned<String>,
    pub reason: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Guest {
    pub image: Spanned<String>,
    pub count: Option<Spanned<i64>>,
    pub vcpus: Option<Spanned<i64>>,
    pub memory_mib: Option<Spanned<i64>>,
}
