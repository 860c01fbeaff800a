//! Post-copy: a first pass that is slow enough to leave a remainder, a switch, and the rest as fast as the profile allows.

use std::time::Duration;

use super::policy::{ModePolicy, bandwidth_mib};
use crate::migration::{Again, LegReport, Pace};

/// QEMU's downtime-limit, in milliseconds: QEMU considers no guest converged whose remaining memory takes longer to send.
/// Otherwise a guest that dirties little would complete in pre-copy before the switch.
const MAX_DOWNTIME_MS: u64 = 1;

/// QEMU's switchover bandwidth, in MiB/s: with the limit above it amounts to a kilobyte, so that only a guest that has
/// dirtied nothing counts as converged. Without it dozens of pages are no obstacle, and a guest that got little CPU during
/// its first pass has no more.
const SWITCHOVER_BANDWIDTH_MIB: u64 = 1;

/// How much slower the first pass of a booting guest is. Such a guest has no pattern yet that it rewrites as fast as the
/// first pass sends it. It dirties some tens of MiB a second on its own, and a slower first pass leaves a remainder.
const SLOWER_WHILE_BOOTING: u64 = 16;

/// How much slower the first pass of another play is, which the switch cuts off: it takes longer than libvirt was late.
const SLOWER_AGAIN: u64 = 16;

/// How long the first pass of another play goes on before the switch, where guests move together: a machine whose CPUs are all taken may start the QEMU of one
/// guest seconds after that of another, which it is to be under way together with.
const SWITCH_AGAIN_AFTER: Duration = Duration::from_secs(4);

pub static POLICY: ModePolicy = ModePolicy {
    asks: |options, scenario, profile, pace| {
        let pace = if scenario.boots_itself() { pace.slowed(SLOWER_WHILE_BOOTING) } else { pace };
        options.migration.post_copy = true;
        options.migration.bandwidth_mib = bandwidth_mib(scenario, profile).map(|mib| pace.of(mib));
        options.migration.post_copy_bandwidth_mib = profile.bandwidth.map(|bytes| bytes.0 >> 20);
        options.max_downtime_ms = MAX_DOWNTIME_MS;
        options.migration.switchover_bandwidth_mib = Some(SWITCHOVER_BANDWIDTH_MIB);
    },
    again,
    together: |pace| pace.slowed(SLOWER_AGAIN),
};

/// Asks for one more play if nothing was left to switch for. On a machine whose CPUs are all taken, a guest may stand still
/// for as long as its first pass takes; that happens most with a stack whose available bandwidth cannot be set. It says
/// nothing about guests or migration, and must not pass for post-copy either. The other play orders the switch amid the
/// first pass, when something is always left. A failed leg is never played again.
fn again(pace: Pace, legs: &[&LegReport]) -> Option<Again> {
    let missed = legs.iter().filter(|leg| leg.switchover.is_none()).count();
    let failed = legs.iter().any(|leg| leg.error.is_some());
    (missed > 0 && !failed && pace == Pace::default()).then(|| Again {
        pace: pace.slowed(SLOWER_AGAIN).switching_in(1, SWITCH_AGAIN_AFTER),
        why: "a guest was across as pre-copy before the order to switch to post-copy arrived",
        explains: missed,
    })
}
