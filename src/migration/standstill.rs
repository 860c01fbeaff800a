//! When a guest stood still, from libvirt's events.

use std::time::{Duration, Instant};

use super::LegReport;
use crate::libvirt::{EventKind, LifecycleEvent};

impl LegReport {
    /// The times at which the guest's CPUs stood still, each with its length: from QEMU's `STOP` to `RESUME` at both ends,
    /// as libvirt passes them on, by the arrival of the events here. The last one is the switch from source to target;
    /// earlier ones have other causes.
    pub fn standstills(&self, source: &str) -> Vec<(Instant, Duration)> {
        let moments = |on_source: bool, wanted: LifecycleEvent| {
            let found = self.events.iter().filter(move |seen| {
                (*seen.host == *source) == on_source
                    && matches!(seen.kind, EventKind::Lifecycle { event, .. } if event == wanted)
            });
            found.map(|seen| seen.at)
        };
        let mut stops = moments(true, LifecycleEvent::Suspended).peekable();
        let mut standstills = Vec::new();
        for resumed in moments(true, LifecycleEvent::Resumed) {
            let before: Vec<Instant> =
                std::iter::from_fn(|| stops.next_if(|stopped| *stopped <= resumed)).collect();
            standstills.extend(before.first().map(|stopped| (*stopped, resumed - *stopped)));
        }
        // Events of two hosts come over two connections, and may overtake each other by a moment.
        if let (Some(stopped), Some(resumed)) = (stops.next(), moments(false, LifecycleEvent::Resumed).next())
        {
            standstills.push((stopped, resumed.saturating_duration_since(stopped)));
        }
        standstills
    }

    /// How long the guest's CPUs stood still altogether. On a busy host QEMU sends `STOP` seconds after it has stopped them: devices
    /// have to come to rest before (do_vm_stop in QEMU's system/cpus.c). So the last standstill is as long as QEMU counted it, if
    /// that is longer and no longer than the migration. A halt of multivm counts here: it drives the migration, and whoever has left
    /// stands still until multivm calls the other host.
    pub fn stood_still(&self, source: &str) -> Duration {
        let standstills = self.standstills(source);
        let counted = self.stats.as_ref().and_then(|stats| stats.downtime_ms).map(Duration::from_millis);
        let took = self.began.zip(self.ended).map_or(self.duration, |(began, ended)| ended - began);
        let counted = counted.filter(|counted| *counted <= took).unwrap_or_default();
        let more = counted.saturating_sub(standstills.last().map(|(_, long)| *long).unwrap_or_default());
        standstills.into_iter().map(|(_, long)| long).sum::<Duration>() + more
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use rstest::rstest;

    use super::*;
    use crate::libvirt::{Detail, HostEvent, JobStats};

    /// A migration of 10 s with events at these milliseconds after its begin.
    fn report(begin: Instant, events: &[(u64, &str, LifecycleEvent)]) -> LegReport {
        let event = |(at, host, event): &(u64, &str, LifecycleEvent)| HostEvent {
            host: (*host).into(),
            domain: "vm1".into(),
            at: begin + Duration::from_millis(*at),
            wall: SystemTime::UNIX_EPOCH,
            kind: EventKind::Lifecycle { event: *event, detail: Detail::Migrated },
        };
        let events = events.iter().map(event).collect();
        LegReport { events, duration: Duration::from_secs(10), ..LegReport::default() }
    }

    /// The standstills of events at these milliseconds: when, and for how long.
    fn of(events: &[(u64, &str, LifecycleEvent)]) -> Vec<(u64, u64)> {
        let begin = Instant::now();
        let ms = |duration: Duration| duration.as_millis() as u64;
        let standstills = report(begin, events).standstills("source");
        standstills.into_iter().map(|(at, time)| (ms(at - begin), ms(time))).collect()
    }

    use LifecycleEvent::{Resumed, Suspended};

    #[test]
    fn from_the_source_to_the_target() {
        assert_eq!(of(&[(100, "source", Suspended), (140, "target", Resumed)]), [(100, 40)]);
    }

    #[test]
    fn the_targets_event_may_overtake_the_sources() {
        assert_eq!(of(&[(100, "target", Resumed), (103, "source", Suspended)]), [(103, 0)]);
    }

    #[test]
    fn a_suspension_before_the_last_stop_is_one_of_its_own() {
        let events = [
            (10, "source", Suspended),
            (30, "source", Resumed),
            (100, "source", Suspended),
            (140, "target", Resumed),
        ];
        assert_eq!(of(&events), [(10, 20), (100, 40)]);
    }

    #[test]
    fn a_stop_that_is_reported_twice_counts_from_the_first() {
        let events = [(100, "source", Suspended), (120, "source", Suspended), (140, "target", Resumed)];
        assert_eq!(of(&events), [(100, 40)]);
    }

    #[test]
    fn a_guest_that_stays_where_it_is_has_no_last_standstill() {
        assert_eq!(of(&[(10, "source", Suspended), (30, "source", Resumed)]), [(10, 20)]);
        assert_eq!(of(&[(10, "source", Suspended)]), []);
        assert_eq!(of(&[(10, "target", Resumed)]), []);
    }

    #[rstest]
    #[case::counted_before_it_was_told(Some(3000), 3020)]
    #[case::told_late_on_the_target(Some(10), 60)]
    #[case::not_counted(None, 60)]
    #[case::nonsense(Some(10_001), 60)]
    fn the_last_standstill_is_as_long_as_qemu_counted_it(
        #[case] downtime_ms: Option<u64>,
        #[case] expected_ms: u64,
    ) {
        let events = [
            (10, "source", Suspended),
            (30, "source", Resumed),
            (4000, "source", Suspended),
            (4040, "target", Resumed),
        ];
        let mut report = report(Instant::now(), &events);
        report.stats = Some(JobStats { downtime_ms, ..JobStats::default() });
        assert_eq!(report.stood_still("source"), Duration::from_millis(expected_ms));
    }

    #[test]
    fn a_guest_stands_still_while_multivm_is_halted_between_its_two_hosts() {
        let begin = Instant::now();
        // Both events were heard after a halt of 25 s, which `duration` leaves out.
        let mut report = report(begin, &[(28_000, "source", Suspended), (28_010, "target", Resumed)]);
        (report.began, report.ended) = (Some(begin), Some(begin + Duration::from_secs(35)));
        report.stats = Some(JobStats { downtime_ms: Some(22_000), ..JobStats::default() });
        assert_eq!(report.stood_still("source"), Duration::from_secs(22));
    }
}
