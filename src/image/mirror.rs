//! Where Debian packages for the lab's images come from: the machine's own configured package sources.

use std::fs;
use std::path::PathBuf;

use crate::failure::{Failure, Result};

/// Suites by which a source is known to be Debian's main archive.
const SUITES: [&str; 7] = ["bullseye", "bookworm", "trixie", "forky", "stable", "testing", "sid"];

/// A Debian archive, and who names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSource {
    /// For mmdebstrap. It may hold a password: not for messages.
    pub address: String,
    /// The file or the variable that it is from.
    pub from: String,
}

/// A Debian archive: `wish`, or the first source of the machine that names a Debian suite.
pub fn debian(wish: Option<&str>) -> Result<PackageSource> {
    if let Some(wish) = wish {
        return Ok(PackageSource { address: wish.to_owned(), from: "MULTIVM_MIRROR".to_owned() });
    }
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        let mut more: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        more.sort();
        files.extend(more);
    }
    files
        .iter()
        .find_map(|path| {
            let address = find(&fs::read_to_string(path).ok()?)?;
            Some(PackageSource { address, from: path.display().to_string() })
        })
        .ok_or_else(|| {
            Failure::new(
                "find a Debian package source",
                "no configured source of this machine names a Debian suite",
            )
            .try_next("set MULTIVM_MIRROR to the address of a Debian archive")
        })
}

/// The first source of a file in either of apt's formats: one-line (`deb ...`) or deb822 (`URIs:`).
fn find(text: &str) -> Option<String> {
    one_line(text).or_else(|| text.split("\n\n").find_map(paragraph))
}

fn one_line(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb ")?.trim();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1.trim(),
            None => rest,
        };
        let mut words = rest.split_whitespace();
        let address = words.next()?;
        SUITES.contains(&words.next()?).then(|| address.to_owned())
    })
}

fn paragraph(text: &str) -> Option<String> {
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    let debian = field("Suites")?.split_whitespace().any(|suite| SUITES.contains(&suite));
    let enabled = !field("Enabled").is_some_and(|value| value.eq_ignore_ascii_case("no"));
    let binary = field("Types")?.split_whitespace().any(|kind| kind == "deb");
    (debian && enabled && binary)
        .then(|| field("URIs")?.split_whitespace().next().map(str::to_owned))
        .flatten()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("deb [signed-by=/k] mirror:/debian trixie main\n", Some("mirror:/debian"))]
    #[case("# deb mirror:/no trixie main\ndeb-src mirror:/src trixie main\n", None)]
    #[case(
        "Types: deb\nURIs: mirror:/debian\nSuites: bookworm bookworm-updates\nComponents: main\n",
        Some("mirror:/debian")
    )]
    #[case(
        "Types: deb\nURIs: mirror:/sec\nSuites: bookworm-security\n\nTypes: deb\nURIs: mirror:/d\nSuites: sid\n",
        Some("mirror:/d")
    )]
    #[case("Types: deb\nEnabled: no\nURIs: mirror:/debian\nSuites: bookworm\n", None)]
    #[case("deb mirror:/ubuntu noble main\n", None)]
    fn the_machines_own_source_is_found(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(find(text).as_deref(), expected);
    }
}
