//! Compares CPUs and memory with the size of the hosts and of the fleet.

use std::num::NonZero;

use super::Diagnosis;
use crate::guest::{Need, ROOM_ADVICE as ADVICE, Supply};
use crate::ledger::{Ledger, state_directory};
use crate::scenario::Profile;
use crate::stand::Settings;
use crate::sys::machine::{self, memory_available};

/// Least number of CPUs without a warning: with one CPU, two hosts, the guests and the probes all wait for each other.
const FEW_CPUS: usize = 2;

/// Checks the size of the machine.
pub fn examine(settings: &Settings, profile: Option<&Profile>) -> Vec<Diagnosis> {
    vec![cpus(), memory(settings, profile)]
}

fn cpus() -> Diagnosis {
    match std::thread::available_parallelism().map_or(1, NonZero::get) {
        number if number < FEW_CPUS => Diagnosis::warn(
            "CPUs",
            format!("{number}"),
            format!("{FEW_CPUS} or more: both hosts and all guests share them"),
        ),
        number => Diagnosis::good("CPUs", number.to_string()),
    }
}

fn memory(settings: &Settings, profile: Option<&Profile>) -> Diagnosis {
    let name = "memory";
    let Some(available) = memory_available() else {
        return Diagnosis::warn(name, "/proc/meminfo does not say what is available", "mount /proc");
    };
    let guests = profile.map_or(0, Profile::guests_memory);
    let host = settings.host_size(guests).memory;
    let seen = format!("{} available; each host may use {}", mib(available), mib(host));
    let Some(profile) = profile else { return Diagnosis::good(name, seen) };
    let lacks = Need::at_most(profile).lacks(Supply { host, machine: Some(available) });
    if lacks.is_empty() {
        let (load_guests, memory) = (profile.load_guests, profile.memory);
        let fleet = format!("{} guests and {load_guests} load guests of {memory}", profile.guests);
        return Diagnosis::good(name, format!("{seen}; {fleet} fit, all of them on both hosts"));
    }
    Diagnosis::warn(name, format!("{seen}; {}", lacks.join("; ")), format!("{ADVICE}; or free some memory"))
}

/// The supply of memory for guests of a profile: of hosts with these settings, and of the machine below them. If a lab of
/// ours is up, its memory counts as free, because the lab gives it back.
pub fn supply(settings: &Settings, profile: &Profile) -> Supply {
    let ours_is_up = Ledger::peek(&state_directory()).is_ok_and(|ledger| !ledger.outstanding.is_empty());
    let machine = if ours_is_up { machine::memory() } else { memory_available() };
    Supply { host: settings.host_size(profile.guests_memory()).memory, machine }
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
