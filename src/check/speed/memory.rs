//! Memory: how long a guest takes to write a GiB, at its best.

use std::time::Instant;

use super::baseline::Baseline;
use super::seen::{Seen, seen_for};
use super::slowdown::Slowdown;
use crate::check::Advice;

pub const ADVICE: Advice = Advice::new(
    "a guest writes memory too slowly where it has arrived",
    "does the host swap, or is the guest's memory on another NUMA node, or without its huge pages? MULTIVM_MAX_SLOWDOWN sets the limit",
);

/// Fewer samples of memory are not compared. There are ten a second.
const LEAST_SPEEDS: usize = 10;

/// Compares the best time in which guests wrote memory with their good ones before.
pub fn memory(seen: &[Seen<'_>], before: &Baseline, limit: f64) -> Option<Slowdown> {
    let was = before.memory_ms?;
    seen_for(seen, |seen| seen.until)?;
    let inside = |seen: &Seen<'_>| {
        let window = seen.from..seen.until;
        seen.pace.speeds.iter().filter(move |(at, _)| window.contains(at)).copied().collect::<Vec<_>>()
    };
    let inside: Vec<(Instant, f64)> = seen.iter().flat_map(inside).collect();
    let fastest = inside.iter().map(|(_, ms)| *ms).min_by(f64::total_cmp);
    let is = fastest.filter(|_| inside.len() >= LEAST_SPEEDS)?;
    let recovered = inside.iter().find(|(_, ms)| *ms <= limit * was).map(|(at, _)| *at);
    let told = format!("memory written at {is:.0} ms/GiB at best, {was:.0} before");
    Some(Slowdown { name: "memory", advice: &ADVICE, times: is / was, recovered, told })
}

#[cfg(test)]
mod tests {
    use super::super::MS;
    use super::super::baseline::quantile;
    use super::*;
    use crate::check::GuestPace;

    /// As seen of a guest that ran `stress --cpu 1` on its one vCPU, with another such guest and such a host on two CPUs.
    #[test]
    fn a_guest_that_shares_its_cpu_still_writes_memory_fast_at_times() {
        let begin = Instant::now();
        let speeds =
            [200.0, 228.0, 174.0, 491.0, 3196.0, 5183.0, 2021.0, 31141.0, 6034.0, 11354.0, 185_537.0, 1264.0];
        let speeds =
            speeds.repeat(2).into_iter().enumerate().map(|(nth, ms)| (begin + nth as u32 * 100 * MS, ms));
        let pace = GuestPace {
            guest: "vm1".into(),
            heard: begin + 2400 * MS,
            gaps: None,
            speeds: speeds.collect(),
            writes: Vec::new(),
            unsynced: Vec::new(),
        };
        let before = Baseline { memory_ms: Some(200.0), ..Baseline::default() };
        let seen = Seen { pace: &pace, from: begin, until: pace.heard, left: pace.heard };
        let part = memory(&[seen], &before, 10.0).unwrap();
        assert!(part.times < 1.0 && part.recovered == Some(begin), "{}", part.told);
        // Under the same load before, memory that is a tenth as fast is still found.
        let before = quantile(pace.speeds.iter().map(|(_, ms)| *ms).collect(), 5).unwrap();
        assert!(before < 174.0 * 2.0, "{before}");
    }
}
