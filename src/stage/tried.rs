//! Damage of guests that shows when they are asked to do something: after a scenario that did not prove them, each
//! answers an echo and writes to its disk.

use std::sync::Arc;
use std::time::Duration;

use crate::guest::{DamagedPart, Fleet, Guest, GuestDamage};
use crate::probe;
use crate::sys::parallel::at_once;

/// How long a guest at rest may take to answer an echo. One that is taken for silent is only made anew.
const ECHO_LIMIT: Duration = Duration::from_secs(5);

/// The damage of those guests of a fleet that have none yet.
pub fn damage(fleet: &Fleet, known: &[GuestDamage]) -> Vec<GuestDamage> {
    let is_known = |guest: &Guest| known.iter().any(|damage| damage.guest.name == guest.name);
    let guests: Vec<Arc<Guest>> = fleet.guests.iter().filter(|guest| !is_known(guest)).cloned().collect();
    let echoes =
        at_once("probe a guest", &guests, |guest| probe::await_answer(guest, ECHO_LIMIT, fleet.stop_flag()));
    let disks = fleet.try_disks(&guests);
    let damaged = guests.iter().zip(echoes.into_iter().zip(disks)).filter_map(|(guest, (echo, disk))| {
        let why = echo.and(disk).err()?.to_string();
        Some(GuestDamage { guest: Arc::clone(guest), part: DamagedPart::Guest, why })
    });
    damaged.collect()
}
