//! What has befallen guests of a fleet since the last scenario, which found no damage.

use std::collections::HashMap;
use std::time::Duration;

use crate::failure::Result;
use crate::guest::{EarlierLooks, Fleet, Guest, Panic, Since};
use crate::libvirt::HostEvent;
use crate::probe;

/// How long a guest may take at most to answer an echo after ssh has had no answer, whatever the profile allows: the last look of a run
/// has little time.
const ECHO_LIMIT: Duration = Duration::from_secs(30);

/// What has befallen guests since their last looks. A guest whose QEMU is among those that `ended` has its finding already.
pub fn guests_since(fleet: &Fleet, ended: &[HostEvent]) -> Since {
    let since = fleet.since_the_last_look(|guest| answers_an_echo(fleet, guest));
    without_those_that_ended(fleet, since, ended)
}

/// What has befallen guests since another process proved them, and the names of those of which that is not known. A guest whose QEMU
/// is among those that `ended` has its finding already.
pub fn guests_between_processes(
    fleet: &Fleet,
    looks: &EarlierLooks,
    panics: &HashMap<String, Panic>,
    ended: &[HostEvent],
) -> (Since, Vec<String>) {
    let (since, unknown) = fleet.since_earlier(looks, panics, |guest| answers_an_echo(fleet, guest));
    (without_those_that_ended(fleet, since, ended), unknown)
}

fn answers_an_echo(fleet: &Fleet, guest: &Guest) -> Result<()> {
    probe::await_answer(guest, fleet.profile.max_gap.min(ECHO_LIMIT), fleet.stop_flag())
}

fn without_those_that_ended(fleet: &Fleet, mut since: Since, ended: &[HostEvent]) -> Since {
    if fleet.stop_flag().is_set() {
        // Questions that were given up tell nothing.
        return Since::default();
    }
    since.lost.retain(|loss| ended.iter().all(|end| end.domain != loss.guest));
    since
}
