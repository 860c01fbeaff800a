//! Whether SELinux lets QEMU use images on NFS.

use super::asked_host::{AskedHost, Mend};
use super::{Diagnosis, Pair};
use crate::inventory::file::{Consent, SharedStorage};

const WHAT: &str = "SELinux";

pub fn examine(host: &AskedHost<'_>, pair: &Pair) -> Vec<Diagnosis> {
    let facts = &host.facts;
    let is_nfs = match &pair.storage {
        SharedStorage::Mount(_) => facts.one("folder_type").is_some_and(|kind| kind.starts_with("nfs")),
        SharedStorage::Export { .. } | SharedStorage::ServeOn(_) => true,
    };
    let finding = match (facts.one("selinux"), facts.one("virt_use_nfs")) {
        (None | Some("Disabled"), _) => return Vec::new(),
        (Some(mode), _) if !is_nfs => host.good(WHAT, format!("{mode}; the storage is no NFS")),
        (Some(mode), Some("on")) => host.good(WHAT, format!("{mode}, virt_use_nfs is on")),
        (Some(mode), Some("off")) => {
            let seen =
                format!("{mode}, virt_use_nfs is off: QEMU gets `Permission denied` for an image on NFS");
            let mend = Mend {
                wanted: "on",
                command: "setsebool virt_use_nfs on".to_owned(),
                consent: Consent::Selinux,
            };
            if mode == "Enforcing" {
                host.mendable(WHAT, seen, mend, pair)
            } else {
                host.warn(
                    WHAT,
                    format!("{mode}, virt_use_nfs is off"),
                    "it matters as soon as SELinux enforces",
                )
            }
        }
        (Some(mode), _) => host.warn(
            WHAT,
            format!("{mode}; virt_use_nfs is not known"),
            "getsebool virt_use_nfs there: is a policy with it installed?",
        ),
    };
    vec![finding]
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, pair};

    #[rstest]
    #[case::not_there("", None)]
    #[case::on("selinux Enforcing\nvirt_use_nfs on", Some(Grade::Good))]
    #[case::off("selinux Enforcing\nvirt_use_nfs off", Some(Grade::Missing))]
    #[case::permissive("selinux Permissive\nvirt_use_nfs off", Some(Grade::Warn))]
    #[case::disabled("selinux Disabled", None)]
    fn images_on_nfs_need_the_boolean(#[case] said: &str, #[case] expected: Option<Grade>) {
        for (storage, said, expected) in [
            ("export = 'nas:/vms'", said.to_owned(), expected),
            ("mount = '/srv'", format!("{said}\nfolder_type nfs"), expected),
            // gfs2 has no such boolean in its way.
            ("mount = '/srv'", format!("{said}\nfolder_type gfs2"), expected.map(|_| Grade::Good)),
        ] {
            let pair = pair(storage, "nat = true", "");
            let [source, _] = hosts(&pair, &said, "");
            assert_eq!(examine(&source, &pair).first().map(|found| found.verdict), expected, "{storage}");
        }
    }
}
