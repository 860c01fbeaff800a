//! Judges a guest's stay at a host at which it has arrived by its slowest part.

use std::time::Duration;

use super::about::ABOUT;
use super::baseline::{Baseline, Baselines};
use super::cpu::{self, cpu};
use super::disk::{KINDS, LEAST, MEASURES, Measures, disk};
use super::memory::memory;
use super::seen::SeenStay;
use super::slowdown::Slowdown;
use crate::check::Proof;
use crate::scenario::Side;
use crate::sys::words::counted;

/// What a guest may be where it has arrived.
#[derive(Clone, Copy)]
pub struct SpeedLimits {
    /// How many times slower than before.
    pub slowdown: f64,
    /// For how long it may be slower, or complete no synced write.
    pub recovery: Duration,
}

/// Judges the stays of several guests at one host that are too short to be judged alone.
///
/// Where all guests go at once, there is no time before the first move, and hardly any between two: what is not known of guests that
/// rest is compared while they move, at that host before they leave it with where they were first before they left that; but not its
/// share of the CPU, of which QEMU takes some from a guest that does not converge.
pub fn judge_together(
    seen: &[SeenStay<'_>],
    host: Side,
    before: &Baselines,
    limits: SpeedLimits,
) -> Option<Proof> {
    let long: Duration = seen.iter().map(|seen| seen.left.saturating_duration_since(seen.from)).sum();
    let stays = counted(seen.len(), "short stay", "short stays");
    let what = format!("{stays} on the {host}, {:.1} s together", long.as_secs_f64());
    let moving: Vec<SeenStay<'_>> = seen.iter().map(SeenStay::until_it_left).collect();
    let mut moving = parts(&moving, &before.moving, limits);
    moving.cpu = None;
    let moving = moving.all().map(|part| part.map(Slowdown::while_moving));
    let resting = parts(seen, &before.resting, limits).all();
    let parts = resting.zip(moving).filter_map(|(resting, moving)| resting.or(moving));
    let proof = proof(seen, &parts.collect::<Vec<_>>(), limits);
    (!seen.is_empty()).then(|| told_of(&what, proof, limits))
}

/// Judges the disks of several stays at one host that have too few of these measures each, of guests that were judged by all else.
pub fn judge_disks_together(
    measures: Measures,
    seen: &[SeenStay<'_>],
    host: Side,
    before: &Baseline,
    limits: SpeedLimits,
) -> Option<Proof> {
    let stays = counted(seen.len(), "stay", "stays");
    let plural = measures.first()?.plural;
    let what = format!("{stays} on the {host} with fewer than {LEAST} {plural} each");
    let parts: Vec<Slowdown> = disk(measures, seen, before, limits.slowdown).flatten().collect();
    let proof = proof(seen, &parts, limits);
    (!seen.is_empty()).then(|| told_of(&what, proof, limits))
}

/// A proof about these stays, or that they are not judged.
fn told_of(what: &str, proof: Option<Proof>, limits: SpeedLimits) -> Proof {
    let told = |proof: Proof| Proof { seen: format!("{what}: {}", proof.seen), ..proof };
    let nothing = || {
        let seen = format!("not judged: {what} are too few, or there is nothing to compare them with");
        Proof::new(&ABOUT, true, expected(limits), seen)
    };
    proof.map_or_else(nothing, told)
}

fn expected(limits: SpeedLimits) -> String {
    format!("CPU, memory and disk at most {:.0} times slower than before the first move", limits.slowdown)
}

/// The proof about a stay that is long enough to be judged alone.
pub struct Judged {
    pub proof: Proof,
    /// Of which of all measures of its disk it had enough to be judged by them, too.
    pub by_measures: [bool; KINDS],
}

/// Judges one stay; none if it is too short.
pub fn judge(seen: SeenStay<'_>, before: &Baseline, limits: SpeedLimits) -> Option<Judged> {
    let parts = parts(&[seen], before, limits);
    let by_measures = std::array::from_fn(|number| parts.disk[number].iter().any(Option::is_some));
    let parts: Vec<Slowdown> = parts.all().flatten().collect();
    Some(Judged { proof: proof(&[seen], &parts, limits)?, by_measures })
}

/// What is judged of a stay; none of what there is too little of.
struct Parts {
    cpu: Option<Slowdown>,
    memory: Option<Slowdown>,
    /// Of all measures of the disk.
    disk: [Vec<Option<Slowdown>>; KINDS],
}

impl Parts {
    /// All of them, always in the same order.
    fn all(self) -> impl Iterator<Item = Option<Slowdown>> {
        [self.cpu, self.memory].into_iter().chain(self.disk.into_iter().flatten())
    }
}

fn parts(seen: &[SeenStay<'_>], before: &Baseline, limits: SpeedLimits) -> Parts {
    Parts {
        cpu: cpu(seen, before, limits.recovery),
        memory: memory(seen, before, limits.slowdown, limits.recovery),
        disk: MEASURES.map(|measures| disk(measures, seen, before, limits.slowdown).collect()),
    }
}

fn proof(seen: &[SeenStay<'_>], parts: &[Slowdown], limits: SpeedLimits) -> Option<Proof> {
    let slowest = parts.iter().max_by(|one, other| one.times.total_cmp(&other.times))?;
    let ok = slowest.times <= limits.slowdown;
    let mut told: Vec<String> =
        parts.iter().map(|part| part.told.clone()).chain(cpu::unknown(seen)).collect();
    if !ok {
        told.insert(0, format!("{} {:.0} times slower", slowest.name, slowest.times));
    } else if let [alone] = seen {
        let recovered = parts.iter().filter_map(|part| part.recovered).max();
        let after = recovered.map(|at| at.saturating_duration_since(alone.from).as_secs_f64());
        told.extend(after.map(|after| format!("recovered after {after:.1} s")));
    }
    Some(Proof::new(&ABOUT, ok, expected(limits), told.join("; ")).advise(slowest.advice))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rstest::rstest;

    use super::super::MS;
    use super::super::baseline::BaselineTime;
    use super::super::totals::Totals;
    use super::*;
    use crate::check::GuestPace;
    use crate::check::stays::Stay;
    use crate::plan::{Direction, Leg};
    use crate::probe::Gap;

    /// A guest that moves at 2000 ms and is heard of until 6000 ms: what it does until then, and after it.
    struct Story {
        memory_ms: [f64; 2],
        write_ms: [u32; 2],
        read_ms: [u32; 2],
        transfer_ms: [u32; 2],
        /// Of every 500 ms it gets no CPU for so long.
        away_ms: [u32; 2],
    }

    const LIMITS: SpeedLimits = SpeedLimits { slowdown: 10.0, recovery: Duration::from_secs(4) };

    const HEALTHY: Story = Story {
        memory_ms: [150.0; 2],
        write_ms: [30; 2],
        read_ms: [2; 2],
        transfer_ms: [40; 2],
        away_ms: [100; 2],
    };

    fn told(story: &Story, until: Option<u32>) -> Option<(bool, String)> {
        let begin = Instant::now();
        let at = |ms: u32| begin + ms * MS;
        let when = |ms: u32| usize::from(ms >= 2000);
        let times = |long: [u32; 2], first: u32, every: u32| {
            let mut now = first;
            let next = || {
                let long = long[when(now)];
                let time = Gap { from: at(now), length: long * MS };
                now += long.max(every);
                (now <= 6000).then_some(time)
            };
            std::iter::from_fn(next).collect::<Vec<Gap>>()
        };
        let gap = |ms: u32| Gap { from: at(ms), length: story.away_ms[when(ms)] * MS };
        let pace = GuestPace {
            gaps: Some((0..6000).step_by(500).map(gap).collect()),
            best_speeds: (0..6000).step_by(100).map(|ms| (at(ms), story.memory_ms[when(ms)])).collect(),
            writes: times(story.write_ms, 0, 100),
            reads: times(story.read_ms, 0, 100),
            // None of the few falls into a time in which the guest is away.
            transfers: times(story.transfer_ms, 110, 500),
            ..GuestPace::in_a_test(at(6000))
        };
        let leg = Leg { guest: 0, direction: Direction::Out, round: 1 };
        let stay = Stay { leg, from: at(2000), until: until.map(at), left: until.map(at) };
        let before = Baseline::of([BaselineTime { pace: &pace, until: Some(at(2000)), waits: Totals::NONE }]);
        judge(SeenStay::new(&pace, &stay, Totals::NONE), &before, LIMITS)
            .map(|judged| (judged.proof.ok, judged.proof.seen))
    }

    /// A stay of 4 s with this many synced writes, in the first half of it, of a guest that keeps none of its waits for a CPU.
    fn busy_guest(begin: Instant, writes: u32) -> GuestPace {
        GuestPace {
            best_speeds: (0..40).map(|nth| (begin + nth * 100 * MS, 150.0)).collect(),
            writes: (0..writes).map(|nth| Gap { from: begin + nth * 600 * MS, length: 600 * MS }).collect(),
            ..GuestPace::in_a_test(begin + 4000 * MS)
        }
    }

    #[test]
    fn what_of_a_stay_is_not_judged_is_said() {
        let begin = Instant::now();
        let pace = busy_guest(begin, 2);
        let seen =
            SeenStay { pace: &pace, waits: Totals::NONE, from: begin, until: pace.heard, left: pace.heard };
        let judged = judge(seen, &BEFORE, LIMITS).unwrap();
        assert!(judged.proof.ok && judged.by_measures == [false; 2]);
        let said = "memory written at 150 ms/GiB at best, 150 before; CPU not judged, since the guest had more waits for it to tell \
                    than it keeps; recovered after 0.0 s";
        assert_eq!(judged.proof.seen, said);
        let [records, transfers] = MEASURES;
        let few = judge_disks_together(records, &[seen], Side::Target, &BEFORE, LIMITS).unwrap();
        let said = "not judged: 1 stay on the target with fewer than 4 synced writes each are too few, or there is nothing to compare \
                    them with";
        assert_eq!((few.ok, few.seen.as_str()), (true, said));
        assert!(judge_disks_together(records, &[], Side::Target, &BEFORE, LIMITS).is_none());
        let few = judge_disks_together(transfers, &[seen], Side::Target, &BEFORE, LIMITS).unwrap();
        assert!(few.ok && few.seen.contains("with fewer than 4 transfers each"), "{}", few.seen);
    }

    #[test]
    fn the_fewer_writes_a_disk_takes_the_more_stays_are_judged_together() {
        let begin = Instant::now();
        let pace = busy_guest(begin, 2);
        let seen =
            SeenStay { pace: &pace, waits: Totals::NONE, from: begin, until: pace.heard, left: pace.heard };
        let found = judge_disks_together(MEASURES[0], &[seen, seen], Side::Source, &BEFORE, LIMITS).unwrap();
        let said = "2 stays on the source with fewer than 4 synced writes each: disk 20 times slower";
        assert!(!found.ok && found.seen.starts_with(said), "{}", found.seen);
        let pace = busy_guest(begin, 4);
        let seen =
            SeenStay { pace: &pace, waits: Totals::NONE, from: begin, until: pace.heard, left: pace.heard };
        assert_eq!(judge(seen, &BEFORE, LIMITS).unwrap().by_measures, [true, false]);
    }

    #[test]
    fn a_guest_that_is_as_fast_as_before_has_recovered() {
        let seen = "CPU when it was due in 80 % of the time, 80 % before; memory written at 150 ms/GiB at best, 150 before; \
                    synced writes of 30 ms, 30 before; reads of 2 ms, 2 before; 64 KiB read and written in 40 ms, 40 before; recovered \
                    after 0.1 s";
        assert_eq!(told(&HEALTHY, None), Some((true, seen.to_owned())));
    }

    #[rstest]
    #[case::disk_of_two_operations_a_second(Story { write_ms: [30, 1000], ..HEALTHY }, "disk 27 times slower")]
    #[case::disk_of_two_reads_a_second(Story { read_ms: [2, 500], ..HEALTHY }, "disk reads 20 times slower; ")]
    #[case::disk_of_64_kib_a_second(Story { transfer_ms: [40, 900], ..HEALTHY }, "disk transfers 18 times slower; ")]
    #[case::memory_swapped(Story { memory_ms: [150.0, 1e4], ..HEALTHY }, "memory 67 times slower")]
    #[case::throttled(Story { away_ms: [100, 490], ..HEALTHY }, "CPU 40 times slower")]
    #[case::stopped(Story { away_ms: [0, 500], ..HEALTHY }, "CPU 1000 times slower")]
    fn what_is_slow_is_found(#[case] story: Story, #[case] says: &str) {
        let (ok, seen) = told(&story, None).unwrap();
        assert!(!ok && seen.starts_with(says), "{seen}");
    }

    #[rstest]
    #[case::busier(Story { memory_ms: [150.0, 600.0], write_ms: [30, 150], away_ms: [0, 400], ..HEALTHY })]
    #[case::a_disk_that_was_faster_than_anybody_needs(Story { write_ms: [1, 60], ..HEALTHY })]
    #[case::a_disk_that_others_keep_busy(Story { write_ms: [8, 125], ..HEALTHY })]
    #[case::a_disk_that_read_faster(Story { read_ms: [1, 150], transfer_ms: [10, 190], ..HEALTHY })]
    #[case::a_disk_that_was_slow_before(Story { read_ms: [500; 2], transfer_ms: [1200; 2], ..HEALTHY })]
    fn what_is_busier_is_not(#[case] story: Story) {
        assert!(told(&story, None).unwrap().0);
    }

    #[test]
    fn a_short_stay_proves_nothing() {
        assert_eq!(told(&Story { write_ms: [30, 1000], ..HEALTHY }, Some(3999)), None);
    }

    /// Stays of half a second, each of a guest of its own, of which every second one has a disk of two operations a second.
    fn short_stays(number: usize, write_ms: u32, before: &Baselines) -> Proof {
        let begin = Instant::now();
        let pace = |_| GuestPace {
            gaps: Some(Vec::new()),
            best_speeds: (0..5).map(|nth| (begin + nth * 100 * MS, 150.0)).collect(),
            writes: (0..5).map(|nth| Gap { from: begin + nth * 100 * MS, length: write_ms * MS }).collect(),
            ..GuestPace::in_a_test(begin + 500 * MS)
        };
        let paces: Vec<GuestPace> = (0..number).map(pace).collect();
        let seen: Vec<SeenStay<'_>> = paces
            .iter()
            .map(|pace| SeenStay {
                pace,
                waits: Totals::NONE,
                from: begin,
                until: pace.heard,
                left: pace.heard,
            })
            .collect();
        judge_together(&seen, Side::Target, before, LIMITS).unwrap()
    }

    const BEFORE: Baseline = Baseline {
        cpu: Some(1.0),
        memory_ms: Some(150.0),
        write_ms: Some(30.0),
        read_ms: Some(2.0),
        transfer_ms: Some(40.0),
    };
    const RESTING: Baselines = Baselines { resting: BEFORE, moving: UNKNOWN };
    const UNKNOWN: Baseline =
        Baseline { cpu: None, memory_ms: None, write_ms: None, read_ms: None, transfer_ms: None };

    #[test]
    fn short_stays_are_judged_together() {
        let found = short_stays(4, 500, &RESTING);
        assert!(
            !found.ok
                && found
                    .seen
                    .starts_with("4 short stays on the target, 2.0 s together: disk 17 times slower")
        );
        assert!(short_stays(4, 30, &RESTING).ok);
        let few = short_stays(3, 500, &RESTING);
        assert_eq!(
            (few.ok, few.seen.as_str()),
            (
                true,
                "not judged: 3 short stays on the target, 1.5 s together are too few, or there is nothing to compare them with"
            )
        );
    }

    #[test]
    fn guests_that_never_rest_are_compared_while_they_move() {
        let moving = Baselines { resting: UNKNOWN, moving: BEFORE };
        let found = short_stays(4, 500, &moving);
        assert!(!found.ok && found.seen.contains("disk 17 times slower"), "{}", found.seen);
        assert!(found.seen.contains("synced writes of 500 ms, 30 before (while moving)"), "{}", found.seen);
        assert!(short_stays(4, 30, &moving).ok);
        let nothing = short_stays(4, 500, &Baselines { resting: UNKNOWN, moving: UNKNOWN });
        assert!(nothing.ok && nothing.seen.starts_with("not judged: "), "{}", nothing.seen);
    }
}
