//! libvirt's own connection to a host: whether the login's user may use libvirt, without the rights of root that multivm's
//! commands get.

use super::{AskedHost, Diagnosis, Pair};
use crate::libvirt::Libvirt;

const WHAT: &str = "libvirt's connection";

pub fn examine(host: &AskedHost<'_>, _pair: &Pair) -> Vec<Diagnosis> {
    // Where libvirt does not answer root, that is said, and comes first.
    if host.facts.text("capabilities").is_empty() {
        return Vec::new();
    }
    let finding = match &host.machine.uri {
        Some(uri) => of_uri(host, uri),
        None => of_user(host),
    };
    vec![finding]
}

/// A run opens `qemu+ssh://USER@HOST/system`: sshd there starts a program of libvirt's, or nc, as the user.
fn of_user(host: &AskedHost<'_>) -> Diagnosis {
    let user = &host.machine.user;
    let said = &host.user;
    if said.one("libvirt").is_none() {
        let refused = said.one("refused").unwrap_or("virsh says nothing");
        return host.missing(
            WHAT,
            format!("{user} may not use libvirt: {refused}"),
            format!("wanted: `virsh -c qemu:///system uri` as {user}, without sudo; usermod -a -G libvirt {user} there, or a rule of polkit's"),
        );
    }
    if !["virt-ssh-helper", "nc"].iter().any(|program| said.has(program)) {
        return host.missing(
            WHAT,
            format!("{user} has neither virt-ssh-helper nor nc"),
            "wanted: virt-ssh-helper, which comes with libvirt's daemon, in the PATH of a login by ssh; or install nc there",
        );
    }
    host.good(WHAT, format!("{user} may use libvirt"))
}

/// A run opens the inventory's `uri` from this machine.
fn of_uri(host: &AskedHost<'_>, uri: &str) -> Diagnosis {
    let opened = Libvirt::start().and_then(|library| library.connect(uri, host.name));
    match opened {
        Ok(_) => host.good(WHAT, format!("{uri} answers")),
        Err(error) => host.missing(
            WHAT,
            error.to_string(),
            format!("wanted: what `virsh -c '{uri}' uri` as root on this machine answers without a question; mend `uri`"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{facts, hosts, ordinary};

    const ANSWERS: &str = "<<capabilities\n<c/>\n>>capabilities";

    #[rstest]
    #[case::by_the_helper("has virt-ssh-helper\nlibvirt qemu:///system", Grade::Good)]
    #[case::by_nc("has nc\nlibvirt qemu:///system", Grade::Good)]
    #[case::by_nothing("libvirt qemu:///system", Grade::Missing)]
    #[case::outside_of_the_group(
        "has virt-ssh-helper\nrefused error: authentication unavailable",
        Grade::Missing
    )]
    fn libvirt_lets_the_user_in_as_it_is(#[case] user: &str, #[case] expected: Grade) {
        let pair = ordinary();
        let [mut source, _] = hosts(&pair, ANSWERS, "");
        source.user = facts(user);
        assert_eq!(examine(&source, &pair)[0].verdict, expected);
    }

    #[test]
    fn a_uri_is_tried() {
        for (uri, expected) in [("test:///default", Grade::Good), ("test:///no/such/file", Grade::Missing)] {
            let mut pair = ordinary();
            pair.source.uri = Some(uri.into());
            let [source, _] = hosts(&pair, ANSWERS, "");
            assert_eq!(examine(&source, &pair)[0].verdict, expected);
        }
    }

    #[test]
    fn a_libvirt_that_does_not_answer_root_is_said_elsewhere() {
        let pair = ordinary();
        let [source, _] = hosts(&pair, "", "");
        assert!(examine(&source, &pair).is_empty());
    }
}
