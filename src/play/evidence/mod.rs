//! The logs that a scenario made, in its folder: libvirt's, QEMU's, the guests' consoles and the storage server's, from the
//! moment the scenario began; and, of one that failed, the guests' kernel logs and domains, and how the devices of a guest
//! whose migration failed differ between the hosts.

mod devices;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::failure::{Attempt, Result};
use crate::guest::{Fleet, Guest};
use crate::host::{AddedLog, LogMarks};
use crate::sys::disk::Disk;
use crate::sys::parallel::{at_once, locked};

/// How long a guest may take to show its kernel log.
const GUEST_LIMIT: Duration = Duration::from_secs(10);

/// How long a guest that did not answer its last look may take to show its kernel log: it may be back.
const SILENT_LIMIT: Duration = Duration::from_secs(2);

/// A kind of file in the folder.
pub struct EvidenceFile {
    /// The file's name, in which `HOST`, `STORAGE` and `GUEST` stand for names of the inventory.
    pub pattern: &'static str,
    /// Whether the folder of every failed scenario has it, of each host and each guest.
    pub of_every_failure: bool,
}

impl EvidenceFile {
    const fn log(pattern: &'static str) -> EvidenceFile {
        EvidenceFile { pattern, of_every_failure: false }
    }

    /// The name of the file about a guest on a host.
    pub fn name(&self, host: &str, guest: &str) -> String {
        self.pattern.replace("HOST", host).replace("GUEST", guest)
    }
}

const KERNEL_LOG: EvidenceFile = EvidenceFile { pattern: "GUEST-dmesg.txt", of_every_failure: true };

const DOMAIN: EvidenceFile = EvidenceFile { pattern: "HOST-GUEST.xml", of_every_failure: true };

const DEVICES: EvidenceFile = EvidenceFile { pattern: "GUEST-devices.txt", of_every_failure: false };

/// All kinds of files that the folder may have. A log that has gained nothing has no file.
pub const EVIDENCE: [EvidenceFile; 8] = [
    EvidenceFile::log("HOST-libvirtd.log"),
    EvidenceFile::log("HOST-libvirt-journal.log"),
    EvidenceFile::log("HOST-GUEST.log"),
    EvidenceFile::log("HOST-GUEST-console.log"),
    EvidenceFile::log("STORAGE-nfs.log"),
    KERNEL_LOG,
    DOMAIN,
    DEVICES,
];

/// The folder for a scenario's evidence, on a disk that may hang.
pub struct EvidenceFolder {
    disk: Disk,
    path: PathBuf,
}

impl EvidenceFolder {
    pub fn of_scenario(folder: &Path, disk: &Disk) -> EvidenceFolder {
        EvidenceFolder { disk: disk.clone(), path: folder.join("evidence") }
    }

    pub fn into_path(self) -> PathBuf {
        self.path
    }

    fn make(&self) -> Result<()> {
        let path = self.path.clone();
        let attempted = format!("create {}", path.display());
        self.disk.within(&attempted.clone(), || fs::create_dir_all(path).attempting(|| attempted))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let (path, text) = (self.path.join(name), text.to_owned());
        let attempted = format!("write {}", path.display());
        self.disk.within(&attempted.clone(), || fs::write(path, text).attempting(|| attempted))
    }
}

/// Writes what all logs have gained, and returns it. The next scenario reads them from there on.
pub fn collect_logs(marks: &LogMarks, fleet: &Fleet, folder: &EvidenceFolder) -> Result<Vec<AddedLog>> {
    folder.make()?;
    let (added, read) = marks.all_added(&fleet.hosts, &fleet.storage)?;
    read.note();
    *locked(&fleet.hosts.logs_read) = Some(read);
    added.iter().try_for_each(|log| folder.write(&file_name(log), &log.text))?;
    Ok(added)
}

/// `source-vm1.log` for `/var/log/libvirt/qemu/vm1.log` of the source.
fn file_name(log: &AddedLog) -> String {
    format!("{}-{}", log.machine, log.path.rsplit('/').next().unwrap_or("log"))
}

/// Writes the present state of the guests. For what a broken guest does not give, the file has the reason; one that was `silent`
/// before is not waited for as long as others.
pub fn collect_guests(fleet: &Fleet, silent: &BTreeSet<String>, folder: &EvidenceFolder) -> Result<()> {
    folder.make()?;
    let collect = |guest: &Arc<Guest>| {
        let limit = if silent.contains(&guest.name) { SILENT_LIMIT } else { GUEST_LIMIT };
        collect_guest(fleet, guest, limit, folder)
    };
    at_once("collect a guest's evidence", &fleet.guests, collect).into_iter().collect()
}

/// Writes in what the devices of a guest whose migration failed differ between the hosts.
pub fn collect_devices(fleet: &Fleet, guest: &Guest, folder: &EvidenceFolder) -> Result<()> {
    folder.make()?;
    let text = devices::compare(fleet, guest).unwrap_or_else(|failure| format!("{failure}\n"));
    folder.write(&DEVICES.name("", &guest.name), &text)
}

fn collect_guest(fleet: &Fleet, guest: &Guest, limit: Duration, folder: &EvidenceFolder) -> Result<()> {
    let log = guest.agent.remote().check("dmesg", limit).unwrap_or_else(|failure| failure.to_string());
    folder.write(&KERNEL_LOG.name("", &guest.name), &log)?;
    for host in fleet.hosts.both() {
        let text = guest
            .known_on(host)
            .and_then(|domain| {
                let attempted = || format!("describe {}", guest.name);
                let state = domain.state().attempting(attempted)?;
                Ok(format!("<!-- {state} -->\n{}", domain.xml().attempting(attempted)?))
            })
            .unwrap_or_else(|failure| format!("<!-- {failure} -->\n"));
        folder.write(&DOMAIN.name(&host.entry.name, &guest.name), &text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_named_by_its_machine_and_its_file() {
        let log = |machine: &str, path: &str| AddedLog {
            machine: machine.into(),
            path: path.into(),
            text: String::new(),
        };
        assert_eq!(file_name(&log("source", "/var/log/libvirt/qemu/vm1.log")), "source-vm1.log");
        assert_eq!(file_name(&log("target", "libvirt-journal.log")), "target-libvirt-journal.log");
        assert_eq!(file_name(&log("storage", "/var/log/multivm/nfs.log")), "storage-nfs.log");
    }

    #[test]
    fn evidence_that_cannot_be_written_is_an_error_that_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("evidence");
        fs::write(&file, "not a folder").unwrap();
        let disk = Disk::of(folder.path());
        let evidence = EvidenceFolder::of_scenario(folder.path(), &disk);
        for failure in [evidence.make(), evidence.write("a.log", "")] {
            let failure = failure.unwrap_err().to_string();
            assert!(failure.contains(&file.display().to_string()), "{failure}");
        }
    }
}
