//! Whether a host has room for the fleet of a profile.

use super::Diagnosis;
use super::asked_host::AskedHost;
use crate::guest::{Need, Supply};
use crate::scenario::Profile;

const WHAT: &str = "memory";

pub fn examine(host: &AskedHost<'_>, profile: &Profile) -> Diagnosis {
    let Some(available) = host.facts.number("available_kib").map(|kib| kib << 10) else {
        return host.warn(
            WHAT,
            "it did not say how much is available",
            "grep MemAvailable /proc/meminfo there",
        );
    };
    let cpus = host.facts.number("cpus").map(|cpus| format!("; {cpus} CPUs")).unwrap_or_default();
    let seen = format!("{} MiB available{cpus}", available >> 20);
    let lacks = Need::at_most(profile).lacks(Supply { host: available, machine: None });
    let fleet =
        format!("{} guests and {} load guests of {}", profile.guests, profile.load_guests, profile.memory);
    if lacks.is_empty() {
        host.good(WHAT, format!("{seen}: {fleet} fit"))
    } else {
        host.missing(
            WHAT,
            format!("{seen}; {}", lacks.join("; ")),
            "fewer or smaller guests: MULTIVM_GUESTS, MULTIVM_MEMORY, or another profile; or free some memory",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary};
    use crate::scenario::{ScenarioFile, locate};

    #[test]
    fn the_fleet_must_fit() {
        let file = ScenarioFile::load(&locate(None, |_| None)).unwrap();
        let (pair, profile) = (ordinary(), file.profile("lab").unwrap().clone());
        let [rich, poor] = hosts(&pair, "available_kib 60000000\ncpus 8", "available_kib 100000");
        assert_eq!(examine(&rich, &profile).verdict, Grade::Good);
        assert_eq!(examine(&poor, &profile).verdict, Grade::Missing);
    }
}
