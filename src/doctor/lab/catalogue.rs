//! Checks the images of a catalogue: whether they are the files that are meant, and find room on the lab's storage.

use super::{Diagnosis, disk};
use crate::axis::AxisValue;
use crate::guest::WantedFleet;
use crate::inventory::catalogue::{Catalogue, ListedImage, Master, bytes_on_disk};
use crate::ledger::state_directory;
use crate::scenario::Profile;
use crate::stand::lab::Settings;

/// Checks each image that a guest boots from, and the room for all of them.
pub fn examine(settings: &Settings, profile: Option<&Profile>) -> Vec<Diagnosis> {
    let Some(catalogue) = &settings.catalogue else { return Vec::new() };
    let images = catalogue.images_in_use().map(|image| of_image(catalogue, image, settings));
    images.chain(profile.map(|profile| room(profile, catalogue))).collect()
}

fn of_image(catalogue: &Catalogue, image: &ListedImage, settings: &Settings) -> Diagnosis {
    let name = format!("image {}", image.name);
    let boots = format!("boots by {}, identity by {}", image.firmware.name(), image.identity.name());
    let Some(Master { path, format, sha256 }) = &image.master else {
        return Diagnosis::good(name, format!("multivm's own; {boots}"));
    };
    if let Some(wrong) = catalogue.wrong_file(image, &settings.store.cache) {
        return Diagnosis::missing(name, wrong, "name the file with that SHA-256, or leave `sha256` out");
    }
    let hash = if sha256.is_some() { "SHA-256 as in the catalogue" } else { "no `sha256` to compare" };
    let size = bytes_on_disk(path).unwrap_or(0) >> 20;
    Diagnosis::good(name, format!("{}: {}, {size} MiB, {hash}; {boots}", path.display(), format.name()))
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
