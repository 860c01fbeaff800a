//! CPUs and memory, held against the size of the hosts and of the fleet.

use std::num::NonZero;

use super::Diagnosis;
use crate::scenario::Profile;
use crate::stand::lab::Settings;
use crate::sys::machine::memory_available;

/// With one CPU, two hosts, the guests and the probes all wait for each other.
const FEW_CPUS: usize = 2;

/// Looks at the size of the machine.
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
    // In the order `simultaneous` every guest is on both hosts for as long as it migrates.
    let fleet = profile.memory.0.saturating_mul(u64::from(profile.guests));
    let smaller = "make the fleet smaller (MULTIVM_GUESTS, MULTIVM_MEMORY)";
    let fleet_text = format!("the fleet's {} x {} = {}", profile.guests, profile.memory, mib(fleet));
    if fleet >= host {
        return Diagnosis::warn(
            name,
            format!("{seen}; {fleet_text} do not fit into a host"),
            format!("{smaller} or the hosts larger (MULTIVM_HOST_SIZE)"),
        );
    }
    if fleet.saturating_mul(2) >= available {
        return Diagnosis::warn(
            name,
            format!("{seen}; {fleet_text} are needed twice while all guests migrate"),
            format!("{smaller} or free some memory"),
        );
    }
    Diagnosis::good(name, format!("{seen}; {fleet_text} fit"))
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
