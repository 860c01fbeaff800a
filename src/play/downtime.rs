//! How long a guest stood still for one migration, by four clocks: its network as seen from outside, its own, libvirt's
//! and QEMU's. Each clock comes with its error bound. A disagreement larger than those bounds and the guest's idle gap is
//! reported.

use std::time::{Duration, Instant};

use super::guest_clock::GuestGap;
use crate::migration::LegReport;
use crate::probe::{Gap, Summary, TOLD_INTERVALS};
use crate::record::{Clocks, Disagreement, DowntimeClock, median};

/// Everything that multivm saw of one guest through a scenario.
pub struct SeenGuest<'a> {
    pub probes: &'a Summary,
    pub probe_interval: Duration,
    /// None if the guest's own program did not answer.
    pub gaps: Option<&'a [GuestGap]>,
    /// The synced writes that the guest's program reported.
    pub writes: &'a [GuestGap],
    /// The guest's [`idle_gap`].
    pub idle_gap: Duration,
}

/// The tolerance between two clocks beyond their error bounds and the guest's idle gap: a network needs some time to learn
/// where a guest is, and a host to run a process whose turn it is.
const SLACK: Duration = Duration::from_millis(100);

/// How far from a migration a reading of the guest's clock may be to count for it: a clock may drift.
const NEAR: Duration = Duration::from_secs(10);

const DAY_MS: f64 = 86_400_000.0;

/// The end of the guest's move before this one, and the beginning of the one after it, if there are any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Neighbours {
    pub last_ended: Option<Instant>,
    pub next_began: Option<Instant>,
}

/// The longest silence of a guest, by its network or its own clock, outside of its `moves`. On hosts whose CPUs are all
/// taken an ordinary moment looks like that, and so does the one after a migration.
pub fn idle_gap(network: &[Gap], own: &[GuestGap], moves: &[(Instant, Instant)]) -> Duration {
    let resting = |gap: &&Gap| !moves.iter().any(|(began, ended)| gap.touches(*began, *ended));
    let gaps = network.iter().chain(own.iter().map(|own| &own.gap));
    gaps.filter(resting).map(|gap| gap.length).max().unwrap_or_default()
}

/// The four clocks of a migration that libvirt completed.
pub fn clocks(
    report: &LegReport,
    source: &str,
    seen: &SeenGuest<'_>,
    neighbours: Neighbours,
) -> Option<Clocks> {
    let (began, ended) = (report.began?, report.ended?);
    let standstills = report.standstills(source);
    let network = network(seen, began, ended);
    let gap = seen.gaps.map(|gaps| guest_gap(gaps, began, ended));
    let stops = match &standstills[..] {
        [] => vec![(began, ended)],
        some => some.iter().map(|(at, long)| (*at, *at + *long)).collect(),
    };
    let stop = longest_stop(seen, &stops, neighbours);
    let guest = guest(gap, stop.as_ref());
    let writes = writes(seen.writes, began, ended);
    let mut clocks = Clocks {
        reported_ms: reported(network, guest.map(|(ms, _)| ms)),
        network_ms: Some(network.0),
        network_error_ms: Some(network.1),
        guest_ms: guest.map(|(ms, _)| ms),
        guest_error_ms: guest.map(|(_, error)| error),
        guest_gap_ms: gap.map(|(ms, _)| ms),
        guest_lost_ms: stop.map(|stop| stop.lost_ms),
        qemu_ms: standstills.last().map(|(_, long)| ms(*long)),
        everyday_ms: Some(ms(seen.idle_gap)),
        typical_write_ms: writes.map(|(typical, _)| typical),
        worst_write_ms: writes.map(|(_, worst)| worst),
        disagreements: Vec::new(),
    };
    let libvirt_ms = report.stats.as_ref().and_then(|stats| stats.downtime_ms).map(|ms| ms as f64);
    clocks.disagreements = disagreements(&clocks, libvirt_ms, report.duration);
    Some(rounded(clocks))
}

/// The downtime that a client of the guest would agree with: the silence of its network, corrected within its error by the
/// guest's own gap. A guest that answers is not down, however long one of its processes waits for its turn.
fn reported((network_ms, error_ms): (f64, f64), guest_ms: Option<f64>) -> f64 {
    network_ms.max(guest_ms.map_or(0.0, |guest| guest.min(network_ms + error_ms)))
}

/// The longest network gap that touches the migration, and its error bound.
fn network(seen: &SeenGuest<'_>, began: Instant, ended: Instant) -> (f64, f64) {
    let longest = |gaps: &[Gap]| {
        let touching = gaps.iter().filter(|gap| gap.touches(began, ended));
        touching.map(|gap| gap.length).max().unwrap_or_default()
    };
    let gap = longest(&seen.probes.gaps);
    // The probe reports no shorter gaps.
    let resolution = if gap.is_zero() { seen.probe_interval * TOLD_INTERVALS } else { seen.probe_interval };
    (ms(gap), ms(resolution + longest(&seen.probes.stalls).min(gap)))
}

/// The longest of the guest's own gaps that touches the migration, and its error bound.
fn guest_gap(gaps: &[GuestGap], began: Instant, ended: Instant) -> (f64, f64) {
    let longest = gaps
        .iter()
        .filter(|seen| seen.gap.touches(began - seen.error, ended + seen.error))
        .max_by_key(|seen| seen.gap.length);
    // The guest's own clock measures the length; only the place in time is uncertain.
    longest.map_or((0.0, 0.0), |seen| (ms(seen.gap.length), ms(seen.resolution)))
}

/// The median and the longest of the synced writes during the migration.
fn writes(all: &[GuestGap], began: Instant, ended: Instant) -> Option<(f64, f64)> {
    let touching = |write: &&GuestGap| write.gap.touches(began - write.error, ended + write.error);
    let took: Vec<f64> = all.iter().filter(touching).map(|write| ms(write.gap.length)).collect();
    median(&took).zip(took.iter().copied().reduce(f64::max))
}

/// A time in which the guest stood still.
struct Stop {
    /// The time that the guest's clock lost, and its error bound.
    lost_ms: f64,
    error_ms: f64,
    /// The guest's own gap around it.
    around_ms: f64,
}

impl Stop {
    fn ms(&self) -> f64 {
        self.lost_ms + self.around_ms
    }
}

/// The longest standstill of which the guest's clock has a trace.
///
/// On this machine's clock, the gap around a standstill lies where the guest went on: the guest reported it afterwards, by a
/// clock that had lost the time before.
fn longest_stop(seen: &SeenGuest<'_>, stops: &[(Instant, Instant)], neighbours: Neighbours) -> Option<Stop> {
    let stop = |(index, stop): (usize, &(Instant, Instant))| {
        let before = index.checked_sub(1).map(|before| stops[before].1);
        let after = stops.get(index + 1).map(|after| after.0);
        let neighbours = Neighbours {
            last_ended: neighbours.last_ended.max(before),
            next_began: neighbours.next_began.into_iter().chain(after).min(),
        };
        let (lost_ms, error_ms) = lost(seen.probes, *stop, neighbours)?;
        let around = seen.gaps.unwrap_or_default().iter().filter(|seen| {
            let near = seen.error + SLACK;
            seen.gap.touches(stop.1 - near, stop.1 + near)
        });
        let around_ms = around.map(|seen| ms(seen.gap.length)).fold(0.0, f64::max);
        Some(Stop { lost_ms, error_ms, around_ms })
    };
    stops.iter().enumerate().filter_map(stop).max_by(|one, other| one.ms().total_cmp(&other.ms()))
}

/// How long the guest did nothing, with its error bound: the longest of its gaps. The time that its clock lost belongs to
/// the gap of the standstill, because the clock stood still as well.
fn guest(longest_gap: Option<(f64, f64)>, stop: Option<&Stop>) -> Option<(f64, f64)> {
    let Some(stop) = stop else { return longest_gap };
    let (longest, error) = longest_gap.unwrap_or_default();
    Some(if stop.ms() >= longest { (stop.ms(), stop.error_ms + error) } else { (longest, error) })
}

/// How far the guest's clock fell behind between the best reading before the standstill and the best one after it, with its
/// error bound. A loss within the error counts as none.
///
/// No other standstill may lie between the two readings: it shows as a gap of the network. A reading from further away
/// counts only if there is no closer one.
fn lost(
    probes: &Summary,
    (stopped, resumed): (Instant, Instant),
    neighbours: Neighbours,
) -> Option<(f64, f64)> {
    let since = stopped.checked_sub(NEAR)?;
    let since = neighbours.last_ended.map_or(since, |last| last.max(since));
    let until = neighbours.next_began.map_or(resumed + NEAR, |next| next.min(resumed + NEAR));
    let gaps = || probes.gaps.iter().filter(|gap| gap.length > SLACK);
    let last_gap = gaps().map(|gap| gap.from + gap.length).filter(|end| *end <= stopped).max();
    let next_gap = gaps().map(|gap| gap.from).filter(|begin| *begin >= resumed).min();
    let best = |from: Instant, to: Instant| {
        let readings = probes.readings.iter().filter(|reading| reading.at >= from && reading.at <= to);
        readings.min_by_key(|reading| reading.error)
    };
    let before =
        best(last_gap.map_or(since, |end| end.max(since)), stopped).or_else(|| best(since, stopped))?;
    let after =
        best(resumed, next_gap.map_or(until, |begin| begin.min(until))).or_else(|| best(resumed, until))?;
    let passed_here = ms(after.at - before.at);
    let passed_there = f64::from(after.guest_ms) - f64::from(before.guest_ms);
    // Midnight may lie in between; a day is longer than any migration that this measures.
    let behind = (passed_here - passed_there + DAY_MS / 2.0).rem_euclid(DAY_MS) - DAY_MS / 2.0;
    let error = ms(before.error + after.error);
    Some((if behind > error { behind } else { 0.0 }, error))
}

/// The clocks that differ by more than they can be wrong.
fn disagreements(clocks: &Clocks, libvirt_ms: Option<f64>, took: Duration) -> Vec<Disagreement> {
    let mut found = Vec::new();
    let slack = ms(SLACK) + clocks.everyday_ms.unwrap_or_default();
    if let (Some(network), Some(guest)) = (clocks.network_ms, clocks.guest_ms) {
        let error = clocks.network_error_ms.unwrap_or_default() + clocks.guest_error_ms.unwrap_or_default();
        if (network - guest).abs() > slack + error {
            found.push(Disagreement { clock: DowntimeClock::Network, with: DowntimeClock::Guest });
        }
    }
    let error = clocks.network_error_ms.unwrap_or_default().max(clocks.guest_error_ms.unwrap_or_default());
    for (clock, told) in [(DowntimeClock::Libvirt, libvirt_ms), (DowntimeClock::Qemu, clocks.qemu_ms)] {
        let Some(told) = told else { continue };
        if told > ms(took) {
            found.push(Disagreement { clock, with: DowntimeClock::Migration });
        } else if (told - clocks.reported_ms).abs() > slack + error {
            found.push(Disagreement { clock, with: DowntimeClock::Reported });
        }
    }
    found
}

/// Rounds to microseconds: further digits are noise.
fn rounded(clocks: Clocks) -> Clocks {
    let round = |ms: f64| (ms * 1e3).round() / 1e3;
    Clocks {
        reported_ms: round(clocks.reported_ms),
        network_ms: clocks.network_ms.map(round),
        network_error_ms: clocks.network_error_ms.map(round),
        guest_ms: clocks.guest_ms.map(round),
        guest_error_ms: clocks.guest_error_ms.map(round),
        guest_gap_ms: clocks.guest_gap_ms.map(round),
        guest_lost_ms: clocks.guest_lost_ms.map(round),
        qemu_ms: clocks.qemu_ms.map(round),
        everyday_ms: clocks.everyday_ms.map(round),
        typical_write_ms: clocks.typical_write_ms.map(round),
        worst_write_ms: clocks.worst_write_ms.map(round),
        disagreements: clocks.disagreements,
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::libvirt::{Detail, EventKind, HostEvent, JobStats, LifecycleEvent};
    use crate::probe::{Counts, Reading};

    /// libvirt says less than the guest felt.
    const LATE: Disagreement = Disagreement { clock: DowntimeClock::Libvirt, with: DowntimeClock::Reported };

    const MS: Duration = Duration::from_millis(1);

    fn gap(begin: Instant, from: u32, length: u32) -> Gap {
        Gap { from: begin + from * MS, length: length * MS }
    }

    fn summary(gaps: Vec<Gap>, readings: Vec<Reading>) -> Summary {
        let longest = Gap { from: Instant::now(), length: Duration::ZERO };
        let counts = Counts::new(longest.from);
        Summary {
            guest: "vm1".into(),
            sent: 9,
            received: 9,
            counts,
            gaps,
            longest,
            readings,
            bursts: Vec::new(),
            stalls: Arc::default(),
        }
    }

    /// A migration from 1000 ms to 3000 ms.
    fn report(begin: Instant, downtime_ms: u64) -> LegReport {
        LegReport {
            began: Some(begin + 1000 * MS),
            ended: Some(begin + 3000 * MS),
            duration: 2000 * MS,
            stats: Some(JobStats { downtime_ms: Some(downtime_ms), ..JobStats::default() }),
            ..LegReport::default()
        }
    }

    fn reading(begin: Instant, at: u32, guest_ms: u32) -> Reading {
        Reading { at: begin + at * MS, error: 2 * MS, guest_ms }
    }

    /// Of a guest that is never silent between its migrations.
    fn seen<'a>(probes: &'a Summary, gaps: Option<&'a [GuestGap]>) -> SeenGuest<'a> {
        SeenGuest { probes, probe_interval: 10 * MS, gaps, writes: &[], idle_gap: Duration::ZERO }
    }

    #[test]
    fn reported_is_what_a_client_of_the_guest_would_agree_with() {
        let begin = Instant::now();
        let gaps =
            vec![gap(begin, 500, 400), gap(begin, 2000, 150), gap(begin, 2500, 90), gap(begin, 3100, 999)];
        let readings = vec![reading(begin, 900, 900), reading(begin, 3500, 3300)];
        let probes = summary(gaps, readings);
        // The first when the guest goes on, without libvirt's events at the end; the second is another one.
        let own = [(2990, 60), (1100, 30)].map(|(from, length)| GuestGap {
            gap: gap(begin, from, length),
            error: MS,
            resolution: MS,
        });
        let seen = seen(&probes, Some(&own));
        let clocks = clocks(&report(begin, 140), "source", &seen, Neighbours::default()).unwrap();
        assert_eq!(clocks.network_ms, Some(150.0));
        assert_eq!((clocks.guest_gap_ms, clocks.guest_lost_ms), (Some(60.0), Some(200.0)));
        assert_eq!((clocks.guest_ms, clocks.reported_ms), (Some(260.0), 160.0));
        assert_eq!(clocks.network_error_ms, Some(10.0));
        assert_eq!(clocks.guest_error_ms, Some(5.0));
        assert_eq!(clocks.disagreements, [], "110 ms are within what both can be wrong and the slack");
    }

    /// Of ten guests on two CPUs: a standstill of 6.1 s, after which the guest's own program got no CPU for 4.5 s more.
    #[test]
    fn a_guest_that_answers_is_not_down() {
        assert_eq!(reported((7200.0, 20.0), Some(10_600.0)), 7220.0);
        assert_eq!(reported((0.0, 30.0), Some(900.0)), 30.0);
        assert_eq!(reported((0.0, 30.0), Some(12.0)), 12.0);
        assert_eq!(reported((150.0, 10.0), Some(80.0)), 150.0);
        assert_eq!(reported((150.0, 10.0), None), 150.0);
    }

    /// By hand from 1500 to 2200 ms, and by QEMU from 2800 to 2860 ms.
    #[test]
    fn a_guest_that_was_stopped_twice_has_two_downtimes() {
        let begin = Instant::now();
        let lifecycle = |at: u32, host: &str, event, detail| HostEvent {
            host: host.into(),
            domain: "vm1".into(),
            at: begin + at * MS,
            wall: std::time::SystemTime::UNIX_EPOCH,
            kind: EventKind::Lifecycle { event, detail },
        };
        let mut report = report(begin, 60);
        report.events = vec![
            lifecycle(1500, "source", LifecycleEvent::Suspended, Detail::Migrated),
            lifecycle(2200, "source", LifecycleEvent::Resumed, Detail::Unpaused),
            lifecycle(2800, "source", LifecycleEvent::Suspended, Detail::Migrated),
            lifecycle(2860, "target", LifecycleEvent::Resumed, Detail::Migrated),
        ];
        let readings =
            vec![reading(begin, 1400, 1400), reading(begin, 2300, 1600), reading(begin, 2900, 2140)];
        let probes = summary(vec![gap(begin, 1490, 720), gap(begin, 2795, 80)], readings);
        let own = [(2210, 15), (2870, 90)].map(|(from, length)| GuestGap {
            gap: gap(begin, from, length),
            error: MS,
            resolution: MS,
        });
        let seen = seen(&probes, Some(&own));
        let clocks = clocks(&report, "source", &seen, Neighbours::default()).unwrap();
        assert_eq!((clocks.network_ms, clocks.qemu_ms), (Some(720.0), Some(60.0)));
        assert_eq!((clocks.guest_lost_ms, clocks.guest_ms), (Some(700.0), Some(715.0)));
        assert_eq!(clocks.reported_ms, 720.0);
    }

    #[test]
    fn a_guest_that_is_silent_every_day_needs_no_disagreement_for_it() {
        let begin = Instant::now();
        let moves = [(begin + 1000 * MS, begin + 3000 * MS), (begin + 6000 * MS, begin + 7000 * MS)];
        let own = [(2500, 180), (4000, 60)].map(|(from, length)| GuestGap {
            gap: gap(begin, from, length),
            error: MS,
            resolution: MS,
        });
        let told = |silent: u32| {
            let gaps = vec![gap(begin, 2500, 200), gap(begin, 6500, 900), gap(begin, 5000, silent)];
            let idle_gap = idle_gap(&gaps, &own, &moves);
            let probes = summary(gaps, Vec::new());
            let seen = SeenGuest { idle_gap, ..seen(&probes, Some(&own)) };
            clocks(&report(begin, 20), "source", &seen, Neighbours::default()).unwrap()
        };
        let calm = told(40);
        assert_eq!(calm.everyday_ms, Some(60.0), "that of the guest's own clock is the longer one");
        assert_eq!(calm.disagreements, [LATE]);
        let busy = told(90);
        assert_eq!((busy.everyday_ms, busy.disagreements), (Some(90.0), Vec::new()));
    }

    #[test]
    fn the_writes_of_a_migration_are_those_that_were_under_way_in_it() {
        let begin = Instant::now();
        let write = |(from, length)| GuestGap { gap: gap(begin, from, length), error: MS, resolution: MS };
        let all = [(100, 900), (900, 150), (1100, 2), (1200, 3), (2990, 40), (3002, 99)].map(write);
        let probes = summary(Vec::new(), Vec::new());
        let told = |writes| {
            let seen = SeenGuest { writes, ..seen(&probes, None) };
            let clocks = clocks(&report(begin, 20), "source", &seen, Neighbours::default()).unwrap();
            (clocks.typical_write_ms, clocks.worst_write_ms)
        };
        // From 1000 to 3000 ms. The first ended as it began, within the error.
        assert_eq!(told(&all[1..]), (Some(21.5), Some(150.0)), "the mean of the two in the middle");
        assert_eq!(told(&all[..1]), (Some(900.0), Some(900.0)));
        assert_eq!(told(&all[5..]), (None, None));
        assert_eq!(told(&[]), (None, None));
    }

    #[test]
    fn nonsense_is_said_to_be_nonsense() {
        let begin = Instant::now();
        let probes = summary(vec![gap(begin, 2000, 150)], Vec::new());
        let seen = seen(&probes, None);
        let clocks = clocks(&report(begin, 2_452_130), "source", &seen, Neighbours::default()).unwrap();
        assert_eq!((clocks.guest_ms, clocks.reported_ms), (None, 150.0));
        let nonsense = Disagreement { clock: DowntimeClock::Libvirt, with: DowntimeClock::Migration };
        assert_eq!(clocks.disagreements, [nonsense]);
    }

    #[test]
    fn a_clock_that_lost_less_than_its_error_lost_nothing_and_midnight_is_no_loss() {
        let begin = Instant::now();
        let window = (begin + 1000 * MS, begin + 3000 * MS);
        let late = 86_399_000;
        let around =
            |after| summary(Vec::new(), vec![reading(begin, 900, late), reading(begin, 3500, after)]);
        assert_eq!(lost(&around(1600), window, Neighbours::default()), Some((0.0, 4.0)));
        assert_eq!(lost(&around(1597), window, Neighbours::default()), Some((0.0, 4.0)));
        assert_eq!(lost(&around(1500), window, Neighbours::default()), Some((100.0, 4.0)));
        // Of the time after the next move nothing is known.
        let next = Neighbours { next_began: Some(begin + 3400 * MS), ..Neighbours::default() };
        assert_eq!(lost(&around(1500), window, next), None);
        // Neither of that before the last one's end.
        let last = Neighbours { last_ended: Some(begin + 950 * MS), ..Neighbours::default() };
        assert_eq!(lost(&around(1500), window, last), None);
    }

    #[test]
    fn a_standstill_before_a_migration_is_not_its_own() {
        let begin = Instant::now();
        let window = (begin + 1000 * MS, begin + 3000 * MS);
        // 350 ms were lost from 600 ms on, and 100 ms in the window.
        let first = Reading { error: MS, ..reading(begin, 500, 500) };
        let readings = vec![first, reading(begin, 960, 610), reading(begin, 3500, 3050)];
        let mut probes = summary(vec![gap(begin, 600, 350)], readings);
        assert_eq!(lost(&probes, window, Neighbours::default()), Some((100.0, 4.0)));
        probes.readings.remove(1);
        assert_eq!(lost(&probes, window, Neighbours::default()), Some((450.0, 3.0)), "better than nothing");
    }
}
