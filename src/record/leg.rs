//! One migration of one guest, by the events of a record.

use super::{Clocks, Disagreement, DomainEvent, DowntimeClock, Event, LegError, Phase, Stats};
use crate::scenario::Direction;

/// A migration. Times are milliseconds on the clock of `t_ms`.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedLeg {
    pub guest: String,
    /// Counted from 1.
    pub round: u32,
    pub direction: Direction,
    /// Counted from 1.
    pub step: u32,
    /// The moment of libvirt's call.
    pub began_t_ms: f64,
    /// Each pass over the memory that libvirt reported: its moment and its number.
    pub passes: Vec<(f64, u32)>,
    /// libvirt's statistics after the last sample.
    pub stats: Stats,
    /// The migration's end; none until the record has it.
    pub end: Option<RecordedEnd>,
    /// The downtime by every clock; none without such an event.
    pub clocks: Option<Clocks>,
    /// The beginning of each phase but the first, which began with the migration.
    phases: Vec<(f64, Phase)>,
}

/// The end of a migration.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEnd {
    /// The moment at which libvirt's call returned.
    pub t_ms: f64,
    /// Why the migration did not succeed; none with success.
    pub error: Option<LegError>,
    /// From the call to the switch to post-copy, seconds.
    pub switchover_s: Option<f64>,
    /// The statistics of the completed job.
    pub stats: Stats,
}

/// The time of one phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseSpan {
    pub phase: Phase,
    pub from_t_ms: f64,
    pub to_t_ms: f64,
}

impl RecordedLeg {
    /// The migration that begins with this event; none if the event begins no migration.
    pub fn begin(t_ms: f64, event: &Event) -> Option<RecordedLeg> {
        let Event::LegStarted { guest, round, direction, step } = event else { return None };
        Some(RecordedLeg {
            guest: guest.clone(),
            round: *round,
            direction: *direction,
            step: *step,
            began_t_ms: t_ms,
            passes: Vec::new(),
            stats: Stats::default(),
            end: None,
            clocks: None,
            phases: Vec::new(),
        })
    }

    /// Takes an event, and returns whether it concerns this migration.
    pub fn take(&mut self, t_ms: f64, event: &Event) -> bool {
        match event {
            Event::LibvirtEvent { guest: Some(guest), what, .. } if self.is_moving(guest) => {
                self.enter(t_ms, self.phase().after(what));
                if let DomainEvent::Iteration { pass } = what {
                    self.passes.push((t_ms, *pass));
                }
            }
            Event::JobSample { guest, stats } if self.is_moving(guest) => {
                self.stats.update(stats);
                if self.positive("memory_total").is_some() {
                    self.enter(t_ms, self.phase().memory_is_sent());
                }
            }
            Event::LegFinished { error, began_t_ms, duration_s, stats, switchover_s, .. }
                if self.is_named_by(event) =>
            {
                self.began_t_ms = began_t_ms.unwrap_or(self.began_t_ms);
                self.end = Some(RecordedEnd {
                    t_ms: self.began_t_ms + duration_s * 1e3,
                    error: error.clone(),
                    switchover_s: *switchover_s,
                    stats: stats.clone(),
                });
            }
            Event::Downtime { clocks, .. } if self.is_named_by(event) => self.clocks = Some(clocks.clone()),
            _ => return false,
        }
        true
    }

    /// The present phase, or the last one.
    pub fn phase(&self) -> Phase {
        self.phases.last().map_or(Phase::default(), |(_, phase)| *phase)
    }

    /// The moment at which libvirt had finished.
    pub fn completed_t_ms(&self) -> Option<f64> {
        self.phases.last().filter(|(_, phase)| *phase == Phase::Completed).map(|(t_ms, _)| *t_ms)
    }

    /// The phases in their order. `end` closes a migration without an end in the record.
    pub fn spans(&self, end: f64) -> Vec<PhaseSpan> {
        let end = self.end.as_ref().map_or(end, |over| over.t_ms).max(self.began_t_ms);
        let mut spans: Vec<PhaseSpan> = Vec::new();
        let mut from_t_ms = self.began_t_ms;
        let begun = std::iter::once((self.began_t_ms, Phase::default())).chain(self.phases.iter().copied());
        let ends = self.phases.iter().map(|(t_ms, _)| *t_ms).chain([end]);
        for ((_, phase), to) in begun.zip(ends) {
            let to_t_ms = to.clamp(from_t_ms, end);
            // libvirt's call returns a little after its job completes.
            let phase = phase.min(Phase::Completion);
            match spans.last_mut() {
                _ if to_t_ms <= from_t_ms => continue,
                Some(last) if last.phase == phase => last.to_t_ms = to_t_ms,
                _ => spans.push(PhaseSpan { phase, from_t_ms, to_t_ms }),
            }
            from_t_ms = to_t_ms;
        }
        spans
    }

    /// The number of the present pass over the memory, from 1.
    pub fn pass(&self) -> Option<u64> {
        let told = self.passes.iter().map(|(_, pass)| u64::from(*pass)).max();
        let counted = self.positive("memory_total").and_then(|_| self.positive("memory_iteration"));
        told.max(counted)
    }

    /// The fraction of the memory that is across, from 0 to 1; none while libvirt gives no numbers. It falls when a new pass
    /// over the memory begins, because the guest has dirtied pages meanwhile.
    pub fn fraction(&self) -> Option<f64> {
        if self.phase() == Phase::Completed {
            return Some(1.0);
        }
        let total = self.positive("memory_total")? as f64;
        Some((1.0 - self.remaining()? as f64 / total).clamp(0.0, 1.0))
    }

    /// The statistic of this name, unless it is 0 or missing.
    pub fn positive(&self, name: &str) -> Option<u64> {
        self.stats.number(name).filter(|number| *number > 0)
    }

    /// The bytes of memory that are not across yet; none while libvirt gives no numbers. Before the first pass libvirt gives
    /// a total of 0.
    pub fn remaining(&self) -> Option<u64> {
        self.positive("memory_total").map(|_| self.stats.number("memory_remaining").unwrap_or_default())
    }

    /// Whether the migration is over and succeeded.
    pub fn succeeded(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.error.is_none())
    }

    /// From libvirt's call to its return.
    pub fn duration_ms(&self) -> Option<f64> {
        self.end.as_ref().map(|end| end.t_ms - self.began_t_ms)
    }

    /// The bytes sent, and their ratio to the guest's memory.
    pub fn volume(&self) -> Option<(f64, Option<f64>)> {
        let sent = self.at_its_end("memory_processed")?;
        Some((sent, self.at_its_end("memory_total").filter(|total| *total > 0.0).map(|total| sent / total)))
    }

    /// The downtime that counts, and whether it is the reported one. Otherwise it is libvirt's.
    pub fn downtime_ms(&self) -> Option<(f64, bool)> {
        let reported = self.reported_ms().map(|ms| (ms, true));
        reported.or_else(|| self.libvirt_ms().map(|ms| (ms, false)))
    }

    /// The reported downtime: the network's, corrected within its error by the guest's own clock; none if neither clock
    /// measured.
    pub fn reported_ms(&self) -> Option<f64> {
        let clocks = self.clocks.as_ref()?;
        (clocks.network_ms.is_some() || clocks.guest_ms.is_some()).then_some(clocks.reported_ms)
    }

    /// libvirt's downtime, unless it is impossible. A downtime longer than the whole job is: QEMU may never have set its
    /// beginning, and then the value is the host's uptime.
    pub fn libvirt_ms(&self) -> Option<f64> {
        let said = self.libvirt_said_ms()?;
        let whole = self.at_its_end("time_elapsed").or(self.duration_ms());
        whole.is_none_or(|whole| said <= whole).then_some(said)
    }

    /// libvirt's downtime as the record has it, even if it is impossible.
    pub fn libvirt_said_ms(&self) -> Option<f64> {
        self.at_its_end("downtime")
    }

    /// What a clock says of the downtime; none for one that did not measure.
    pub fn by_clock(&self, clock: DowntimeClock) -> Option<f64> {
        let clocks = self.clocks.as_ref();
        match clock {
            DowntimeClock::Reported => self.reported_ms(),
            DowntimeClock::Network => clocks?.network_ms,
            DowntimeClock::Guest => clocks?.guest_ms,
            DowntimeClock::Libvirt => self.libvirt_ms(),
            DowntimeClock::Qemu => clocks?.qemu_ms,
            DowntimeClock::Migration => self.duration_ms(),
        }
    }

    /// All disagreements of the clocks in one sentence; none without any.
    pub fn disagreement(&self) -> Option<String> {
        let words = |Disagreement { clock, with }: &Disagreement| {
            let said = match clock {
                DowntimeClock::Libvirt => self.libvirt_said_ms()?,
                clock => self.by_clock(*clock)?,
            };
            Some(match (with, self.by_clock(*with)) {
                (DowntimeClock::Migration, _) => {
                    format!("{clock} says {said:.0} ms, longer than the migration took")
                }
                (DowntimeClock::Reported, reported) => {
                    format!("{clock} says {said:.0} ms of {:.0} ms reported", reported?)
                }
                (_, other) => format!("{clock} says {said:.0} ms, {with} {:.0} ms", other?),
            })
        };
        let words: Vec<String> = self.clocks.as_ref()?.disagreements.iter().filter_map(words).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// Whether libvirt's downtime is impossible.
    pub fn has_impossible_downtime(&self) -> bool {
        self.libvirt_said_ms().is_some() && self.libvirt_ms().is_none()
    }

    /// A number of the completed job's statistics.
    pub fn at_its_end(&self, name: &str) -> Option<f64> {
        self.end.as_ref()?.stats.number(name).map(|number| number as f64)
    }

    fn enter(&mut self, t_ms: f64, phase: Phase) {
        if phase != self.phase() {
            self.phases.push((t_ms, phase));
        }
    }

    /// Whether the migration is this guest's and still goes on. Later events concern a migration that is over.
    fn is_moving(&self, guest: &str) -> bool {
        self.guest == guest && self.end.is_none()
    }

    /// Whether an event's own fields name this migration.
    pub fn is_named_by(&self, event: &Event) -> bool {
        let (Event::LegFinished { guest, round, direction, step, .. }
        | Event::Downtime { guest, round, direction, step, .. }) = event
        else {
            return false;
        };
        self.guest == *guest && (self.round, self.direction, self.step) == (*round, *direction, *step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libvirt::{Detail, LifecycleEvent};

    fn started(guest: &str) -> Event {
        Event::LegStarted { guest: guest.into(), round: 1, direction: Direction::Out, step: 1 }
    }

    fn happened(what: DomainEvent) -> Event {
        Event::LibvirtEvent { host: "source".into(), guest: Some("vm1".into()), what }
    }

    fn finished(guest: &str, began_t_ms: f64) -> Event {
        Event::LegFinished {
            guest: guest.into(),
            round: 1,
            direction: Direction::Out,
            step: 1,
            error: None,
            began_t_ms: Some(began_t_ms),
            duration_s: 2.0,
            stats: Stats::new([("downtime", 40)]),
            switchover_s: None,
        }
    }

    fn leg(events: &[(f64, Event)]) -> RecordedLeg {
        let mut leg = RecordedLeg::begin(1_000.0, &started("vm1")).unwrap();
        for (t_ms, event) in events {
            assert!(leg.take(*t_ms, event), "{event:?}");
        }
        leg
    }

    fn spans(leg: &RecordedLeg) -> Vec<(Phase, f64, f64)> {
        leg.spans(9_000.0).iter().map(|span| (span.phase, span.from_t_ms, span.to_t_ms)).collect()
    }

    #[test]
    fn a_completed_job_ends_with_libvirts_call() {
        let moved = DomainEvent::lifecycle(LifecycleEvent::Resumed, Detail::Migrated);
        let leg = leg(&[
            (1_500.0, happened(DomainEvent::Iteration { pass: 1 })),
            (2_500.0, happened(moved)),
            (2_600.0, happened(DomainEvent::JobCompleted)),
            (3_100.0, finished("vm1", 1_010.0)),
        ]);
        let expected = [
            (Phase::Setup, 1_010.0, 1_500.0),
            (Phase::PreCopy, 1_500.0, 2_500.0),
            (Phase::Completion, 2_500.0, 3_010.0),
        ];
        assert_eq!(spans(&leg), expected);
        assert_eq!((leg.phase(), leg.completed_t_ms()), (Phase::Completed, Some(2_600.0)));
    }

    #[test]
    fn no_span_is_outside_of_the_migration() {
        let leg = leg(&[
            (1_005.0, happened(DomainEvent::Iteration { pass: 1 })),
            (3_500.0, happened(DomainEvent::JobCompleted)),
            (3_600.0, finished("vm1", 1_010.0)),
        ]);
        assert_eq!(spans(&leg), [(Phase::PreCopy, 1_010.0, 3_010.0)]);
    }

    #[test]
    fn what_is_about_another_guest_is_not_taken() {
        let mut leg = leg(&[]);
        assert!(!leg.take(2_000.0, &finished("vm2", 1_000.0)));
        assert!(!leg.take(2_000.0, &started("vm1")));
        assert_eq!(leg.end, None);
    }

    #[test]
    fn a_downtime_that_neither_network_nor_guest_measured_is_not_reported() {
        let clocks = |network_ms| Event::Downtime {
            guest: "vm1".into(),
            round: 1,
            direction: Direction::Out,
            step: 1,
            clocks: Clocks { network_ms, ..Clocks::default() },
        };
        let of = |network_ms| leg(&[(3_100.0, finished("vm1", 1_000.0)), (3_200.0, clocks(network_ms))]);
        assert_eq!((of(None).reported_ms(), of(None).downtime_ms()), (None, Some((40.0, false))));
        assert_eq!(of(Some(0.0)).downtime_ms(), Some((0.0, true)));
    }

    #[test]
    fn every_disagreement_is_said_with_what_both_clocks_say() {
        let clocks = |disagreements| Event::Downtime {
            guest: "vm1".into(),
            round: 1,
            direction: Direction::Out,
            step: 1,
            clocks: Clocks {
                reported_ms: 205.4,
                network_ms: Some(200.0),
                guest_ms: Some(410.0),
                qemu_ms: Some(9000.0),
                disagreements,
                ..Clocks::default()
            },
        };
        let of = |disagreements| {
            leg(&[(3_100.0, finished("vm1", 1_000.0)), (3_200.0, clocks(disagreements))]).disagreement()
        };
        let all = [
            (DowntimeClock::Network, DowntimeClock::Guest),
            (DowntimeClock::Libvirt, DowntimeClock::Reported),
            (DowntimeClock::Qemu, DowntimeClock::Migration),
        ];
        let all = all.map(|(clock, with)| Disagreement { clock, with });
        assert_eq!(serde_json::to_string(&all[1]).unwrap(), r#"{"clock":"libvirt","with":"reported"}"#);
        let said = "the network says 200 ms, the guest 410 ms; libvirt says 40 ms of 205 ms reported; \
                    QEMU says 9000 ms, longer than the migration took";
        assert_eq!(of(all.to_vec()).as_deref(), Some(said));
        assert_eq!(of(Vec::new()), None);
    }
}
