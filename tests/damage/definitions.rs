//! Damage to libvirt's definitions of guests.

use multivm::check::definition;
use multivm::record::Event;
use multivm::scenario::Direction;
use multivm_fixtures::selftest::{Damage, ExpectedFinding, finding};

use std::time::Duration;

use crate::shared::{AFTER_PROOF, TO_VM1, on_host, vm1_is_away};

pub const DAMAGES: &[Damage] = &[
    Damage {
        name: "damage::guest_undefined_after_its_arrival",
        like: Some("damage::guest_defined_otherwise_after_its_arrival"),
        cause: |fleet| on_host(&fleet.hosts.target, "virsh undefine vm1"),
        finds: &[defined("on target, domain: transient")],
        ..ON_ARRIVAL
    },
    Damage {
        name: "damage::guest_defined_otherwise_after_its_arrival",
        cause: |fleet| on_host(&fleet.hosts.target, THREE_VCPUS),
        finds: &[defined("on target, persistent XML, vcpu: 3")],
        ..ON_ARRIVAL
    },
    Damage {
        name: "damage::guest_defined_otherwise_at_home",
        like: Some("damage::guest_defined_otherwise_after_its_arrival"),
        // Nobody moves after it: the next scenario would start with it.
        scenario: "precopy_orderly::in_vms::stress_cpu",
        when: |event| matches!(event, Event::LegFinished { guest, direction: Direction::Back, .. } if guest == "vm1"),
        at_once: true,
        cause: |fleet| on_host(&fleet.hosts.source, "virsh desc vm1 --config --new-desc 'a wrong one'"),
        finds: &[defined("on source, persistent XML, description: a wrong one")],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_defined_otherwise_between_two_scenarios",
        slow: true,
        // The scenario has begun, and no check of it has.
        when: |event| matches!(event, Event::ScenarioStarted { .. }),
        at_once: true,
        cause: |fleet| on_host(&fleet.hosts.source, THREE_VCPUS),
        finds: &[finding(
            &definition::ABOUT,
            "vm1",
            "since the scenario before, on source, persistent XML, vcpu: 3",
        )],
        ..TO_VM1
    },
    Damage {
        name: "damage::guest_defined_otherwise_before_another_profile",
        slow: true,
        breaks_ground: true,
        cause: |fleet| on_host(&fleet.hosts.source, THREE_VCPUS),
        last_finds: &[finding(&definition::ABOUT, "vm1", "vcpu: 3 instead of 1, after the last scenario; ")],
        then_profile: Some(|profile| profile.settle += Duration::from_secs(1)),
        then_finds: &[finding(
            &definition::ABOUT,
            "vm1",
            "vcpu: 3 instead of 1, between the last scenario and this one; ",
        )],
        ..AFTER_PROOF
    },
    Damage {
        name: "damage::guest_autostarts_after_its_arrival",
        like: Some("damage::guest_defined_otherwise_after_its_arrival"),
        cause: |fleet| on_host(&fleet.hosts.target, "virsh autostart vm1"),
        finds: &[defined("on target, autostart: on")],
        ..ON_ARRIVAL
    },
    Damage {
        name: "damage::guest_renamed_after_its_arrival",
        like: Some("damage::guest_defined_otherwise_after_its_arrival"),
        cause: |fleet| on_host(&fleet.hosts.target, "virsh desc vm1 --live --title --new-desc another"),
        finds: &[defined("on target, live XML, title: another")],
        ..ON_ARRIVAL
    },
    Damage {
        name: "damage::guest_has_a_snapshot_at_home",
        like: Some("damage::guest_defined_otherwise_after_its_arrival"),
        // Nobody moves after it: libvirt would refuse to migrate it in every scenario that follows.
        scenario: "precopy_orderly::in_vms::stress_cpu",
        breaks_ground: true,
        when: |event| matches!(event, Event::LegFinished { guest, direction: Direction::Back, .. } if guest == "vm1"),
        at_once: true,
        cause: |fleet| on_host(&fleet.hosts.source, "virsh snapshot-create-as vm1 left"),
        finds: &[defined("on source, snapshots: 1")],
        ..TO_VM1
    },
];

/// What befalls vm1 before the look after its move out, which goes on beside the move of the other guest: later, vm1 may take a
/// wrong definition home beside the look that finds it.
const ON_ARRIVAL: Damage = Damage { when: vm1_is_away, at_once: true, ..TO_VM1 };

/// Defines vm1 with another number of vCPUs.
const THREE_VCPUS: &str = "virsh dumpxml --inactive vm1 | sed 's,<vcpu.*</vcpu>,<vcpu>3</vcpu>,' > /run/wrong.xml && \
                           virsh define /run/wrong.xml && rm /run/wrong.xml";

/// A difference in the definition of vm1, which the check sees after a step and at the end.
const fn defined(words: &'static str) -> ExpectedFinding {
    finding(&definition::ABOUT, "vm1", words).times(2)
}
