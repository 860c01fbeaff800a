//! Catalogues of tests, with files that they can name.

use std::fs;
use std::path::Path;

use super::{Catalogue, MasterFiles};
use crate::inventory::file::Folders;

/// A disk that can be booted as far as its first sector shows, which ends with the signature of a boot record.
pub fn bootable() -> Vec<u8> {
    let mut sector = vec![0; 512];
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

/// Reads a catalogue in a folder, which gets a bootable file `disk` if it has none.
pub fn catalogue_in(folder: &Path, text: &str) -> Catalogue {
    let disk = folder.join("disk");
    if !disk.exists() {
        fs::write(disk, bootable()).unwrap();
    }
    Catalogue::parse("guests.toml", text, &Folders { file: folder, home: None }, MasterFiles::Needed).unwrap()
}
