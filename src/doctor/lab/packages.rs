//! Checks programs, libraries, and the source of packages for the lab's images.

use std::env;
use std::path::{Path, PathBuf};

use super::{Diagnosis, Grade};
use crate::image::mirror;
use crate::libvirt::{Libvirt, Version};
use crate::stand::Settings;

/// Programs that the lab starts, with their purpose.
const TOOLS: [(&str, &str); 6] = [
    (MMDEBSTRAP, "makes the images"),
    ("ip", "makes the lab's network"),
    ("unshare", "contains the making of images"),
    ("chroot", "builds the guests' image"),
    ("ssh", "carries libvirt's connections"),
    ("ssh-keygen", "makes the lab's keys"),
];

const MMDEBSTRAP: &str = "mmdebstrap";

/// The oldest libvirt that has everything that the libvirt room uses.
const OLDEST_LIBVIRT: Version = Version::new(8, 5, 0);

/// Checks what `./setup` installs, and what images are made of.
pub fn examine(settings: &Settings) -> Vec<Diagnosis> {
    let cached = settings.images().iter().all(|(_, there)| *there);
    let mut findings: Vec<Diagnosis> = TOOLS
        .iter()
        .map(|(tool, purpose)| {
            let mut finding = examine_tool(tool, purpose);
            if *tool == MMDEBSTRAP && cached {
                soften(&mut finding);
            }
            finding
        })
        .collect();
    findings.push(client_library());
    findings.push(images(settings));
    findings.push(package_source(settings, cached));
    findings
}

/// Softens a missing tool for making images to a warning, because every image exists already.
fn soften(finding: &mut Diagnosis) {
    if finding.verdict == Grade::Missing {
        finding.verdict = Grade::Warn;
        finding.seen.push_str("; not needed now, because every image is in the cache");
    }
}

fn examine_tool(tool: &str, purpose: &str) -> Diagnosis {
    match find(tool) {
        Some(path) => Diagnosis::good(tool, path.display().to_string()),
        None => Diagnosis::missing(
            tool,
            format!("not found ({purpose})"),
            "./setup installs it; as root, /usr/sbin and /sbin must be in PATH too",
        ),
    }
}

/// The path of a program in `PATH`, and for a process that is not root also in the directories that sudo adds.
fn find(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let by_sudo: &[&str] =
        if nix::unistd::geteuid().is_root() { &[] } else { &["/usr/local/sbin", "/usr/sbin", "/sbin"] };
    env::split_paths(&path)
        .chain(by_sudo.iter().map(PathBuf::from))
        .map(|directory| directory.join(tool))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn client_library() -> Diagnosis {
    let name = "libvirt client";
    match Libvirt::start().and_then(|libvirt| libvirt.library_version()) {
        Ok(version) if version >= OLDEST_LIBVIRT => Diagnosis::good(name, version.to_string()),
        Ok(version) => Diagnosis::missing(
            name,
            format!("{version}, older than {OLDEST_LIBVIRT}"),
            "use a release of the distribution with a newer libvirt; the hosts of the lab have their own",
        ),
        Err(error) => Diagnosis::missing(name, error.to_string(), "./setup installs the library"),
    }
}

fn images(settings: &Settings) -> Diagnosis {
    let images = settings.images();
    let names = |there: bool| {
        let names: Vec<_> = images
            .iter()
            .filter(|(_, found)| *found == there)
            .filter_map(|(path, _)| path.file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.join(", ")
    };
    let cache = settings.store.cache.display();
    if images.iter().all(|(_, there)| *there) {
        return Diagnosis::good("images", format!("in {cache}: {}", names(true)));
    }
    Diagnosis::warn(
        "images",
        format!("not in {cache} yet: {}", names(false)),
        "nothing to do: the first run makes them, which takes longer than later ones; MULTIVM_CACHE moves them",
    )
}

fn package_source(settings: &Settings, cached: bool) -> Diagnosis {
    let name = "Debian packages";
    match mirror::debian(settings.store.mirror.as_deref()) {
        // The message hides the address, which may hold a password.
        Ok(source) => Diagnosis::good(name, format!("from the source that {} names", source.from)),
        Err(failure) => {
            let mut finding =
                Diagnosis::missing(name, failure.cause.text, failure.try_next.unwrap_or_default());
            if cached {
                soften(&mut finding);
            }
            finding
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_not_there_has_advice() {
        let finding = examine_tool("multivm-no-such-tool", "does nothing");
        assert_eq!(finding.verdict, Grade::Missing);
        assert!(finding.advice.is_some());
        assert_eq!(examine_tool("sh", "is there").verdict, Grade::Good);
    }
}
