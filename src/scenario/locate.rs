//! Locates `scenarios.toml`, the same way for every program of the package.

use std::path::{Path, PathBuf};

/// Environment variable that names another scenario file.
pub const FILE_VARIABLE: &str = "MULTIVM_SCENARIOS";

const FILE_NAME: &str = "scenarios.toml";

/// The scenario file to read: `wish` if there is one, otherwise the file that [`FILE_VARIABLE`] names, otherwise the
/// package's own.
///
/// The result is a requested file even if it does not exist: reading it gives the error that the user needs. The package is
/// where cargo says at run time, because an archived test binary runs in another checkout than the one it was built in. A
/// program started by hand falls back on its build directory, then on the working directory. `variable` looks up the
/// environment: `|name| std::env::var(name).ok()`.
pub fn locate(wish: Option<&Path>, variable: impl Fn(&str) -> Option<String>) -> PathBuf {
    let asked = wish
        .map(Path::to_owned)
        .or_else(|| variable(FILE_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from));
    if let Some(asked) = asked {
        return asked;
    }
    // Cargo also sets the variable when it runs a program for another package, so only an existing file counts.
    [variable("CARGO_MANIFEST_DIR"), Some(env!("CARGO_MANIFEST_DIR").to_owned())]
        .into_iter()
        .flatten()
        .map(|directory| Path::new(&directory).join(FILE_NAME))
        .find(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from(FILE_NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_wins_then_the_variable_then_the_package() {
        let set = |name: &str| (name == FILE_VARIABLE).then(|| "own.toml".to_owned());
        assert_eq!(locate(Some(Path::new("given.toml")), set), Path::new("given.toml"));
        assert_eq!(locate(None, set), Path::new("own.toml"));
        let other = |name: &str| (name == "CARGO_MANIFEST_DIR").then(|| "/nowhere".to_owned());
        assert_eq!(locate(None, other), Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE_NAME));
        assert_eq!(locate(None, |_| None), Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE_NAME));
    }
}
