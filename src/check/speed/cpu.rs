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

/// Compares the share of the time in which guests got CPU with the one before.
pub fn cpu(seen: &[Seen<'_>], before: &Baseline) -> Option<Slowdown> {
    let was = before.cpu?;
    let long = seen_for(seen, |seen| seen.until)?;
    let awake = seen.iter().map(|seen| seen.pace.awake(seen.from, seen.until.max(seen.from)));
    let is = share(awake.sum::<Option<Duration>>()?, long);
    let told = format!("CPU when it was due in {:.0} % of the time, {:.0} % before", is * 100.0, was * 100.0);
    // One that got none at all is as slow as one that got a thousandth.
    Some(Slowdown { name: "CPU", advice: &ADVICE, times: was / is.max(0.001), recovered: None, told })
}
