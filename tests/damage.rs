//! Real damage in the real lab during a real scenario: each must make that scenario fail, in the right check.

use std::process::ExitCode;
use std::time::Duration;

use multivm::failure::Attempt;
use multivm::guest::Fleet;
use multivm::harness::{Damage, damage_main};
use multivm::outcome::Direction;
use multivm::report::Event;

fn main() -> ExitCode {
    damage_main(multivm_fixtures::build, &[GUEST_REBOOT, LINK_DOWN])
}

const GUEST_REBOOT: Damage = Damage {
    name: "damage::guest_reboot",
    scenario: "precopy_orderly::in_vms::stress_cpu",
    when: second_guest_goes,
    // The first guest is on the target then: its reset button is pressed there.
    cause: |fleet: &Fleet| {
        let guest = &fleet.guests[0];
        guest.known_on(&fleet.hosts.target)?.reset().attempting(|| format!("reset {}", guest.name))
    },
    check: "reboot",
    guest: "vm1",
    words: "boot id",
};

/// How long the link stays down: twice the longest gap that the profile `lab` allows.
const DOWN: Duration = Duration::from_secs(20);

const LINK_DOWN: Damage = Damage {
    name: "damage::link_down_for_20_s",
    scenario: "precopy_orderly::in_vms::stress_cpu",
    when: second_guest_goes,
    cause: |fleet: &Fleet| {
        let guest = &fleet.guests[0];
        // libvirt gives the tap the guest's MAC address with another first octet. The guest moves meanwhile, and its
        // tap on the other host is a new one: so both hosts are looked at again and again.
        let tap_mac = guest.mac.replacen("52", "fe", 1);
        let set = |state: &str| {
            format!(
                "for tap in $(ip -o link | grep -i {tap_mac} | cut -d: -f2); do ip link set $tap {state}; done"
            )
        };
        let script = format!(
            "end=$(($(date +%s) + {})); while [ $(date +%s) -lt $end ]; do {}; sleep 0.1; done; {}",
            DOWN.as_secs(),
            set("down"),
            set("up"),
        );
        std::thread::scope(|scope| {
            let other = scope.spawn(|| fleet.hosts.source.remote.check(&script, DOWN * 2));
            fleet.hosts.target.remote.check(&script, DOWN * 2)?;
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map(drop)
        })
    },
    check: "reachable",
    guest: "vm1",
    words: "longest gap",
};

fn second_guest_goes(event: &Event) -> bool {
    matches!(event, Event::LegStarted { guest, direction: Direction::Out, .. } if guest == "vm2")
}
