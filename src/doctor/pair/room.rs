//! Whether a host has room for the fleet of a profile.

use super::asked_host::AskedHost;
use super::{Diagnosis, Pair};
use crate::doctor::lab;
use crate::guest::{DiskNeed, Need, Supply, WantedFleet};
use crate::inventory::file::{Server, SharedStorage};
use crate::ledger::state_directory;
use crate::scenario::Profile;

const WHAT: &str = "memory";

pub fn examine(host: &AskedHost<'_>, pair: &Pair, fleet: WantedFleet<'_>) -> Vec<Diagnosis> {
    let mut findings = vec![memory(host, fleet.profile)];
    let is_server = match &pair.storage {
        SharedStorage::ServeOn(server) => {
            (*server == Server::Source && host.name == "source")
                || (*server == Server::Target && host.name == "target")
        }
        // The source writes the images.
        SharedStorage::Mount(folder) if host.name == "source" => {
            let need = DiskNeed { boots: false, images: Some(fleet) };
            findings.extend(disk(host, &folder.to_string_lossy(), "folder_free_kib", need));
            false
        }
        SharedStorage::Mount(_) | SharedStorage::Export { .. } => false,
    };
    let need = DiskNeed { boots: true, images: is_server.then_some(fleet) };
    findings.extend(disk(host, "/var/lib", "state_free_kib", need));
    findings
}

/// The room on this machine for images that it is to serve; none if it serves none.
pub fn here(pair: &Pair, fleet: WantedFleet<'_>) -> Option<Diagnosis> {
    const WHAT: &str = "here: disk";
    if pair.storage != SharedStorage::ServeOn(Server::Controller) {
        return None;
    }
    let folder = state_directory();
    let free = lab::free(&folder)?;
    let seen = format!("{}: {} MiB free", folder.display(), free >> 20);
    Some(match (DiskNeed { boots: false, images: Some(fleet) }).lack(free) {
        Some(lack) => Diagnosis::missing(
            WHAT,
            format!("{seen}; {lack}"),
            "wanted: room for the images; MULTIVM_STATE names another folder; or fewer guests: MULTIVM_GUESTS, MULTIVM_LOAD_GUESTS",
        ),
        None => Diagnosis::good(WHAT, seen),
    })
}

/// The room in a folder; none if the host did not say what is free there.
fn disk(host: &AskedHost<'_>, folder: &str, fact: &str, need: DiskNeed<'_>) -> Option<Diagnosis> {
    const WHAT: &str = "disk";
    let free = host.facts.number(fact)? << 10;
    let seen = format!("{folder}: {} MiB free", free >> 20);
    let most = need.at_most();
    Some(match need.lack(free) {
        Some(lack) => host.missing(
            WHAT,
            format!("{seen}; {lack}"),
            format!("wanted: room; du -xsh {folder}/* there says what takes it; or fewer guests: MULTIVM_GUESTS, MULTIVM_LOAD_GUESTS"),
        ),
        None if most > free => host.warn(
            WHAT,
            format!("{seen}; guests that write all of their disks take {} MiB", most >> 20),
            format!("scenarios with I/O load may fill it; du -xsh {folder}/* there says what takes room"),
        ),
        None => host.good(WHAT, seen),
    })
}

fn memory(host: &AskedHost<'_>, profile: &Profile) -> Diagnosis {
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
    let fleet = if profile.listed.is_empty() {
        format!("{} guests and {} load guests of {}", profile.guests, profile.load_guests, profile.memory)
    } else {
        format!("the catalogue's {} guests and {} load guests", profile.guests, profile.load_guests)
    };
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
    use rstest::rstest;

    use super::*;
    use crate::doctor::Grade;
    use crate::doctor::pair::testing::{hosts, ordinary, pair};
    use crate::scenario::{ScenarioFile, locate};

    #[test]
    fn the_fleet_must_fit() {
        let file = ScenarioFile::load(&locate(None, |_| None)).unwrap();
        let (pair, profile) = (ordinary(), file.profile("lab").unwrap().clone());
        let [rich, poor] = hosts(&pair, "available_kib 60000000\ncpus 8", "available_kib 100000");
        assert_eq!(memory(&rich, &profile).verdict, Grade::Good);
        assert_eq!(memory(&poor, &profile).verdict, Grade::Missing);
    }

    #[rstest]
    #[case::large("state_free_kib 60000000\nfolder_free_kib 60000000", &[Grade::Good, Grade::Good])]
    #[case::full_with_images("state_free_kib 60000000\nfolder_free_kib 300000", &[Grade::Missing, Grade::Good])]
    #[case::full_when_all_is_written("state_free_kib 60000000\nfolder_free_kib 900000", &[Grade::Warn, Grade::Good])]
    #[case::full_with_what_guests_boot_from("state_free_kib 50000\nfolder_free_kib 60000000", &[Grade::Good, Grade::Missing])]
    #[case::nothing_is_said("", &[])]
    fn files_must_fit(#[case] said: &str, #[case] expected: &[Grade]) {
        let file = ScenarioFile::load(&locate(None, |_| None)).unwrap();
        let (pair, profile) = (ordinary(), file.profile("lab").unwrap().clone());
        let [source, target] = hosts(&pair, said, said);
        let grades = |host: &AskedHost<'_>, pair: &Pair| {
            let found = examine(host, pair, WantedFleet { profile: &profile, catalogue: None }).into_iter();
            found
                .filter(|found| found.name.ends_with(": disk"))
                .map(|found| found.verdict)
                .collect::<Vec<_>>()
        };
        assert_eq!(grades(&source, &pair), expected);
        let own = expected.last().into_iter().copied().collect::<Vec<_>>();
        assert_eq!(grades(&target, &pair), own, "the source alone has the images");
    }

    #[test]
    fn images_that_this_machine_serves_take_its_own_room() {
        let file = ScenarioFile::load(&locate(None, |_| None)).unwrap();
        let profile = file.profile("lab").unwrap();
        let seen = |storage| {
            here(&pair(storage, "nat = true", ""), WantedFleet { profile, catalogue: None })
                .map(|found| found.name)
        };
        assert_eq!(seen("serve_on = 'controller'").as_deref(), Some("here: disk"));
        assert_eq!(seen("serve_on = 'source'"), None);
    }

    #[test]
    fn the_host_that_serves_has_the_images_too() {
        let file = ScenarioFile::load(&locate(None, |_| None)).unwrap();
        let (pair, profile) = (pair("serve_on = 'target'", "nat = true", ""), file.profile("lab").unwrap());
        let said = "state_free_kib 300000";
        let fleet = WantedFleet { profile, catalogue: None };
        let grades = hosts(&pair, said, said).map(|host| examine(&host, &pair, fleet)[1].verdict);
        assert_eq!(grades, [Grade::Good, Grade::Missing]);
    }
}
