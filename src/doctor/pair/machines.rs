//! The machine type of guests, which QEMU of both hosts must have.

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};
use crate::stand::pair::CommonMachine;

const NAME: &str = "machine types";

pub fn examine([source, target]: &[AskedHost<'_>; 2], _pair: &Pair) -> Vec<Diagnosis> {
    let finding = match CommonMachine::of(&source.facts, &target.facts) {
        CommonMachine::Is(name) => Diagnosis::good(NAME, format!("guests get {name}, which both have")),
        CommonMachine::No([one, other]) => Diagnosis::missing(
            NAME,
            format!("none for guests in common: {one} on the source, {other} on the target"),
            "wanted: an i440fx or a q35 that both have; distributions have names of their own: two hosts of one family",
        ),
        CommonMachine::Unknown => Diagnosis::warn(
            NAME,
            "not known: libvirt of a host did not say",
            "see what is said of its libvirt",
        ),
    };
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};

    fn said(machines: &[&str]) -> String {
        let machines: String = machines.iter().map(|name| format!("<machine>{name}</machine>")).collect();
        format!(
            "<<capabilities\n<capabilities><guest><arch name='x86_64'>{machines}\
             <machine canonical='pc-i440fx-9.2'>pc</machine></arch></guest></capabilities>\n>>capabilities"
        )
    }

    #[test]
    fn a_machine_type_must_be_on_both() {
        let pair = ordinary();
        let of =
            |one: &[&str], other: &[&str]| examine(&hosts(&pair, &said(one), &said(other)), &pair).remove(0);
        let common = of(&["pc-q35-9.2", "pc-q35-10.0"], &["pc-q35-9.2"]);
        assert_eq!(common.seen, "guests get pc-q35-9.2, which both have");
        // Both have `pc`, which is another type on each.
        assert_eq!(of(&["pc-q35-10.0"], &["pc-q35-rhel9.6.0"]).verdict, Grade::Missing);
        assert_eq!(of(&["microvm"], &["microvm"]).verdict, Grade::Missing);
        assert_eq!(of(&[], &["pc-q35-9.2"]).verdict, Grade::Warn);
    }
}
