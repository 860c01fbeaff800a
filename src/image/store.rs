//! The store of images, and the source of their packages.

use std::path::PathBuf;

use super::expired::{EXPIRED_VARIABLE, Expired};
use crate::failure::Failure;

/// The cache of images and the source of packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The directory of everything that stays between runs.
    pub cache: PathBuf,
    /// The Debian archive that the user wants instead of the machine's own.
    pub mirror: Option<String>,
    /// Suites whose Release file may have expired.
    pub expired: Expired,
}

impl Store {
    /// The environment's variables that a store reads, each with its meaning.
    pub const VARIABLES: [(&'static str, &'static str); 3] = [
        ("MULTIVM_CACHE", "where images are kept (default: multivm in the user's cache directory)"),
        (
            "MULTIVM_MIRROR",
            "Debian package source of the images (default: the machine's own, or mmdebstrap's)",
        ),
        (
            EXPIRED_VARIABLE,
            "suites whose Release file may have expired, e.g. forky or bullseye,forky or all (default: none)",
        ),
    ];

    /// Reads the variables through `get`. An empty variable counts as unset.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Store, Failure> {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let expired =
            set(EXPIRED_VARIABLE).map_or_else(|| Ok(Expired::default()), |value| Expired::read(&value))?;
        Ok(Store { cache: cache(&set)?, mirror: set("MULTIVM_MIRROR"), expired })
    }
}

fn cache(set: &impl Fn(&str) -> Option<String>) -> Result<PathBuf, Failure> {
    if let Some(path) = set("MULTIVM_CACHE").map(PathBuf::from) {
        return if path.is_absolute() {
            Ok(path.join("multivm"))
        } else {
            let attempted = format!("use MULTIVM_CACHE={}", path.display());
            Err(Failure::new(attempted, "allowed: an absolute path"))
        };
    }
    let base = set("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| PathBuf::from("/var/cache"));
    Ok(base.join("multivm"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::asked(&[("MULTIVM_CACHE", "/c"), ("HOME", "/h")], "/c/multivm")]
    #[case::xdg(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")], "/x/multivm")]
    #[case::home(&[("HOME", "/h")], "/h/.cache/multivm")]
    #[case::relative_home(&[("HOME", "h")], "/var/cache/multivm")]
    #[case::nothing(&[("MULTIVM_CACHE", "")], "/var/cache/multivm")]
    fn the_cache_is_the_users(#[case] variables: &[(&str, &str)], #[case] expected: &str) {
        let get =
            |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(Store::read(get).unwrap().cache, PathBuf::from(expected));
    }

    #[test]
    fn a_relative_cache_is_refused() {
        let failure = Store::read(|name| (name == "MULTIVM_CACHE").then(|| "here".into())).unwrap_err();
        assert!(failure.to_string().contains("MULTIVM_CACHE=here: allowed: an absolute path"), "{failure}");
    }
}
