//! The disk: how long its synced writes take, in most of the time.

use std::time::Duration;

use super::baseline::Baseline;
use super::pace::ms;
use super::seen::{SeenStay, seen_for};
use super::slowdown::Slowdown;
use crate::check::{Advice, GuestPace};
use crate::probe::Gap;

pub const ADVICE: Advice = Advice::new(
    "a guest's disk is too slow where it has arrived",
    "virsh blkdeviotune and blkiotune there: is the disk limited? Else the way from that host to the storage is slow. \
     MULTIVM_MAX_SLOWDOWN sets the limit",
);

/// Fewer synced writes are not compared.
pub const LEAST_WRITES: usize = 4;

/// A disk that is slow for a shorter time is not judged by that time alone.
const LEAST_STRETCH: Duration = Duration::from_secs(4);

/// The number of a stay's longest writes that do not count: each may take a second on a busy host.
const LONGEST_WRITES: usize = 2;

/// The witness writes ten times a second where the disk keeps up, ms.
const WRITE_INTERVAL_MS: f64 = 100.0;

/// A faster disk is as good as this one: nobody waits for it, ms. On a machine whose CPUs and disk others keep busy, synced
/// writes of 8 ms became writes of 125 ms.
const FAST_WRITE_MS: f64 = 20.0;

/// Compares the ordinary synced write of guests with the one before.
pub fn disk(seen: &[SeenStay<'_>], before: &Baseline, limit: f64) -> Option<Slowdown> {
    let was = before.write_ms?;
    seen_for(seen, |seen| seen.left)?;
    let inside = |seen: &SeenStay<'_>| {
        let window = seen.from..seen.left;
        let writes = seen.pace.writes.iter().filter(move |write| window.contains(&write.from));
        writes.map(|write| without_waits(seen.pace, write)).collect::<Vec<_>>()
    };
    let inside: Vec<Gap> = seen.iter().flat_map(inside).collect();
    let ordinary = ordinary_write(inside.iter().map(|write| ms(write.length)).collect());
    let judged = was.max(FAST_WRITE_MS);
    let is = ordinary.into_iter().chain(stretch(&inside, limit * judged)).max_by(f64::total_cmp)?;
    let good = inside.iter().find(|write| ms(write.length) <= limit * judged);
    let recovered = good.map(|write| write.from + write.length);
    let told = format!("synced writes of {is:.0} ms, {was:.0} before");
    Some(Slowdown { name: "disk", advice: &ADVICE, times: is / judged, recovered, told })
}

/// A write without the time in which its guest waited for a CPU, as far as that is known: a guest that has none hands nothing to its
/// disk, and takes nothing from it.
fn without_waits(pace: &GuestPace, write: &Gap) -> Gap {
    let away = pace.away(write.from, write.from + write.length).unwrap_or_default();
    Gap { from: write.from, length: write.length.saturating_sub(away) }
}

/// The fastest write of the longest time in which every write was slower than that, if that time is long: a disk that somebody else
/// keeps busy has fast writes in between. A few writes that hang are no such time.
fn stretch(writes: &[Gap], slow_ms: f64) -> Option<f64> {
    let runs = writes.chunk_by(|one, other| {
        ms(one.length) > slow_ms && ms(other.length) > slow_ms && one.from < other.from
    });
    let long = |run: &&[Gap]| run.iter().map(|write| write.length).sum::<Duration>() >= LEAST_STRETCH;
    let slowest = runs.filter(|run| run.len() > LONGEST_WRITES).filter(long).max_by_key(|run| run.len())?;
    slowest.iter().map(|write| ms(write.length)).min_by(f64::total_cmp)
}

/// In writes that take as long or longer three quarters of the time are spent, the longest aside.
fn ordinary_write(mut writes: Vec<f64>) -> Option<f64> {
    if writes.len() < LEAST_WRITES {
        return None;
    }
    writes.sort_unstable_by(f64::total_cmp);
    writes.truncate(writes.len() - LONGEST_WRITES);
    let spent = |write: &f64| write.max(WRITE_INTERVAL_MS);
    let quarter = writes.iter().map(spent).sum::<f64>() / 4.0;
    let mut so_far = 0.0;
    writes.into_iter().find(|write| {
        so_far += spent(write);
        so_far >= quarter
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rstest::rstest;

    use super::super::MS;
    use super::*;

    #[test]
    fn a_guest_without_a_cpu_has_no_slow_disk() {
        let begin = Instant::now();
        let gap = |from: u32, length: u32| Gap { from: begin + from * MS, length: length * MS };
        let pace = |gaps| GuestPace {
            guest: "vm1".into(),
            heard: begin + 4000 * MS,
            gaps,
            speeds: Vec::new(),
            writes: Vec::new(),
            unsynced: Vec::new(),
        };
        let of = |gaps| ms(without_waits(&pace(gaps), &gap(1000, 203)).length);
        assert_eq!(of(None), 203.0);
        assert_eq!(of(Some(vec![gap(900, 150), gap(1150, 500)])), 100.0);
        assert_eq!(of(Some(vec![gap(2000, 150)])), 203.0);
    }

    #[rstest]
    #[case::two_long_ones(&[20.0, 30.0, 30.0, 1400.0, 1500.0], Some(20.0))]
    #[case::slow_for_most_of_the_time(&[30.0, 30.0, 30.0, 700.0, 700.0, 700.0, 700.0], Some(700.0))]
    #[case::slow_for_a_moment(&[30.0, 30.0, 30.0, 30.0, 30.0, 30.0, 30.0, 500.0, 500.0, 500.0], Some(30.0))]
    #[case::few(&[700.0, 700.0, 700.0], None)]
    // Somebody who copies a gigabyte on the same disk makes some of them long.
    #[case::disk_that_another_keeps_busy(
        &[9.0, 9.0, 10.0, 12.0, 13.0, 13.0, 14.0, 20.0, 30.0, 60.0, 220.0, 240.0, 250.0, 260.0, 300.0, 411.0],
        Some(13.0)
    )]
    fn an_ordinary_write_is_what_takes_most_of_the_time(
        #[case] writes: &[f64],
        #[case] ordinary: Option<f64>,
    ) {
        assert_eq!(ordinary_write(writes.to_vec()), ordinary);
    }

    #[rstest]
    #[case::limited_for_a_while(500, 12, Some(500.0))]
    #[case::limited_for_a_moment(500, 7, None)]
    #[case::hangs_once(6000, 1, None)]
    #[case::hangs_twice(3000, 2, None)]
    #[case::too_slow_for_four(2000, 3, Some(2000.0))]
    #[case::fast(30, 200, None)]
    fn a_disk_that_has_no_fast_write_for_long_is_slow(
        #[case] slow_ms: u32,
        #[case] number: u32,
        #[case] found: Option<f64>,
    ) {
        let begin = Instant::now();
        let mut now = begin;
        let lengths =
            std::iter::repeat_n(20, 60).chain(std::iter::repeat_n(slow_ms, number as usize)).chain([20; 60]);
        let writes: Vec<Gap> = lengths
            .map(|length| {
                let write = Gap { from: now, length: length * MS };
                now += (length * MS).max(100 * MS);
                write
            })
            .collect();
        assert_eq!(stretch(&writes, 100.0), found);
    }
}
