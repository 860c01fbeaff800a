//! The transports: what each asks of libvirt, what it needs of a stack, and what proves it. One file each.

mod demands;
mod multifd;
mod plain;
mod requirement;
mod xbzrle;

use crate::scenario::{Scenario, Transport};
pub use demands::{Kept, Promise, Sign, TransportDemands};
pub use requirement::{Requirement, Stack};

pub fn of(transport: Transport) -> &'static TransportDemands {
    match transport {
        Transport::Plain => &plain::DEMANDS,
        Transport::Xbzrle => &xbzrle::DEMANDS,
        Transport::Multifd => &multifd::DEMANDS,
    }
}

/// Why these hosts cannot migrate as the scenario asks, by their versions; none if they can.
pub fn refusal(scenario: &Scenario, hosts: &[Stack<'_>]) -> Option<String> {
    let needs = (of(scenario.transport).needs)(scenario.mode);
    let unmet = hosts.iter().find_map(|host| needs.unmet_by(host))?;
    Some(format!("{} migration by {} needs {unmet}", scenario.mode, scenario.transport))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libvirt::Version;

    #[test]
    fn a_stack_of_today_carries_all_that_is_in_the_matrix() {
        let host = Stack { name: "source", libvirt: Version::new(8, 5, 0), qemu: Version::new(5, 2, 0) };
        for name in ["precopy_orderly::in_vms::stress_cpu", "postcopy_compressed::in_vms::stress_cpu"] {
            assert_eq!(refusal(&name.parse().unwrap(), &[host]), None);
        }
    }

    #[test]
    fn a_host_that_is_too_old_is_named() {
        let new = Stack { name: "source", libvirt: Version::new(8, 5, 0), qemu: Version::new(5, 2, 0) };
        let old = Stack { name: "target", libvirt: Version::new(1, 2, 9), ..new };
        let scenario = "precopy_orderly::in_vms::stress_cpu::xbzrle".parse().unwrap();
        assert_eq!(
            refusal(&scenario, &[new, old]).unwrap(),
            "precopy migration by xbzrle needs libvirt 1.3.4, and target has 1.2.9"
        );
    }
}
