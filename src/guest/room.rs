//! Decides whether guests fit: compares their common needs with the memory of their hosts and the machine. Pure arithmetic.

use crate::plan::{Order, PlanInput, Seed};
use crate::scenario::{Bytes, Profile, Scenario, Workload};
use crate::sys::words::counted;

/// Least memory of a guest's QEMU beside the guest's own: a QEMU that had just started had 25 MiB of private memory, and
/// translated code comes on top.
const QEMU_OWN: Bytes = Bytes(32 << 20);

/// Memory that a guest's kernel and daemons take from its load.
const GUEST_OWN: Bytes = Bytes(64 << 20);

/// Memory of the hosts and of the machine below them, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supply {
    /// Memory of each host, in bytes.
    pub host: u64,
    /// Memory of the machine below both hosts, in bytes; none if it is unknown.
    pub machine: Option<u64>,
}

/// The moves of guests that need room.
#[derive(Debug, Clone, Copy)]
enum Moves {
    /// No guest migrates.
    None,
    In(Order),
    /// In whatever order takes the most room.
    InAnyOrder,
}

/// The guests and loads that must fit at the same time.
#[derive(Debug, Clone, Copy)]
pub struct Need<'a> {
    profile: &'a Profile,
    /// The order of the moves, which decides how many guests migrate together and so exist on both hosts at once.
    moves: Moves,
    /// Number of other guests, which boot as load, half of them on each host.
    load_guests: u32,
    /// Memory of the load in each guest, in bytes.
    load: u64,
}

impl<'a> Need<'a> {
    /// The needs of a scenario whose guests have this profile.
    pub fn of(scenario: &Scenario, profile: &'a Profile) -> Need<'a> {
        let need = Need { moves: Moves::In(scenario.order), ..Need::at_rest(profile) };
        match scenario.workload {
            Workload::Boot(booting) => {
                let load_guests = (booting.row().load_guests)(profile.load_guests as usize);
                Need { load_guests: u32::try_from(load_guests).unwrap_or(u32::MAX), ..need }
            }
            Workload::Stress { load, .. } if scenario.location.in_guests() => {
                Need { load: load.row().kind.memory_in_guest(profile).0, ..need }
            }
            Workload::Stress { .. } => need,
        }
    }

    /// The largest needs of any scenario: as many guests migrate together as in any order, and all load guests boot.
    pub fn at_most(profile: &'a Profile) -> Need<'a> {
        Need { moves: Moves::InAnyOrder, load_guests: profile.load_guests, ..Need::at_rest(profile) }
    }

    /// The needs of a fleet that does nothing.
    pub fn at_rest(profile: &'a Profile) -> Need<'a> {
        Need { profile, moves: Moves::None, load_guests: 0, load: 0 }
    }

    /// A line of arithmetic for each need that does not fit; none if all fit.
    pub fn lacks(&self, supply: Supply) -> Vec<String> {
        let machine = supply.machine.and_then(|machine| self.lack_of_machine(machine));
        [self.lack_in_guest(), self.lack_on_host(supply.host), machine].into_iter().flatten().collect()
    }

    /// The refusal for a lack of room: the arithmetic, the number of guests that fit, and advice; none if there is room.
    /// `supply` may depend on the number of guests.
    pub fn refusal(&self, of: &str, supply: impl Fn(&Profile) -> Supply) -> Option<String> {
        let lacks = self.lacks(supply(self.profile));
        if lacks.is_empty() {
            return None;
        }
        let lines: String = lacks.iter().map(|lack| format!("\n  = note: {lack}")).collect();
        let (fitting, memory) = (self.fitting(supply), self.profile.memory);
        let (sizes, advice) = if self.profile.listed.is_empty() {
            (format!("of {memory} each, {fitting} guests fit"), ADVICE)
        } else {
            (
                format!(
                    "in the order of the file, there is room for {}",
                    counted(fitting, "guest", "guests")
                ),
                ADVICE_FOR_CATALOGUES,
            )
        };
        Some(format!("there is no room for the guests of {of}{lines}\n  = note: {sizes}\n  = help: {advice}"))
    }

    /// The most guests of this size that fit.
    fn fitting(&self, supply: impl Fn(&Profile) -> Supply) -> u32 {
        let fits = |guests: &u32| {
            let profile = Profile { guests: *guests, ..self.profile.clone() };
            Need { profile: &profile, ..*self }.lacks(supply(&profile)).is_empty()
        };
        (1..self.profile.guests).rev().find(fits).unwrap_or(0)
    }

    /// The most guests that migrate together.
    fn moving(&self) -> u32 {
        let guests = self.profile.guests;
        match self.moves {
            Moves::None => 0,
            Moves::In(order) => moving_together(order, guests),
            Moves::InAnyOrder => {
                Order::ALL.iter().map(|order| moving_together(*order, guests)).max().unwrap_or(0)
            }
        }
    }

    /// The memory of the largest of the fleet's guests, of so many.
    fn largest(&self, count: u32) -> u64 {
        let mut sizes: Vec<u64> = self.profile.members().map(|member| member.memory.0).collect();
        sizes.sort_unstable_by(|one, other| other.cmp(one));
        sizes.into_iter().take(count as usize).fold(0, u64::saturating_add)
    }

    fn lack_in_guest(&self) -> Option<String> {
        let pattern_memory = self.profile.pattern_memory;
        let memory = self.profile.members().map(|member| member.memory).min().unwrap_or(self.profile.memory);
        let needed = GUEST_OWN.0.saturating_add(pattern_memory.0).saturating_add(self.load);
        (needed > memory.0).then(|| {
            let load = if self.load > 0 { format!(" + its load's {}", Bytes(self.load)) } else { String::new() };
            format!(
                "in a guest: its system's {GUEST_OWN} + the pattern's {pattern_memory}{load} = {}; it has {memory}",
                Bytes(needed)
            )
        })
    }

    /// The lack of memory on a host, which has all guests before they migrate, and half of the load guests.
    fn lack_on_host(&self, has: u64) -> Option<String> {
        let parts = [self.fleet(), self.load(self.load_guests.div_ceil(2))];
        self.lack("on a host", &parts, has, &format!("it may use {}", mib(has)))
    }

    fn lack_of_machine(&self, has: u64) -> Option<String> {
        let count = self.moving();
        let what = "of them a second time while they migrate";
        let moving = Crowd { count, what, memory: self.largest(count) };
        let parts = [self.fleet(), moving, self.load(self.load_guests)];
        self.lack("on this machine", &parts, has, &format!("{} are there", mib(has)))
    }

    fn fleet(&self) -> Crowd {
        let count = self.profile.guests;
        Crowd { count, what: "guests", memory: self.largest(count) }
    }

    fn load(&self, count: u32) -> Crowd {
        let memory = u64::from(count).saturating_mul(self.profile.memory.0);
        Crowd { count, what: "load guests", memory }
    }

    /// The arithmetic of a lack, none if all of them fit into `has`: `on a host: (200 guests + 1 load guests) x (256MiB +
    /// 32MiB for QEMU) = 57888 MiB; it may use 9642 MiB`, or of several sizes `on a host: 2 guests with 1280 MiB + 2 x 32MiB
    /// for QEMU = 1344 MiB; it may use 1200 MiB`.
    fn lack(&self, place: &str, crowds: &[Crowd], has: u64, said: &str) -> Option<String> {
        let count: u32 = crowds.iter().map(|crowd| crowd.count).sum();
        let memory = crowds.iter().fold(0, |sum: u64, crowd| sum.saturating_add(crowd.memory));
        let needed = memory.saturating_add(u64::from(count) * QEMU_OWN.0);
        if needed <= has {
            return None;
        }
        let alike = self.profile.listed.is_empty();
        let part = |crowd: &Crowd| match alike {
            true => format!("{} {}", crowd.count, crowd.what),
            false => format!("{} {} with {}", crowd.count, crowd.what, mib(crowd.memory)),
        };
        let parts: Vec<String> = crowds.iter().filter(|crowd| crowd.count > 0).map(part).collect();
        let sum = if alike {
            let parts = if parts.len() > 1 { format!("({})", parts.join(" + ")) } else { parts.concat() };
            format!("{parts} x ({} + {QEMU_OWN} for QEMU)", self.profile.memory)
        } else {
            format!("{} + {count} x {QEMU_OWN} for QEMU", parts.join(" + "))
        };
        Some(format!("{place}: {sum} = {}; {said}", mib(needed)))
    }
}

/// Guests that a place must have room for together.
struct Crowd {
    count: u32,
    what: &'static str,
    /// Their own memory, in bytes.
    memory: u64,
}

/// The most of so many guests that migrate together in an order.
fn moving_together(order: Order, guests: u32) -> u32 {
    if order.row().seeded {
        // A random plan may move all guests together.
        return guests;
    }
    let fleet = PlanInput { guests: guests as usize, rounds: 1, seed: Seed(0) };
    let steps = order.steps(&fleet).unwrap_or_default();
    let most = steps.iter().map(|step| step.legs.len()).max().unwrap_or(0);
    u32::try_from(most).unwrap_or(guests)
}

/// Advice about guests that do not fit.
pub const ADVICE: &str = "make the fleet smaller (MULTIVM_GUESTS, MULTIVM_MEMORY, MULTIVM_LOAD_GUESTS), or the hosts larger (MULTIVM_HOST_SIZE)";

/// Advice about guests of a catalogue that do not fit.
const ADVICE_FOR_CATALOGUES: &str =
    "make the fleet of the catalogue smaller (count, memory_mib), or the hosts larger (MULTIVM_HOST_SIZE)";

pub(in crate::guest) fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::testing::profile;
    use super::*;
    use crate::inventory::catalogue::ListedGuest;

    const GIB: u64 = 1 << 30;

    fn of(guests: u32) -> Profile {
        Profile { guests, ..profile() }
    }

    fn lacks(scenario: &str, profile: &Profile, host: u64, machine: u64) -> Vec<String> {
        let scenario: Scenario = scenario.parse().unwrap();
        Need::of(&scenario, profile).lacks(Supply { host, machine: Some(machine) })
    }

    #[rstest]
    #[case::all("precopy_simultaneous::in_vms::stress_cpu", 14 * 288 + 14 * 288)]
    #[case::two("precopy_cross::in_vms::stress_cpu", 14 * 288 + 2 * 288)]
    #[case::one("precopy_orderly::in_vms::stress_cpu", 14 * 288 + 288)]
    #[case::any("precopy_random::in_vms::stress_cpu", 14 * 288 + 14 * 288)]
    #[case::one_and_load_guests("precopy_orderly::booting::load_vms", 14 * 288 + 288 + 2 * 288)]
    fn guests_that_migrate_together_are_there_twice(#[case] scenario: &str, #[case] mib: u64) {
        let (profile, host) = (of(14), 64 * GIB);
        assert_eq!(lacks(scenario, &profile, host, mib << 20), [""; 0]);
        let lack = lacks(scenario, &profile, host, (mib << 20) - 1);
        assert_eq!(lack.len(), 1, "{lack:?}");
        assert!(
            lack[0].starts_with("on this machine: ") && lack[0].contains(&format!("= {mib} MiB")),
            "{lack:?}"
        );
    }

    #[test]
    fn a_host_has_the_whole_fleet_and_half_of_the_load_guests() {
        let profile = Profile { load_guests: 3, ..of(4) };
        let host = |mib: u64| lacks("precopy_orderly::booting::load_vms", &profile, mib << 20, 64 * GIB);
        assert_eq!(host(6 * 288), [""; 0]);
        let expected = "on a host: (4 guests + 2 load guests) x (256MiB + 32MiB for QEMU) = 1728 MiB; it may use 1727 MiB";
        assert_eq!(host(6 * 288 - 1), [expected]);
    }

    #[test]
    fn guests_of_several_sizes_are_added_up_and_the_largest_move() {
        let listed = |memory_mib| ListedGuest { image: "tiny".into(), vcpus: None, memory_mib };
        let profile = Profile { listed: vec![listed(None), listed(Some(1024)), listed(None)], ..of(3) };
        let of_machine =
            |mib: u64| lacks("precopy_orderly::in_vms::stress_cpu", &profile, 64 * GIB, mib << 20);
        let needed = (256 + 1024 + 256) + 1024 + 4 * 32;
        assert_eq!(of_machine(needed), [""; 0]);
        let expected = "on this machine: 3 guests with 1536 MiB + 1 of them a second time while they migrate with 1024 MiB \
                        + 4 x 32MiB for QEMU = 2688 MiB; 2687 MiB are there";
        assert_eq!(of_machine(needed - 1), [expected]);
        let refusal =
            Need::at_rest(&profile).refusal("the lab", |_| Supply { host: 600 << 20, machine: None });
        assert!(
            refusal
                .unwrap()
                .contains("in the order of the file, there is room for 1 guest\n  = help: make the fleet of the catalogue smaller")
        );
    }

    #[test]
    fn a_guest_has_its_pattern_and_its_load() {
        let scenario = "precopy_orderly::in_vms::stress_memory";
        let with = |mib: u64| Profile { memory: Bytes(mib << 20), ..of(2) };
        assert_eq!(lacks(scenario, &with(128), 64 * GIB, 64 * GIB), [""; 0]);
        assert_eq!(
            lacks(scenario, &with(127), 64 * GIB, 64 * GIB),
            [
                "in a guest: its system's 64MiB + the pattern's 32MiB + its load's 32MiB = 128MiB; it has 127MiB"
            ]
        );
        assert_eq!(lacks("precopy_orderly::in_vms::stress_cpu", &with(96), 64 * GIB, 64 * GIB), [""; 0]);
    }

    #[test]
    fn as_many_fit_as_the_scarcer_of_both_has_room_for() {
        let profile = of(200);
        let scenario: Scenario = "precopy_orderly::in_vms::stress_cpu".parse().unwrap();
        let need = Need::of(&scenario, &profile);
        let supply = |host, machine| move |_: &Profile| Supply { host, machine };
        assert_eq!(need.fitting(supply(4 * GIB, None)), 14);
        assert_eq!(need.fitting(supply(64 * GIB, Some(4 * GIB))), 13);
        assert_eq!(need.fitting(supply(GIB / 4, None)), 0);
        assert_eq!(Need::at_most(&profile).fitting(supply(64 * GIB, Some(4 * GIB))), 6);
        assert!(Need::at_rest(&profile).lacks(Supply { host: (200 * 288) << 20, machine: None }).is_empty());
    }
}
