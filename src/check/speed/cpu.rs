//! CPU time: the share of the time in which a guest got a CPU when it wanted one.

use std::time::Duration;

use super::baseline::Baseline;
use super::pace::share;
use super::seen::{Seen, seen_for};
use super::slowdown::Slowdown;
use crate::check::Advice;

pub const ADVICE: Advice = Advice::new(
    "a guest gets too little CPU where it has arrived",
    "virsh schedinfo and vcpuinfo there: has its control group a quota, is the host busy, is its QEMU stopped? MULTIVM_MAX_SLOWDOWN \
     sets the limit",
);

/// What is said of stays whose share of the CPU nobody knows; none if it is known of all.
pub fn unknown(seen: &[Seen<'_>]) -> Option<String> {
    let unknown = seen.iter().filter(|seen| seen.pace.gaps.is_none()).count();
    let of = if unknown < seen.len() { format!(" of {unknown} of {}", seen.len()) } else { String::new() };
    (unknown > 0)
        .then(|| format!("CPU{of} not judged, since the guest had more waits for it to tell than it keeps"))
}

/// Compares the share of the time in which guests got CPU with the one before, of those that kept all that there was to tell.
pub fn cpu(seen: &[Seen<'_>], before: &Baseline) -> Option<Slowdown> {
    let was = before.cpu?;
    let known: Vec<Seen<'_>> = seen.iter().filter(|seen| seen.pace.gaps.is_some()).copied().collect();
    let long = seen_for(&known, |seen| seen.until)?;
    let awake = known.iter().map(|seen| seen.pace.awake(seen.from, seen.until.max(seen.from)));
    let is = share(awake.sum::<Option<Duration>>()?, long);
    let told = format!("CPU when it was due in {:.0} % of the time, {:.0} % before", is * 100.0, was * 100.0);
    // One that got none at all is as slow as one that got a thousandth.
    Some(Slowdown { name: "CPU", advice: &ADVICE, times: was / is.max(0.001), recovered: None, told })
}
