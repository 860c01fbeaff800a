//! Whether the files of a catalogue's images are those that are meant.

use std::path::Path;

use super::Diagnosis;
use crate::axis::AxisValue;
use crate::inventory::catalogue::{Catalogue, ListedImage, Master, bytes_on_disk};

/// Checks the file of each image that a guest boots from. What is computed of it is kept in the folder `cache`.
pub fn examine(catalogue: &Catalogue, cache: &Path) -> Vec<Diagnosis> {
    catalogue.images_in_use().map(|image| of_image(catalogue, image, cache)).collect()
}

fn of_image(catalogue: &Catalogue, image: &ListedImage, cache: &Path) -> Diagnosis {
    let name = format!("image {}", image.name);
    let boots = format!("boots by {}, identity by {}", image.firmware.name(), image.identity.name());
    let Some(Master { path, format, sha256 }) = &image.master else {
        return Diagnosis::good(name, format!("multivm's own; {boots}"));
    };
    if let Some(wrong) = catalogue.wrong_file(image, cache) {
        return Diagnosis::missing(name, wrong, "name the file with that SHA-256, or leave `sha256` out");
    }
    let hash = if sha256.is_some() { "SHA-256 as in the catalogue" } else { "no `sha256` to compare" };
    let size = bytes_on_disk(path).unwrap_or(0) >> 20;
    Diagnosis::good(name, format!("{}: {}, {size} MiB, {hash}; {boots}", path.display(), format.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;
    use crate::inventory::catalogue::testing::catalogue_in;

    #[test]
    fn another_file_than_the_one_that_is_meant_is_a_line_like_everything_else() {
        let folder = tempfile::tempdir().unwrap();
        let of = |sha256: &str| {
            let text = format!(
                "image = [{{ name = 'a', file = 'disk', {sha256} firmware = 'bios', identity = 'cloud-init' }}]\n\
                 guest = [{{ image = 'a' }}]"
            );
            let catalogue = catalogue_in(folder.path(), &text);
            examine(&catalogue, &folder.path().join("cache")).remove(0)
        };
        assert_eq!(of("").verdict, Grade::Good);
        let wrong = of(&format!("sha256 = '{}',", "0".repeat(64)));
        assert!(wrong.verdict == Grade::Missing && wrong.seen.contains("is not the file that"), "{wrong:?}");
    }
}
