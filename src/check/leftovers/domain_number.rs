//! Paths that have the number of a domain, which is another one with every start.

use crate::remote::protocol::DomainProcess;

/// A path without the number of a domain on this host: `/run/libvirt/qemu/channel/7-vm1/agent` becomes
/// `/run/libvirt/qemu/channel/ID-vm1/agent`.
pub fn without_number(file: &str, domains: &[DomainProcess]) -> String {
    let part = |part: &str| {
        let (before, rest) = part.strip_prefix("domain-").map_or(("", part), |rest| ("domain-", rest));
        let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let of_domain = rest[digits..].strip_prefix('-').is_some_and(|name| {
            before == "domain-" || domains.iter().any(|domain| name.starts_with(&domain.name))
        });
        if digits > 0 && of_domain { format!("{before}ID{}", &rest[digits..]) } else { part.to_owned() }
    };
    file.split('/').map(part).collect::<Vec<_>>().join("/")
}
