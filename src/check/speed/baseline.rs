//! How fast guests were before their first moves.

use std::time::{Duration, Instant};

use super::pace::{ms, share};
use super::seen::LEAST_STAY;
use super::totals::Totals;
use crate::check::GuestPace;
use crate::probe::Gap;

/// Fewer are nothing to be compared with.
const LEAST_BEFORE: usize = 3;

/// The speed of a guest before its first move.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Baseline {
    /// The share of the time in which it got CPU when it wanted some, and its host had one for it.
    pub cpu: Option<f64>,
    pub memory_ms: Option<f64>,
    pub write_ms: Option<f64>,
    pub read_ms: Option<f64>,
    pub transfer_ms: Option<f64>,
}

/// A guest in the time before its first move.
#[derive(Clone, Copy)]
pub struct BaselineTime<'a> {
    pub pace: &'a GuestPace,
    /// The end of that time; none of a guest that never moved.
    pub until: Option<Instant>,
    /// How long it waited for a CPU of the host that it was on.
    pub waits: &'a Totals,
}

/// The speed of a guest before its first move, and until its first departure, which is at that move's end.
#[derive(Debug, Clone, Copy)]
pub struct Baselines {
    pub resting: Baseline,
    pub moving: Baseline,
}

impl Baselines {
    /// The baselines of guests together, each given with when it left for its first move. Of transfers there are few before the first
    /// move, and the way to the disk is the same until the departure.
    pub fn of<'a>(guests: impl Iterator<Item = (BaselineTime<'a>, Option<Instant>)> + Clone) -> Baselines {
        let moving = Baseline::of(guests.clone().map(|(time, until)| BaselineTime { until, ..time }));
        let resting = Baseline::of(guests.map(|(time, _)| time));
        Baselines { resting: Baseline { transfer_ms: moving.transfer_ms, ..resting }, moving }
    }
}

impl Baseline {
    /// The baseline of guests together.
    pub fn of<'a>(guests: impl IntoIterator<Item = BaselineTime<'a>>) -> Baseline {
        let mut speeds = Vec::new();
        let [mut writes, mut reads, mut transfers] = [const { Vec::new() }; 3];
        let (mut awake, mut long) = (Duration::ZERO, Duration::ZERO);
        for BaselineTime { pace, until, waits } in guests {
            let Some(first) = until else { continue };
            speeds.extend(pace.best_speeds.iter().filter(|(at, _)| *at < first).map(|(_, ms)| *ms));
            writes.extend(ended_before(&pace.writes, first));
            reads.extend(ended_before(&pace.reads, first));
            transfers.extend(ended_before(&pace.transfers, first));
            let before = pace.first().filter(|from| *from < first);
            // A guest that kept less than there was to tell was no less awake for that.
            if let Some((from, known)) = before.and_then(|from| Some((from, pace.awake(from, first)?))) {
                let ran = (first - from).saturating_sub(pace.halted(from, first));
                long += ran.saturating_sub(waits.between(from, first)).max(known);
                awake += known;
            }
        }
        let is_known = long >= LEAST_STAY / 4;
        Baseline {
            cpu: is_known.then(|| share(awake, long)),
            memory_ms: quantile(speeds, 5),
            write_ms: quantile(writes, 2),
            read_ms: quantile(reads, 2),
            transfer_ms: quantile(transfers, 2),
        }
    }

    /// Takes from another baseline what this one does not know.
    pub fn or(self, other: &Baseline) -> Baseline {
        Baseline {
            cpu: self.cpu.or(other.cpu),
            memory_ms: self.memory_ms.or(other.memory_ms),
            write_ms: self.write_ms.or(other.write_ms),
            read_ms: self.read_ms.or(other.read_ms),
            transfer_ms: self.transfer_ms.or(other.transfer_ms),
        }
    }
}

/// How long each of those took that ended before, ms.
fn ended_before(times: &[Gap], first: Instant) -> impl Iterator<Item = f64> {
    times.iter().filter(move |time| time.from + time.length < first).map(|time| ms(time.length))
}

/// The sample below which one in so many is, if there are enough to be compared with.
pub fn quantile(mut samples: Vec<f64>, one_in: usize) -> Option<f64> {
    samples.sort_unstable_by(f64::total_cmp);
    samples.get(samples.len() / one_in).copied().filter(|_| samples.len() >= LEAST_BEFORE)
}

#[cfg(test)]
mod tests {
    use super::super::MS;
    use super::*;

    #[test]
    fn a_guest_whose_gaps_are_not_known_says_nothing_of_the_cpu() {
        let begin = Instant::now();
        let pace = |gaps| GuestPace {
            gaps,
            best_speeds: vec![(begin, 150.0)],
            ..GuestPace::in_a_test(begin + 2000 * MS)
        };
        let (known, unknown) = (pace(Some(vec![Gap { from: begin, length: 400 * MS }])), pace(None));
        let until = Some(begin + 2000 * MS);
        let time = |pace| BaselineTime { pace, until, waits: Totals::NONE };
        assert_eq!(Baseline::of([time(&known), time(&unknown)]).cpu, Some(0.8));
        assert_eq!(Baseline::of([time(&unknown)]).cpu, None);
        // Half of the time in which it lacked a CPU, others had them all.
        let waits = Totals::sampled([(begin, Duration::ZERO), (begin + 2000 * MS, 200 * MS)]);
        let busy = BaselineTime { waits: &waits, ..time(&known) };
        let cpu = Baseline::of([busy]).cpu.unwrap();
        assert!((cpu - 1600.0 / 1800.0).abs() < 1e-9, "{cpu}");
    }

    #[test]
    fn a_guest_that_moved_at_once_is_compared_with_others() {
        let other = Baseline { cpu: Some(1.0), memory_ms: Some(150.0), ..Baseline::default() };
        assert_eq!(
            Baseline { cpu: Some(0.5), ..Baseline::default() }.or(&other),
            Baseline { cpu: Some(0.5), ..other }
        );
    }

    #[test]
    fn transfers_count_until_the_first_departure() {
        let begin = Instant::now();
        let at = |nth: u32| Gap { from: begin + nth * 100 * MS, length: nth * MS };
        let times: Vec<Gap> = (1..=9).map(at).collect();
        let pace = GuestPace {
            writes: times.clone(),
            reads: times.clone(),
            transfers: times,
            ..GuestPace::in_a_test(begin + 2000 * MS)
        };
        let (moved, left) = (Some(begin + 450 * MS), Some(begin + 800 * MS));
        let Baselines { resting, moving } = Baselines::of(std::iter::once((
            BaselineTime { pace: &pace, until: moved, waits: Totals::NONE },
            left,
        )));
        assert_eq!(
            (resting.write_ms, resting.read_ms, resting.transfer_ms),
            (Some(3.0), Some(3.0), Some(4.0))
        );
        assert_eq!((moving.write_ms, moving.read_ms, moving.transfer_ms), (Some(4.0), Some(4.0), Some(4.0)));
    }
}
