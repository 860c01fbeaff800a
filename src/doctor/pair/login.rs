//! The way in: who answers, as whom, and with which rights.

use super::asked_host::{AskedHost, LoginStage, Mend};
use super::{Diagnosis, Pair};
use crate::failure::{Failure, FailureKind};
use crate::inventory::file::{Consent, ListedHost};
use crate::inventory::{Access, Sudo};
use crate::remote::Identity;

pub fn examine(host: &AskedHost<'_>, pair: &Pair) -> Vec<Diagnosis> {
    let Identity { fingerprint, is_new, .. } = &host.identity;
    let key = if *is_new {
        format!("; {}", new_key(&host.identity))
    } else {
        format!("; its host key is {fingerprint}")
    };
    let user = &host.machine.user;
    let how = if host.machine.sudo == Sudo::No { String::new() } else { ", root by sudo".to_owned() };
    let login = match host.facts.number("uid") {
        Some(0) => host.good("login", format!("as {user}{how}{key}")),
        _ => host.missing(
            "login",
            format!("as {user}, who is not root{key}"),
            format!(
                "wanted: root's rights; `user = \"root\"`, or `sudo = \"nopasswd\"` or `\"password\"`, and there, as root: \
                 echo '{user} ALL=(ALL) ALL' > /etc/sudoers.d/{user}"
            ),
        ),
    };
    let key = matches!(host.machine.access, Access::Password(_)).then(|| {
        let mend = Mend {
            wanted: "a key: libvirt's own connection takes no password",
            command: "log in with one: `key` or `agent = true`".to_owned(),
            consent: Consent::Keys,
        };
        host.mendable("key", "the login is by a password", mend, pair)
    });
    [login].into_iter().chain(key).collect()
}

/// What is to be known of a host that was met for the first time.
pub fn new_key(Identity { fingerprint, .. }: &Identity) -> String {
    format!("its host key {fingerprint} is known from now on: compare it")
}

/// A host that could not be asked.
pub fn refused(machine: &ListedHost, stage: LoginStage, failure: &Failure) -> Diagnosis {
    let advice = match (stage, failure.kind()) {
        (LoginStage::Identity, FailureKind::Refused) if machine.host_key.is_some() => {
            "was the host installed anew? Then its `host_key` in the inventory is to be changed: `ssh-keygen -lf` there says what its key is"
        }
        (LoginStage::Identity, FailureKind::Refused) => {
            let advice = format!(
                "was the host installed anew? If so, `multivm inventory trust --inventory FILE {}` shows its key, and trusts it from now on",
                machine.address
            );
            return Diagnosis::missing("login", failure.to_string(), advice);
        }
        (LoginStage::Root, FailureKind::Refused) => {
            "sudo -l there: may the user become root? Where sudoers has `targetpw` or `rootpw`, sudo wants another password"
        }
        (_, FailureKind::Refused) if matches!(machine.access, Access::Password(_)) => {
            "is the password right, and the user's name? wanted: a login by one of the ways that its sshd offers; \
             `PermitRootLogin prohibit-password` forbids root's password: use a key, or another user with `sudo`"
        }
        (_, FailureKind::Refused) => {
            "is the key in this user's authorized_keys there? wanted: a login by one of the ways that its sshd offers. A key with a \
             passphrase is one for ssh-agent"
        }
        (LoginStage::Identity, FailureKind::Unreachable | FailureKind::TimedOut) => {
            "is it up, does its sshd listen at this address and port, and does a firewall let ssh in?"
        }
        (_, FailureKind::Missing) => {
            "is its name right, is its key or its password where the inventory says?"
        }
        _ => "multivm inventory check says what is asked for; `ssh -v` says what happens on the way",
    };
    Diagnosis::missing("login", failure.to_string(), advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary, pair};
    use crate::failure::Cause;
    use crate::inventory::{HostKey, Secret};

    #[test]
    fn who_is_not_root_can_do_little() {
        let pair = ordinary();
        let [source, target] = hosts(&pair, "uid 0", "uid 1000");
        assert_eq!(examine(&source, &pair)[0].verdict, Grade::Good);
        assert_eq!(examine(&target, &pair)[0].verdict, Grade::Missing);
    }

    #[test]
    fn who_is_refused_hears_of_what_he_tried() {
        let refusal = Failure::new("log in", Cause::new(FailureKind::Refused, "no"));
        let advice = |machine: &ListedHost, stage| refused(machine, stage, &refusal).advice.unwrap();
        let mut machine = ordinary().target;
        assert!(advice(&machine, LoginStage::Login).starts_with("is the key in "));
        let trust = advice(&machine, LoginStage::Identity);
        assert!(trust.contains("`multivm inventory trust --inventory FILE b`"), "{trust}");
        machine.access = Access::Password(Secret::Environment("SITE_PASSWORD".into()));
        assert!(advice(&machine, LoginStage::Login).starts_with("is the password right"));
        machine.host_key = Some(HostKey::Fingerprint("SHA256:test".into()));
        let trust = advice(&machine, LoginStage::Identity);
        assert!(trust.contains("its `host_key` in the inventory") && !trust.contains("multivm"), "{trust}");
    }

    #[test]
    fn a_password_needs_consent_to_a_key() {
        for (allow, expected) in [("", Grade::Missing), ("'keys'", Grade::Warn)] {
            let mut pair = pair("mount = '/srv/vms'", "nat = true", allow);
            pair.target.access = Access::Password(Secret::Environment("SITE_PASSWORD".into()));
            let [source, target] = hosts(&pair, "uid 0", "uid 0");
            assert_eq!(examine(&source, &pair).len(), 1, "it logs in otherwise");
            let key = &examine(&target, &pair)[1];
            assert_eq!((key.name.as_str(), key.verdict), ("target: key", expected));
            assert!(key.advice.as_deref().unwrap().contains("`keys`"));
        }
    }
}
