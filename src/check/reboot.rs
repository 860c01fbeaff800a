//! No reboot: the boot id is the same and the uptime grew.

use super::Proof;
use crate::remote::Observation;

const CHECK: &str = "reboot";

/// Compares a guest before a move with itself after it.
pub fn check(before: &Observation, after: &Observation) -> Proof {
    let same = before.boot_id == after.boot_id;
    let grew = after.uptime_s > before.uptime_s;
    let show = |seen: &Observation| format!("boot id {}, uptime {:.2} s", seen.boot_id, seen.uptime_s);
    let expected = format!("boot id {}, uptime above {:.2} s", before.boot_id, before.uptime_s);
    let proof = Proof::new(CHECK, same && grew, expected, show(after));
    match (same, grew) {
        (true, true) => proof,
        (false, _) => proof.try_next(
            "the guest was rebooted: read its console log and QEMU's log in the evidence for a reset or a triple fault",
        ),
        (true, false) => proof.try_next("the guest's clock went back: compare the clock's lines in QEMU's log"),
    }
}

/// A reset that libvirt told of: also of a guest that has not come up again since.
pub fn told(host: &str, uptime_s: f64) -> Proof {
    Proof::new(
        CHECK,
        false,
        format!("no reset; uptime was {uptime_s:.2} s at the last look"),
        format!("libvirt told of a reset on {host}"),
    )
    .try_next("read the guest's console log in the evidence: did it reset itself, or was it reset?")
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
