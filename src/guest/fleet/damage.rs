//! Finds the damage that a scenario may have done to a fleet and its ground. The search goes from the bottom up, because a
//! host that does not answer says nothing about its guests.

use std::sync::Arc;

use super::on_host::OnHost;
use super::{ANSWER_LIMIT, DamagedPart, Fleet, GuestDamage};
use crate::failure::{Attempt, Result};
use crate::guest::Guest;
use crate::guest::witness::{self, RECORDS};
use crate::host::Host;
use crate::libvirt::HostEvent;
use crate::scenario::{Load, Side};

/// How much a guest writes to show that its disk takes what a load begins with.
const TRIED_MIB: u32 = 8;

impl Fleet {
    /// Checks within milliseconds that the ground of the guests answers: libvirtd of both hosts, and the NFS server.
    ///
    /// # Errors
    ///
    /// One of them does not answer.
    pub fn ground_answers(&self) -> Result<()> {
        self.hosts.answer()?;
        self.storage.serves()
    }

    /// Takes the ends of the QEMUs in which guests of the fleet run. After a migration that failed, the other one ends by
    /// itself, too.
    pub fn take_ends(&self) -> impl Iterator<Item = HostEvent> {
        let is_where_it_is = |end: &HostEvent| {
            self.guest(&end.domain).is_some_and(|guest| self.hosts.get(guest.side()).entry.name == *end.host)
        };
        self.hosts.qemu_ends.take().into_iter().filter(is_where_it_is)
    }

    /// The guests with a closed connection for migrations.
    pub fn with_closed_connections(&self) -> Vec<Arc<Guest>> {
        self.guests.iter().filter(|guest| guest.has_closed_connection()).cloned().collect()
    }

    /// Whether a connection to libvirt was closed: a host's own, or one for the migrations of a guest.
    pub fn has_closed_connection(&self) -> bool {
        let is_closed = |host: &Host| !host.control.is_alive();
        self.hosts.both().into_iter().any(is_closed) || !self.with_closed_connections().is_empty()
    }

    /// The damage of each guest, none if all is well. A guest is damaged if it is not where a scenario starts, has another
    /// definition than when it was made, lacks its image or seed or has a broken image, carries a load, does not answer, cannot write to its
    /// disk or to a file system that it could write to, or has no working witness.
    pub fn damage(&self) -> Vec<GuestDamage> {
        let images: Vec<String> = self.guests.iter().map(|guest| guest.image.clone()).collect();
        let images = self
            .storage
            .damaged(&images, &self.inventory.owner)
            .unwrap_or_else(|failure| vec![Some(failure.to_string()); images.len()]);
        let seeds = self.lost_seeds();
        let seed = |guest: &Guest| match &seeds {
            Ok(lost) => lost.iter().find(|(of, _)| of.name == guest.name).map(|(_, why)| why.clone()),
            Err(failure) => Some(failure.to_string()),
        };
        let looks = self.by_login("inspect a guest", &self.guests, |guest| Ok(self.inspect(guest)));
        let of_guest = |((guest, image), look): ((&Arc<Guest>, Option<String>), Result<Option<_>>)| {
            let whole = |why| Some((DamagedPart::Guest, why));
            let look = image.or_else(|| seed(guest)).map_or(look, |why| Ok(whole(why)));
            let (part, why) = look.unwrap_or_else(|failure| whole(failure.to_string()))?;
            Some(GuestDamage { guest: Arc::clone(guest), part, why })
        };
        self.guests.iter().zip(images).zip(looks).filter_map(of_guest).collect()
    }

    /// Lets each of these guests write some MiB to its disk, beside the records of its witness. The results are in the
    /// guests' order.
    pub fn try_disks(&self, guests: &[Arc<Guest>]) -> Vec<Result<()>> {
        let script = format!(
            "dd if=/dev/zero of={RECORDS}.tried bs=1M count={TRIED_MIB} conv=fsync 2>&1; code=$?; rm -f {RECORDS}.tried; exit $code"
        );
        self.by_login("let a guest write to its disk", guests, |guest| {
            let written = guest.agent.remote().check(&script, ANSWER_LIMIT);
            written.map(drop).attempting(|| format!("let {} write {TRIED_MIB} MiB to its disk", guest.name))
        })
    }

    fn inspect(&self, guest: &Guest) -> Option<(DamagedPart, String)> {
        if let Some(panic) = self.consoles.panic_of(&guest.name) {
            return Some((DamagedPart::Guest, panic.to_string()));
        }
        let defined = || self.redefined(guest).unwrap_or_else(|failure| Some(failure.to_string()));
        if let Some(why) = self.misplaced(guest).or_else(defined) {
            return Some((DamagedPart::Guest, why));
        }
        // The guest is at home, also if somebody else brought it there.
        guest.moved_to(Side::Source);
        // What a kernel said after the last look of a scenario that proved its guest is the next one's. Of any other guest, all is past.
        let look = if guest.last_look().is_some() {
            guest.agent.glance(ANSWER_LIMIT)
        } else {
            guest.agent.observe(ANSWER_LIMIT)
        };
        let seen = match look {
            Ok(seen) => seen,
            Err(failure) => return Some((DamagedPart::Guest, failure.to_string())),
        };
        let read_only = guest.last_look().map(|last| last.read_only_since(&seen)).unwrap_or_default();
        if let Some(why) = read_only.into_iter().next() {
            return Some((DamagedPart::Guest, why));
        }
        let load = seen.processes.iter().find(|process| is_load(&process.name) && process.is_alive());
        if let Some(load) = load {
            let why = format!("a load is still running in it: {} ({})", load.name, load.pid);
            return Some((DamagedPart::Guest, why));
        }
        match guest.agent.remote().check("cat /proc/mounts", ANSWER_LIMIT) {
            Ok(mounts) if is_read_only(&mounts) => {
                let why = "its disk is mounted read-only, as a kernel does after an I/O error";
                return Some((DamagedPart::Guest, why.into()));
            }
            Ok(_) => {}
            Err(failure) => return Some((DamagedPart::Guest, failure.to_string())),
        }
        let silent = witness::rest(&guest.agent, ANSWER_LIMIT).err()?;
        Some((DamagedPart::Witness, silent.to_string()))
    }

    /// The reason why a guest does not run on the source alone, without a job; none if it does.
    fn misplaced(&self, guest: &Guest) -> Option<String> {
        let places = [(&self.hosts.source, true), (&self.hosts.target, false)];
        places.into_iter().find_map(|(host, active)| match placed(guest, host, active) {
            Ok(wrong) => wrong,
            Err(failure) => Some(failure.to_string()),
        })
    }
}

/// The fault of a guest's place in one host's view; none if there is none.
fn placed(guest: &Guest, host: &Host, active: bool) -> Result<Option<String>> {
    let seen = OnHost::of(guest, host)?;
    let Some(domain) = seen.domain.as_ref().filter(|_| seen.is_running == active) else {
        return Ok((active || seen.domain.is_some()).then(|| seen.to_string()));
    };
    let name = &host.entry.name;
    let attempted = || format!("look at {} on {name}", guest.name);
    // A migration that nobody waits for any longer would move the guest away later.
    let moves = active && domain.job_stats().attempting(attempted)?.is_some();
    Ok(moves.then(|| format!("on {name} a job of it is still under way")))
}

/// Whether the root file system is read-only, in lines as fstab(5) has them: `DEVICE POINT TYPE OPTIONS ...`. The last one of
/// a point hides those before it.
fn is_read_only(mounts: &str) -> bool {
    let options = mounts.lines().rev().find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        (words.get(1) == Some(&"/")).then(|| words.get(3).copied())?
    });
    options.is_some_and(|options| options.split(',').any(|option| option == "ro"))
}

/// Whether a process of this name belongs to a scenario's load.
fn is_load(process: &str) -> bool {
    Load::programs().iter().any(|program| process.starts_with(program))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::fleet::testing::{OTHER, OWNER, TestFleet};

    #[test]
    fn a_guest_that_does_not_run_at_home_is_misplaced() {
        let fleet = TestFleet::new();
        let misplaced = || fleet.misplaced(fleet.guest(1)).unwrap();
        assert_eq!(misplaced(), "on source it is unknown");
        let at_home = fleet.put(Side::Source, "vm1", OWNER);
        assert!(misplaced().starts_with("on source it is shut off"), "{}", misplaced());
        at_home.start().unwrap();
        at_home.suspend().unwrap();
        assert!(misplaced().starts_with("on source it is paused"), "{}", misplaced());
    }

    #[test]
    fn a_guest_that_runs_away_from_home_is_misplaced() {
        let fleet = TestFleet::new();
        let placed = || placed(fleet.guest(1), &fleet.hosts.target, false).unwrap().unwrap_or_default();
        assert_eq!(placed(), "");
        let away = fleet.put(Side::Target, "vm1", OWNER);
        assert_eq!(placed(), "", "the other host may know it");
        away.start().unwrap();
        assert!(placed().starts_with("on target it is running"), "{}", placed());
    }

    #[test]
    fn another_owners_domain_in_the_place_of_a_guest_is_damage() {
        let fleet = TestFleet::new();
        fleet.put_running(Side::Source, "vm1", OTHER);
        let why = fleet.misplaced(fleet.guest(1)).unwrap();
        assert!(why.contains("multivm did not make it for this run"), "{why}");
    }

    #[test]
    fn without_an_answer_about_images_every_guest_is_damaged() {
        let fleet = TestFleet::new();
        let damage = fleet.damage();
        let names: Vec<&str> = damage.iter().map(|damage| damage.guest.name.as_str()).collect();
        assert_eq!(names, ["vm1", "vm2", "vm3"]);
        for GuestDamage { part, why, .. } in &damage {
            assert!(*part == DamagedPart::Guest && why.contains("log in to storage by ssh"), "{why}");
        }
    }

    #[test]
    fn a_root_that_cannot_be_written_is_read_only() {
        let root = |options: &str| {
            format!("rootfs / rootfs rw 0 0\n/dev/vda / ext4 {options} 0 0\nproc /proc proc ro 0 0\n")
        };
        assert!(is_read_only(&root("ro,noatime")));
        assert!(!is_read_only(&root("rw,noatime,errors=remount-ro")) && !is_read_only(""));
    }

    #[test]
    fn processes_of_loads_are_told_from_the_guests_own() {
        assert!(is_load("stress") && is_load("stress-ng-vm") && is_load("stress-ng"));
        assert!(!is_load("multivm-witness") && !is_load("sh") && !is_load(""));
    }
}
