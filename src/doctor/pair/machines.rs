//! The machine types that QEMU of both hosts has.

use std::collections::BTreeSet;

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};

const NAME: &str = "machine types";

pub fn examine([source, target]: &[AskedHost<'_>; 2], _pair: &Pair) -> Vec<Diagnosis> {
    let (one, other) = (types(source), types(target));
    let finding = match (one.is_empty(), other.is_empty()) {
        (false, false) => {
            let common: Vec<&String> = one.intersection(&other).collect();
            match common.len() {
                0 => Diagnosis::missing(
                    NAME,
                    format!("none in common: {} on the source, {} on the target", some(&one), some(&other)),
                    "wanted: one that both have; distributions have names of their own: two hosts of one family",
                ),
                count => {
                    Diagnosis::good(NAME, format!("{count} in common, of {} and {}", one.len(), other.len()))
                }
            }
        }
        _ => Diagnosis::warn(
            NAME,
            "not known: libvirt of a host did not say",
            "see what is said of its libvirt",
        ),
    };
    vec![finding]
}

/// The machine types for guests of the host's own architecture.
fn types(host: &AskedHost<'_>) -> BTreeSet<String> {
    host.facts.machine_types(host.facts.one("arch").unwrap_or_default())
}

fn some(types: &BTreeSet<String>) -> String {
    types.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    fn said(machines: &[&str]) -> String {
        let machines: String = machines.iter().map(|name| format!("<machine>{name}</machine>")).collect();
        format!(
            "arch x86_64\n<<capabilities\n<capabilities><guest><arch name='x86_64'>{machines}\
             <machine canonical='pc-i440fx-9.2'>pc</machine></arch></guest></capabilities>\n>>capabilities"
        )
    }

    #[test]
    fn a_machine_type_must_be_on_both() {
        let pair = ordinary();
        let of =
            |one: &[&str], other: &[&str]| examine(&hosts(&pair, &said(one), &said(other)), &pair).remove(0);
        assert_eq!(of(&["pc-q35-9.2", "pc-q35-10.0"], &["pc-q35-9.2"]).seen, "1 in common, of 2 and 1");
        // Both have `pc`, which is another type on each.
        assert_eq!(of(&["pc-q35-10.0"], &["pc-q35-rhel9.6.0"]).verdict, Grade::Missing);
    }
}
