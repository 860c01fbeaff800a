//! Pre-copy: the guest runs on the source until QEMU can send the rest of its memory in one short pause.

use humantime::format_duration;

use super::row::ModeRow;
use crate::scenario::AtTimeout;

pub(super) static ROW: ModeRow = ModeRow {
    name: "precopy",
    text: "runs on the source until little enough is left to be sent in one short pause",
    timeout: |profile| profile.precopy_timeout,
    bandwidth_before_switch: |profile| profile.bandwidth,
    rewrite: |profile| profile.precopy_rewrite,
    switches: false,
    may_suspend: true,
    ends: |profile| {
        let limit = format_duration(profile.downtime_limit);
        format!("over when the rest can be sent in {limit} (QEMU's downtime-limit)")
    },
    at_timeout: |profile| match profile.at_timeout {
        AtTimeout::Abort => "it is aborted, which fails the scenario",
        AtTimeout::Suspend => "the guest is suspended so that it can complete, which fails the scenario",
        AtTimeout::SuspendAllowed => "the guest is suspended so that it can complete, which is allowed",
    },
};
