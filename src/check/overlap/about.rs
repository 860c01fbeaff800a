//! What the check says of itself.

use crate::check::{About, Advice, Moment};

pub static ABOUT: About = About {
    id: "overlap",
    summary: "they moved at once",
    how: "in a step of several migrations, the statistics of their jobs, sampled four times a second, and QEMU's events have memory \
          of each on its way together with another's; in one that crosses, there are two of both directions; a step may leave it \
          open, but not every step of a scenario; a scenario in which they do not move at once, or nothing shows it, is played once \
          more, with a slower first pass",
    asked: &[Moment::Step, Moment::End],
    only: Some("orders with several guests under way"),
    chance: Some(
        "a machine whose CPUs are all taken may start one migration when another is over already, or see nothing of a short one",
    ),
    advice: &[APART, UNSEEN],
    ..About::BASE
};

/// What to look at when migrations came one after the other.
pub const APART: Advice = Advice::new(
    "the migrations of a step came one after the other",
    "job_sample in record.jsonl has the bytes of each over time, leg_started and leg_finished its call: did a host make one wait for the \
     other (a lock, a limit of incoming migrations), or did a call come late?",
);

/// What to do when nothing shows whether they did.
pub const UNSEEN: Advice = Advice::new(
    "no step shows whether its migrations came at once",
    "let a migration take a second or longer: less MULTIVM_BANDWIDTH, for post-copy less MULTIVM_FIRST_PASS_BANDWIDTH, or guests with more \
     memory in use; if they do take that long, libvirt's events or answers to job_sample are missing in record.jsonl, and libvirtd.log \
     of the source has why",
);
