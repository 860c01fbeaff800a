//! Guests that were whole at their last look and have been lost since. Whoever makes them anew keeps what befell them, and the
//! next scenario reports it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::on_host::OnHost;
use super::{Fleet, LaterLook};
use crate::failure::Result;
use crate::guest::earlier::LeftGuest;
use crate::guest::role::Role;
use crate::guest::{EarlierLooks, Guest, LastLook, Panic, identity};
use crate::libvirt::HostEvent;
use crate::remote::Observation;
use crate::sys::parallel::{at_once, locked};
use crate::sys::wait::{Poll, wait_for};

/// How long a guest may take to answer one short question by ssh.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long a guest whose kernel answers may take until it answers by ssh: it may have been reset a moment before.
const BOOT_LIMIT: Duration = Duration::from_secs(30);

/// What befell a guest after its last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestLoss {
    pub guest: String,
    pub kind: LossKind,
    pub seen: String,
    /// The time of the guest's last look.
    pub since: SystemTime,
}

/// What befell guests since the last scenario proved them, until another one reports it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Since {
    pub lost: Vec<GuestLoss>,
    pub looks: Vec<LaterLook>,
}

impl Since {
    pub fn add(&mut self, other: Since) {
        self.lost.extend(other.lost);
        self.looks.extend(other.looks);
    }
}

/// What befell a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossKind {
    Panicked,
    Rebooted,
    /// It runs on no host, or answers neither by ssh nor to echoes.
    Unreachable,
    /// It answers, and cannot write any more to a file system that it could write to.
    ReadOnly,
    /// It answers, and a host defines it otherwise than it was made.
    Redefined,
}

impl GuestLoss {
    /// The loss of a guest whose QEMU has ended.
    pub fn by_end(guest: &Guest, end: &HostEvent) -> GuestLoss {
        let at = humantime::format_rfc3339_millis(end.wall);
        GuestLoss {
            guest: guest.name.clone(),
            kind: LossKind::Unreachable,
            seen: format!("its QEMU {} on {} at {at}", end.kind, end.host),
            since: guest.last_look().map_or(end.wall, |last| last.at),
        }
    }
}

/// What is found of a guest after its last look.
enum Found {
    Lost(GuestLoss),
    Well(LaterLook),
}

impl Found {
    fn loss(guest: &Guest, last: &LastLook, kind: LossKind, seen: String) -> Found {
        Found::Lost(GuestLoss { guest: guest.name.clone(), kind, seen, since: last.at })
    }

    /// What a look at a guest that answers tells, compared with its last one.
    fn by_look(guest: &Guest, last: &LastLook, seen: Observation) -> Vec<Found> {
        if seen.boot_id != last.boot_id {
            let ids = format!("boot id {} instead of {}", seen.boot_id, last.boot_id);
            let words = format!("{ids}, uptime {:.2} s", seen.uptime_s);
            return vec![Found::loss(guest, last, LossKind::Rebooted, words)];
        }
        let read_only = last.read_only_since(&seen).join(", ");
        let loss = (!read_only.is_empty()).then(|| Found::loss(guest, last, LossKind::ReadOnly, read_only));
        loss.into_iter().chain(LaterLook::of(guest, seen).map(Found::Well)).collect()
    }
}

impl Fleet {
    /// Notes a look at a guest that answered, with which a later one is compared.
    pub fn note_look(&self, guest: &Guest, seen: &Observation) {
        let was_reset = self.consoles.reset_of(&guest.name).is_some();
        guest.looked_at(LastLook {
            boot_id: seen.boot_id.clone(),
            was_reset,
            at: SystemTime::now(),
            mounts: seen.mounts.clone(),
        });
    }

    /// What has befallen guests since their last looks. `echo` sends echoes to a guest that does not answer by ssh. Lesser damage,
    /// such as a witness that is gone, is no loss. What kernels have said since then is read, and nobody else reads it again.
    pub fn since_the_last_look(&self, echo: impl Fn(&Guest) -> Result<()> + Sync) -> Since {
        self.since(&self.guests, echo)
    }

    /// Forgets the last looks at guests, after a scenario that proved none of them: what befell them is its own.
    pub fn forget_last_looks(&self) {
        self.guests.iter().for_each(|guest| guest.forget_look());
    }

    /// Notes, for the process after this one, the last looks at guests that are whole: all but those that `is_lost` names.
    pub fn leave_looks(&self, is_lost: impl Fn(&str) -> bool) {
        let well = self.guests.iter().filter(|guest| !is_lost(&guest.name));
        let left = |guest: &Guest| Some(LeftGuest { look: guest.last_look()?, made: self.made(guest) });
        EarlierLooks::note(well.filter_map(|guest| Some((guest.name.clone(), left(guest)?))));
    }

    /// What has befallen guests since the process before this one left them, of a larger fleet, too; and the names of those that
    /// cannot be asked. The panics are those on their consoles since then.
    pub fn since_earlier(
        &self,
        looks: &EarlierLooks,
        panics: &HashMap<String, Panic>,
        echo: impl Fn(&Guest) -> Result<()> + Sync,
    ) -> (Since, Vec<String>) {
        let (mut guests, mut unknown) = (Vec::new(), Vec::new());
        for (name, left) in &looks.0 {
            match self.as_left(name, left) {
                Some(guest) => guests.push(guest),
                None => unknown.push(name.clone()),
            }
        }
        let mut since = self.since(&guests, echo);
        for loss in &mut since.lost {
            if let (LossKind::Unreachable, Some(panic)) = (loss.kind, panics.get(&loss.guest)) {
                (loss.kind, loss.seen) = (LossKind::Panicked, panic.to_string());
            }
        }
        (since, unknown)
    }

    /// A guest that another process has left, with its last look and how it was made; none that no guest of these hosts can be.
    fn as_left(&self, name: &str, left: &LeftGuest) -> Option<Arc<Guest>> {
        let guest = self.guest(name).cloned().or_else(|| self.beyond(name).map(Arc::new))?;
        // Of resets before this process nobody here knows: the boot id tells.
        guest.looked_at(LastLook { was_reset: false, ..left.look.clone() });
        if let Some(made) = &left.made {
            self.note_made(&guest, made.clone());
        }
        guest.agent.resume_log();
        Some(guest)
    }

    /// A guest of a fleet with more guests than this one.
    fn beyond(&self, name: &str) -> Option<Guest> {
        let number = (1..=Role::Fleet.most()).find(|number| Role::Fleet.name(*number) == name)?;
        identity::guest(Role::Fleet, number, self.profile.member(number), &self.inventory).ok()
    }

    fn since(&self, guests: &[Arc<Guest>], echo: impl Fn(&Guest) -> Result<()> + Sync) -> Since {
        // A libvirtd that hangs would keep everybody who asks it where a guest is.
        let hosts_answer = self.hosts.answer().is_ok();
        let found = at_once("ask how a guest is", guests, |guest| Ok(self.found(guest, hosts_answer, &echo)));
        let mut since = Since::default();
        for found in found.into_iter().flatten().flatten() {
            match found {
                Found::Lost(loss) => since.lost.push(loss),
                Found::Well(look) => since.looks.push(look),
            }
        }
        since
    }

    /// Leaves what befell guests to the next scenario.
    pub fn keep_since(&self, since: Since) {
        locked(&self.since).add(since);
    }

    /// Takes everything that was kept and that no scenario has reported.
    pub fn take_since(&self) -> Since {
        std::mem::take(&mut locked(&self.since))
    }

    /// Takes the kept losses of a kind.
    pub fn take_losses(&self, kind: LossKind) -> Vec<GuestLoss> {
        locked(&self.since).lost.extract_if(.., |loss| loss.kind == kind).collect()
    }

    /// Takes the kept looks at guests that are well.
    pub fn take_later_looks(&self) -> Vec<LaterLook> {
        std::mem::take(&mut locked(&self.since).looks)
    }

    fn found(&self, guest: &Guest, hosts_answer: bool, echo: impl Fn(&Guest) -> Result<()>) -> Vec<Found> {
        let Some(last) = guest.last_look() else { return Vec::new() };
        let loss = |kind, seen| vec![Found::loss(guest, &last, kind, seen)];
        if let Some(panic) = self.consoles.panic_of(&guest.name) {
            return loss(LossKind::Panicked, panic.to_string());
        }
        if let Some(host) = self.consoles.reset_of(&guest.name).filter(|_| !last.was_reset) {
            return loss(LossKind::Rebooted, format!("it was reset on {host}, or rebooted itself"));
        }
        if let Some(states) = hosts_answer.then(|| self.nowhere(guest)).flatten() {
            return loss(LossKind::Unreachable, states);
        }
        let answered = |seen| {
            let mut found = Found::by_look(guest, &last, seen);
            // A definition that cannot be read is one of a guest that is where it should not be.
            if let Some(Ok(Some(why))) = hosts_answer.then(|| self.redefined(guest)) {
                found.extend(loss(LossKind::Redefined, why));
            }
            found
        };
        let failure = match guest.agent.observe(ANSWER_LIMIT) {
            Ok(seen) => return answered(seen),
            Err(failure) => failure,
        };
        let echoes = echo(guest);
        // A console is read a while after its kernel has panicked, and a dead kernel may answer echoes.
        if let Some(panic) = self.consoles.panic_of(&guest.name) {
            return loss(LossKind::Panicked, panic.to_string());
        }
        match echoes {
            Ok(()) => self.once_booted(guest).map(answered).unwrap_or_default(),
            Err(echoes) => loss(LossKind::Unreachable, format!("{failure}; {echoes}")),
        }
    }

    /// A guest whose kernel answers and that may be booting, as soon as it answers by ssh as well; none if it does not.
    fn once_booted(&self, guest: &Guest) -> Option<Observation> {
        let limit = self.profile.boot_timeout.min(BOOT_LIMIT);
        let seen = wait_for(&format!("{} to answer", guest.name), limit, &self.stop, || {
            guest.agent.observe(ANSWER_LIMIT).map_or_else(|failure| Poll::again(failure.cause), Poll::Ready)
        });
        seen.ok()
    }

    /// The states in which both hosts have a guest that runs on neither; none of one that runs, or where a host does not say.
    fn nowhere(&self, guest: &Guest) -> Option<String> {
        let seen = self.hosts.both().map(|host| OnHost::of(guest, host).ok().filter(|seen| !seen.is_running));
        let seen: Option<Vec<OnHost>> = seen.into_iter().collect();
        Some(seen?.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::failure::Failure;
    use crate::guest::Definition;
    use crate::guest::fleet::testing::{OWNER, TestFleet};
    use crate::libvirt::{Detail, EventKind, LifecycleEvent};
    use crate::remote::{DeviceMount, KernelLine};
    use crate::scenario::Side;

    fn silent(_: &Guest) -> Result<()> {
        Err(Failure::new("echo", "no answer to 5 echoes"))
    }

    /// The kinds of loss and the words of a fleet whose guests answer no ssh.
    fn lost(fleet: &TestFleet, echo: fn(&Guest) -> Result<()>) -> Vec<(String, LossKind, String)> {
        let since = fleet.since_the_last_look(echo);
        since.lost.into_iter().map(|loss| (loss.guest, loss.kind, loss.seen)).collect()
    }

    fn seen_on(fleet: &TestFleet, number: usize) {
        let name = &fleet.guest(number).name;
        fleet.put_running(Side::Source, name, OWNER);
        fleet.note_look(fleet.guest(number), &Observation::in_a_test("a", Instant::now()));
    }

    #[test]
    fn a_guest_that_was_never_seen_well_is_no_loss() {
        let fleet = TestFleet::new();
        assert!(lost(&fleet, silent).is_empty());
    }

    #[test]
    fn a_guest_is_lost_that_answers_neither_way() {
        let fleet = TestFleet::new();
        seen_on(&fleet, 1);
        assert!(
            lost(&fleet, |_| Ok(())).is_empty(),
            "its kernel answers: the look before a scenario mends it"
        );
        let [(guest, LossKind::Unreachable, words)] = &lost(&fleet, silent)[..] else { panic!() };
        assert!(
            guest == "vm1" && words.contains("ssh") && words.ends_with("no answer to 5 echoes"),
            "{words}"
        );
    }

    #[test]
    fn a_guest_is_lost_that_runs_nowhere() {
        let fleet = TestFleet::new();
        seen_on(&fleet, 1);
        let domain = fleet.guest(1).known_on(&fleet.hosts.source).unwrap();
        domain.suspend().unwrap();
        let [(_, LossKind::Unreachable, words)] = &lost(&fleet, |_| Ok(()))[..] else { panic!() };
        assert!(
            words.starts_with("on source it is paused") && words.ends_with("on target it is unknown"),
            "{words}"
        );
    }

    #[test]
    fn a_guest_that_answers_is_well_in_its_boot_and_has_rebooted_in_another() {
        let guest = Guest::in_a_test("vm1");
        let last = LastLook::in_a_test("a");
        let line = KernelLine {
            facility: 0,
            level: 3,
            sequence: 9,
            time_s: 1.0,
            text: "Killed process 7 (x)".into(),
        };
        let look = |boot_id| {
            let seen = Observation {
                kernel_log: vec![line.clone()],
                ..Observation::in_a_test(boot_id, Instant::now())
            };
            Found::by_look(&guest, &last, seen)
        };
        let [Found::Well(well)] = &look("a")[..] else { panic!() };
        assert_eq!(well.seen.kernel_log, std::slice::from_ref(&line), "whoever judges it has the line");
        let [Found::Lost(lost)] = &look("b")[..] else { panic!() };
        assert_eq!((lost.kind, &*lost.seen), (LossKind::Rebooted, "boot id b instead of a, uptime 100.00 s"));
        let quiet = Observation::in_a_test("a", Instant::now());
        assert!(Found::by_look(&guest, &last, quiet).is_empty());
    }

    #[test]
    fn a_root_that_became_read_only_is_a_loss_beside_what_the_kernel_said() {
        let root =
            |is_writable| vec![DeviceMount { is_writable, device: "/dev/vda".into(), point: "/".into() }];
        let last = LastLook { mounts: root(true), ..LastLook::in_a_test("a") };
        let quiet = Observation::in_a_test("a", Instant::now());
        let line =
            KernelLine { facility: 0, level: 2, sequence: 9, time_s: 1.0, text: "EXT4-fs error".into() };
        let seen = Observation { mounts: root(false), kernel_log: vec![line], ..quiet };
        let found = Found::by_look(&Guest::in_a_test("vm1"), &last, seen);
        let [Found::Lost(lost), Found::Well(_)] = &found[..] else { panic!() };
        assert_eq!((lost.kind, &*lost.seen), (LossKind::ReadOnly, "/ of /dev/vda has become read-only"));
    }

    #[test]
    fn a_scenario_that_proved_nobody_leaves_no_guest_to_be_lost() {
        let fleet = TestFleet::new();
        seen_on(&fleet, 1);
        fleet.forget_last_looks();
        assert!(lost(&fleet, silent).is_empty());
    }

    #[test]
    fn a_reset_since_the_last_look_is_a_loss_and_an_earlier_one_is_none() {
        let fleet = TestFleet::new();
        seen_on(&fleet, 1);
        fleet.consoles.note_reset("vm1", "source");
        let found = lost(&fleet, |_| Ok(()));
        let words = "it was reset on source, or rebooted itself".to_owned();
        assert_eq!(found, [("vm1".to_owned(), LossKind::Rebooted, words)]);
        fleet.note_look(fleet.guest(1), &Observation::in_a_test("b", Instant::now()));
        assert!(lost(&fleet, |_| Ok(())).is_empty(), "the scenario before has had its finding about it");
    }

    fn left(guests: &[&str]) -> EarlierLooks {
        let look = LastLook { was_reset: true, ..LastLook::in_a_test("a") };
        let left = LeftGuest { look, made: None };
        EarlierLooks(guests.iter().map(|name| ((*name).to_owned(), left.clone())).collect())
    }

    #[test]
    fn what_befell_guests_after_another_process_is_known_of_a_larger_fleet_too() {
        let fleet = TestFleet::new();
        for name in ["vm1", "vm2"] {
            fleet.put_running(Side::Source, name, OWNER);
        }
        let panic = Panic { host: "source".into(), words: "oops".into(), at: Instant::now() };
        let panics = HashMap::from([("vm2".to_owned(), panic)]);
        let (Since { lost, .. }, unknown) =
            fleet.since_earlier(&left(&["vm1", "vm2", "vm7", "vm1-debian"]), &panics, silent);
        let of = |guest: &str| lost.iter().find(|loss| loss.guest == guest).unwrap();
        assert_eq!(of("vm1").kind, LossKind::Unreachable);
        assert!(of("vm1").seen.ends_with("no answer to 5 echoes"), "{}", of("vm1").seen);
        assert_eq!(
            (of("vm2").kind, &*of("vm2").seen),
            (LossKind::Panicked, "its kernel panicked on source: oops")
        );
        assert_eq!(of("vm7").seen, "on source it is unknown, on target it is unknown");
        assert!(lost.iter().all(|loss| loss.since == SystemTime::UNIX_EPOCH));
        assert_eq!((lost.len(), unknown), (3, vec!["vm1-debian".to_owned()]));
    }

    #[test]
    fn a_guest_is_compared_with_how_another_process_made_it() {
        let fleet = TestFleet::new();
        let domain = fleet.put_running(Side::Source, "vm1", OWNER);
        let made = Definition::read(&domain).unwrap();
        let left =
            EarlierLooks([("vm1".to_owned(), LeftGuest { look: LastLook::in_a_test("a"), made })].into());
        let text = serde_json::to_string(&left).unwrap();
        let handed_over: EarlierLooks = serde_json::from_str(&text).unwrap();
        assert_eq!(handed_over, left);
        let guest = fleet.as_left("vm1", &handed_over.0["vm1"]).unwrap();
        assert_eq!(fleet.redefined(&guest).unwrap(), None);
        let xml = domain.inactive_xml().unwrap().replace(">8192<", ">4096<");
        fleet.hosts.source.control.define(&xml).unwrap();
        assert!(fleet.redefined(&guest).unwrap().is_some_and(|why| why.contains("persistent XML")));
    }

    #[test]
    fn a_reset_that_another_process_knew_is_none_of_this_one() {
        let fleet = TestFleet::new();
        fleet.put_running(Side::Source, "vm1", OWNER);
        let lost = || fleet.since_earlier(&left(&["vm1"]), &HashMap::new(), |_| Ok(())).0.lost;
        assert!(lost().is_empty());
        fleet.consoles.note_reset("vm1", "source");
        assert_eq!(lost()[0].kind, LossKind::Rebooted, "it came since");
    }

    #[test]
    fn an_end_of_a_qemu_is_a_loss_of_its_guest() {
        let fleet = TestFleet::new();
        seen_on(&fleet, 1);
        let end = HostEvent {
            host: "source".into(),
            domain: "vm1".into(),
            at: Instant::now(),
            wall: SystemTime::UNIX_EPOCH,
            kind: EventKind::Lifecycle { event: LifecycleEvent::Stopped, detail: Detail::Crashed },
        };
        let loss = GuestLoss::by_end(fleet.guest(1), &end);
        assert_eq!(loss.seen, "its QEMU stopped (crashed) on source at 1970-01-01T00:00:00.000Z");
        assert!(loss.since > SystemTime::UNIX_EPOCH, "it was seen well since then");
    }

    #[test]
    fn a_loss_is_reported_once_and_by_its_kind() {
        let fleet = TestFleet::new();
        seen_on(&fleet, 1);
        fleet.keep_since(fleet.since_the_last_look(silent));
        assert!(fleet.take_losses(LossKind::Panicked).is_empty());
        assert_eq!(fleet.take_losses(LossKind::Unreachable).len(), 1);
        assert!(fleet.take_losses(LossKind::Unreachable).is_empty());
    }
}
