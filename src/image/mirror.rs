//! The source of Debian packages for the lab's images: the machine's own configured package sources or, on a machine that is
//! no Debian, the one that mmdebstrap knows.

use std::fs;
use std::path::Path;

use crate::failure::{Failure, Result};

/// Debian's suites that images can be made of.
pub const SUITES: [&str; 4] = ["bullseye", "bookworm", "trixie", "forky"];

/// Other suites that show a source to be Debian's main archive.
const OTHERS: [&str; 3] = ["stable", "testing", "sid"];

/// Where Debian's keys are, by package debian-archive-keyring, or debian-keyring of Fedora: mmdebstrap trusts them where the machine's
/// own apt does not. The second name is that of newer versions.
const KEYRINGS: [&str; 2] =
    ["usr/share/keyrings/debian-archive-keyring.gpg", "usr/share/keyrings/debian-archive-keyring.pgp"];

/// A Debian archive, and where it was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSource {
    /// The address for mmdebstrap; none for its built-in archive. It may hold a password, so no message shows it.
    pub address: Option<String>,
    /// The file, the variable or the program that configured it.
    pub from: String,
}

/// A Debian archive: `wish`, or the first source of the machine that names a Debian suite, or the one that mmdebstrap knows.
pub fn debian(wish: Option<&str>) -> Result<PackageSource> {
    on(Path::new("/"), wish)
}

/// The archive of a machine with this root directory.
fn on(root: &Path, wish: Option<&str>) -> Result<PackageSource> {
    if let Some(wish) = wish {
        return Ok(PackageSource { address: Some(wish.to_owned()), from: "MULTIVM_MIRROR".to_owned() });
    }
    let mut files = vec![root.join("etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir(root.join("etc/apt/sources.list.d")) {
        let mut more: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        more.sort();
        files.extend(more);
    }
    let own = files.iter().find_map(|path| {
        let address = find(&fs::read_to_string(path).ok()?)?;
        Some(PackageSource { address: Some(address), from: path.display().to_string() })
    });
    own.map_or_else(|| built_in(root), Ok)
}

/// mmdebstrap's own archive, for a machine that is no Debian. Without Debian's keys nothing from there could be verified.
fn built_in(root: &Path) -> Result<PackageSource> {
    if KEYRINGS.iter().any(|keyring| root.join(keyring).exists()) {
        return Ok(PackageSource {
            address: None,
            from: "mmdebstrap itself, since no source of this machine does".to_owned(),
        });
    }
    let why = format!(
        "no configured source of this machine names a Debian suite, and there is no /{}",
        KEYRINGS[0]
    );
    Err(Failure::new("find a Debian package source and the keys to verify it", why).try_next(
        "./setup installs the keys; or set MULTIVM_MIRROR to a Debian archive that this machine's apt trusts",
    ))
}

/// Whether a suite is of Debian's main archive.
fn is_debian(suite: &str) -> bool {
    SUITES.contains(&suite) || OTHERS.contains(&suite)
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
        is_debian(words.next()?).then(|| address.to_owned())
    })
}

fn paragraph(text: &str) -> Option<String> {
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    let debian = field("Suites")?.split_whitespace().any(is_debian);
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

    const UBUNTU: &str = "Types: deb\nURIs: mirror:/ubuntu\nSuites: noble noble-updates\nComponents: main\n";
    const DEBIAN: &str = "Types: deb\nURIs: mirror:/debian\nSuites: trixie\nComponents: main\n";

    /// A machine with these files.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[rstest]
    #[case::debian(&[("etc/apt/sources.list.d/debian.sources", DEBIAN)], Some("mirror:/debian"))]
    #[case::debian_beside_others(
        &[("etc/apt/sources.list.d/a.sources", UBUNTU), ("etc/apt/sources.list.d/b.sources", DEBIAN)],
        Some("mirror:/debian")
    )]
    #[case::ubuntu(&[("etc/apt/sources.list.d/ubuntu.sources", UBUNTU), (KEYRINGS[0], "")], None)]
    #[case::fedora(&[("etc/yum.repos.d/fedora.repo", "[fedora]"), (KEYRINGS[1], "")], None)]
    fn a_machine_that_is_no_debian_leaves_it_to_mmdebstrap(
        #[case] files: &[(&str, &str)],
        #[case] address: Option<&str>,
    ) {
        let source = on(machine(files).path(), None).unwrap();
        assert_eq!(source.address.as_deref(), address);
        assert_eq!(source.from.contains("mmdebstrap"), address.is_none(), "{}", source.from);
    }

    #[test]
    fn nothing_is_taken_that_nobody_can_verify() {
        let ubuntu = machine(&[("etc/apt/sources.list.d/ubuntu.sources", UBUNTU)]);
        let said = on(ubuntu.path(), None).unwrap_err().to_string();
        assert!(
            said.contains("debian-archive-keyring.gpg") && said.contains("./setup installs the keys"),
            "{said}"
        );
        assert_eq!(on(ubuntu.path(), Some("mirror:/own")).unwrap().address.as_deref(), Some("mirror:/own"));
    }
}
