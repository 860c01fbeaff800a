//! Checks the images of a catalogue: whether they are the files that are meant, and find room on the lab's storage.

use super::{Diagnosis, disk};
use crate::doctor::files;
use crate::guest::WantedFleet;
use crate::inventory::catalogue::Catalogue;
use crate::ledger::state_directory;
use crate::scenario::Profile;
use crate::stand::Settings;

/// Checks each image that a guest boots from, and the room for all of them.
pub fn examine(settings: &Settings, profile: Option<&Profile>) -> Vec<Diagnosis> {
    let Some(catalogue) = &settings.catalogue else { return Vec::new() };
    let mut findings = files::examine(catalogue, &settings.store.cache);
    findings.extend(profile.map(|profile| room(profile, catalogue)));
    findings
}

fn room(profile: &Profile, catalogue: &Catalogue) -> Diagnosis {
    let name = "room for images";
    let masters = catalogue.bytes_of_masters() >> 20;
    match disk::lack_for_images(WantedFleet { profile, catalogue: Some(catalogue) }) {
        None => {
            let directory = state_directory();
            Diagnosis::good(
                name,
                format!("masters of {masters} MiB and all guests' images fit in {}", directory.display()),
            )
        }
        Some(lack) => Diagnosis::missing(
            name,
            lack,
            "name another directory with MULTIVM_STATE, or make the fleet of the catalogue smaller",
        ),
    }
}
