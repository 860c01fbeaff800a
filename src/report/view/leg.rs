//! The view of one migration.

use super::SampleView;
use crate::record::{Event, RecordedLeg};

/// One migration of one guest, with its statistics over time.
#[derive(Clone, Debug)]
pub struct LegView {
    pub leg: RecordedLeg,
    /// The samples in the order of time.
    pub samples: Vec<SampleView>,
}

impl LegView {
    pub(super) fn new(leg: RecordedLeg) -> LegView {
        LegView { leg, samples: Vec::new() }
    }

    /// Takes an event, and returns whether it concerns this migration.
    pub(super) fn take(&mut self, t_ms: f64, event: &Event) -> bool {
        let mine = self.leg.take(t_ms, event);
        if mine && matches!(event, Event::JobSample { .. }) {
            self.samples.push(SampleView::new(t_ms, &self.leg.stats));
        }
        mine
    }

    /// The statistics of the completed job; none if the record has none.
    pub fn completed(&self) -> Option<SampleView> {
        let end = self.leg.end.as_ref().filter(|end| !end.stats.is_empty())?;
        Some(SampleView::new(end.t_ms, &end.stats))
    }
}
