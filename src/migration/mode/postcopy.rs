//! Post-copy: a first pass that is slow enough to leave a remainder, a switch, and the rest as fast as the profile allows.

use super::{Spec, bandwidth_mib};
use crate::migration::{Again, LegReport, Pace};

/// With this limit QEMU does not consider a guest converged whose remaining memory takes longer to send, milliseconds.
/// A guest that dirties little would otherwise be done in pre-copy before the switch can be ordered.
const MAX_DOWNTIME_MS: u64 = 1;

/// What QEMU is told that it can send while a guest stands still, MiB/s: with the limit above a kilobyte, so that only a guest that
/// has dirtied nothing at all counts as converged. Without it dozens of pages are no obstacle, and a guest that got little CPU
/// for the length of its first pass has no more.
const SWITCHOVER_BANDWIDTH_MIB: u64 = 1;

/// How much slower the first pass of a guest is sent that boots. It has no pattern yet that is rewritten as fast as the
/// first pass sends it; it dirties some tens of MiB a second on its own, and the first pass must be slower than that for a
/// remainder to be left.
const SLOWER_WHILE_BOOTING: u64 = 16;

/// How much slower the first pass is sent in another play, which the switch cuts off: it then takes longer than libvirt was late.
const SLOWER_AGAIN: u64 = 16;

pub static SPEC: Spec = Spec {
    asks: |options, scenario, profile, pace| {
        let pace = if scenario.boots_itself() { pace.slowed(SLOWER_WHILE_BOOTING) } else { pace };
        options.migration.post_copy = true;
        options.migration.bandwidth_mib = bandwidth_mib(scenario, profile).map(|mib| pace.of(mib));
        options.migration.post_copy_bandwidth_mib = profile.bandwidth.map(|bytes| bytes.0 >> 20);
        options.max_downtime_ms = MAX_DOWNTIME_MS;
        options.migration.switchover_bandwidth_mib = Some(SWITCHOVER_BANDWIDTH_MIB);
    },
    again,
};

/// On a machine whose CPUs are all taken a guest may stand still for as long as its first pass takes, and then there is
/// little or nothing left to switch for: most of all with a stack that cannot be told its available bandwidth. That says nothing about guests or migration, and it must not pass for post-copy either: such
/// a play is worth another, once, which orders the switch amid the first pass: so early that something is always left. A leg that
/// failed is never played away.
fn again(pace: Pace, legs: &[&LegReport]) -> Option<Again> {
    let missed = legs.iter().filter(|leg| leg.switchover.is_none()).count();
    let failed = legs.iter().any(|leg| leg.error.is_some());
    (missed > 0 && !failed && pace == Pace::default()).then(|| Again {
        pace: pace.slowed(SLOWER_AGAIN).switching_in(1),
        why: "a guest was across as pre-copy before the order to switch to post-copy arrived",
        explains: missed,
    })
}
