//! Decides whether the files of an I/O load fit on the disks of guests, and on the storage that has these disks. Pure arithmetic.

use super::room::mib;
use crate::scenario::{Bytes, HostShare, LoadSize, Profile, Room, Scenario, Workload};
use crate::sys::words::counted;

/// The files of a scenario's load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadFiles {
    guests: u32,
    /// The load in each guest; none if guests write no files for it.
    in_guest: Option<LoadSize>,
    hosts: u32,
    /// The load on each of these hosts; none if hosts write no files for it.
    on_host: Option<LoadSize>,
}

/// A storage before it has the images of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageRoom {
    /// Its directory.
    pub place: String,
    /// Bytes that are free there.
    pub free: u64,
    /// The least bytes of images that are to come.
    pub images: u64,
}

impl LoadFiles {
    /// The files of a scenario whose guests have this profile, on hosts with so many hundredths of a CPU.
    pub fn of(scenario: &Scenario, profile: &Profile, cpu_percent: u32) -> LoadFiles {
        let hosts = scenario.location.hosts();
        let none =
            LoadFiles { guests: profile.guests, in_guest: None, hosts: hosts.len() as u32, on_host: None };
        let Workload::Stress { load, share } = scenario.workload else { return none };
        let kind = load.row().kind;
        let in_guest = (kind.in_guest)(profile);
        if !in_guest.signs.writes {
            return none;
        }
        let room = Room { cpu_percent, memory_left: Bytes(0) };
        let on_host = || (kind.on_host)(share.unwrap_or(HostShare::Half), &room);
        LoadFiles {
            in_guest: scenario.location.in_guests().then_some(in_guest),
            on_host: (!hosts.is_empty()).then(on_host),
            ..none
        }
    }

    /// The refusal for a lack of room on disks of guests with at most so many free bytes, or on their storage: the arithmetic and
    /// advice; none if there is room, or if nobody writes.
    pub fn refusal(&self, of: &str, disk: u64, storage: Option<&StorageRoom>) -> Option<String> {
        let on_storage = storage.and_then(|storage| self.lack_on_storage(storage));
        let lacks: Vec<String> = [self.lack_in_guest(disk), on_storage].into_iter().flatten().collect();
        if lacks.is_empty() {
            return None;
        }
        let lines: String = lacks.iter().map(|lack| format!("\n  = note: {lack}")).collect();
        let advice = if self.in_guest.is_some() { ADVICE_FOR_GUESTS } else { ADVICE_FOR_HOSTS };
        Some(format!("there is no room for the files of the load of {of}{lines}\n  = help: {advice}"))
    }

    fn lack_in_guest(&self, disk: u64) -> Option<String> {
        let size = self.in_guest.as_ref()?;
        let needed = size.total().0;
        (needed > disk).then(|| {
            format!("in a guest: {} = {}; its disk has {} free at most", sum(size), mib(needed), mib(disk))
        })
    }

    fn lack_on_storage(&self, storage: &StorageRoom) -> Option<String> {
        let crowds = [(self.guests, "guest", &self.in_guest), (self.hosts, "host", &self.on_host)];
        let crowds = crowds.into_iter().filter_map(|(count, what, size)| Some((count, what, size.as_ref()?)));
        let (mut needed, mut parts) =
            (storage.images, vec![format!("images of {} at least", mib(storage.images))]);
        for (count, what, size) in crowds {
            needed = needed.saturating_add(size.total().0.saturating_mul(u64::from(count)));
            parts.push(format!("{} x {}", counted(count, what, format!("{what}s")), sum(size)));
        }
        (parts.len() > 1 && needed > storage.free).then(|| {
            let (place, free) = (&storage.place, mib(storage.free));
            format!("in {place}: {} = {}; {free} are free", parts.join(" + "), mib(needed))
        })
    }
}

/// The files of one machine: `2 workers x 256MiB`.
fn sum(size: &LoadSize) -> String {
    format!("{} x {}", counted(size.workers, "worker", "workers"), size.each)
}

const ADVICE_FOR_GUESTS: &str =
    "make the load smaller (MULTIVM_MEMORY_WORKERS, MULTIVM_MEMORY_BYTES), or the fleet (MULTIVM_GUESTS)";

const ADVICE_FOR_HOSTS: &str =
    "name another directory with MULTIVM_STATE, or give the hosts fewer CPUs (MULTIVM_HOST_SIZE)";

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::testing::profile;
    use super::*;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    fn files(scenario: &str, workers: u32, each: u64) -> LoadFiles {
        let profile = Profile { guests: 3, memory_workers: workers, memory_bytes: Bytes(each), ..profile() };
        LoadFiles::of(&scenario.parse().unwrap(), &profile, 400)
    }

    fn storage(free: u64) -> StorageRoom {
        StorageRoom { place: "/state".into(), free, images: 512 * MIB }
    }

    #[rstest]
    fn files_in_a_guest_fit_on_its_disk(#[values("stress_io", "stress_ng_io")] load: &str) {
        let files = files(&format!("precopy_orderly::in_vms::{load}"), 2, 300 * MIB);
        assert_eq!(files.refusal("it", 600 * MIB, None), None);
        let expected = "there is no room for the files of the load of it\n  \
                        = note: in a guest: 2 workers x 300MiB = 600 MiB; its disk has 599 MiB free at most\n  \
                        = help: make the load smaller (MULTIVM_MEMORY_WORKERS, MULTIVM_MEMORY_BYTES)";
        let refusal = files.refusal("it", 599 * MIB, None).unwrap();
        assert!(refusal.starts_with(expected), "{refusal}");
    }

    #[test]
    fn the_files_of_all_guests_fit_on_the_storage_beside_the_images() {
        let files = files("precopy_orderly::in_vms::stress_io", 1, 100 * MIB);
        assert_eq!(files.refusal("it", GIB, Some(&storage(812 * MIB))), None);
        let refusal = files.refusal("it", GIB, Some(&storage(811 * MIB))).unwrap();
        let expected = "\n  = note: in /state: images of 512 MiB at least + 3 guests x 1 worker x 100MiB = 812 MiB; 811 MiB are free\n";
        assert!(refusal.contains(expected), "{refusal}");
    }

    #[rstest]
    #[case::one("on_source", "1 host", 1024)]
    #[case::both("on_both", "2 hosts", 1536)]
    fn the_files_of_hosts_fit_on_the_storage(#[case] place: &str, #[case] hosts: &str, #[case] needed: u64) {
        let files = files(&format!("precopy_orderly::{place}::stress_io_half"), 1, 100 * GIB);
        assert_eq!(files.refusal("it", 0, Some(&storage(needed * MIB))), None, "guests write nothing");
        let refusal = files.refusal("it", 0, Some(&storage(needed * MIB - 1))).unwrap();
        let expected = format!("images of 512 MiB at least + {hosts} x 2 workers x 256MiB = {needed} MiB;");
        assert!(refusal.contains(&expected) && refusal.contains("MULTIVM_HOST_SIZE"), "{refusal}");
    }

    /// 100 GiB of memory are another matter.
    #[rstest]
    #[case("precopy_orderly::in_vms::stress_memory")]
    #[case("precopy_orderly::in_vms::stress_cpu")]
    #[case("precopy_orderly::on_source::stress_cpu_half")]
    #[case("precopy_orderly::booting::load_vms")]
    fn other_loads_write_no_files(#[case] scenario: &str) {
        assert_eq!(files(scenario, 1, 100 * GIB).refusal("it", 0, Some(&storage(0))), None);
    }
}
