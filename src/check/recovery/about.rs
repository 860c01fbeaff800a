//! What the check says of itself.

use crate::check::{About, Advice, Moment, stays};

pub static ABOUT: About = About {
    id: "recovery",
    summary: "recovered",
    how: "from a guest's start on the other host to its next move, or to the end of the scenario, its network is not silent for longer \
          than `max_recovery`; in no `max_recovery` it loses more than a fifth of the probes, or takes more than `max_slowdown` times as \
          long as before the first move to answer, or for 32 KiB sent at once. How late answers are is judged of a stay of 2 s alone, and \
          of shorter ones of all guests at one host together; what stays too short is said",
    asked: &[Moment::End],
    only: Some(stays::ONLY),
    advice: &[SILENT_AT_ONCE, SILENT_LATER, LOSSY, LATE, NARROW],
    ..About::BASE
};

pub const SILENT_AT_ONCE: Advice = Advice::new(
    "the network did not find the guest where it had arrived",
    "its frames may go to the old host: did the target's bridge announce the guest, and does a filter or a port's setting on the way \
     drop that? Else the host gave the guest no CPU. MULTIVM_MAX_RECOVERY sets the limit",
);

pub const SILENT_LATER: Advice = Advice::new(
    "a guest fell silent after its arrival",
    "it answered, and then did not: read its console log and QEMU's log of the target in the evidence. MULTIVM_MAX_RECOVERY sets the \
     limit",
);

pub const LOSSY: Advice = Advice::new(
    "the network loses some of what an arrived guest gets or sends",
    "compare the way to that host with the one to the other: does a port, a filter or a queue (tc -s qdisc) there drop frames, or do two \
     hosts answer for one address?",
);

pub const LATE: Advice = Advice::new(
    "an arrived guest answers late, all the time",
    "compare the way to that host with the one to the other (ping, tc -s qdisc): does a queue fill there, or does the way lead through a \
     tunnel or a busy router? MULTIVM_MAX_SLOWDOWN sets the limit",
);

pub const NARROW: Advice = Advice::new(
    "the network of an arrived guest carries little at once",
    "does a port, a queue (tc -s qdisc) or libvirt's <bandwidth> limit the guest's traffic there, or has the link of that host fallen back \
     to a slow speed (ethtool)? MULTIVM_MAX_SLOWDOWN sets the limit",
);
