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
            let stopped = std::iter::from_fn(|| stops.next_if(|stopped| *stopped <= resumed)).last();
            standstills.extend(stopped.map(|stopped| (stopped, resumed - stopped)));
        }
        // Events of two hosts come over two connections, and may overtake each other by a moment.
        if let (Some(stopped), Some(resumed)) = (stops.last(), moments(false, LifecycleEvent::Resumed).next())
        {
            standstills.push((stopped, resumed.saturating_duration_since(stopped)));
        }
        standstills
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::libvirt::{Detail, HostEvent};

    /// The standstills of events at these milliseconds: when, and for how long.
    fn of(events: &[(u64, &str, LifecycleEvent)]) -> Vec<(u64, u64)> {
        let begin = Instant::now();
        let event = |(at, host, event): &(u64, &str, LifecycleEvent)| HostEvent {
            host: (*host).into(),
            domain: "vm1".into(),
            at: begin + Duration::from_millis(*at),
            wall: SystemTime::UNIX_EPOCH,
            kind: EventKind::Lifecycle { event: *event, detail: Detail::Migrated },
        };
        let report = LegReport { events: events.iter().map(event).collect(), ..LegReport::default() };
        let ms = |duration: Duration| duration.as_millis() as u64;
        report.standstills("source").into_iter().map(|(at, time)| (ms(at - begin), ms(time))).collect()
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
    fn a_stop_that_is_reported_twice_counts_from_the_second() {
        let events = [(100, "source", Suspended), (120, "source", Suspended), (140, "target", Resumed)];
        assert_eq!(of(&events), [(120, 20)]);
    }

    #[test]
    fn a_guest_that_stays_where_it_is_has_no_last_standstill() {
        assert_eq!(of(&[(10, "source", Suspended), (30, "source", Resumed)]), [(10, 20)]);
        assert_eq!(of(&[(10, "source", Suspended)]), []);
        assert_eq!(of(&[(10, "target", Resumed)]), []);
    }
}
