//! What checks say of guests that were lost outside of scenarios: after one had proved them, and before the next one.

use super::{About, Advice, AfterAll, Proof};
use crate::guest::{Fleet, GuestLoss, LossKind};

/// Advice for each check that reports such guests.
pub(super) const LOST: Advice = Advice::new(
    "a guest was lost after a scenario had proved it",
    "it befell the guest when nothing of multivm's was under way: read its console log and QEMU's log on the hosts, in \
     /var/log/libvirt/qemu, from the time that the finding gives, and ask who else works there. With a longer `settle` a scenario \
     watches its guests for longer itself",
);

/// What a finding says of the time at which it came about.
pub(super) const BETWEEN: &str = "between the last scenario and this one";
pub(super) const AFTER_ALL: &str = "after the last scenario";

/// The findings about guests that were lost before this scenario.
pub(super) fn before(
    about: &'static About,
    fleet: &Fleet,
    kind: LossKind,
    advice: &'static Advice,
) -> Vec<Proof> {
    let finding = |loss: &GuestLoss| proof(about, loss, BETWEEN, advice);
    fleet.take_losses(kind).iter().map(finding).collect()
}

/// The findings about guests that were lost after the last scenario.
pub(super) fn after_all(
    about: &'static About,
    after: &AfterAll<'_>,
    kind: LossKind,
    advice: &'static Advice,
) -> Vec<Proof> {
    let lost = after.since.lost.iter().filter(|loss| loss.kind == kind);
    lost.map(|loss| proof(about, loss, AFTER_ALL, advice)).collect()
}

fn proof(about: &'static About, loss: &GuestLoss, when: &str, advice: &'static Advice) -> Proof {
    let since = humantime::format_rfc3339_millis(loss.since);
    let seen = format!("{}, {when}; it was last seen well at {since}", loss.seen);
    Proof::new(about, false, "the guest goes on as the scenario before left it", seen)
        .advise(advice)
        .of(&loss.guest)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::check::reboot;

    #[test]
    fn a_finding_says_what_was_seen_when_and_since_when() {
        let loss = GuestLoss {
            guest: "vm1".into(),
            kind: LossKind::Rebooted,
            seen: "boot id b instead of a, uptime 3.00 s".into(),
            since: SystemTime::UNIX_EPOCH,
        };
        let proof = proof(&reboot::ABOUT, &loss, AFTER_ALL, &LOST);
        let seen = "boot id b instead of a, uptime 3.00 s, after the last scenario; it was last seen well at 1970-01-01T00:00:00.000Z";
        assert_eq!((proof.ok, proof.guest.as_deref(), proof.seen.as_str()), (false, Some("vm1"), seen));
        assert_eq!(proof.advice, Some(&LOST));
        assert!(reboot::ABOUT.advice.contains(&LOST));
    }
}
