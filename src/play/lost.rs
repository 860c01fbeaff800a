//! Guests of a fleet that the last scenario proved, and that have been lost since.

use std::time::Duration;

use crate::guest::{Fleet, GuestLoss};
use crate::libvirt::HostEvent;
use crate::probe;

/// How long a guest may take at most to answer an echo after ssh has had no answer, whatever the profile allows: the last look of a run
/// has little time.
const ECHO_LIMIT: Duration = Duration::from_secs(30);

/// What has befallen guests since the last scenario proved them. A guest whose QEMU is among those that `ended` has its finding already.
pub fn lost_guests(fleet: &Fleet, ended: &[HostEvent]) -> Vec<GuestLoss> {
    let (stop, limit) = (fleet.stop_flag(), fleet.profile.max_gap.min(ECHO_LIMIT));
    let mut lost = fleet.lost_since_the_last_look(|guest| probe::await_answer(guest, limit, stop));
    if stop.is_set() {
        // Questions that were given up tell nothing.
        return Vec::new();
    }
    lost.retain(|loss| ended.iter().all(|end| end.domain != loss.guest));
    lost
}
