//! The guests of a run. A run makes them once, shares them between all scenarios, checks them before each scenario and
//! repairs the damage of the one before.

mod claim;
mod damage;
mod damaged;
mod defined;
mod later;
mod lost;
mod made;
mod on_host;
mod repair;
mod seeds;
mod start;
#[cfg(test)]
mod testing;
mod whole;
mod witnesses;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::console::{Consoles, OnPanic};
use super::identity;
use super::news::{GuestNews, OnNews};
use super::role::Role;
use super::{Guest, domain, ours};
use crate::failure::{Attempt, Cause, Result};
use crate::host::{BackingDevices, Host, Hosts, Storage};
use crate::inventory::{GuestsEntry, Inventory};
use crate::libvirt::OurDomain;
use crate::scenario::Profile;
use crate::sys::parallel::few_at_once;
use crate::sys::stop::StopFlag;
pub use damaged::{DamagedPart, GuestDamage};
pub use later::LaterLook;
pub use lost::{GuestLoss, LossKind, Since};

/// How long a guest that is up may take to answer one command.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// How many threads may log in or connect at the same time: sshd refuses connections beyond ten that are not authenticated
/// yet (MaxStartups 10:30:100).
const CONNECTING: usize = 8;

/// The hosts, the storage and the guests.
pub struct Fleet {
    /// The consoles, which know of panicked kernels. Fields drop in order, and the consoles must go before the hosts that
    /// they use.
    pub consoles: Arc<Consoles>,
    pub hosts: Hosts,
    pub storage: Storage,
    /// The guests that migrate.
    pub guests: Vec<Arc<Guest>>,
    /// The guests that boot as load in some scenarios; in other scenarios they do not exist.
    pub load_guests: Vec<Arc<Guest>>,
    /// The profile with limits for the hosts' CPUs.
    pub profile: Profile,
    /// The profile before it was stretched for the hosts' CPUs.
    pub asked: Profile,
    inventory: Inventory,
    stop: StopFlag,
    defined: made::Defined,
    /// What befell guests before they were made anew, until a scenario reports it.
    since: Mutex<Since>,
    /// Whether guests have booted since anybody asked.
    booted: AtomicBool,
    news: OnNews,
}

/// Callback for each part of the fleet as soon as it is ready for use, with its name and facts about it.
pub type OnReady<'a> = &'a dyn Fn(&str, BTreeMap<String, String>);

/// Callback that sees a fleet as an earlier command has left it.
pub type OnFound<'a> = &'a dyn Fn(&Fleet);

impl Fleet {
    /// Connects to the hosts and the storage of an inventory, makes the guests, starts all of them on the source and waits
    /// until they answer by ssh. `news` reports on the guests that come up, and on kernels that panic as long as the fleet
    /// exists.
    ///
    /// If an earlier command of the same owner left guests that are whole and of this profile, the fleet adopts them.
    ///
    /// # Errors
    ///
    /// Something that multivm did not make is in the guests' way; then nothing was made or removed. A host, the storage or
    /// a guest does not answer in time.
    pub fn start(
        inventory: &Inventory,
        profile: &Profile,
        stop: &StopFlag,
        news: OnNews,
        ready: OnReady<'_>,
    ) -> Result<Fleet> {
        Fleet::start_after(inventory, profile, stop, news, ready, &|_| {})
    }

    /// Starts the guests as [`Fleet::start`] does. `found` sees the fleet before anything of an earlier command is mended or removed.
    ///
    /// # Errors
    ///
    /// As of [`Fleet::start`].
    pub fn start_after(
        inventory: &Inventory,
        profile: &Profile,
        stop: &StopFlag,
        news: OnNews,
        ready: OnReady<'_>,
        found: OnFound<'_>,
    ) -> Result<Fleet> {
        let hosts = Hosts::connect(inventory, stop)?;
        ready("hosts", hosts.facts());
        let storage = Storage::connect(&inventory.storage, stop)?;
        ready("storage", storage.facts());
        let fleet = Fleet::on(hosts, storage, inventory, profile, stop, news)?;
        found(&fleet);
        fleet.take_hold()?;
        fleet.adopt_or_make()?;
        fleet.hosts.forget_the_past();
        ready("fleet", fleet.facts());
        Ok(fleet)
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let seconds = |limit: Duration| format!("{:.1}", limit.as_secs_f64());
        let listed = self.guests.iter().filter(|guest| guest.member.image.is_some());
        let members = listed.map(|guest| (guest.name.clone(), guest.member.to_string()));
        let fleet = [
            ("guests".to_owned(), self.guests.len().to_string()),
            ("max_gap_s".to_owned(), seconds(self.profile.max_gap)),
            ("precopy_timeout_s".to_owned(), seconds(self.profile.precopy_timeout)),
            ("postcopy_timeout_s".to_owned(), seconds(self.profile.postcopy_timeout)),
        ];
        members.chain(fleet).collect()
    }

    /// The guests of these hosts. Nothing is done about them.
    fn on(
        hosts: Hosts,
        storage: Storage,
        inventory: &Inventory,
        profile: &Profile,
        stop: &StopFlag,
        news: OnNews,
    ) -> Result<Fleet> {
        let guest = |role, number, member| identity::guest(role, number, member, inventory).map(Arc::new);
        let fleet = (1..).zip(profile.members()).map(|(number, member)| guest(Role::Fleet, number, member));
        let guests = fleet.collect::<Result<Vec<_>>>()?;
        let load = (1..=profile.load_guests).map(|number| guest(Role::Load, number, profile.load_member()));
        let load_guests = load.collect::<Result<Vec<_>>>()?;
        let hear = Arc::clone(&news);
        let told: OnPanic = Arc::new(move |guest, panic| hear(GuestNews::Panicked { guest, panic }));
        Ok(Fleet {
            consoles: Arc::new(Consoles::follow(&hosts, &[guests.as_slice(), &load_guests].concat(), &told)?),
            hosts,
            storage,
            guests,
            load_guests,
            asked: profile.clone(),
            profile: profile.stretched(cpu_percent(inventory)),
            inventory: inventory.clone(),
            stop: stop.clone(),
            defined: made::Defined::default(),
            since: Mutex::default(),
            booted: AtomicBool::new(false),
            news,
        })
    }

    /// Makes the guests, or adopts those that exist.
    fn adopt_or_make(&self) -> Result<()> {
        self.end_loads_on_hosts()?;
        let damage = self.damage();
        // What befell them since the process before this one is kept by now.
        damage.iter().for_each(|damage| damage.guest.forget_look());
        let (adopted, missing) = self.adopted(&damage);
        if !missing.is_empty() {
            self.renew(&missing)?;
        }
        self.define_again(&adopted)?;
        self.note_definitions(&adopted)?;
        self.restart_witnesses(&adopted)
    }

    /// Whether guests have booted since the last call. Boots of many make long logs on hosts.
    pub fn take_booted(&self) -> bool {
        self.booted.swap(false, Ordering::SeqCst)
    }

    /// The CPUs of the host with fewer CPUs, in hundredths of ordinary ones.
    fn cpu_percent(&self) -> u32 {
        cpu_percent(&self.inventory)
    }

    pub fn stop_flag(&self) -> &StopFlag {
        &self.stop
    }

    /// Runs an action for every guest, for as many at once as may log in at the same time. The results are in the guests'
    /// order. No action begins after an interruption.
    fn by_login<T: Send>(
        &self,
        what: &str,
        guests: &[Arc<Guest>],
        action: impl Fn(&Guest) -> Result<T> + Sync,
    ) -> Vec<Result<T>> {
        let interrupted = || self.stop.is_set().then(Cause::interrupted);
        few_at_once(CONNECTING, what, guests, interrupted, |guest| action(guest))
    }

    pub fn guest(&self, name: &str) -> Option<&Arc<Guest>> {
        self.guests.iter().find(|guest| guest.name == name)
    }

    /// The guest after this one in the fleet, and the first one after the last; none where it is the only one.
    pub fn next_to(&self, guest: &Guest) -> Option<&Arc<Guest>> {
        next_to(&self.guests, &guest.name)
    }

    /// The files in the export that are parents of overlays, which nobody writes.
    pub fn base_images(&self) -> BTreeSet<String> {
        let listed = self.inventory.guests.images.iter().map(|image| image.file.clone());
        listed.chain([self.inventory.storage.base_image.clone()]).collect()
    }

    /// The bridge to which guests are attached, on both hosts.
    pub fn bridge(&self) -> &str {
        &self.inventory.guests.bridge
    }

    /// The block devices that the hosts and the storage stand on now.
    pub fn devices(&self) -> Result<BackingDevices> {
        let GuestsEntry { kernel, initramfs, .. } = &self.inventory.guests;
        BackingDevices::of(&self.hosts, &self.storage, &[kernel, initramfs], self.answer_limit())
    }

    /// The guests of an earlier command that are whole and of this profile, and those that must be made. A guest whose witness
    /// alone is damaged gets another one.
    fn adopted(&self, damage: &[GuestDamage]) -> (Vec<Arc<Guest>>, Vec<Arc<Guest>>) {
        let is_damaged = |guest: &Guest| {
            damage.iter().any(|damage| damage.part == DamagedPart::Guest && damage.guest.name == guest.name)
        };
        self.guests.iter().cloned().partition(|guest| !is_damaged(guest) && self.is_of_profile(guest))
    }

    /// Whether an earlier command's guest equals the one that this fleet's profile would make.
    fn is_of_profile(&self, guest: &Guest) -> bool {
        let wanted = guest.member.to_string();
        guest.known_on(&self.hosts.source).is_ok_and(|domain| domain.owner().profile == wanted)
    }

    /// Defines the guest's domain on a host, without a start.
    pub fn define(&self, guest: &Guest, host: &Host) -> Result<OurDomain> {
        let xml = domain::xml(guest, &self.inventory, self.hosts.oldest_qemu())?;
        let domain = host.control.define(&xml);
        ours::ours(
            &domain.attempting(|| format!("define {} on {}", guest.name, host.entry.name))?,
            &guest.owner,
        )
    }
}

fn cpu_percent(inventory: &Inventory) -> u32 {
    inventory.source.cpu_percent.min(inventory.target.cpu_percent) / inventory.slowness.max(1)
}

fn next_to<'a>(guests: &'a [Arc<Guest>], name: &str) -> Option<&'a Arc<Guest>> {
    let at = guests.iter().position(|guest| guest.name == name)?;
    guests.iter().cycle().nth(at + 1).filter(|next| next.name != name)
}

fn all<T>(results: Vec<Result<T>>) -> Result<()> {
    results.into_iter().try_for_each(|result| result.map(drop))
}

#[cfg(test)]
mod tests {
    use super::testing::{OTHER, OWNER, TestFleet};
    use super::*;
    use crate::scenario::Side;

    #[test]
    fn whole_guests_of_this_profile_are_adopted() {
        let fleet = TestFleet::new();
        let profile = fleet.guest(1).member.to_string();
        for name in ["vm1", "vm2"] {
            fleet.put_of_profile(Side::Source, name, OWNER, &profile);
        }
        fleet.put_of_profile(Side::Source, "vm3", OWNER, "another profile");
        let damage = |number, part| GuestDamage {
            guest: Arc::clone(fleet.guest(number)),
            part,
            why: "for a test".into(),
        };
        let adopted = |damage: &[GuestDamage]| {
            let (adopted, missing) = fleet.adopted(damage);
            let names =
                |guests: Vec<Arc<Guest>>| guests.iter().map(|guest| guest.name.clone()).collect::<Vec<_>>();
            (names(adopted).join(" "), names(missing).join(" "))
        };
        let are = |adopted: &str, missing: &str| (adopted.to_owned(), missing.to_owned());
        assert_eq!(adopted(&[]), are("vm1 vm2", "vm3"));
        assert_eq!(adopted(&[damage(1, DamagedPart::Guest)]), are("vm2", "vm1 vm3"));
        assert_eq!(adopted(&[damage(1, DamagedPart::Witness)]), are("vm1 vm2", "vm3"));
    }

    #[test]
    fn each_guest_has_another_one_next_to_it() {
        let guests = ["vm1", "vm2", "vm3"].map(|name| Arc::new(Guest::in_a_test(name)));
        let next = |of: usize, name| next_to(&guests[..of], name).map(|guest| &*guest.name);
        assert_eq!([next(3, "vm1"), next(3, "vm3"), next(1, "vm1")], [Some("vm2"), Some("vm1"), None]);
    }

    #[test]
    fn another_owners_domain_is_not_adopted() {
        let fleet = TestFleet::new();
        fleet.put_of_profile(Side::Source, "vm1", OTHER, &fleet.guest(1).member.to_string());
        assert!(fleet.adopted(&[]).0.is_empty());
    }
}
