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
use crate::sys::parallel::{at_once, locked};

/// How long a guest may take to show its kernel log.
const GUEST_LIMIT: Duration = Duration::from_secs(10);

/// How long a guest that did not answer its last look may take to show its kernel log: it may be back.
const SILENT_LIMIT: Duration = Duration::from_secs(2);

/// The folder for a scenario's evidence.
pub fn folder(of_scenario: &Path) -> PathBuf {
    of_scenario.join("evidence")
}

/// Writes what all logs have gained, and returns it. The next scenario reads them from there on.
pub fn collect_logs(marks: &LogMarks, fleet: &Fleet, folder: &Path) -> Result<Vec<AddedLog>> {
    make(folder)?;
    let (added, read) = marks.all_added(&fleet.hosts, &fleet.storage)?;
    read.note();
    *locked(&fleet.hosts.logs_read) = Some(read);
    added.iter().try_for_each(|log| write(&folder.join(file_name(log)), &log.text))?;
    Ok(added)
}

/// `source-vm1.log` for `/var/log/libvirt/qemu/vm1.log` of the source.
fn file_name(log: &AddedLog) -> String {
    format!("{}-{}", log.machine, log.path.rsplit('/').next().unwrap_or("log"))
}

/// Writes the present state of the guests. For what a broken guest does not give, the file has the reason; one that was `silent`
/// before is not waited for as long as others.
pub fn collect_guests(fleet: &Fleet, silent: &BTreeSet<String>, folder: &Path) -> Result<()> {
    make(folder)?;
    let collect = |guest: &Arc<Guest>| {
        let limit = if silent.contains(&guest.name) { SILENT_LIMIT } else { GUEST_LIMIT };
        collect_guest(fleet, guest, limit, folder)
    };
    at_once("collect a guest's evidence", &fleet.guests, collect).into_iter().collect()
}

/// Writes in what the devices of a guest whose migration failed differ between the hosts.
pub fn collect_devices(fleet: &Fleet, guest: &Guest, folder: &Path) -> Result<()> {
    make(folder)?;
    let text = devices::compare(fleet, guest).unwrap_or_else(|failure| format!("{failure}\n"));
    write(&folder.join(format!("{}-devices.txt", guest.name)), &text)
}

fn collect_guest(fleet: &Fleet, guest: &Guest, limit: Duration, folder: &Path) -> Result<()> {
    let log = guest.agent.remote().check("dmesg", limit).unwrap_or_else(|failure| failure.to_string());
    write(&folder.join(format!("{}-dmesg.txt", guest.name)), &log)?;
    for host in fleet.hosts.both() {
        let text = guest
            .known_on(host)
            .and_then(|domain| {
                let attempted = || format!("describe {}", guest.name);
                let state = domain.state().attempting(attempted)?;
                Ok(format!("<!-- {state} -->\n{}", domain.xml().attempting(attempted)?))
            })
            .unwrap_or_else(|failure| format!("<!-- {failure} -->\n"));
        write(&folder.join(format!("{}-{}.xml", host.entry.name, guest.name)), &text)?;
    }
    Ok(())
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).attempting(|| format!("create {}", folder.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).attempting(|| format!("write {}", path.display()))
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
        write(&file, "not a folder").unwrap();
        let failure = make(&file).unwrap_err().to_string();
        assert!(failure.contains(&file.display().to_string()), "{failure}");
    }
}
