//! The block devices that the hosts and the storage stand on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Hosts, Storage};
use crate::failure::Result;
use crate::sys::parallel::at_once;

/// Places on every machine without which nothing of a run works there: the system, and what libvirt, QEMU and our programs
/// read and write.
const PLACES: [&str; 16] = [
    "/",
    "/etc",
    "/usr",
    "/var",
    "/var/lib",
    "/var/lib/libvirt",
    "/var/lib/libvirt/images",
    "/var/lib/libvirt/qemu",
    "/var/cache",
    "/var/log",
    "/var/log/libvirt",
    "/var/tmp",
    "/tmp",
    "/run",
    "/root",
    "/lib/modules",
];

/// The devices under each kernel, by its boot id: machines may share a kernel.
#[derive(Debug, Default)]
pub struct BackingDevices(BTreeMap<String, BTreeSet<String>>);

impl BackingDevices {
    /// Asks all machines. `guest_files` are files that hosts have for guests.
    pub fn of(
        hosts: &Hosts,
        storage: &Storage,
        guest_files: &[&str],
        limit: Duration,
    ) -> Result<BackingDevices> {
        let places = [&PLACES[..], guest_files].concat();
        let of_host = hosts.both().map(|host| (&host.agent, &host.entry.load_folder, &places[..]));
        let of_storage = (&storage.agent, &storage.entry.export, &PLACES[..]);
        let machines = of_host.into_iter().chain([of_storage]);
        let answers = at_once("ask what a machine stands on", machines, |(agent, own, places)| {
            agent.devices(&[places, &[own.as_str()]].concat(), limit)
        });
        let mut all = BackingDevices::default();
        for answer in answers {
            let answer = answer?;
            all.0.entry(answer.boot_id).or_default().extend(answer.names);
        }
        Ok(all)
    }

    /// The devices under a kernel; none if no machine under it knows any.
    pub fn under(&self, boot_id: &str) -> Option<&BTreeSet<String>> {
        self.0.get(boot_id).filter(|names| !names.is_empty())
    }
}
