//! Clock sane: a guest's realtime clock went as long as this machine's monotonic one, within what the profile allows.
//!
//! This machine's own realtime clock proves nothing: somebody sets it, or NTP does, and every guest's clock seems to have moved.
//! A guest's clock may stop while its CPUs stand still, as it does under TCG: the check forgives a clock that is behind by
//! no more than its guest stood still. A monotonic clock stops while its machine is suspended, and a guest's may go on: the check
//! forgives a clock that is ahead by no more than that. The guest reads its clock at some time between question and answer, so that
//! a reading is an interval. The check counts a move only if no moments within both intervals explain it.

use std::collections::HashMap;
use std::time::Duration;

use humantime::format_duration;

use super::guest_time::GuestTime;
use super::{About, Advice, Asked, Check, GuestLook, LegEnd, Moment, Outage, Proof, Scene};
use crate::failure::Result;
use crate::scenario::{Profile, Scenario};

pub static ABOUT: About = About {
    id: "clock",
    summary: "clock sane",
    how: "the guest's realtime clock within `max_clock_drift` of where it was against the monotonic clock of the machine \
          that runs multivm, beyond what the guest is known to have stood still, or that machine to have been suspended",
    asked: &[Moment::Leg, Moment::End],
    advice: &[MOVED],
    ..About::BASE
};

const MOVED: Advice = Advice::new(
    "the guest's clock moved",
    "a clock that stands still while its guest is stopped is behind by the downtime: compare that",
);

/// The check.
pub struct ClockSane;

impl Check for ClockSane {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn explain(&self, _scenario: &Scenario, profile: &Profile) -> String {
        let drift = format_duration(profile.max_clock_drift);
        format!(
            "clock sane: the guest's realtime clock moved by no more than {drift} against multivm's own, beyond its downtimes"
        )
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(ClockAsked { limit: scene.fleet.profile.max_clock_drift, guests: HashMap::new() }))
    }
}

struct ClockAsked {
    limit: Duration,
    guests: HashMap<String, KnownClock>,
}

/// A guest's clock, as far as the check knows it.
struct KnownClock {
    /// The boot id at its last look.
    boot_id: String,
    /// Its clock at its first look.
    first: GuestTime,
    /// How long the guest's CPUs have stood still for migrations since then.
    still: Duration,
}

impl Asked for ClockAsked {
    fn learn_start(&mut self, look: &GuestLook) {
        let known =
            KnownClock { boot_id: look.seen.boot_id.clone(), first: look.clock, still: Duration::ZERO };
        self.guests.insert(look.guest.name.clone(), known);
    }

    fn learn_leg(&mut self, end: &LegEnd<'_>) {
        if let Some(known) = self.guests.get_mut(&end.guest.name) {
            known.still += end.report.stood_still(end.source);
        }
    }

    fn on_look(&mut self, look: &GuestLook) -> Vec<Proof> {
        let Some(known) = self.guests.get_mut(&look.guest.name) else { return Vec::new() };
        // A reboot sets a guest's clock, and has a finding of its own.
        if known.boot_id != look.seen.boot_id {
            known.boot_id.clone_from(&look.seen.boot_id);
            return Vec::new();
        }
        let proof = check(known.first, look.clock, known.still, self.limit);
        // A clock that is behind may have stood still with its guest.
        let is_behind = look.clock.moved_from(&known.first) < 0.0;
        let proof = if is_behind { proof.tells(Outage::part(look.at)) } else { proof };
        vec![look.proof(proof)]
    }
}

/// Compares the clock at the scenario's beginning with the present one. The guest stood `still` for that long in between.
fn check(before: GuestTime, now: GuestTime, still: Duration, limit: Duration) -> Proof {
    let moved = now.moved_from(&before);
    let suspended = now.suspended.saturating_sub(before.suspended).as_secs_f64();
    let (limit, still) = (limit.as_secs_f64(), still.as_secs_f64());
    let mut seen = format!(
        "moved by {moved:+.3} s since the scenario began, in which the guest's migrations stopped it for {still:.3} s"
    );
    if suspended >= 1.0 {
        seen += &format!(", and the machine that runs multivm was suspended for {suspended:.0} s");
    }
    Proof::new(
        &ABOUT,
        (-(limit + still)..=limit + suspended).contains(&moved),
        format!(
            "the guest's realtime clock within {limit:.1} s of where it was against this machine's monotonic one"
        ),
        seen,
    )
    .advise(&MOVED)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rstest::rstest;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    /// The proof about a guest whose clock says so after 50 s, for the answer of which multivm waited, on a machine that was suspended
    /// meanwhile.
    fn proof(went_s: f64, took_s: u64, still_s: u64, suspended_s: u64) -> Proof {
        let begin = Instant::now();
        let seconds = Duration::from_secs;
        let before = GuestTime { guest_s: 1e9, asked: begin, answered: begin, suspended: seconds(100) };
        let asked = begin + seconds(50);
        let now = GuestTime {
            guest_s: 1e9 + went_s,
            asked,
            answered: asked + seconds(took_s),
            suspended: seconds(100 + suspended_s),
        };
        check(before, now, seconds(still_s), LIMIT)
    }

    #[rstest]
    #[case::still(50.0, 0, true)]
    #[case::slow_answer(54.0, 9, true)]
    #[case::ahead(3650.0, 0, false)]
    #[case::behind(40.0, 0, false)]
    fn only_a_certain_move_counts(#[case] went_s: f64, #[case] took_s: u64, #[case] ok: bool) {
        assert_eq!(proof(went_s, took_s, 0, 0).ok, ok);
    }

    #[rstest]
    #[case::behind_by_the_standstill(-6.0, 6, true)]
    #[case::behind_by_more(-12.0, 6, false)]
    #[case::behind_without_a_standstill(-6.0, 0, false)]
    #[case::a_clock_that_went_on(0.0, 6, true)]
    #[case::ahead_is_no_standstill(6.0, 6, false)]
    fn a_clock_may_stand_still_with_its_guest(#[case] moved_s: f64, #[case] still_s: u64, #[case] ok: bool) {
        let proof = proof(50.0 + moved_s, 0, still_s, 0);
        assert_eq!(proof.ok, ok, "{proof:?}");
    }

    #[rstest]
    #[case::stood_still_with_the_machine(0.0, true)]
    #[case::went_on(600.0, true)]
    #[case::ahead_by_more(606.0, false)]
    #[case::behind(-6.0, false)]
    fn a_clock_may_go_on_while_the_machine_is_suspended(#[case] moved_s: f64, #[case] ok: bool) {
        let proof = proof(50.0 + moved_s, 0, 0, 600);
        assert_eq!(proof.ok, ok, "{proof:?}");
        assert!(proof.seen.ends_with("was suspended for 600 s"), "{}", proof.seen);
    }
}
