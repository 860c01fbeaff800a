//! How long the storage's server waited for its own disks. A guest's disk that stands still meanwhile has nothing to do with a
//! migration: whatever keeps the disk under the storage busy stops every guest, wherever it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::failure::Result;
use crate::host::Storage;
use crate::remote::Agent;
use crate::sys::stop::StopFlag;
use crate::sys::watch::Watch;

/// The time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long the server may take to answer; later there is no sample.
const LIMIT: Duration = Duration::from_secs(5);

/// For how long some task of the server had waited for a disk since its start, at some moments.
#[derive(Debug, Default)]
pub struct Stalls(Vec<(Instant, Duration)>);

/// Begins to sample the server of the storage. A storage that is only mounted tells nothing of its server: there is no sample.
pub fn watch(storage: &Storage) -> Result<Option<Watch<Stalls>>> {
    if storage.entry.server.is_none() {
        return Ok(None);
    }
    let agent = Arc::clone(&storage.agent);
    Watch::start("stall-watch", move |stop| sample_until(&agent, stop)).map(Some)
}

fn sample_until(agent: &Agent, stop: &StopFlag) -> Stalls {
    let mut stalls = Stalls::default();
    while !stop.is_set() {
        // A server that does not answer, or whose kernel does not count, stalled for no known time.
        if let Ok(stalled) = agent.io_stalled(LIMIT) {
            stalls.0.push((Instant::now(), stalled));
        }
        stop.pause(INTERVAL);
    }
    stalls
}

impl Stalls {
    /// How long the server waited for its disks between two moments, as far as that was sampled.
    pub fn between(&self, from: Instant, until: Instant) -> Duration {
        let inside = |pair: &[(Instant, Duration)]| {
            let [(then, before), (now, after)] = pair else { return Duration::ZERO };
            let overlap = until.min(*now).saturating_duration_since(from.max(*then));
            // Where in a part it stalled is not known: it is spread evenly.
            let part = overlap.as_secs_f64() / (*now - *then).as_secs_f64().max(f64::MIN_POSITIVE);
            after.saturating_sub(*before).mul_f64(part.min(1.0))
        };
        self.0.windows(2).map(inside).sum()
    }

    #[cfg(test)]
    pub fn sampled(samples: impl IntoIterator<Item = (Instant, Duration)>) -> Stalls {
        Stalls(samples.into_iter().collect())
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
    fn time_of_stalls_is_that_between_two_moments(
        #[case] (from, until): (u32, u32),
        #[case] stalled_ms: u32,
    ) {
        let begin = Instant::now();
        let at = |s: u32| begin + s * 1000 * MS;
        let stalls = Stalls::sampled([
            (at(10), 70_000 * MS),
            (at(11), 70_000 * MS),
            (at(13), 71_000 * MS),
            (at(14), 71_500 * MS),
        ]);
        let stalled = stalls.between(at(from), at(until));
        assert!(stalled.abs_diff(stalled_ms * MS) < MS, "{stalled:?}");
    }

    #[test]
    fn a_server_that_was_never_sampled_stalled_for_no_known_time() {
        let now = Instant::now();
        assert_eq!(Stalls::default().between(now, now + 1000 * MS), Duration::ZERO);
    }
}
