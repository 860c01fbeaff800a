//! Guests that were whole at their last look and have been lost since. Whoever makes them anew keeps what befell them, and the
//! next scenario reports it.

use std::time::{Duration, SystemTime};

use super::Fleet;
use super::on_host::OnHost;
use crate::failure::Result;
use crate::guest::{Guest, LastLook};
use crate::remote::Observation;
use crate::sys::parallel::{at_once, locked};

/// How long a guest may take to answer one short question by ssh.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// What befell a guest after its last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestLoss {
    pub guest: String,
    pub kind: LossKind,
    pub seen: String,
    /// The time of the guest's last look.
    pub since: SystemTime,
}

/// The way in which a guest was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossKind {
    Panicked,
    Rebooted,
    /// It runs on no host, or answers neither by ssh nor to echoes.
    Unreachable,
}

impl Fleet {
    /// Notes a look at a guest that answered, with which a later one is compared.
    pub fn note_look(&self, guest: &Guest, seen: &Observation) {
        let was_reset = self.consoles.reset_of(&guest.name).is_some();
        guest.looked_at(LastLook { boot_id: seen.boot_id.clone(), was_reset, at: SystemTime::now() });
    }

    /// What has befallen guests since their last looks. `echo` sends echoes to a guest that does not answer by ssh. Lesser damage,
    /// such as a witness that is gone, is no loss.
    pub fn lost_since_the_last_look(&self, echo: impl Fn(&Guest) -> Result<()> + Sync) -> Vec<GuestLoss> {
        let lost = at_once("ask how a guest is", &self.guests, |guest| Ok(self.loss_of(guest, &echo)));
        lost.into_iter().flatten().flatten().collect()
    }

    /// Leaves losses to the next scenario.
    pub fn keep_losses(&self, losses: Vec<GuestLoss>) {
        locked(&self.losses).extend(losses);
    }

    /// Takes the kept losses that no scenario has reported.
    pub fn take_all_losses(&self) -> Vec<GuestLoss> {
        std::mem::take(&mut locked(&self.losses))
    }

    /// Takes the kept losses of a kind.
    pub fn take_losses(&self, kind: LossKind) -> Vec<GuestLoss> {
        locked(&self.losses).extract_if(.., |loss| loss.kind == kind).collect()
    }

    fn loss_of(&self, guest: &Guest, echo: impl Fn(&Guest) -> Result<()>) -> Option<GuestLoss> {
        let last = guest.last_look()?;
        let loss =
            |kind, seen: String| Some(GuestLoss { guest: guest.name.clone(), kind, seen, since: last.at });
        if let Some(panic) = self.consoles.panic_of(&guest.name) {
            return loss(LossKind::Panicked, panic.to_string());
        }
        if let Some(host) = self.consoles.reset_of(&guest.name).filter(|_| !last.was_reset) {
            return loss(LossKind::Rebooted, format!("it was reset on {host}, or rebooted itself"));
        }
        if let Some(states) = self.nowhere(guest) {
            return loss(LossKind::Unreachable, states);
        }
        match guest.agent.glance(ANSWER_LIMIT) {
            Ok(seen) if seen.boot_id == last.boot_id => None,
            Ok(seen) => {
                let ids = format!("boot id {} instead of {}", seen.boot_id, last.boot_id);
                loss(LossKind::Rebooted, format!("{ids}, uptime {:.2} s", seen.uptime_s))
            }
            Err(failure) => {
                let echoes = echo(guest);
                // A console is read a while after its kernel has panicked, and a dead kernel may answer echoes.
                if let Some(panic) = self.consoles.panic_of(&guest.name) {
                    return loss(LossKind::Panicked, panic.to_string());
                }
                loss(LossKind::Unreachable, format!("{failure}; {}", echoes.err()?))
            }
        }
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
    use crate::guest::fleet::testing::{OWNER, TestFleet};
    use crate::scenario::Side;

    fn silent(_: &Guest) -> Result<()> {
        Err(Failure::new("echo", "no answer to 5 echoes"))
    }

    /// The kinds of loss and the words of a fleet whose guests answer no ssh.
    fn lost(fleet: &TestFleet, echo: fn(&Guest) -> Result<()>) -> Vec<(String, LossKind, String)> {
        let lost = fleet.lost_since_the_last_look(echo);
        lost.into_iter().map(|loss| (loss.guest, loss.kind, loss.seen)).collect()
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

    #[test]
    fn a_loss_is_reported_once_and_by_its_kind() {
        let fleet = TestFleet::new();
        seen_on(&fleet, 1);
        fleet.keep_losses(fleet.lost_since_the_last_look(silent));
        assert!(fleet.take_losses(LossKind::Panicked).is_empty());
        assert_eq!(fleet.take_losses(LossKind::Unreachable).len(), 1);
        assert!(fleet.take_losses(LossKind::Unreachable).is_empty());
    }
}
