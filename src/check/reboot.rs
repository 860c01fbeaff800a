//! No reboot: the boot id is the same and the uptime grew.

use super::{About, Advice, Check, Moment, Proof};
use crate::remote::Observation;

pub static ABOUT: About = About {
    id: "reboot",
    summary: "no reboot",
    how: "boot id unchanged, uptime grew, and libvirt reported no reset; a guest that is started anew boots once",
    asked: &[Moment::Leg, Moment::Step, Moment::End],
    advice: &[REBOOTED, BACK, RESET, AGAIN],
    ..About::BASE
};

const REBOOTED: Advice = Advice::new(
    "the boot id is another one",
    "the guest was rebooted: read its console log and QEMU's log in the evidence for a reset or a triple fault",
);

const BACK: Advice = Advice::new(
    "the uptime did not grow",
    "the guest's clock went back: compare the clock's lines in QEMU's log",
);

const RESET: Advice = Advice::new(
    "libvirt reported a reset",
    "read the guest's console log in the evidence: did it reset itself, or was it reset?",
);

const AGAIN: Advice = Advice::new(
    "a guest that was started booted more than once",
    "read its console logs of both hosts in the evidence for a triple fault or a panic",
);

/// The check.
pub struct Reboot;

impl Check for Reboot {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}

/// Compares a guest before a move with itself after it.
pub fn check(before: &Observation, after: &Observation) -> Proof {
    let same = before.boot_id == after.boot_id;
    let grew = after.uptime_s > before.uptime_s;
    let show = |seen: &Observation| format!("boot id {}, uptime {:.2} s", seen.boot_id, seen.uptime_s);
    let expected = format!("boot id {}, uptime above {:.2} s", before.boot_id, before.uptime_s);
    Proof::new(&ABOUT, same && grew, expected, show(after)).advise(if same { &BACK } else { &REBOOTED })
}

/// A reset that libvirt reported: also of a guest that has not come up again since.
pub fn reported(host: &str, uptime_s: f64) -> Proof {
    let expected = format!("no reset; uptime was {uptime_s:.2} s at the last look");
    Proof::new(&ABOUT, false, expected, format!("libvirt reported a reset on {host}")).advise(&RESET)
}

/// A guest that was started boots once: neither it nor anybody else resets it while it boots and moves.
pub fn once(resets: usize) -> Proof {
    Proof::new(&ABOUT, resets == 0, "no reset from its start until it is up", format!("{resets} resets"))
        .advise(&AGAIN)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rstest::rstest;

    use super::*;

    fn seen(boot_id: &str, uptime_s: f64) -> Observation {
        Observation {
            boot_id: boot_id.into(),
            uptime_s,
            realtime_s: 0.0,
            processes: Vec::new(),
            memory_available: 0,
            kernel_log: Vec::new(),
            kernel_log_error: None,
            whole_log: false,
            at: Instant::now(),
        }
    }

    #[rstest]
    #[case("a", 11.0, true)]
    #[case("a", 10.0, false)]
    #[case("b", 11.0, false)]
    fn a_new_boot_id_or_a_shorter_uptime_is_a_reboot(
        #[case] boot_id: &str,
        #[case] uptime_s: f64,
        #[case] ok: bool,
    ) {
        assert_eq!(check(&seen("a", 10.0), &seen(boot_id, uptime_s)).ok, ok);
    }
}
