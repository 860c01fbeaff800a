//! A time that only grows, sampled now and then.

use std::time::{Duration, Instant};

use crate::failure::Result;
use crate::sys::watch::Watch;

/// The time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a machine may take to answer; later there is no sample.
pub const LIMIT: Duration = Duration::from_secs(5);

/// Asks a machine again and again, in a thread of its own; `ask` adds what it answers.
pub fn sample<T: Default + Send + 'static>(
    name: &'static str,
    ask: impl Fn(&mut T) + Send + 'static,
) -> Result<Watch<T>> {
    Watch::start(name, move |stop| {
        let mut samples = T::default();
        while !stop.is_set() {
            ask(&mut samples);
            stop.pause(INTERVAL);
        }
        samples
    })
}

/// How much of a time had passed at some moments: of that in which a server waited for its disks, or a guest for a CPU.
#[derive(Debug, Default)]
pub struct Totals(Vec<(Instant, Duration)>);

impl Totals {
    /// Of nothing that was ever sampled.
    pub const NONE: &'static Totals = &Totals(Vec::new());

    /// Adds a sample, later than all before it.
    pub fn add(&mut self, at: Instant, total: Duration) {
        self.0.push((at, total));
    }

    /// How much passed between two moments, as far as that was sampled.
    pub fn between(&self, from: Instant, until: Instant) -> Duration {
        let inside = |pair: &[(Instant, Duration)]| {
            let [(then, before), (now, after)] = pair else { return Duration::ZERO };
            let overlap = until.min(*now).saturating_duration_since(from.max(*then));
            // Where between two samples it passed is not known: it is spread evenly.
            let part = overlap.as_secs_f64() / (*now - *then).as_secs_f64().max(f64::MIN_POSITIVE);
            after.saturating_sub(*before).mul_f64(part.min(1.0))
        };
        self.0.windows(2).map(inside).sum()
    }

    #[cfg(test)]
    pub fn sampled(samples: impl IntoIterator<Item = (Instant, Duration)>) -> Totals {
        Totals(samples.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::MS;
    use super::*;

    #[rstest]
    #[case::all_of_it((10, 14), 1500)]
    #[case::a_part_is_taken_evenly((11, 12), 500)]
    #[case::nothing_was_sampled_before((8, 11), 0)]
    #[case::nothing_was_sampled_after((12, 20), 1000)]
    #[case::out_of_sight((20, 30), 0)]
    fn what_passed_is_that_between_two_moments(#[case] (from, until): (u32, u32), #[case] expected_ms: u32) {
        let begin = Instant::now();
        let at = |s: u32| begin + s * 1000 * MS;
        let totals = Totals::sampled([
            (at(10), 70_000 * MS),
            (at(11), 70_000 * MS),
            (at(13), 71_000 * MS),
            (at(14), 71_500 * MS),
        ]);
        let passed = totals.between(at(from), at(until));
        assert!(passed.abs_diff(expected_ms * MS) < MS, "{passed:?}");
    }

    #[test]
    fn where_nothing_was_sampled_nothing_is_known_to_have_passed() {
        let now = Instant::now();
        assert_eq!(Totals::default().between(now, now + 1000 * MS), Duration::ZERO);
    }
}
