//! Clock sane: a guest's realtime clock moved against this machine's by no more than the profile allows.
//!
//! A guest's clock may stop while its CPUs stand still, as it does under TCG: the check forgives a clock that is behind by
//! no more than its guest stood still. The guest reads its clock at some time between question and answer, so its distance
//! is an interval. The check counts a move only if no reading within both intervals explains it.

use std::collections::HashMap;
use std::time::Duration;

use humantime::format_duration;

use super::distance::Distance;
use super::{About, Advice, Asked, Check, GuestLook, LegEnd, Moment, Proof, Scene};
use crate::failure::Result;
use crate::scenario::{Profile, Scenario};

pub static ABOUT: About = About {
    id: "clock",
    summary: "clock sane",
    how: "the guest's realtime clock within `max_clock_drift` of where it was against the clock of the machine that runs multivm, \
          beyond what the guest is known to have stood still",
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
    /// The distance at its first look.
    distance: Distance,
    /// How long the guest's CPUs have stood still for migrations since then.
    still: Duration,
}

impl Asked for ClockAsked {
    fn learn_start(&mut self, look: &GuestLook) {
        let known =
            KnownClock { boot_id: look.seen.boot_id.clone(), distance: look.distance, still: Duration::ZERO };
        self.guests.insert(look.guest.name.clone(), known);
    }

    fn learn_leg(&mut self, end: &LegEnd<'_>) {
        if let Some(known) = self.guests.get_mut(&end.guest.name) {
            known.still +=
                end.report.standstills(end.source).into_iter().map(|(_, long)| long).sum::<Duration>();
        }
    }

    fn on_look(&mut self, look: &GuestLook) -> Vec<Proof> {
        let Some(known) = self.guests.get_mut(&look.guest.name) else { return Vec::new() };
        // A reboot sets a guest's clock, and has a finding of its own.
        if known.boot_id != look.seen.boot_id {
            known.boot_id.clone_from(&look.seen.boot_id);
            return Vec::new();
        }
        vec![look.proof(check(known.distance, look.distance, known.still, self.limit))]
    }
}

/// Compares the distance at the scenario's beginning with the present one. The guest stood `still` for that long in between.
pub fn check(before: Distance, now: Distance, still: Duration, limit: Duration) -> Proof {
    let moved = now.moved_from(before);
    let (limit, still) = (limit.as_secs_f64(), still.as_secs_f64());
    Proof::new(
        &ABOUT,
        (-(limit + still)..=limit).contains(&moved),
        format!("the guest's realtime clock within {limit:.1} s of where it was against the host's"),
        format!(
            "moved by {moved:+.3} s since the scenario began, in which the guest's migrations stopped it for {still:.3} s"
        ),
    )
    .advise(&MOVED)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::still(100.0, 0.0, true)]
    #[case::slow_answer(104.0, 9.0, true)]
    #[case::ahead(3700.0, 0.0, false)]
    #[case::behind(90.0, 0.0, false)]
    fn only_a_certain_move_counts(#[case] guest_s: f64, #[case] answer_took_s: f64, #[case] ok: bool) {
        let before = Distance::new(50.0, 50.0, 50.1);
        let now = Distance::new(guest_s, 100.0, 100.0 + answer_took_s);
        assert_eq!(check(before, now, Duration::ZERO, Duration::from_secs(5)).ok, ok);
    }

    #[rstest]
    #[case::behind_by_the_standstill(-6.0, 6, true)]
    #[case::behind_by_more(-12.0, 6, false)]
    #[case::behind_without_a_standstill(-6.0, 0, false)]
    #[case::a_clock_that_went_on(0.0, 6, true)]
    #[case::ahead_is_no_standstill(6.0, 6, false)]
    fn a_clock_may_stand_still_with_its_guest(#[case] moved_s: f64, #[case] still_s: u64, #[case] ok: bool) {
        let (before, now) = (Distance::new(50.0, 50.0, 50.0), Distance::new(100.0 + moved_s, 100.0, 100.0));
        let proof = check(before, now, Duration::from_secs(still_s), Duration::from_secs(5));
        assert_eq!(proof.ok, ok, "{proof:?}");
    }
}
