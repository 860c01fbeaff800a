//! Pre-copy: as fast as the profile allows, with the guest's CPUs held back when it does not converge.

use super::policy::{ModePolicy, bandwidth_mib};
use crate::migration::Pace;
use crate::migration::options::FullSpeed;

/// How long a first pass that is held back takes over a memory without an empty page, in seconds. A machine whose CPUs are all taken
/// begins one migration of a step up to four seconds after another, and a guest uses a third of its memory or more.
const FIRST_PASS_S: u64 = 20;

/// How long a first pass takes that is held back of a guest that boots, which uses a fifth of its memory, in seconds.
const FIRST_PASS_WHILE_BOOTING_S: u64 = 60;

pub static POLICY: ModePolicy = ModePolicy {
    asks: |options, scenario, profile, pace| {
        options.migration.auto_converge = true;
        let mib = bandwidth_mib(scenario, profile).map(|mib| pace.of(mib));
        options.migration.bandwidth_mib = mib;
        if pace.gathers() {
            let largest = profile.members().map(|member| member.memory.0).max().unwrap_or(0);
            let seconds = if scenario.boots_itself() { FIRST_PASS_WHILE_BOOTING_S } else { FIRST_PASS_S };
            let slow = (largest >> 20).div_ceil(seconds);
            options.migration.bandwidth_mib = Some(mib.map_or(slow, |mib| mib.min(slow)));
            options.after_first_pass = Some(FullSpeed { mib });
        }
        options.max_downtime_ms = profile.downtime_limit.as_millis().try_into().unwrap_or(u64::MAX).max(1);
    },
    again: |_, _| None,
    together: Pace::gathering,
};
