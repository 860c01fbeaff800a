//! The storage that both hosts share, with the guests' images.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::overlay::ImageOverlay;
use super::{copying, nfs, overlay};
use crate::failure::{Cause, Failure, FailureKind, Result};
use crate::inventory::StorageEntry;
use crate::inventory::catalogue::DiskKind;
use crate::remote::{Agent, Remote, quote};
use crate::sys::stop::StopFlag;
use crate::sys::wait::{Poll, wait_for};

/// How long the creation of overlays may take: it only writes headers, within seconds even on a slow disk.
const LIMIT: Duration = Duration::from_secs(60);

/// How long a starting server may take to serve.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The machine on which images are made, and their folder there.
pub struct Storage {
    pub entry: StorageEntry,
    pub remote: Remote,
    /// Our program on the server. The first use copies it there, and dropping this value removes it.
    pub agent: Arc<Agent>,
}

/// Something that serves images, or does not.
pub struct StorageService {
    /// The address of the NFS server; none for a mount.
    server: Option<String>,
    export: String,
    remote: Remote,
}

impl StorageService {
    /// Checks that the storage answers: the NFS server, or the file system of a mount.
    ///
    /// # Errors
    ///
    /// The storage does not answer.
    pub fn serves(&self) -> Result<()> {
        match &self.server {
            Some(server) => nfs::ping(server, nfs::LIMIT),
            None => {
                let command = format!("stat -f {} > /dev/null", quote(&self.export));
                self.remote.check(&command, nfs::LIMIT).map(drop)
            }
        }
    }
}

impl Storage {
    /// Connects to the server, waits until it serves, and checks that its export has the base image.
    pub fn connect(entry: &StorageEntry, stop: &StopFlag) -> Result<Storage> {
        let remote = Remote::new(entry.name.as_str(), entry.login.clone());
        let base = format!("{}/{}", entry.export, entry.base_image);
        remote.check(&format!("test -r {}", quote(&base)), LIMIT).map_err(|failure| {
            Failure::new("use the NFS export", failure.cause.about(format!("{base} cannot be read")))
                .at(entry.name.as_str())
        })?;
        let storage = Storage { entry: entry.clone(), agent: Arc::new(Agent::new(remote.clone())), remote };
        wait_for("the storage to serve", START_LIMIT, stop, || match storage.serves() {
            Ok(()) => Poll::Ready(()),
            Err(failure) => Poll::again(failure.cause),
        })?;
        Ok(storage)
    }

    /// Checks that the storage answers: [`StorageService::serves`].
    pub fn serves(&self) -> Result<()> {
        self.service().serves()
    }

    /// The storage as something that answers, for whoever asks beside everything else.
    pub fn service(&self) -> StorageService {
        StorageService {
            server: self.entry.server.clone(),
            export: self.entry.export.clone(),
            remote: self.remote.clone(),
        }
    }

    /// The facts about the storage for the run's record.
    pub fn facts(&self) -> BTreeMap<String, String> {
        let server = self.entry.server.as_ref().map(|server| ("nfs_server".to_owned(), server.clone()));
        let folder = if server.is_some() { "nfs_export" } else { "mount" };
        server.into_iter().chain([(folder.to_owned(), self.entry.export.clone())]).collect()
    }

    /// The damage of each of these images, in their order: it is missing, another file than `owner`'s has its
    /// name, or `qemu-img check` finds it broken.
    pub fn damaged(&self, images: &[String], owner: &str) -> Result<Vec<Option<String>>> {
        let answer = self.remote.check(&overlay::look(&self.entry.export, images), LIMIT)?;
        let damaged = overlay::damaged(&answer, images, owner);
        let checked = self.check_images(images)?;
        Ok(damaged.into_iter().zip(&checked).map(|(why, check)| why.or_else(|| check.broken())).collect())
    }

    /// The damage of each of these files that no QEMU writes, in their order: it is missing, or another file than `owner`'s has its name.
    pub fn lost(&self, files: &[String], owner: &str) -> Result<Vec<Option<String>>> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.remote.check(&overlay::look(&self.entry.export, files), LIMIT)?;
        Ok(overlay::damaged(&answer, files, owner))
    }

    /// A sentence for each file that has the name of one of these images and was not made for `owner`.
    pub fn foreign(&self, images: &[String], owner: &str) -> Result<Vec<String>> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.remote.check(&overlay::look(&self.entry.export, images), LIMIT)?;
        let found = overlay::foreign(&answer, images, owner);
        Ok(found
            .into_iter()
            .map(|why| format!("in {} of {}, {why}", self.entry.export, self.entry.name))
            .collect())
    }

    /// Makes fresh overlays over images in the export, and whole copies of them, one after the other. They replace older ones of the same
    /// names that were made for `owner`. `told` hears of a copy that takes long: its image, and how many bytes of how many are there.
    pub fn create_overlays(
        &self,
        overlays: &[ImageOverlay],
        owner: &str,
        stop: &StopFlag,
        told: impl Fn(&str, u64, u64),
    ) -> Result<()> {
        let images: Vec<String> = overlays.iter().map(|overlay| overlay.image.clone()).collect();
        self.refuse_foreign(&images, owner)?;
        let (copies, overlays): (Vec<_>, Vec<_>) =
            overlays.iter().partition(|overlay| overlay.kind == DiskKind::Copy);
        if !overlays.is_empty() {
            self.remote.check(&overlay::create(&self.entry.export, &overlays, owner), LIMIT)?;
        }
        copies.into_iter().try_for_each(|copy| {
            let told = |bytes, of| told(&copy.image, bytes, of);
            copying::copy(&self.entry, &self.remote, copy, owner, stop, told)
        })
    }

    /// Writes a file beside the images, which only its owner can read. It replaces an older one of that name that was made for
    /// `owner`.
    pub fn put(&self, file: &str, content: &[u8], owner: &str) -> Result<()> {
        self.refuse_foreign(&[file.to_owned()], owner)?;
        let script = overlay::put(&self.entry.export, file, owner);
        self.remote.check_with_input(&script, content, LIMIT).map(drop)
    }

    fn refuse_foreign(&self, files: &[String], owner: &str) -> Result<()> {
        match self.foreign(files, owner)?.into_iter().next() {
            Some(why) => Err(Failure::new("make the guests' images", Cause::new(FailureKind::Refused, why))
                .try_next("move it elsewhere; multivm leaves it alone")),
            None => Ok(()),
        }
    }

    /// Runs `qemu-img check` on each image and returns the results in the images' order. A guest that runs meanwhile may leave leaks.
    pub fn check_images(&self, images: &[String]) -> Result<Vec<ImageCheck>> {
        // --force-share: the image is open in a QEMU that stands still. Its exit status tells corruption (2) from
        // leaks (3), and the report says it too.
        let commands: Vec<String> = images
            .iter()
            .map(|image| {
                format!("qemu-img check --force-share --output=json {} 2>&1; echo {MARK}", quote(image))
            })
            .collect();
        let script = format!("cd {} && {{ {}; }}", quote(&self.entry.export), commands.join("; "));
        let answer = self.remote.check(&script, LIMIT)?;
        let reports = answer.split(MARK).map(str::trim);
        Ok(images.iter().zip(reports).map(|(image, report)| ImageCheck::new(image, report)).collect())
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.agent.remove();
    }
}

/// The number of lines of qemu-img's words that are shown.
const SHOWN: usize = 8;

/// The line between two reports.
const MARK: &str = "multivm-next-image";

/// The result of `qemu-img check` on an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageCheck {
    pub image: String,
    /// The counts of the report, or the output that is no report.
    counts: Result<CheckCounts, String>,
    /// What qemu-img said before its report: a line for each error.
    words: String,
}

/// The counts of a report. An absent field is 0 (qapi/block-core.json, ImageCheck).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct CheckCounts {
    #[serde(rename = "check-errors")]
    errors: u64,
    #[serde(default)]
    corruptions: u64,
    #[serde(default)]
    leaks: u64,
}

impl ImageCheck {
    fn new(image: &str, report: &str) -> ImageCheck {
        let begin = report.find("\n{").unwrap_or(0);
        let (words, report) = report.split_at(begin);
        let counts = serde_json::from_str(report).map_err(|error| format!("{error} in {report:?}"));
        ImageCheck { image: image.to_owned(), counts, words: words.trim().to_owned() }
    }

    /// What is wrong with an image that a running QEMU may have open: QEMU writes what it references before the reference, so that at any
    /// moment there may be leaks in the file, but nothing worse.
    fn broken(&self) -> Option<String> {
        let sound = self.counts.as_ref().is_ok_and(|counts| counts.errors == 0 && counts.corruptions == 0);
        (!sound).then(|| format!("{} is damaged: {self}", self.image))
    }

    /// Whether the image has no error. A leaked cluster is only lost space, but a QEMU that stands still leaves none.
    pub fn is_whole(&self) -> bool {
        self.counts == Ok(CheckCounts { errors: 0, corruptions: 0, leaks: 0 })
    }
}

impl fmt::Display for ImageCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.counts {
            Ok(counts) => {
                let CheckCounts { errors, corruptions, leaks } = counts;
                write!(f, "{errors} check errors, {corruptions} corruptions, {leaks} leaked clusters")?;
                self.words.lines().take(SHOWN).try_for_each(|line| write!(f, "\n{line}"))
            }
            Err(words) => f.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_counted_and_anything_else_is_not_whole() {
        let whole = r#"{"image-end-offset": 10616832, "total-clusters": 16384, "check-errors": 0,
                        "filename": "vm1.qcow2", "format": "qcow2"}"#;
        assert!(ImageCheck::new("vm1.qcow2", whole).is_whole());
        let bad = ImageCheck::new("vm1.qcow2", r#"{"check-errors": 0, "corruptions": 2, "leaks": 1}"#);
        assert!(!bad.is_whole());
        assert_eq!(bad.to_string(), "0 check errors, 2 corruptions, 1 leaked clusters");
        assert!(!ImageCheck::new("vm1.qcow2", "qemu-img: Could not open").is_whole());
    }

    #[test]
    fn errors_come_before_the_report() {
        let report = "ERROR cluster 1 refcount=0 reference=1\n{\n\"check-errors\": 0,\n\"corruptions\": 1\n}";
        let found = ImageCheck::new("vm1.qcow2", report).to_string();
        assert_eq!(
            found,
            "0 check errors, 1 corruptions, 0 leaked clusters\nERROR cluster 1 refcount=0 reference=1"
        );
    }

    #[test]
    fn leaks_under_a_running_guest_are_no_damage() {
        let broken = |report| ImageCheck::new("vm1.qcow2", report).broken();
        assert_eq!(broken(r#"{"check-errors": 0, "leaks": 3}"#), None);
        let why = broken(r#"{"check-errors": 0, "corruptions": 1}"#);
        assert_eq!(why.unwrap(), "vm1.qcow2 is damaged: 0 check errors, 1 corruptions, 0 leaked clusters");
        assert!(broken(r#"{"check-errors": 1}"#).is_some());
        assert!(broken("qemu-img: Could not open").is_some());
    }
}
