//! Post-copy: after the first pass over its memory the guest runs on the target and fetches the missing pages.

use super::row::ModeRow;

pub(super) static ROW: ModeRow = ModeRow {
    name: "postcopy",
    text: "runs on the target after the first pass over its memory, and fetches there what it misses",
    timeout: |profile| profile.postcopy_timeout,
    bandwidth_before_switch: |profile| {
        let first_pass = profile.first_pass_bandwidth;
        Some(profile.bandwidth.unwrap_or(first_pass).min(first_pass))
    },
    rewrite: |profile| profile.postcopy_rewrite,
    switches: true,
    // A suspended guest would not make the migration complete sooner.
    may_suspend: false,
    ends: |profile| {
        let rest =
            profile.bandwidth.map(|most| format!(", then at no more than {most}/s")).unwrap_or_default();
        format!("switched over after the first pass (virDomainMigrateStartPostCopy){rest}")
    },
    // After the switch neither host has the whole guest, and libvirt refuses to abort.
    at_timeout: |_| "it is aborted before its switch, and given up after it, which both fail the scenario",
};
