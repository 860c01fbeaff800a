//! The disk: how long its synced writes, its reads and its transfers of many records take, in most of the time. A disk may be limited
//! in any of these and in none of the others.

use std::time::Duration;

use super::baseline::Baseline;
use super::pace::ms;
use super::seen::{SeenStay, seen_for};
use super::slowdown::Slowdown;
use crate::check::{Advice, GuestPace};
use crate::guest::TRANSFER_BYTES;
use crate::probe::Gap;

pub const ADVICE: Advice = Advice::new(
    "a guest's disk is too slow where it has arrived",
    "virsh blkdeviotune and blkiotune there: is the disk limited, in operations or in bytes? Else the way from that host to the storage is \
     slow. MULTIVM_MAX_SLOWDOWN sets the limit",
);

/// Fewer answers of a disk are not compared.
pub const LEAST: usize = 4;

/// Something that a disk is asked again and again.
pub struct DiskMeasure {
    /// What is slow, in a finding.
    name: &'static str,
    /// Many of these.
    pub plural: &'static str,
    /// What stands before how long one takes.
    told: &'static str,
    times: fn(&GuestPace) -> &[Gap],
    before: fn(&Baseline) -> Option<f64>,
    /// The time between two where the disk keeps up, ms.
    interval_ms: f64,
}

/// What is asked of a disk equally often.
pub type Measures = &'static [DiskMeasure];

/// Everything that is asked of a disk, by how often.
pub static MEASURES: [Measures; KINDS] = [&RECORDS, &TRANSFERS];
pub const KINDS: usize = 2;

static RECORDS: [DiskMeasure; 2] = [
    DiskMeasure {
        name: "disk",
        plural: "synced writes",
        told: "synced writes of",
        times: |pace| &pace.writes,
        before: |before| before.write_ms,
        interval_ms: 100.0,
    },
    DiskMeasure {
        name: "disk reads",
        plural: "reads",
        told: "reads of",
        times: |pace| &pace.reads,
        before: |before| before.read_ms,
        interval_ms: 100.0,
    },
];

static TRANSFERS: [DiskMeasure; 1] = [DiskMeasure {
    name: "disk transfers",
    plural: "transfers",
    told: "64 KiB read and written in",
    times: |pace| &pace.transfers,
    before: |before| before.transfer_ms,
    interval_ms: 500.0,
}];

const _: () = assert!(TRANSFER_BYTES == 64 << 10, "`told` says so");

/// A disk that is slow for a shorter time is not judged by that time alone.
const LEAST_STRETCH: Duration = Duration::from_secs(4);

/// The number of a stay's longest times that do not count: each may be a second on a busy host.
const LONGEST: usize = 2;

/// A faster disk is as good as this one: nobody waits for it, ms. On a machine whose CPUs and disk others keep busy, synced
/// writes of 8 ms became writes of 125 ms.
const FAST_MS: f64 = 20.0;

/// Compares what the disks of guests take in most of the time with what they took before, for each of the measures.
pub fn disk<'a>(
    measures: Measures,
    seen: &'a [SeenStay<'a>],
    before: &'a Baseline,
    limit: f64,
) -> impl Iterator<Item = Option<Slowdown>> + 'a {
    measures.iter().map(move |measure| measure.compare(seen, before, limit))
}

impl DiskMeasure {
    /// None if there is too little to compare, or nothing to compare it with.
    fn compare(&self, seen: &[SeenStay<'_>], before: &Baseline, limit: f64) -> Option<Slowdown> {
        let was = (self.before)(before)?;
        seen_for(seen, |seen| seen.left)?;
        let inside = |seen: &SeenStay<'_>| {
            let window = seen.from..seen.left;
            let times = (self.times)(seen.pace).iter();
            let times = times.filter(move |time| window.contains(&time.from));
            times.map(|time| without_waits(seen.pace, time)).collect::<Vec<_>>()
        };
        let inside: Vec<Gap> = seen.iter().flat_map(inside).collect();
        let ordinary = ordinary(inside.iter().map(|time| ms(time.length)).collect(), self.interval_ms);
        let judged = was.max(FAST_MS);
        let is = ordinary.into_iter().chain(stretch(&inside, limit * judged)).max_by(f64::total_cmp)?;
        let good = inside.iter().find(|time| ms(time.length) <= limit * judged);
        let recovered = good.map(|time| time.from + time.length);
        let told = format!("{} {is:.0} ms, {was:.0} before", self.told);
        Some(Slowdown { name: self.name, advice: &ADVICE, times: is / judged, recovered, told })
    }
}

/// A time without the one in which its guest waited for a CPU, as far as that is known: a guest that has none hands nothing to its
/// disk, and takes nothing from it. Two thirds of it count in any case, so that a disk that is limited is found on a busy host, too.
fn without_waits(pace: &GuestPace, time: &Gap) -> Gap {
    let away = pace.away(time.from, time.from + time.length).unwrap_or_default();
    Gap { from: time.from, length: time.length.saturating_sub(away.min(time.length / 3)) }
}

/// The fastest one of the longest time in which every one was slower than that, if that time is long: a disk that somebody else
/// keeps busy has fast ones in between. A few that hang are no such time.
fn stretch(times: &[Gap], slow_ms: f64) -> Option<f64> {
    let runs = times.chunk_by(|one, other| {
        ms(one.length) > slow_ms && ms(other.length) > slow_ms && one.from < other.from
    });
    let long = |run: &&[Gap]| {
        let ends = run.first().zip(run.last());
        ends.is_some_and(|(first, last)| last.from + last.length >= first.from + LEAST_STRETCH)
    };
    let slowest = runs.filter(|run| run.len() > LONGEST).filter(long).max_by_key(|run| run.len())?;
    slowest.iter().map(|time| ms(time.length)).min_by(f64::total_cmp)
}

/// In those that take as long or longer three quarters of the time are spent, the longest aside.
fn ordinary(mut times: Vec<f64>, interval_ms: f64) -> Option<f64> {
    if times.len() < LEAST {
        return None;
    }
    times.sort_unstable_by(f64::total_cmp);
    times.truncate(times.len() - LONGEST);
    let spent = |time: &f64| time.max(interval_ms);
    let quarter = times.iter().map(spent).sum::<f64>() / 4.0;
    let mut so_far = 0.0;
    times.into_iter().find(|time| {
        so_far += spent(time);
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
        let pace = |gaps| GuestPace { gaps, ..GuestPace::in_a_test(begin + 4000 * MS) };
        let of = |gaps| ms(without_waits(&pace(gaps), &gap(1000, 203)).length);
        assert_eq!(of(None), 203.0);
        assert_eq!(of(Some(vec![gap(900, 130), gap(1190, 500)])), 160.0);
        assert_eq!(of(Some(vec![gap(900, 900)])).round(), 135.0);
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
        #[case] expected: Option<f64>,
    ) {
        assert_eq!(ordinary(writes.to_vec(), 100.0), expected);
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
