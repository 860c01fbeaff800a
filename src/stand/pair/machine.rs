//! The machine type of guests: the newest that QEMU of both hosts has.

use std::collections::BTreeSet;

use crate::inventory::Arch;
use crate::remote::Facts;

/// The kinds of machines that guests are defined for, the first one first. RHEL 10 has the second one alone.
const KINDS: [&str; 2] = ["pc-i440fx-", "pc-q35-"];

/// The machine type for the guests of two hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommonMachine {
    Is(String),
    /// The hosts have none in common; some that the source has, and some that the target has.
    No([String; 2]),
    /// A host did not say which it has.
    Unknown,
}

impl CommonMachine {
    /// Chooses the machine type for guests of these hosts, by what they said.
    pub fn of(source: &Facts, target: &Facts) -> CommonMachine {
        let types = [source, target].map(|facts| facts.machine_types(Arch::OF_HOSTS.row().name));
        if types.iter().any(BTreeSet::is_empty) {
            return CommonMachine::Unknown;
        }
        let [one, other] = &types;
        let newest = |kind: &str| {
            one.intersection(other).filter(|name| name.starts_with(kind)).max_by_key(|name| version(name))
        };
        match KINDS.into_iter().find_map(newest) {
            Some(name) => CommonMachine::Is(name.clone()),
            None => CommonMachine::No(types.map(|types| some(&types))),
        }
    }
}

/// The newest type of each kind.
fn some(types: &BTreeSet<String>) -> String {
    let of_kind =
        |kind: &str| types.iter().filter(|name| name.starts_with(kind)).max_by_key(|name| version(name));
    let newest: Vec<&str> = KINDS.into_iter().filter_map(of_kind).map(String::as_str).collect();
    if newest.is_empty() { "no i440fx and no q35".into() } else { newest.join(", ") }
}

/// The numbers in a name, in their order.
fn version(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).skip(1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(machines: &[&str]) -> Facts {
        let machines: String = machines.iter().map(|name| format!("<machine>{name}</machine>\n")).collect();
        let alias = "<machine canonical='pc-i440fx-9.9'>pc</machine>";
        let capabilities = format!(
            "<capabilities><guest><arch name='{}'>{machines}{alias}</arch></guest></capabilities>",
            Arch::OF_HOSTS
        );
        Facts::parse(&format!("<<capabilities\n{capabilities}\n>>capabilities\nend yes\n")).unwrap()
    }

    fn chosen(one: &[&str], other: &[&str]) -> CommonMachine {
        CommonMachine::of(&facts(one), &facts(other))
    }

    #[test]
    fn the_newest_machine_type_of_both_is_taken() {
        let one = ["pc-i440fx-8.2", "pc-i440fx-9.0", "pc-i440fx-10.0", "pc-q35-10.0"];
        let other = ["pc-i440fx-8.2", "pc-i440fx-9.0", "pc-i440fx-9.1", "pc-q35-10.0"];
        assert_eq!(chosen(&one, &other), CommonMachine::Is("pc-i440fx-9.0".into()));
        assert_eq!(chosen(&one, &one), CommonMachine::Is("pc-i440fx-10.0".into()));
        // On RHEL 10 the newest of an older machine is the one in common.
        let (rhel9, rhel10) = (
            ["pc-i440fx-rhel7.6.0", "pc-q35-rhel9.4.0", "pc-q35-rhel9.6.0"],
            ["pc-q35-rhel9.6.0", "pc-q35-rhel10.0.0"],
        );
        assert_eq!(chosen(&rhel9, &rhel10), CommonMachine::Is("pc-q35-rhel9.6.0".into()));
    }

    #[test]
    fn another_kind_of_machine_is_none_for_guests() {
        let found = chosen(&["pc-i440fx-8.2", "microvm", "isapc"], &["pc-q35-rhel9.6.0", "microvm", "isapc"]);
        assert_eq!(found, CommonMachine::No(["pc-i440fx-8.2".into(), "pc-q35-rhel9.6.0".into()]));
        let other = CommonMachine::No(["no i440fx and no q35".into(), "no i440fx and no q35".into()]);
        assert_eq!(chosen(&["microvm"], &["microvm"]), other);
    }

    #[test]
    fn a_host_that_does_not_say_what_it_has_decides_nothing() {
        let silent = Facts::parse("end yes\n").unwrap();
        assert_eq!(CommonMachine::of(&silent, &facts(&["pc-i440fx-8.2"])), CommonMachine::Unknown);
    }
}
