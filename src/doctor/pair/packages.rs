//! Programs that a host lacks and that a package of its distribution has.

use super::asked_host::{AskedHost, Mend};
use super::{Diagnosis, Pair};
use crate::inventory::file::Consent;
use crate::stand::pair::packages::{Program, missing};

/// Missing programs that have no other line: QEMU, and stress tools.
pub fn examine_programs(host: &AskedHost<'_>, pair: &Pair) -> Vec<Diagnosis> {
    let loads = Program::of_loads().map(|program| ("load", program));
    let all = [("QEMU", Program::Qemu)].into_iter().chain(loads);
    let missing = all.filter(|(_, program)| is_missing(host, *program, pair));
    missing.map(|(what, program)| examine(host, what, program, pair)).collect()
}

/// Whether the host needs a program and has it not.
pub fn is_missing(host: &AskedHost<'_>, program: Program, pair: &Pair) -> bool {
    missing(pair, host.name == "source", &host.facts).contains(&program)
}

/// The one who installs a program that is missing.
pub fn examine(host: &AskedHost<'_>, what: &str, program: Program, pair: &Pair) -> Diagnosis {
    let seen = format!("{program} is not installed");
    let wanted = program.to_string();
    match program.command(&host.facts) {
        Some(command) if program.is_extra() && !pair.allow.contains(&Consent::Packages) => host.warn(
            what,
            seen,
            format!(
                "scenarios that make load with it on hosts fail; {command}; or multivm does it, if `allow` has `{}`",
                Consent::Packages
            ),
        ),
        Some(command) => {
            host.mendable(what, seen, Mend { wanted: &wanted, command, consent: Consent::Packages }, pair)
        }
        None if program.is_extra() => host.warn(what, seen, "scenarios that make load with it on hosts fail"),
        None => {
            let advice = "install it there: multivm does so by apt-get, dnf or zypper, and not into a system that comes as an image";
            host.missing(what, seen, format!("wanted: {wanted}; {advice}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, pair};

    #[rstest]
    #[case::all("has qemu-kvm\nhas stress\nhas stress-ng", "", &[])]
    #[case::no_qemu("has apt-get\nhas stress\nhas stress-ng", "", &[Grade::Missing])]
    #[case::installed("has dnf\nhas stress\nhas stress-ng", "'packages'", &[Grade::Warn])]
    #[case::no_tools("has qemu-kvm\nhas dnf", "", &[Grade::Warn, Grade::Warn])]
    #[case::nothing_installs_it("has stress\nhas stress-ng", "'packages'", &[Grade::Missing])]
    #[case::an_image("has dnf\nimage_mode yes\nhas stress\nhas stress-ng", "'packages'", &[Grade::Missing])]
    fn what_is_missing_is_installed_by_whom_it_may_be(
        #[case] said: &str,
        #[case] allow: &str,
        #[case] expected: &[Grade],
    ) {
        let pair = pair("mount = '/srv'", "nat = true", allow);
        let [source, _] = hosts(&pair, said, "");
        let grades: Vec<Grade> = examine_programs(&source, &pair).iter().map(|found| found.verdict).collect();
        assert_eq!(grades, expected);
    }

    #[test]
    fn the_command_is_the_distributions() {
        let pair = pair("serve_on = 'source'", "nat = true", "");
        for (said, command) in [
            ("has apt-get", "apt-get install nfs-kernel-server"),
            ("has dnf", "dnf install nfs-utils"),
            ("has zypper", "zypper install nfs-kernel-server"),
        ] {
            let [source, _] = hosts(&pair, said, "");
            let found = examine(&source, "NFS server", Program::NfsServer, &pair);
            assert!(found.advice.as_ref().unwrap().contains(command), "{found:?}");
        }
    }
}
