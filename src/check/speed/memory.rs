//! Memory: how long a guest takes to write a GiB, at its best, in all of a stay and in the worst part of it.

use std::time::{Duration, Instant};

use super::baseline::Baseline;
use super::pace::share;
use super::seen::{SeenStay, seen_for};
use super::slowdown::Slowdown;
use crate::check::Advice;

pub const ADVICE: Advice = Advice::new(
    "a guest writes memory too slowly where it has arrived",
    "does the host swap, or is the guest's memory on another NUMA node, or without its huge pages? MULTIVM_MAX_SLOWDOWN sets the limit",
);

/// Fewer samples of memory are not compared. There are ten a second.
const LEAST_SPEEDS: usize = 10;

/// Fewer samples of a part of a stay are not compared. The slower memory is, the fewer there are.
const LEAST_OF_PART: usize = 3;

/// Compares the best time in which guests wrote memory with their good ones before. The best of the worst `window` of a stay counts as
/// much as the one of all stays: of 24 healthy stays that were longer than 4 s the worst one had 1.3 times the time before.
pub fn memory(seen: &[SeenStay<'_>], before: &Baseline, limit: f64, window: Duration) -> Option<Slowdown> {
    let was = before.memory_ms?;
    seen_for(seen, |seen| seen.until)?;
    let inside: Vec<(Instant, f64)> = seen.iter().flat_map(samples).collect();
    let fastest = inside.iter().map(|(_, ms)| *ms).min_by(f64::total_cmp);
    let is = fastest.filter(|_| inside.len() >= LEAST_SPEEDS)?;
    let recovered = inside.iter().find(|(_, ms)| *ms <= limit * was).map(|(at, _)| *at);
    let worst = seen.iter().filter_map(|seen| worst_part(seen, was, before.cpu, window));
    let worst = worst.max_by(|one, other| one.times.total_cmp(&other.times));
    let in_worst = worst
        .as_ref()
        .map(|worst| format!(", {:.0} in the worst {:.1} s", worst.best_ms, window.as_secs_f64()));
    let told =
        format!("memory written at {is:.0} ms/GiB at best{}, {was:.0} before", in_worst.unwrap_or_default());
    let times = worst.map_or(0.0, |worst| worst.times).max(is / was);
    Some(Slowdown { name: "memory", advice: &ADVICE, times, recovered, told })
}

/// What a guest wrote in a stay.
fn samples(seen: &SeenStay<'_>) -> Vec<(Instant, f64)> {
    let window = seen.from..seen.until;
    seen.pace.best_speeds.iter().filter(move |(at, _)| window.contains(at)).copied().collect()
}

/// The best time of a part of a stay.
struct PartOfStay {
    best_ms: f64,
    /// How many times slower than before that is, beyond what a smaller share of the CPU explains.
    times: f64,
}

/// The part of a stay in which the best time is the longest, of those that are as long as `window`; none if the stay is not longer than
/// that.
fn worst_part(
    seen: &SeenStay<'_>,
    was_ms: f64,
    was_cpu: Option<f64>,
    window: Duration,
) -> Option<PartOfStay> {
    let last = seen.until.checked_sub(window).filter(|last| *last > seen.from)?;
    let samples = samples(seen);
    let begins = samples.iter().enumerate().filter(|(_, (at, _))| *at <= last);
    let parts = begins.filter_map(|(first, (at, _))| {
        let part: Vec<f64> =
            samples[first..].iter().take_while(|(of, _)| *of < *at + window).map(|(_, ms)| *ms).collect();
        let best_ms = part.iter().copied().min_by(f64::total_cmp).filter(|_| part.len() >= LEAST_OF_PART)?;
        let awake = seen.pace.awake(*at, *at + window);
        // One that got none at all lacks a thousand times as much.
        let lack = awake.zip(was_cpu).map_or(1.0, |(awake, was)| was / share(awake, window).max(0.001));
        Some(PartOfStay { best_ms, times: best_ms / was_ms / lack.max(1.0) })
    });
    parts.max_by(|one, other| one.times.total_cmp(&other.times))
}

#[cfg(test)]
mod tests {
    use super::super::MS;
    use super::super::baseline::quantile;
    use super::super::totals::Totals;
    use super::*;
    use crate::check::GuestPace;
    use crate::probe::Gap;

    /// How many times slower memory is in a stay of 12 s at a limit of 4 s, in which a guest is twenty times slower for some time, but
    /// for every tenth sample of those outside of it; and of each 500 ms lacks its CPU for so long.
    fn times(slow: std::ops::Range<u32>, away_ms: u32) -> f64 {
        let begin = Instant::now();
        let speed = |ms: u32| {
            let fast = !slow.contains(&ms) && (ms / 100).is_multiple_of(10);
            (begin + ms * MS, if fast { 110.0 } else { 2200.0 })
        };
        let pace = GuestPace {
            gaps: Some(
                (0..12_000)
                    .step_by(500)
                    .map(|ms| Gap { from: begin + ms * MS, length: away_ms * MS })
                    .collect(),
            ),
            best_speeds: (0..12_000).step_by(100).map(speed).collect(),
            ..GuestPace::in_a_test(begin + 12_000 * MS)
        };
        let before = Baseline { cpu: Some(1.0), memory_ms: Some(110.0), ..Baseline::default() };
        let seen =
            SeenStay { pace: &pace, waits: Totals::NONE, from: begin, until: pace.heard, left: pace.heard };
        memory(&[seen], &before, 10.0, 4000 * MS).unwrap().times
    }

    #[test]
    fn memory_that_is_slow_for_a_part_of_a_stay_is_not_diluted_by_the_rest() {
        for slow in [0..5000, 3000..8000, 7000..12_000] {
            assert!(times(slow.clone(), 0) > 19.0, "{slow:?}");
        }
        assert!(times(3000..5000, 0) < 1.1, "it is slow for a moment");
        assert!(times(0..0, 0) < 1.1, "one in ten samples is fast");
    }

    #[test]
    fn what_a_guest_lacks_of_its_cpu_is_not_its_memorys_fault() {
        let expected = [(0, 20.0), (250, 10.0), (450, 2.0)];
        for (away_ms, expected) in expected {
            let times = times(3000..8000, away_ms);
            assert!((times - expected).abs() < 1.0, "{away_ms}: {times}");
        }
    }

    /// As seen of a guest that ran `stress --cpu 1` on its one vCPU, with another such guest and such a host on two CPUs.
    #[test]
    fn a_guest_that_shares_its_cpu_still_writes_memory_fast_at_times() {
        let begin = Instant::now();
        let speeds =
            [200.0, 228.0, 174.0, 491.0, 3196.0, 5183.0, 2021.0, 31141.0, 6034.0, 11354.0, 185_537.0, 1264.0];
        let speeds =
            speeds.repeat(2).into_iter().enumerate().map(|(nth, ms)| (begin + nth as u32 * 100 * MS, ms));
        let pace = GuestPace { best_speeds: speeds.collect(), ..GuestPace::in_a_test(begin + 2400 * MS) };
        let before = Baseline { memory_ms: Some(200.0), ..Baseline::default() };
        let seen =
            SeenStay { pace: &pace, waits: Totals::NONE, from: begin, until: pace.heard, left: pace.heard };
        let part = memory(&[seen], &before, 10.0, 4000 * MS).unwrap();
        assert!(part.times < 1.0 && part.recovered == Some(begin), "{}", part.told);
        // Under the same load before, memory that is a tenth as fast is still found.
        let before = quantile(pace.best_speeds.iter().map(|(_, ms)| *ms).collect(), 5).unwrap();
        assert!(before < 174.0 * 2.0, "{before}");
    }
}
