//! libvirt's daemon of a host: one, monolithic or modular, that answers.

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair, packages};
use crate::stand::pair::packages::Program;

const WHAT: &str = "libvirt";

pub fn examine(host: &AskedHost<'_>, pair: &Pair) -> Vec<Diagnosis> {
    let facts = &host.facts;
    let is = |daemon: &str| {
        // Without systemd its socket tells. virtproxyd of the modular ones has the monolithic one's.
        let proxied = daemon == "libvirtd" && facts.says("socket", "virtqemud");
        let socket = facts.one("systemd").is_none() && facts.says("socket", daemon) && !proxied;
        socket || ["socket", "service"].iter().any(|kind| facts.says("active", &format!("{daemon}.{kind}")))
    };
    let finding = match (is("libvirtd"), is("virtqemud")) {
        (true, true) => host.missing(
            WHAT,
            "libvirtd and virtqemud are both active",
            "wanted: one of them; systemctl disable --now of the units of the other",
        ),
        (false, false) if packages::is_missing(host, Program::Libvirt, pair) => {
            packages::examine(host, WHAT, Program::Libvirt, pair)
        }
        // No consent covers it: which of the two a host is to have is its owner's choice.
        (false, false) => host.missing(
            WHAT,
            "neither libvirtd nor virtqemud is active",
            "wanted: one of them; systemctl start libvirtd.socket, or virtqemud.socket",
        ),
        (monolithic, _) => {
            let daemon = if monolithic { "libvirtd (monolithic)" } else { "virtqemud (modular)" };
            match (facts.one("virsh"), facts.text("capabilities")) {
                (Some(_), "") => host.missing(
                    WHAT,
                    format!("{daemon} is active, and does not answer virsh -c qemu:///system"),
                    "journalctl -u libvirtd -u virtqemud there says why",
                ),
                (Some(_), _) => host.good(WHAT, format!("{daemon} answers")),
                (None, _) => host.missing(
                    WHAT,
                    format!("{daemon} is active, and there is no virsh, by which a host ends the guests of a run that was killed"),
                    "install libvirt-clients there (libvirt-client on Fedora, RHEL and SUSE)",
                ),
            }
        }
    };
    vec![finding]
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};
    use crate::inventory::file::Consent;

    #[rstest]
    #[case::monolithic(
        "systemd yes\nsocket libvirtd\nactive libvirtd.socket\nvirsh yes\n<<capabilities\n<c/>\n>>capabilities",
        Grade::Good
    )]
    #[case::modular(
        "systemd yes\nactive virtqemud.socket\nvirsh yes\n<<capabilities\n<c/>\n>>capabilities",
        Grade::Good
    )]
    #[case::without_systemd("socket libvirtd\nvirsh yes\n<<capabilities\n<c/>\n>>capabilities", Grade::Good)]
    #[case::modular_without_systemd(
        "socket libvirtd\nsocket virtqemud\nvirsh yes\n<<capabilities\n<c/>\n>>capabilities",
        Grade::Good
    )]
    #[case::silent("systemd yes\nactive libvirtd.service\nvirsh yes", Grade::Missing)]
    #[case::nobody_to_ask("systemd yes\nactive libvirtd.service", Grade::Missing)]
    #[case::both("systemd yes\nactive libvirtd.socket\nactive virtqemud.socket", Grade::Missing)]
    #[case::a_socket_of_a_daemon_that_ended("systemd yes\nsocket libvirtd", Grade::Missing)]
    #[case::installed_and_not_started("systemd yes\nhas libvirtd\nhas apt-get", Grade::Missing)]
    fn one_daemon_must_answer(#[case] said: &str, #[case] expected: Grade) {
        // Neither starts a daemon that is installed.
        let pair = Pair { allow: vec![Consent::Services, Consent::Packages], ..ordinary() };
        let [source, _] = hosts(&pair, said, "");
        assert_eq!(examine(&source, &pair)[0].verdict, expected);
    }
}
