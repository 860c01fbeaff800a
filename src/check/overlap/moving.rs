//! When one migration moved memory, by the samples of its job's statistics and by QEMU's events.
//!
//! Overlapping libvirt calls prove little, since a host may let one call wait for the other. Samples and events prove more: QEMU
//! sends memory from its first pass on, and what is left when it stops the guest goes while the guest stands still. Meanwhile it
//! answers no question: a sample that is due then comes when all is over. So its own average tells when it had sent everything.
//!
//! Memory certainly moved from the first sample with bytes (or the first pass after the last sample without any) to the last
//! incomplete sample (or the end by QEMU's average, if a stop was seen). It certainly did not move before the last sample without
//! bytes, nor after the migration's end. The time between these bounds is unknown: a migration may end before a second look.

use std::time::{Duration, Instant};

use crate::libvirt::{Detail, EventKind, LifecycleEvent};
use crate::migration::LegReport;

/// The time in which one migration moved memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moving {
    /// Memory certainly did not move before the first moment, nor after the second.
    pub at_most: (Instant, Instant),
    /// Memory certainly moved from the first moment to the second; none if no look saw it move.
    pub at_least: Option<(Instant, Instant)>,
}

impl Moving {
    /// When a migration moved memory; none of one that never began or ended.
    pub fn of(report: &LegReport) -> Option<Moving> {
        let (began, ended) = report.began.zip(report.ended)?;
        let all = report.stats.as_ref().and_then(|stats| stats.data_processed_bytes);
        let on_its_way = |(_, bytes): &&(Instant, u64)| *bytes > 0 && all.is_none_or(|all| *bytes < all);
        let idle = report.samples.iter().take_while(|(_, bytes)| *bytes == 0).last().map(|(at, _)| *at);
        let is_later = |at: &Instant| idle.is_none_or(|idle| idle <= *at);
        let seen = report.samples.iter().find(on_its_way).map(|(at, _)| *at);
        let pass = moments(report, is_pass).find(is_later);
        let last_seen = report.samples.iter().rfind(on_its_way).map(|(at, _)| *at);
        let rest = rest(report, ended).filter(|(stop, _)| is_later(stop));
        let first = pass.into_iter().chain(seen).min().or(rest.map(|(stop, _)| stop));
        let last = last_seen.into_iter().chain(rest.map(|(_, sent)| sent)).max();
        // libvirt starts the guest on the other host before it tells the source to send.
        let is_up = |kind: &EventKind| kind.is(LifecycleEvent::Started, Detail::Migrated);
        let up = moments(report, is_up).next();
        let earliest = [Some(began), idle, up].into_iter().flatten().max().unwrap_or(began);
        Some(Moving { at_most: (earliest.min(ended), ended), at_least: first.zip(last) })
    }

    /// How long both certainly moved together, whether they certainly did not, or that neither is known.
    pub fn with(&self, other: &Moving) -> Together {
        let common = |one: (Instant, Instant), other: (Instant, Instant)| {
            one.1.min(other.1).checked_duration_since(one.0.max(other.0))
        };
        match self.at_least.zip(other.at_least).and_then(|(one, other)| common(one, other)) {
            Some(time) => Together::For(time),
            None if common(self.at_most, other.at_most).is_some_and(|time| !time.is_zero()) => {
                Together::Perhaps
            }
            None => Together::Never,
        }
    }
}

/// From when to when what was left at the stop was on its way; none if nobody saw the guest stop.
fn rest(report: &LegReport, ended: Instant) -> Option<(Instant, Instant)> {
    let stop = moments(report, is_stop).next()?;
    let last_stop = moments(report, is_stop).last().unwrap_or(stop);
    // An event may be late, but the guest runs on the other host only when all is there.
    let runs = |kind: &EventKind| kind.is(LifecycleEvent::Resumed, Detail::Migrated);
    let there = moments(report, runs).next().unwrap_or(ended);
    let sent = all_sent(report).map(|sent| sent.min(there));
    Some((stop, sent.into_iter().chain([last_stop]).max()?))
}

/// When QEMU had sent everything, by its average throughput: that is over the time from its first pass to its end
/// (migration_calculate_complete in QEMU's migration/migration.c).
fn all_sent(report: &LegReport) -> Option<Instant> {
    let first_pass = moments(report, is_pass).next()?;
    let stats = report.stats.as_ref()?;
    let (bytes, per_second) = stats.memory_processed_bytes.zip(stats.memory_bps)?;
    first_pass.checked_add(Duration::try_from_secs_f64(bytes as f64 / per_second as f64).ok()?)
}

fn is_pass(kind: &EventKind) -> bool {
    matches!(kind, EventKind::MigrationIteration(_))
}

/// Whether the source's guest stands still from this event on, for its last pages or for the switch to post-copy.
fn is_stop(kind: &EventKind) -> bool {
    [Detail::Migrated, Detail::PostCopy].into_iter().any(|detail| kind.is(LifecycleEvent::Suspended, detail))
}

/// When such events reached the guest, on either host.
fn moments<'a>(
    report: &'a LegReport,
    which: impl Fn(&EventKind) -> bool + 'a,
) -> impl Iterator<Item = Instant> + 'a {
    report.events.iter().filter(move |event| which(&event.kind)).map(|event| event.at)
}

/// Whether two migrations moved memory at the same time. A later variant proves more of a step than an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Together {
    Never,
    Perhaps,
    For(Duration),
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::testing::{FIRST_PASS, RUNS, STOP, SWITCH, hearing, leg, sending_for};
    use super::*;
    use crate::scenario::Direction;

    /// Samples and events of a migration that returned after a second, how long it sent by its average, and when it certainly
    /// moved, in ms.
    #[rstest]
    #[case::nothing_is_known(&[], &[], 800, None)]
    #[case::samples(&[(250, 0), (500, 300), (750, 800), (990, 900)], &[], 800, Some((500, 750)))]
    #[case::what_is_left_goes(&[], &[(100, FIRST_PASS), (600, STOP)], 800, Some((100, 900)))]
    #[case::until_the_guest_runs_there(&[], &[(100, FIRST_PASS), (600, STOP), (850, RUNS)], 800, Some((100, 850)))]
    #[case::until_the_switch(&[], &[(100, FIRST_PASS), (600, STOP), (610, SWITCH)], 400, Some((100, 610)))]
    #[case::the_rest_alone(&[(250, 0)], &[(100, FIRST_PASS), (600, STOP)], 800, Some((600, 900)))]
    #[case::no_longer_than_the_migration(&[], &[(100, FIRST_PASS), (800, STOP)], 4_000_000, Some((100, 1000)))]
    #[case::no_stop_was_seen(&[], &[(100, FIRST_PASS)], 800, None)]
    fn memory_moves_at_least(
        #[case] samples: &[(u64, u64)],
        #[case] events: &[(u64, EventKind)],
        #[case] sent_for: u64,
        #[case] expected: Option<(u64, u64)>,
    ) {
        let zero = Instant::now();
        let seen = hearing(leg(0, Direction::Out, zero, 1000, samples), events);
        let (_, report) = sending_for(seen, sent_for);
        let moving = Moving::of(&report).unwrap();
        let ms = |at: Instant| (at - zero).as_millis() as u64;
        assert_eq!(moving.at_least.map(|(first, last)| (ms(first), ms(last))), expected);
    }

    #[test]
    fn no_throughput_is_no_end() {
        let seen =
            hearing(leg(0, Direction::Out, Instant::now(), 1000, &[]), &[(100, FIRST_PASS), (600, STOP)]);
        let (_, mut report) = sending_for(seen, 800);
        report.stats.as_mut().unwrap().memory_bps = Some(0);
        assert_eq!(all_sent(&report), None);
    }
}
