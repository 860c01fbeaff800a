//! As fast as before: a guest that has arrived gets CPU, writes memory and reaches its disk about as fast as before its first move.
//!
//! Every number is the guest's own, by our program there: how much of the time it was awake when it should be, how long it took to
//! rewrite memory, and how long its disk took for each synced write. A stay is not judged by its worst moments: a busy host makes
//! single samples tens of times slower in scenarios in which nothing is wrong. Memory is written by the clock, so that a guest which
//! shares its CPU seems to write it slowly, however fast it is: of a guest with a load beside such a guest and such a host on two CPUs,
//! nine in ten samples were more than 10 times slower. So its best moment of a stay is compared with its good ones before, the fastest
//! fifth. Of synced writes, the two longest aside, it is the one in slower ones than which three quarters of the time are spent: a disk
//! that somebody else keeps busy has fast writes in between, one that is limited has none; or the fastest one of 4 s and more in which
//! none was within the limit.

use std::time::{Duration, Instant};

use super::stays::{Stay, Stays};
use super::{About, Advice, Asked, Check, End, GuestPace, LegEnd, Moment, Proof, Scene};
use crate::failure::Result;
use crate::plan::Direction;
use crate::probe::Gap;
use crate::scenario::{Profile, Scenario, Side};
use crate::sys::words::counted;

pub static ABOUT: About = About {
    id: "speed",
    summary: "as fast as before",
    how: "by our program in the guest, on the host at which it has arrived, against before its first move: CPU time, memory written at its \
          best and synced writes to its disk are not slower by more than `max_slowdown` times; and how long it took until they were not. A \
          stay of 2 s is judged alone, shorter ones of all guests at one host together; what stays too short is said",
    asked: &[Moment::End],
    advice: &[CPU, MEMORY, DISK],
    goes_on: true,
    ..About::BASE
};

const CPU: Advice = Advice::new(
    "a guest gets too little CPU where it has arrived",
    "virsh schedinfo and vcpuinfo there: has its control group a quota, is the host busy, is its QEMU stopped? MULTIVM_MAX_SLOWDOWN \
     sets the limit",
);

const MEMORY: Advice = Advice::new(
    "a guest writes memory too slowly where it has arrived",
    "does the host swap, or is the guest's memory on another NUMA node, or without its huge pages? MULTIVM_MAX_SLOWDOWN sets the limit",
);

const DISK: Advice = Advice::new(
    "a guest's disk is too slow where it has arrived",
    "virsh blkdeviotune and blkiotune there: is the disk limited? Else the way from that host to the storage is slow. \
     MULTIVM_MAX_SLOWDOWN sets the limit",
);

/// The check.
pub struct Speed;

impl Check for Speed {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    /// A guest that boots has no speed to be compared with.
    fn applies(&self, scenario: &Scenario) -> bool {
        !scenario.boots_itself()
    }

    fn explain(&self, _scenario: &Scenario, profile: &Profile) -> String {
        format!(
            "as fast as before: where a guest has arrived its CPU, memory and disk are at most {} times slower than before",
            profile.max_slowdown
        )
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(SpeedAsked {
            limit: f64::from(scene.fleet.profile.max_slowdown),
            stays: Stays::default(),
        }))
    }
}

struct SpeedAsked {
    limit: f64,
    stays: Stays,
}

impl Asked for SpeedAsked {
    fn on_leg(&mut self, end: &LegEnd<'_>) -> Vec<Proof> {
        self.stays.on_leg(end);
        Vec::new()
    }

    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        // Guests of a fleet are alike: one that moved at once is compared with those that waited.
        let all = Before::of(end.paces.iter().map(|pace| (pace, self.stays.first_move(&pace.guest))));
        let mut proofs = Vec::new();
        let mut short: [Vec<Seen<'_>>; 2] = Default::default();
        for pace in end.paces {
            let own = Before::of([(pace, self.stays.first_move(&pace.guest))]).or(&all);
            for stay in self.stays.of(&pace.guest) {
                let seen = Seen::new(pace, stay);
                match check(&[seen], &own, self.limit) {
                    Some(proof) => proofs.push(proof.of(&pace.guest).after(stay.leg)),
                    None => short[usize::from(stay.leg.direction == Direction::Back)].push(seen),
                }
            }
        }
        let hosts = [Side::Target, Side::Source];
        proofs.extend(
            hosts.iter().zip(&short).filter_map(|(host, seen)| together(seen, *host, &all, self.limit)),
        );
        proofs
    }
}

/// A shorter time is not judged: a few samples say little.
const LEAST_STAY: Duration = Duration::from_secs(2);

/// Fewer samples of memory and of synced writes are not compared. Of memory there are ten a second.
const LEAST_SPEEDS: usize = 10;
const LEAST_WRITES: usize = 4;

/// A disk that is slow for a shorter time is not judged by that time alone.
const LEAST_STRETCH: Duration = Duration::from_secs(4);

/// Fewer are nothing to be compared with.
const LEAST_BEFORE: usize = 3;

/// So many of the longest writes of a stay do not count: each may take a second on a busy host.
const LONGEST_WRITES: usize = 2;

/// The witness writes ten times a second where the disk keeps up, ms.
const WRITE_INTERVAL_MS: f64 = 100.0;

/// A faster disk is as good as this one: nobody waits for it, ms.
const FAST_WRITE_MS: f64 = 10.0;

/// How it was before the first move.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Before {
    /// The share of the time in which it got CPU when it wanted some.
    cpu: Option<f64>,
    memory_ms: Option<f64>,
    write_ms: Option<f64>,
}

impl Before {
    /// Of guests together, with when each moved first.
    fn of<'a>(guests: impl IntoIterator<Item = (&'a GuestPace, Option<Instant>)>) -> Before {
        let (mut speeds, mut writes) = (Vec::new(), Vec::new());
        let (mut awake, mut long) = (Duration::ZERO, Duration::ZERO);
        for (pace, first) in guests {
            let Some(first) = first else { continue };
            speeds.extend(pace.speeds.iter().filter(|(at, _)| *at < first).map(|(_, ms)| *ms));
            let before = pace.writes.iter().filter(|write| write.from + write.length < first);
            writes.extend(before.map(|write| ms(write.length)));
            if let Some(from) = pace.first().filter(|from| *from < first) {
                long += first - from;
                awake += pace.awake(from, first).unwrap_or_default();
            }
        }
        let is_known = long >= LEAST_STAY / 4;
        Before {
            cpu: is_known.then(|| share(awake, long)),
            memory_ms: quantile(speeds, 5),
            write_ms: quantile(writes, 2),
        }
    }

    /// What is not known here is as it is there.
    fn or(self, other: &Before) -> Before {
        Before {
            cpu: self.cpu.or(other.cpu),
            memory_ms: self.memory_ms.or(other.memory_ms),
            write_ms: self.write_ms.or(other.write_ms),
        }
    }
}

impl GuestPace {
    /// The first thing that was heard of it.
    fn first(&self) -> Option<Instant> {
        let speed = self.speeds.first().map(|(at, _)| *at);
        let write = self.writes.first().map(|write| write.from);
        speed.into_iter().chain(write).min()
    }

    /// How long it got CPU when it wanted some, between two moments; none where it kept less than there was to tell.
    fn awake(&self, from: Instant, until: Instant) -> Option<Duration> {
        let gaps = self.gaps.as_ref()?;
        let inside = |gap: &Gap| {
            let end = (gap.from + gap.length).min(until);
            end.saturating_duration_since(gap.from.max(from))
        };
        let away: Duration = gaps.iter().map(inside).sum();
        Some((until - from).saturating_sub(away))
    }
}

/// One way in which a guest may be slower than before.
struct Part {
    name: &'static str,
    advice: &'static Advice,
    /// How many times as slow as before.
    times: f64,
    /// Since when it was within the limit.
    recovered: Option<Instant>,
    told: String,
}

/// What is known of a guest on a host at which it had arrived.
#[derive(Clone, Copy)]
struct Seen<'a> {
    pace: &'a GuestPace,
    from: Instant,
    /// When its next migration began, which makes CPU and memory slower.
    until: Instant,
    /// When it stopped there. The way to its disk was this host's until then.
    left: Instant,
}

impl<'a> Seen<'a> {
    fn new(pace: &'a GuestPace, stay: &Stay) -> Seen<'a> {
        let heard = |at: Option<Instant>| at.unwrap_or(pace.heard).min(pace.heard);
        Seen { pace, from: stay.from, until: heard(stay.until), left: heard(stay.left) }
    }
}

/// Judges the stays of several guests at one host that are too short to be judged alone.
fn together(seen: &[Seen<'_>], host: Side, before: &Before, limit: f64) -> Option<Proof> {
    let long: Duration = seen.iter().map(|seen| seen.left.saturating_duration_since(seen.from)).sum();
    let stays = counted(seen.len(), "short stay", "short stays");
    let what = format!("{stays} on the {host}, {:.1} s together", long.as_secs_f64());
    let proof =
        check(seen, before, limit).map(|proof| Proof { seen: format!("{what}: {}", proof.seen), ..proof });
    let nothing = || {
        Proof::new(
            &ABOUT,
            true,
            expected(limit),
            format!("not judged: {what} are too few, or there is nothing to compare them with"),
        )
    };
    (!seen.is_empty()).then(|| proof.unwrap_or_else(nothing))
}

fn expected(limit: f64) -> String {
    format!("CPU, memory and disk at most {limit:.0} times slower than before the first move")
}

/// Judges one stay, or several together; none if they are too short.
fn check(seen: &[Seen<'_>], before: &Before, limit: f64) -> Option<Proof> {
    let parts: Vec<Part> = [cpu(seen, before), memory(seen, before, limit), disk(seen, before, limit)]
        .into_iter()
        .flatten()
        .collect();
    let slowest = parts.iter().max_by(|one, other| one.times.total_cmp(&other.times))?;
    let ok = slowest.times <= limit;
    let mut told: Vec<String> = parts.iter().map(|part| part.told.clone()).collect();
    if !ok {
        told.insert(0, format!("{} {:.0} times slower", slowest.name, slowest.times));
    } else if let [alone] = seen {
        let recovered = parts.iter().filter_map(|part| part.recovered).max();
        let after = recovered.map(|at| at.saturating_duration_since(alone.from).as_secs_f64());
        told.extend(after.map(|after| format!("recovered after {after:.1} s")));
    }
    Some(Proof::new(&ABOUT, ok, expected(limit), told.join("; ")).advise(slowest.advice))
}

/// How long guests were seen, if that is long enough.
fn seen_for(seen: &[Seen<'_>], until: impl Fn(&Seen<'_>) -> Instant) -> Option<Duration> {
    let long = seen.iter().map(|seen| until(seen).saturating_duration_since(seen.from)).sum();
    (long >= LEAST_STAY).then_some(long)
}

fn cpu(seen: &[Seen<'_>], before: &Before) -> Option<Part> {
    let was = before.cpu?;
    let long = seen_for(seen, |seen| seen.until)?;
    let awake = seen.iter().map(|seen| seen.pace.awake(seen.from, seen.until.max(seen.from)));
    let is = share(awake.sum::<Option<Duration>>()?, long);
    let told = format!("CPU when it was due in {:.0} % of the time, {:.0} % before", is * 100.0, was * 100.0);
    // One that got none at all is as slow as one that got a thousandth.
    Some(Part { name: "CPU", advice: &CPU, times: was / is.max(0.001), recovered: None, told })
}

fn memory(seen: &[Seen<'_>], before: &Before, limit: f64) -> Option<Part> {
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
    Some(Part { name: "memory", advice: &MEMORY, times: is / was, recovered, told })
}

fn disk(seen: &[Seen<'_>], before: &Before, limit: f64) -> Option<Part> {
    let was = before.write_ms?;
    seen_for(seen, |seen| seen.left)?;
    let inside = |seen: &Seen<'_>| {
        let window = seen.from..seen.left;
        seen.pace.writes.iter().filter(move |write| window.contains(&write.from)).cloned().collect::<Vec<_>>()
    };
    let inside: Vec<Gap> = seen.iter().flat_map(inside).collect();
    let ordinary = ordinary_write(inside.iter().map(|write| ms(write.length)).collect())?;
    let judged = was.max(FAST_WRITE_MS);
    let is = stretch(&inside, limit * judged).map_or(ordinary, |slow| slow.max(ordinary));
    let good = inside.iter().find(|write| ms(write.length) <= limit * judged);
    let recovered = good.map(|write| write.from + write.length);
    let told = format!("synced writes of {is:.0} ms, {was:.0} before");
    Some(Part { name: "disk", advice: &DISK, times: is / judged, recovered, told })
}

/// The fastest write of the longest time in which every write was slower than that, if that time is long: a disk that somebody else
/// keeps busy has fast writes in between. A single write that hangs is no such time.
fn stretch(writes: &[Gap], slow_ms: f64) -> Option<f64> {
    let runs = writes.chunk_by(|one, other| {
        ms(one.length) > slow_ms && ms(other.length) > slow_ms && one.from < other.from
    });
    let long = |run: &&[Gap]| run.iter().map(|write| write.length).sum::<Duration>() >= LEAST_STRETCH;
    let slowest = runs.filter(|run| run.len() >= LEAST_WRITES).filter(long).max_by_key(|run| run.len())?;
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

/// The sample below which one in so many is, if there are enough to be compared with.
fn quantile(mut samples: Vec<f64>, one_in: usize) -> Option<f64> {
    samples.sort_unstable_by(f64::total_cmp);
    samples.get(samples.len() / one_in).copied().filter(|_| samples.len() >= LEAST_BEFORE)
}

fn share(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::plan::{Direction, Leg};

    const MS: Duration = Duration::from_millis(1);

    /// A guest that moves at 2000 ms and is heard of until 6000 ms: what it does until then, and after it.
    struct Story {
        memory_ms: [f64; 2],
        write_ms: [u32; 2],
        /// Of every 500 ms it gets no CPU for so long.
        away_ms: [u32; 2],
    }

    const HEALTHY: Story = Story { memory_ms: [150.0; 2], write_ms: [30; 2], away_ms: [100; 2] };

    fn told(story: &Story, until: Option<u32>, limit: f64) -> Option<(bool, String)> {
        let begin = Instant::now();
        let at = |ms: u32| begin + ms * MS;
        let when = |ms: u32| usize::from(ms >= 2000);
        let mut writes = Vec::new();
        let mut now = 0;
        while now < 6000 {
            let long = story.write_ms[when(now)];
            writes.push(Gap { from: at(now), length: long * MS });
            now += long.max(100);
        }
        let gap = |ms: u32| Gap { from: at(ms), length: story.away_ms[when(ms)] * MS };
        let pace = GuestPace {
            guest: "vm1".into(),
            heard: at(6000),
            gaps: Some((0..6000).step_by(500).map(gap).collect()),
            speeds: (0..6000).step_by(100).map(|ms| (at(ms), story.memory_ms[when(ms)])).collect(),
            writes,
        };
        let leg = Leg { guest: 0, direction: Direction::Out, round: 1 };
        let stay = Stay { leg, from: at(2000), until: until.map(at), left: until.map(at) };
        let before = Before::of([(&pace, Some(at(2000)))]);
        check(&[Seen::new(&pace, &stay)], &before, limit).map(|proof| (proof.ok, proof.seen))
    }

    #[test]
    fn a_guest_that_is_as_fast_as_before_has_recovered() {
        let seen = "CPU when it was due in 80 % of the time, 80 % before; memory written at 150 ms/GiB at best, 150 before; \
                    synced writes of 30 ms, 30 before; recovered after 0.0 s";
        assert_eq!(told(&HEALTHY, None, 10.0), Some((true, seen.to_owned())));
    }

    #[rstest]
    #[case::disk_of_two_operations_a_second(Story { write_ms: [30, 1000], ..HEALTHY }, "disk 33 times slower")]
    #[case::memory_swapped(Story { memory_ms: [150.0, 1e4], ..HEALTHY }, "memory 67 times slower")]
    #[case::throttled(Story { away_ms: [100, 490], ..HEALTHY }, "CPU 40 times slower")]
    #[case::stopped(Story { away_ms: [0, 500], ..HEALTHY }, "CPU 1000 times slower")]
    fn what_is_slow_is_found(#[case] story: Story, #[case] says: &str) {
        let (ok, seen) = told(&story, None, 10.0).unwrap();
        assert!(!ok && seen.starts_with(says), "{seen}");
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

    #[rstest]
    #[case::busier(Story { memory_ms: [150.0, 600.0], write_ms: [30, 150], away_ms: [0, 400] })]
    #[case::a_disk_that_was_faster_than_anybody_needs(Story { write_ms: [1, 60], ..HEALTHY })]
    fn what_is_busier_is_not(#[case] story: Story) {
        assert!(told(&story, None, 10.0).unwrap().0);
    }

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
        };
        let before = Before { memory_ms: Some(200.0), ..Before::default() };
        let seen = Seen { pace: &pace, from: begin, until: pace.heard, left: pace.heard };
        let part = memory(&[seen], &before, 10.0).unwrap();
        assert!(part.times < 1.0 && part.recovered == Some(begin), "{}", part.told);
        // Under the same load before, memory that is a tenth as fast is still found.
        let before = quantile(pace.speeds.iter().map(|(_, ms)| *ms).collect(), 5).unwrap();
        assert!(before < 174.0 * 2.0, "{before}");
    }

    #[test]
    fn a_short_stay_proves_nothing() {
        assert_eq!(told(&Story { write_ms: [30, 1000], ..HEALTHY }, Some(3999), 10.0), None);
    }

    /// Stays of half a second, each of a guest of its own, of which every second one has a disk of two operations a second.
    fn short_stays(number: usize, write_ms: u32) -> Proof {
        let begin = Instant::now();
        let pace = |_| GuestPace {
            guest: "vm1".into(),
            heard: begin + 500 * MS,
            gaps: Some(Vec::new()),
            speeds: (0..5).map(|nth| (begin + nth * 100 * MS, 150.0)).collect(),
            writes: (0..5).map(|nth| Gap { from: begin + nth * 100 * MS, length: write_ms * MS }).collect(),
        };
        let paces: Vec<GuestPace> = (0..number).map(pace).collect();
        let seen: Vec<Seen<'_>> = paces
            .iter()
            .map(|pace| Seen { pace, from: begin, until: pace.heard, left: pace.heard })
            .collect();
        let before = Before { cpu: Some(1.0), memory_ms: Some(150.0), write_ms: Some(30.0) };
        together(&seen, Side::Target, &before, 10.0).unwrap()
    }

    #[test]
    fn short_stays_are_judged_together() {
        let found = short_stays(4, 500);
        assert!(
            !found.ok
                && found
                    .seen
                    .starts_with("4 short stays on the target, 2.0 s together: disk 17 times slower")
        );
        assert!(short_stays(4, 30).ok);
        let few = short_stays(3, 500);
        assert_eq!(
            (few.ok, few.seen.as_str()),
            (
                true,
                "not judged: 3 short stays on the target, 1.5 s together are too few, or there is nothing to compare them with"
            )
        );
    }

    #[test]
    fn a_guest_that_moved_at_once_is_compared_with_others() {
        let other = Before { cpu: Some(1.0), memory_ms: Some(150.0), write_ms: Some(30.0) };
        assert_eq!(
            Before { cpu: Some(0.5), ..Before::default() }.or(&other),
            Before { cpu: Some(0.5), ..other }
        );
    }
}
