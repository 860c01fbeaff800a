//! The versions of libvirt and QEMU on both hosts.

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};

pub fn examine(hosts: &[AskedHost<'_>; 2], _pair: &Pair) -> Vec<Diagnosis> {
    let [source, target] = hosts;
    let of = |host: &AskedHost<'_>, what: &str| version(host.facts.text("version"), what).map(str::to_owned);
    let mut findings = Vec::new();
    for (name, line) in
        [("libvirt versions", "Using library: libvirt "), ("QEMU versions", "Running hypervisor: QEMU ")]
    {
        findings.push(match (of(source, line), of(target, line)) {
            (Some(one), Some(other)) if one == other => Diagnosis::good(name, format!("{one} on both")),
            (Some(one), Some(other)) => Diagnosis::warn(
                name,
                format!("{one} on the source, {other} on the target"),
                "half of all moves go to the older one, which vendors do not support: such failures are the pair's; there, apt-get install \
                 --only-upgrade, dnf upgrade or zypper update of QEMU's and libvirt's packages",
            ),
            _ => Diagnosis::warn(name, "not known: virsh of a host did not say", "see what is said of its libvirt"),
        });
    }
    findings
}

/// What `virsh version` says behind some words.
fn version<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim().strip_prefix(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    #[test]
    fn older_and_newer_hosts_are_told() {
        let pair = ordinary();
        let said = |qemu: &str| {
            format!(
                "<<version\nUsing library: libvirt 11.3.0\nUsing API: QEMU 11.3.0\nRunning hypervisor: QEMU {qemu}\n>>version"
            )
        };
        let found = examine(&hosts(&pair, &said("10.0.13"), &said("9.2.0")), &pair);
        assert_eq!((found[0].verdict, found[0].seen.as_str()), (Grade::Good, "11.3.0 on both"));
        assert_eq!(
            (found[1].verdict, found[1].seen.as_str()),
            (Grade::Warn, "10.0.13 on the source, 9.2.0 on the target")
        );
        assert_eq!(examine(&hosts(&pair, &said("9.2.0"), ""), &pair)[1].verdict, Grade::Warn);
    }
}
