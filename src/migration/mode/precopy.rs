//! Pre-copy: as fast as the profile allows, with the guest's CPUs held back when it does not converge.

use super::policy::{ModePolicy, bandwidth_mib};

pub static POLICY: ModePolicy = ModePolicy {
    asks: |options, scenario, profile, pace| {
        options.migration.auto_converge = true;
        options.migration.bandwidth_mib = bandwidth_mib(scenario, profile).map(|mib| pace.of(mib));
        options.max_downtime_ms = profile.downtime_limit.as_millis().try_into().unwrap_or(u64::MAX).max(1);
    },
    again: |_, _| None,
};
