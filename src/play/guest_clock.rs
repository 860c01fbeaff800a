//! A guest's own clock through a scenario, put together from its witness's reports at every look.

use std::time::{Duration, Instant};

use crate::check::GuestPace;
use crate::guest::{ClockMap, DiskWork, Pulse, Speed};
use crate::probe::Gap;
use crate::sys::halt::Halt;

/// A time, on this machine's clock, in which our program in the guest did not get its turn or waited for its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestGap {
    pub gap: Gap,
    /// The error bound of its place in time.
    pub error: Duration,
    /// The error bound of its length.
    pub resolution: Duration,
}

#[derive(Default)]
pub struct GuestClock {
    /// All gaps in the order of time. A standstill costs the guest's clock time: a gap before it that the guest reported
    /// after it is placed late by as much.
    pub gaps: Vec<GuestGap>,
    /// When the guest stood still together with this process. No other time here contains any of it.
    halts: Vec<Gap>,
    /// Write speeds: the moment, and the milliseconds for a GiB of memory.
    pub speeds: Vec<(Instant, f64)>,
    /// The fastest of each tenth of a second, where those are the slowest.
    best_speeds: Vec<(Instant, f64)>,
    /// Synced writes to the guest's disk, each from its begin to its end.
    writes: Vec<GuestGap>,
    /// Reads from it, and transfers of many records.
    reads: Vec<Gap>,
    transfers: Vec<Gap>,
    disk_cut: bool,
    /// From the end of each synced write, of a transfer as well, to the end of the next one. The guest's clock says how long that was.
    unsynced: Vec<Gap>,
    /// When the last synced write ended, by the guest's clock.
    synced_us: Option<u64>,
    /// The time from then to the witness's last answer, in which no other write ended.
    unfinished: Option<Gap>,
    /// The moment of the last answer, by the guest's clock.
    heard_us: u64,
    /// The moment of the last answer.
    heard: Option<Instant>,
    /// Whether the witness answered, with its clock at work.
    known: bool,
    /// Whether the witness had more to report than it kept.
    cut: bool,
}

impl GuestClock {
    /// Adds the events since the witness's last answer. `halts` are those of this process.
    pub fn add(&mut self, pulse: &Pulse, map: &ClockMap, halts: &[Halt]) {
        self.known |= pulse.interval_us > 0;
        self.heard = Some(map.at(pulse.now_us));
        self.cut |= pulse.gaps_dropped > 0;
        self.disk_cut |= pulse.disk_dropped > 0;
        let resolution = Duration::from_micros(pulse.interval_us);
        for gap in &pulse.gaps {
            let gap = Gap { from: map.at(gap.at_us), length: Duration::from_micros(gap.length_us) };
            self.halts.extend(halted(gap, halts));
            self.gaps.push(GuestGap { gap: self.cut_halts(gap), error: map.error, resolution });
        }
        for time in &pulse.disk {
            let gap = Gap { from: map.at(time.at_us), length: Duration::from_micros(time.took_us) };
            let gap = self.cut_halts(gap);
            match time.work {
                DiskWork::Read => self.reads.push(gap),
                DiskWork::Write => {
                    self.writes.push(GuestGap { gap, error: map.error, resolution: Duration::ZERO });
                }
                DiskWork::Transfer => self.transfers.push(gap),
            }
        }
        let placed = |speed: &Speed| (map.at(speed.at_us), speed.ms_per_gib);
        self.speeds.extend(pulse.speeds.iter().map(placed));
        self.best_speeds.extend(pulse.best_speeds.iter().map(placed));
        self.add_unsynced(pulse, map);
    }

    fn add_unsynced(&mut self, pulse: &Pulse, map: &ClockMap) {
        if pulse.now_us < self.heard_us {
            // Another witness, which has synced nothing yet.
            self.synced_us = None;
        }
        self.heard_us = pulse.now_us;
        let gap = |from_us: u64, until_us: u64| {
            let length = Duration::from_micros(until_us.saturating_sub(from_us));
            Gap { from: map.at(until_us) - length, length }
        };
        for write in pulse.disk.iter().filter(|time| time.work != DiskWork::Read) {
            let ended = write.at_us + write.took_us;
            let unsynced = self.synced_us.replace(ended).map(|last| self.cut_halts(gap(last, ended)));
            self.unsynced.extend(unsynced);
        }
        self.unfinished = self.synced_us.map(|last| self.cut_halts(gap(last, pulse.now_us)));
    }

    /// Makes a time shorter by as long as the guest stood still in it together with this process.
    fn cut_halts(&self, time: Gap) -> Gap {
        let end = time.from + time.length;
        let halted: Duration = self.halts.iter().map(|halt| halt.within(time.from, end)).sum();
        Gap { length: time.length.saturating_sub(halted), ..time }
    }

    /// The synced writes; none if the witness has kept fewer than there were, since the longest may be missing.
    pub fn writes(&self) -> &[GuestGap] {
        if self.disk_cut { &[] } else { &self.writes }
    }

    /// How fast the guest was, for the checks.
    pub fn pace(&self, guest: &str) -> Option<GuestPace> {
        // A gap begins with a look at the clock, after which the witness means to sleep for as long as the resolution is.
        let late = |own: &GuestGap| Gap {
            from: own.gap.from + own.resolution,
            length: own.gap.length.saturating_sub(own.resolution),
        };
        let gaps = |gaps: &[GuestGap]| gaps.iter().map(late).collect::<Vec<Gap>>();
        Some(GuestPace {
            guest: guest.to_owned(),
            heard: self.heard?,
            gaps: self.is_known().then(|| gaps(&self.gaps)),
            halts: self.halts.clone(),
            best_speeds: self.best_speeds.clone(),
            writes: gaps(self.writes()),
            reads: self.of_disk(self.reads.iter().copied()),
            transfers: self.of_disk(self.transfers.iter().copied()),
            unsynced: self.of_disk(self.unsynced.iter().copied().chain(self.unfinished)),
        })
    }

    /// What the disk did; nothing if the witness has kept less than there was.
    fn of_disk(&self, times: impl Iterator<Item = Gap>) -> Vec<Gap> {
        if self.disk_cut { Vec::new() } else { times.collect() }
    }

    /// Whether all gaps are known.
    pub fn is_known(&self) -> bool {
        self.known && !self.cut
    }
}

/// The halts of this process in a time in which the guest did not get its turn. A halt of which most lies in it befell the guest as well:
/// one that ran meanwhile would have had its turn.
fn halted(gap: Gap, halts: &[Halt]) -> impl Iterator<Item = Gap> {
    let end = gap.from + gap.length;
    halts.iter().filter_map(move |halt| {
        let length = halt.within(gap.from, end);
        (length * 4 >= halt.length * 3).then(|| Gap { from: gap.from.max(halt.from), length })
    })
}

#[cfg(test)]
mod tests {
    use multivm_protocol as protocol;

    use super::*;

    fn disk(work: DiskWork, at_us: u64, took_us: u64) -> protocol::DiskTime {
        protocol::DiskTime { work, at_us, took_us }
    }

    fn pulse(interval_us: u64, gaps_dropped: u64) -> Pulse {
        Pulse {
            now_us: 5_000_000,
            interval_us,
            threshold_us: 5000,
            turns: 1,
            longest_us: 1,
            gaps: vec![protocol::PulseGap { at_us: 4_000_000, length_us: 70_000 }],
            speeds: vec![protocol::Speed { at_us: 4_500_000, ms_per_gib: 8000.0 }],
            best_speeds: vec![protocol::Speed { at_us: 4_450_000, ms_per_gib: 120.0 }],
            gaps_dropped,
            speeds_dropped: 0,
            disk_dropped: 0,
            disk: vec![
                disk(DiskWork::Read, 4_880_000, 20_000),
                disk(DiskWork::Write, 4_900_000, 3000),
                disk(DiskWork::Transfer, 4_950_000, 40_000),
            ],
        }
    }

    #[test]
    fn what_the_witness_tells_is_put_on_our_clock() {
        let now = Instant::now();
        let pulse = pulse(1000, 0);
        let mut clock = GuestClock::default();
        assert!(!clock.is_known());
        clock.add(&pulse, &ClockMap::new(&pulse, now, now), &[]);
        let gap = clock.gaps[0];
        assert_eq!(gap.gap, Gap { from: now - Duration::from_secs(1), length: Duration::from_millis(70) });
        assert_eq!(gap.resolution, Duration::from_millis(1));
        assert_eq!(clock.speeds, [(now - Duration::from_millis(500), 8000.0)]);
        let pace = clock.pace("vm1").unwrap();
        assert_eq!(
            pace.gaps,
            Some(vec![Gap {
                from: gap.gap.from + Duration::from_millis(1),
                length: Duration::from_millis(69)
            }])
        );
        assert_eq!(pace.best_speeds, [(now - Duration::from_millis(550), 120.0)]);
        assert_eq!((pace.heard, pace.writes.len()), (now, 1));
        let ago = |ms: u64, length: u64| Gap {
            from: now - Duration::from_millis(ms),
            length: Duration::from_millis(length),
        };
        assert_eq!((pace.reads, pace.transfers), (vec![ago(120, 20)], vec![ago(50, 40)]));
        let write = Gap { from: now - Duration::from_millis(100), length: Duration::from_millis(3) };
        assert_eq!(clock.writes()[0].gap, write);
        clock.add(&Pulse { disk_dropped: 1, ..pulse.clone() }, &ClockMap::new(&pulse, now, now), &[]);
        assert!(clock.writes().is_empty());
        let cut = clock.pace("vm1").unwrap();
        assert!(cut.reads.is_empty() && cut.transfers.is_empty() && cut.unsynced.is_empty());
        assert!(clock.is_known());
    }

    #[test]
    fn a_write_that_does_not_end_counts_with_its_age() {
        let now = Instant::now();
        let at = |ms: u64| now + Duration::from_millis(ms);
        let told = |now_us: u64, writes: &[(u64, u64)]| Pulse {
            now_us,
            disk: writes.iter().map(|&(at_us, took_us)| disk(DiskWork::Write, at_us, took_us)).collect(),
            ..pulse(1000, 0)
        };
        let mut clock = GuestClock::default();
        let mut unsynced = |pulse: Pulse, ms: u64| {
            clock.add(&pulse, &ClockMap::new(&pulse, at(ms), at(ms)), &[]);
            let gaps = clock.pace("vm1").unwrap().unsynced;
            gaps.iter().map(|gap| ((gap.from - now).as_millis(), gap.length.as_millis())).collect::<Vec<_>>()
        };
        assert_eq!(
            unsynced(told(1_000_000, &[]), 1000),
            [],
            "nothing is known of the time before the first write"
        );
        assert_eq!(
            unsynced(told(2_000_000, &[(1_400_000, 2000), (1_500_000, 2000)]), 2000),
            [(1402, 100), (1502, 498)]
        );
        assert_eq!(unsynced(told(9_000_000, &[]), 9000), [(1402, 100), (1502, 7498)]);
        // The guest's clock stood still for 5 s, which is no time of its disk's.
        let ended = unsynced(told(9_600_000, &[(9_500_000, 2000)]), 14_600);
        assert_eq!(ended, [(1402, 100), (6502, 8000), (14_502, 98)]);
        let restarted = unsynced(told(700_000, &[(600_000, 2000)]), 16_000);
        assert_eq!(restarted, [(1402, 100), (6502, 8000), (15_902, 98)]);
    }

    #[test]
    fn who_is_halted_together_with_this_process_stood_still_for_no_time_of_its_own() {
        let now = Instant::now();
        let told = Pulse {
            now_us: 40_000_000,
            gaps: vec![protocol::PulseGap { at_us: 10_050_000, length_us: 25_000_000 }],
            disk: vec![
                disk(DiskWork::Write, 9_000_000, 3000),
                disk(DiskWork::Write, 10_040_000, 25_020_000),
                disk(DiskWork::Read, 10_040_000, 25_030_000),
            ],
            ..pulse(1000, 0)
        };
        let at = |ms: u64| now - Duration::from_millis(40_000 - ms);
        let longest = |from_ms: u64, length_ms: u64| {
            let mut clock = GuestClock::default();
            let halt = Halt { from: at(from_ms), length: Duration::from_millis(length_ms) };
            clock.add(&told, &ClockMap::new(&told, now, now), &[halt]);
            let pace = clock.pace("vm1").unwrap();
            let longest = |gaps: &[Gap]| gaps.iter().map(|gap| gap.length.as_millis()).max().unwrap();
            let halted: Duration = pace.halts.iter().map(|gap| gap.length).sum();
            let gaps = longest(pace.gaps.as_ref().unwrap());
            (halted.as_millis(), [gaps, longest(&pace.writes), longest(&pace.reads), longest(&pace.unsynced)])
        };
        assert_eq!(longest(10_000, 25_010), (24_960, [39, 60, 70, 4940]), "both at once");
        let own = (0, [24_999, 25_020, 25_030, 26_057]);
        assert_eq!(longest(1_000, 2_000), own, "the guest went on then");
        assert_eq!(longest(20_000, 25_000), own, "the guest went on in much of that time");
        assert_eq!(longest(12_000, 3_000).0, 3_000, "the guest was halted for longer");
    }

    #[test]
    fn a_clock_of_which_something_is_missing_is_not_known() {
        let now = Instant::now();
        for missing in [pulse(0, 0), pulse(1000, 3)] {
            let mut clock = GuestClock::default();
            clock.add(&missing, &ClockMap::new(&missing, now, now), &[]);
            assert!(!clock.is_known());
        }
    }
}
