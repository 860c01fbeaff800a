//! The source of Debian packages for the lab's images: the machine's own configured package sources or, on a machine that is
//! no Debian, the one that mmdebstrap knows.

use std::cmp::Reverse;
use std::fs;
use std::path::Path;

use crate::failure::{Failure, Result};
use crate::inventory::Arch;

/// Debian's suites that images can be made of.
pub const SUITES: [&str; 4] = ["bullseye", "bookworm", "trixie", "forky"];

/// Other names of suites of Debian's main archive. Archives of others have them, too.
const OTHERS: [&str; 4] = ["stable", "testing", "sid", "unstable"];

/// How the files of keyrings that sign Debian's archive begin.
const SIGNERS: [&str; 2] = ["debian-archive-", "debian-keyring"];

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

/// A Debian archive: `wish`, or the source of the machine that is most surely Debian's, or the one that mmdebstrap knows.
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
        // apt reads no others: what an upgrade has put aside is no source.
        more.retain(|path| path.extension().is_some_and(|kind| kind == "list" || kind == "sources"));
        more.sort();
        files.extend(more);
    }
    let own = files.iter().filter_map(|path| {
        let (sureness, address) = find(&fs::read_to_string(path).ok()?)?;
        Some((sureness, PackageSource { address: Some(address), from: path.display().to_string() }))
    });
    let surest = own.min_by_key(|(sureness, _)| Reverse(*sureness));
    surest.map_or_else(|| built_in(root), |(_, source)| Ok(source))
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
        "no configured source of this machine is Debian's main archive, and there is no /{}",
        KEYRINGS[0]
    );
    Err(Failure::new("find a Debian package source and the keys to verify it", why).try_next(
        "./setup installs the keys; or set MULTIVM_MIRROR to a Debian archive that this machine's apt trusts",
    ))
}

/// How surely a source is Debian's main archive; the surest is the greatest. A suite alone shows nothing: Chrome, Brave and VS
/// Code have `stable main`, and Docker has Debian's codenames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sureness {
    /// The address ends with `/debian`, and nothing says who signs it.
    Folder,
    /// The address is a machine's name and `/debian`, as that of a mirror of Debian's.
    Mirror,
    /// Debian's own keys sign it.
    Signed,
}

/// A configured source of binary packages.
struct AptSource {
    addresses: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    signed_by: Option<String>,
}

impl AptSource {
    /// Reads a line of apt's one-line format: `deb [OPTIONS] ADDRESS SUITE COMPONENTS...`.
    fn of_line(line: &str) -> Option<AptSource> {
        let line = line.split('#').next().unwrap_or_default();
        let rest = line.trim().strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?,
            None => ("", rest),
        };
        let signed_by = options.split_whitespace().find_map(|option| {
            let (name, value) = option.split_once('=')?;
            name.eq_ignore_ascii_case("signed-by").then(|| value.to_owned())
        });
        let mut words = rest.split_whitespace().map(str::to_owned);
        let (address, suite) = (words.next()?, words.next()?);
        Some(AptSource {
            addresses: vec![address],
            suites: vec![suite],
            components: words.collect(),
            signed_by,
        })
    }

    /// Reads a paragraph of apt's deb822 format.
    fn of_paragraph(text: &str) -> Option<AptSource> {
        let words = |name: &str| -> Vec<String> {
            field(text, name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
        };
        let enabled = !words("Enabled").first().is_some_and(|value| value.eq_ignore_ascii_case("no"));
        let binary = words("Types").iter().any(|kind| kind == "deb");
        (enabled && binary).then(|| AptSource {
            addresses: words("URIs"),
            suites: words("Suites"),
            components: words("Components"),
            signed_by: field(text, "Signed-By"),
        })
    }

    /// How surely one of its addresses is Debian's main archive; none for another archive.
    fn sureness(&self, address: &str) -> Option<Sureness> {
        let has = |suites: &[&str]| self.suites.iter().any(|suite| suites.contains(&suite.as_str()));
        let is_main = self.components.iter().any(|component| component == "main");
        if !is_main || !(has(&SUITES) || has(&OTHERS)) {
            return None;
        }
        let path = path(address);
        match &self.signed_by {
            Some(signers) if is_debians(signers) => Some(Sureness::Signed),
            // A mirror whose owner signs it anew has a codename. InfluxDB is `repos.influxdata.com/debian stable main`.
            Some(_) => (path == "/debian" && has(&SUITES)).then_some(Sureness::Mirror),
            None if path == "/debian" => Some(Sureness::Mirror),
            None => (path.ends_with("/debian") && !path.contains("/linux/")).then_some(Sureness::Folder),
        }
    }
}

/// The value of a field of a deb822 paragraph, with the lines that continue it.
fn field(paragraph: &str, name: &str) -> Option<String> {
    let mut lines = paragraph.lines().filter(|line| !line.starts_with('#'));
    let first = lines.find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })?;
    let more = lines.take_while(|line| line.starts_with([' ', '\t']));
    Some(std::iter::once(first).chain(more).collect::<Vec<_>>().join(" "))
}

/// The path in an address, without its end: `/debian` of `https://mirror.example.org/debian/`. A list of mirrors, as Debian's images
/// for clouds have it (`mirror+file:/etc/apt/mirrors/debian.list`), counts as a folder of its name.
fn path(address: &str) -> &str {
    let rest = address.split_once(':').map_or(address, |(_, rest)| rest);
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.find('/').map_or("", |at| &rest[at..]),
        None => rest,
    };
    let path = path.trim_end_matches('/');
    path.strip_suffix(".list").unwrap_or(path)
}

/// Advice about a failed build whose messages say that the source does not have a package that it lists, as a mirror may lack some
/// of an architecture that few ask for. apt reports that only in words.
pub(super) fn advice(suite: &str, arch: Arch, words: &[String]) -> Option<String> {
    let lacks = words.iter().any(|line| line.contains("404") && line.contains("Not Found"));
    lacks.then(|| {
        format!(
            "the package source lists packages of {suite} for {} that it does not have: try again later, name another source by \
             MULTIVM_MIRROR, or another suite of guests by MULTIVM_GUEST_SUITE",
            arch.row().debian
        )
    })
}

/// Whether a `Signed-By` names a keyring of Debian's.
fn is_debians(signed_by: &str) -> bool {
    let mut files = signed_by.split([',', ' ', '\t']).filter_map(|path| path.rsplit('/').next());
    files.any(|file| SIGNERS.iter().any(|signer| file.starts_with(signer)))
}

/// The address in a file of either of apt's formats, one-line (`deb ...`) or deb822 (`URIs:`), that is most surely Debian's main
/// archive: the first of those that are equally sure.
fn find(text: &str) -> Option<(Sureness, String)> {
    let lines = text.lines().filter_map(AptSource::of_line);
    let sources = lines.chain(text.split("\n\n").filter_map(AptSource::of_paragraph));
    let sure = |source: AptSource| {
        let of = |address: &String| Some((source.sureness(address)?, address.clone()));
        source.addresses.iter().filter_map(of).collect::<Vec<_>>()
    };
    sources.flat_map(sure).min_by_key(|(sureness, _)| Reverse(*sureness))
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
        "Types: deb\nURIs: mirror:/debian-security\nSuites: bookworm-security\nComponents: main\n\n\
         Types: deb\nURIs: mirror:/debian\nSuites: sid\nComponents: main\n",
        Some("mirror:/debian")
    )]
    #[case("Types: deb\nEnabled: no\nURIs: mirror:/debian\nSuites: bookworm\nComponents: main\n", None)]
    #[case("Types: deb\nURIs: mirror:/debian\nSuites: bookworm\nComponents: contrib\n", None)]
    #[case(
        "Types: deb\nuris:\n mirror:/debian\nSuites: bullseye\n# or\n sid\nComponents: main\n",
        Some("mirror:/debian")
    )]
    #[case("deb mirror:/ubuntu noble main\n", None)]
    fn the_machines_own_source_is_found(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(find(text).map(|(_, address)| address).as_deref(), expected);
    }

    #[rstest]
    #[case::debians_keys(
        "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://a/b trixie main",
        Some(Sureness::Signed)
    )]
    #[case::remote_repository(
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.pgp] \
         https://mirror.example.org/artifactory/debian-remote trixie main",
        Some(Sureness::Signed)
    )]
    #[case::mirror("deb https://mirror.example.org/debian trixie main", Some(Sureness::Mirror))]
    #[case::moving_suite("deb http://mirror.example.org/debian/ sid main # ours", Some(Sureness::Mirror))]
    #[case::signed_anew(
        "deb [signed-by=/etc/apt/keyrings/example.gpg] https://mirror.example.org/debian trixie main",
        Some(Sureness::Mirror)
    )]
    #[case::deep_mirror("deb https://mirror.example.org/pub/debian/ unstable main", Some(Sureness::Folder))]
    #[case::cloud("deb mirror+file:///etc/apt/mirrors/debian.list trixie main", Some(Sureness::Folder))]
    #[case::no_main("deb https://mirror.example.org/debian trixie # main", None)]
    #[case::security("deb https://mirror.example.org/debian trixie-security main", None)]
    #[case::brave(
        "deb [signed-by=/usr/share/keyrings/brave-browser-archive-keyring.gpg] https://brave-browser-apt-release.s3.brave.com/ stable main",
        None
    )]
    #[case::chrome("deb [arch=amd64] https://dl.google.com/linux/chrome/deb/ stable main", None)]
    #[case::docker(
        "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/debian trixie stable",
        None
    )]
    #[case::docker_without_keys("deb https://download.docker.com/linux/debian trixie main", None)]
    #[case::influxdb(
        "deb [signed-by=/usr/share/keyrings/influxdata-archive.gpg] https://repos.influxdata.com/debian stable main",
        None
    )]
    #[case::tailscale(
        "deb [signed-by=/usr/share/keyrings/tailscale-archive-keyring.gpg] https://pkgs.tailscale.com/stable/debian trixie main",
        None
    )]
    fn what_is_debians_is_told_from_what_is_made_for_debian(
        #[case] line: &str,
        #[case] expected: Option<Sureness>,
    ) {
        assert_eq!(find(line).map(|(sureness, _)| sureness), expected);
    }

    #[test]
    fn a_source_that_lists_what_it_lacks_is_told_from_other_trouble() {
        let said = |line: &str| advice("trixie", Arch::Ppc64le, &[line.to_owned()]);
        let lacks = said("E: Failed to fetch mirror:/zlib1g_1.3_ppc64el.deb  404  Not Found").unwrap();
        assert!(lacks.contains("of trixie for ppc64el") && lacks.contains("MULTIVM_GUEST_SUITE"), "{lacks}");
        assert_eq!(said("E: Unable to locate package linux-image-powerpc64le"), None);
    }

    const UBUNTU: &str = "Types: deb\nURIs: mirror:/ubuntu\nSuites: noble noble-updates\nComponents: main\n";
    const DEBIAN: &str = "Types: deb\nURIs: mirror:/debian\nSuites: trixie\nComponents: main\n";
    const DEBIAN_13: &str = "Types: deb\n# a mirror nearby\nURIs: https://deb.debian.org/debian\n\
                             Suites: trixie trixie-updates\nComponents: main non-free-firmware\n\
                             Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
                             Types: deb\nURIs: https://security.debian.org/debian-security\nSuites: trixie-security\n\
                             Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";
    const BRAVE: &str = "deb [signed-by=/usr/share/keyrings/brave-browser-archive-keyring.gpg arch=amd64] \
                         https://brave-browser-apt-release.s3.brave.com/ stable main\n";
    const DOCKER: &str = "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] \
                          https://download.docker.com/linux/debian trixie stable\n";
    const CODE: &str = "Types: deb\nURIs: https://packages.microsoft.com/repos/code\nSuites: stable\n\
                        Components: main\nSigned-By: /usr/share/keyrings/microsoft.gpg\n";
    const YARN: &str = "deb https://dl.yarnpkg.com/debian/ stable main\n";

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
    #[case::debian_after_others(
        &[
            ("etc/apt/sources.list.d/brave.list", BRAVE),
            ("etc/apt/sources.list.d/bundle.list", YARN),
            ("etc/apt/sources.list.d/debian.sources", DEBIAN_13),
            ("etc/apt/sources.list.d/docker.list", DOCKER),
        ],
        Some("https://deb.debian.org/debian")
    )]
    #[case::debian_before_others(
        &[
            ("etc/apt/sources.list.d/a.sources", DEBIAN_13),
            ("etc/apt/sources.list.d/brave.list", BRAVE),
            ("etc/apt/sources.list.d/docker.list", DOCKER),
        ],
        Some("https://deb.debian.org/debian")
    )]
    #[case::put_aside(&[("etc/apt/sources.list.d/debian.sources.dpkg-old", DEBIAN), (KEYRINGS[0], "")], None)]
    #[case::ubuntu(&[("etc/apt/sources.list.d/ubuntu.sources", UBUNTU), (KEYRINGS[0], "")], None)]
    #[case::ubuntu_with_others(
        &[
            ("etc/apt/sources.list.d/brave.list", BRAVE),
            ("etc/apt/sources.list.d/ubuntu.sources", UBUNTU),
            ("etc/apt/sources.list.d/vscode.sources", CODE),
            (KEYRINGS[0], ""),
        ],
        None
    )]
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
