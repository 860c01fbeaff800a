//! The images of a catalogue on a storage. A master is copied there, and nobody boots or writes it.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::failure::{Attempt, Result};
use crate::inventory::ImageEntry;
use crate::inventory::catalogue::{
    COPY_NEWS, Catalogue, DiskFormat, ListedImage, Master, bytes_on_disk, copy_limit,
};
use crate::ledger::Thing;
use crate::stand::Ground;
use crate::sys::limited::Running;
use crate::sys::terminal;

/// What the storage has for the guests of a catalogue, by `own`, the file of the image that multivm builds. Images of one file have
/// one copy.
pub fn entries(catalogue: Option<&Catalogue>, own: &str) -> Result<Vec<ImageEntry>> {
    let images: Vec<&ListedImage> = catalogue.into_iter().flat_map(Catalogue::images_in_use).collect();
    let of = |image: &&ListedImage| {
        let (file, format, master) = match &image.master {
            None => (own.to_owned(), DiskFormat::Qcow2, None),
            Some(master) => {
                let has = |other: &&&ListedImage| {
                    other.master.as_ref().is_some_and(|other| other.path == master.path)
                };
                // The image itself has it, if no other has.
                let first = images.iter().find(has).unwrap_or(image);
                let file = format!("image-{}.{}", first.name, master.format.name());
                (file, master.format, Some(description(master)?))
            }
        };
        let (name, firmware, user) = (image.name.clone(), image.firmware, image.user.clone());
        let domain = image.domain.as_ref().map(|domain| domain.text.clone());
        Ok(ImageEntry { name, file, format, disk: image.disk, firmware, user, master, domain })
    };
    images.iter().map(of).collect()
}

/// Brings each master to the storage once, under the name of its file there.
pub fn bring(
    catalogue: Option<&Catalogue>,
    entries: &[ImageEntry],
    mut one: impl FnMut(&Master, &str) -> Result<()>,
) -> Result<()> {
    let mut brought = BTreeSet::new();
    for image in catalogue.into_iter().flat_map(Catalogue::images_in_use) {
        let entry = entries.iter().find(|entry| entry.name == image.name);
        let (Some(master), Some(entry)) = (&image.master, entry) else { continue };
        if brought.insert(&entry.file) {
            one(master, &entry.file)?;
        }
    }
    Ok(())
}

/// Copies the masters into a folder of this machine that is the storage, sparse, and read-only. A stop ends the copy at once.
pub fn copy(
    catalogue: Option<&Catalogue>,
    entries: &[ImageEntry],
    export: &Path,
    ground: Ground<'_>,
) -> Result<()> {
    bring(catalogue, entries, |master, file| copy_one(&master.path, &export.join(file), ground))
}

fn copy_one(from: &Path, to: &Path, Ground { ledger, stop }: Ground<'_>) -> Result<()> {
    let attempted = || format!("copy {} to {}", from.display(), to.display());
    terminal::say(&format!("multivm: copying {} to the storage on this machine", from.display()));
    let mut command = Command::new("cp");
    command
        .args(["--sparse=always", "--reflink=auto", "--"])
        .args([from, to])
        // Ctrl-C is for multivm, which ends the copy in order.
        .process_group(0);
    let running = Running::start(&mut command, "").attempting(attempted)?;
    // A short copy may have ended by now, and leaves no process that a later command would have to end.
    let process = Thing::process(running.pid(), &attempted()).ok();
    let entry = process.map(|process| ledger.enter(process)).transpose()?;
    let whole = bytes_on_disk(from).unwrap_or(0);
    let mut told = Instant::now();
    let copied = running.end(copy_limit(whole), stop, || {
        if told.elapsed() >= COPY_NEWS {
            told = Instant::now();
            let there = bytes_on_disk(to).unwrap_or(0);
            terminal::say(&format!("multivm:   {} of {} MiB are copied", there >> 20, whole >> 20));
        }
    });
    entry.map_or(Ok(()), |entry| ledger.undo(entry))?;
    copied.attempting(attempted)?;
    fs::set_permissions(to, Permissions::from_mode(0o444)).attempting(attempted)
}

/// What tells a master from another one, or from itself before somebody changed it.
fn description(master: &Master) -> Result<String> {
    let path = master.path.display();
    let seen = fs::metadata(&master.path).attempting(|| format!("look at {path}"))?;
    Ok(format!("{path}, {} bytes, written at {}.{:09}", seen.len(), seen.mtime(), seen.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;
    use crate::inventory::catalogue::testing::{bootable, catalogue_in};
    use crate::ledger::Ledger;
    use crate::sys::stop::StopFlag;

    const TEXT: &str = r#"
        image = [
            { name = "tiny", firmware = "kernel", identity = "kernel" },
            { name = "a", file = "disk", firmware = "bios", identity = "cloud-init" },
            { name = "b", file = "disk", firmware = "uefi", identity = "cloud-init", user = "me" },
        ]
        guest = [{ image = "b" }, { image = "a" }, { image = "tiny" }]
    "#;

    #[test]
    fn images_of_one_file_have_one_copy_that_nobody_can_write() {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = catalogue_in(folder.path(), TEXT);
        let entries = entries(Some(&catalogue), "base.qcow2").unwrap();
        let files: Vec<&str> = entries.iter().map(|entry| entry.file.as_str()).collect();
        assert_eq!(files, ["base.qcow2", "image-a.raw", "image-a.raw"]);
        let (export, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (ledger, stop) = (Ledger::open(state.path()).unwrap(), StopFlag::new());
        let ground = Ground { ledger: &ledger, stop: &stop };
        copy(Some(&catalogue), &entries, export.path(), ground).unwrap();
        assert_eq!(ledger.outstanding(), []);
        let copied: Vec<_> = fs::read_dir(export.path()).unwrap().map(|entry| entry.unwrap()).collect();
        assert_eq!(copied.len(), 1);
        assert_eq!(fs::read(copied[0].path()).unwrap(), bootable());
        assert_eq!(copied[0].metadata().unwrap().permissions().mode() & 0o777, 0o444);
    }

    /// A pipe into which nobody writes is a master whose copy never ends.
    #[test]
    fn a_stop_ends_a_copy_at_once() {
        let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (from, to) = (folder.path().join("pipe"), folder.path().join("copy"));
        nix::unistd::mkfifo(&from, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let (ledger, stop) = (Ledger::open(state.path()).unwrap(), StopFlag::new());
        let copying = std::thread::spawn({
            let (stop, begin) = (stop.clone(), Instant::now());
            move || {
                let ground = Ground { ledger: &ledger, stop: &stop };
                let kind = copy_one(&from, &to, ground).unwrap_err().kind();
                (kind, begin.elapsed(), ledger.outstanding())
            }
        });
        stop.set();
        let (kind, took, left) = copying.join().unwrap();
        assert_eq!((kind, left), (FailureKind::Cancelled, Vec::new()));
        assert!(took < copy_limit(0) / 2, "{took:?}");
    }

    #[test]
    fn a_master_that_was_written_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let master = Master { path: path.clone(), format: DiskFormat::Raw, sha256: None };
        fs::write(&path, "one").unwrap();
        let before = description(&master).unwrap();
        fs::write(&path, "three").unwrap();
        assert_ne!(before, description(&master).unwrap());
    }
}
