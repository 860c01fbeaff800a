//! The disk image of a user: nobody boots or writes it. Guests get overlays over a copy.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A disk image in a file of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Master {
    pub path: PathBuf,
    pub format: DiskFormat,
    /// The SHA-256 that the file must have, in lower-case hexadecimal digits; none if any will do.
    pub sha256: Option<String>,
}

/// What reading a catalogue asks of the files of its masters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MasterFiles {
    /// They are there, and can be booted.
    Needed,
    /// They may be on another machine.
    Elsewhere,
}

/// The form of a disk image, by QEMU's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskFormat {
    Qcow2,
    Raw,
}

impl Master {
    /// The size of the disk in the file, in bytes: what an overlay over it comes to when all of it was written. 0 of a file that cannot be
    /// read, which is said elsewhere.
    pub fn disk_size(&self) -> u64 {
        let read = || -> io::Result<u64> {
            let mut file = File::open(&self.path)?;
            match self.format {
                DiskFormat::Raw => Ok(file.metadata()?.len()),
                DiskFormat::Qcow2 => {
                    let mut begin = [0; DISK_SIZE_OFFSET + 8];
                    file.read_exact(&mut begin)?;
                    Ok(u64::from_be_bytes(std::array::from_fn(|at| begin[DISK_SIZE_OFFSET + at])))
                }
            }
        };
        read().unwrap_or_default()
    }
}

impl DiskFormat {
    /// QEMU's name of the format.
    pub fn name(self) -> &'static str {
        match self {
            DiskFormat::Qcow2 => "qcow2",
            DiskFormat::Raw => "raw",
        }
    }

    /// The format that a file's name promises: qcow2 unless it ends with another one's.
    pub(super) fn by_name(path: &Path) -> DiskFormat {
        let ends = path.extension().is_some_and(|extension| extension == DiskFormat::Raw.name());
        if ends { DiskFormat::Raw } else { DiskFormat::Qcow2 }
    }

    /// The format of a file that guests can boot from, or why they cannot.
    pub(super) fn of(path: &Path) -> Result<DiskFormat, String> {
        let said = |error: io::Error| error.to_string();
        // Before it is opened: that waits where it is a pipe.
        if !path.metadata().map_err(said)?.is_file() {
            return Err("it is no file".to_owned());
        }
        let mut file = File::open(path).map_err(said)?;
        let mut begin = [0; SECTOR];
        file.read_exact(&mut begin).map_err(|_| "it is too short for a disk".to_owned())?;
        DiskFormat::of_sector(&begin)
    }

    fn of_sector(sector: &[u8; SECTOR]) -> Result<DiskFormat, String> {
        if sector.starts_with(QCOW2) {
            let has_backing_file = sector[BACKING_FILE_OFFSET..BACKING_FILE_OFFSET + 8] != [0; 8];
            let flattened =
                "it is an overlay over another image: `qemu-img convert -O qcow2` makes one of both";
            let has_data_file = sector[VERSION_OFFSET] >= 3 && sector[FEATURES_OFFSET] & DATA_FILE != 0;
            return match (has_backing_file, has_data_file) {
                (true, _) => Err(flattened.to_owned()),
                (_, true) => {
                    Err("its data is in another file: `qemu-img convert -O qcow2` makes one of both"
                        .to_owned())
                }
                _ => Ok(DiskFormat::Qcow2),
            };
        }
        // The signature of a master boot record, which a disk with a GPT has, too.
        if sector[SECTOR - 2..] == [0x55, 0xaa] {
            return Ok(DiskFormat::Raw);
        }
        Err("it is neither a qcow2 image nor a raw disk with a partition table".to_owned())
    }
}

const SECTOR: usize = 512;

/// The first bytes of a qcow2 image, and the place of the offset of its backing file's name (docs/interop/qcow2.rst of QEMU).
const QCOW2: &[u8] = b"QFI\xfb";
const BACKING_FILE_OFFSET: usize = 8;

/// The place of the disk's size in the header of a qcow2 image.
const DISK_SIZE_OFFSET: usize = 24;

/// The last bytes of a qcow2 image's version and of its incompatible features, and the bit of an external data file.
const VERSION_OFFSET: usize = 7;
const FEATURES_OFFSET: usize = 79;
const DATA_FILE: u8 = 1 << 2;

/// What a file takes on its disk, without its holes, in bytes.
///
/// # Errors
///
/// The file cannot be looked at.
pub fn bytes_on_disk(path: &Path) -> io::Result<u64> {
    // A block is of 512 bytes for stat(2), whatever the file system's are.
    path.metadata().map(|file| file.blocks() * 512)
}

/// The SHA-256 of a file, in lower-case hexadecimal digits.
///
/// # Errors
///
/// The file cannot be read.
pub fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut part = vec![0; 1 << 20];
    loop {
        match file.read(&mut part) {
            Ok(0) => break,
            Ok(read) => hash.update(&part[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(digits(hash))
}

/// A SHA-256 in lower-case hexadecimal digits.
pub fn digits(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector(begin: &[u8], end: &[u8]) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        sector[..begin.len()].copy_from_slice(begin);
        sector[SECTOR - end.len()..].copy_from_slice(end);
        sector
    }

    #[test]
    fn a_disk_is_known_by_its_first_sector() {
        let of = |begin: &[u8], end: &[u8]| DiskFormat::of_sector(&sector(begin, end));
        assert_eq!(of(b"QFI\xfb\0\0\0\x03", b""), Ok(DiskFormat::Qcow2));
        assert_eq!(of(b"\xeb\x63", b"\x55\xaa"), Ok(DiskFormat::Raw));
        assert!(of(b"\x7fELF", b"").unwrap_err().contains("neither a qcow2 image nor a raw disk"));
        let overlay = of(b"QFI\xfb\0\0\0\x03\0\0\0\0\0\0\x01\xd8", b"").unwrap_err();
        assert!(overlay.contains("overlay"), "{overlay}");
    }

    #[test]
    fn holes_take_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        File::create(&path).unwrap().set_len(1 << 30).unwrap();
        assert!(bytes_on_disk(&path).unwrap() < 1 << 20);
        std::fs::write(&path, vec![1; 1 << 20]).unwrap();
        assert!(bytes_on_disk(&path).unwrap() >= 1 << 20);
    }

    #[test]
    fn a_files_hash_is_written_as_sha256sum_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "abc").unwrap();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&path).unwrap(), abc);
    }
}
