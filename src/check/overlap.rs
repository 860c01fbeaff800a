//! It crossed: the two directions of a crossing step were under way at the same time.

use std::time::Duration;

use super::{About, Advice, Asked, Check, Moment, Proof, Scene, StepEnd};
use crate::failure::Result;
use crate::migration::LegReport;
use crate::scenario::Scenario;

pub static ABOUT: About = About {
    id: "overlap",
    summary: "it crossed",
    how: "the outbound and the inbound migration of a step were under way at the same time",
    asked: &[Moment::Step],
    only: Some("the order `cross`"),
    advice: &[APART],
    ..About::BASE
};

const APART: Advice = Advice::new(
    "one migration was over before the other began",
    "leg_started and leg_finished in record.jsonl say when each was under way: does one take too little time, or did a host \
     make it wait?",
);

/// The check.
pub struct Overlap;

impl Check for Overlap {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn applies(&self, scenario: &Scenario) -> bool {
        scenario.order.spec().overlaps
    }

    fn begin<'a>(&self, _scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(OverlapAsked))
    }
}

struct OverlapAsked;

impl Asked for OverlapAsked {
    fn on_step(&mut self, end: &StepEnd<'_>) -> Vec<Proof> {
        match end.legs {
            [(leg, one), (_, other)] if end.crosses => vec![check(one, other).after(*leg)],
            _ => Vec::new(),
        }
    }
}

/// How long both directions of a step were under way at the same time.
pub fn check(outbound: &LegReport, inbound: &LegReport) -> Proof {
    let both = [outbound, inbound];
    let began = both.iter().filter_map(|report| report.began).max();
    let ended = both.iter().filter_map(|report| report.ended).min();
    let overlap = match (began, ended) {
        (Some(began), Some(ended)) => ended.saturating_duration_since(began),
        _ => Duration::ZERO,
    };
    Proof::new(
        &ABOUT,
        !overlap.is_zero(),
        "the outbound and the inbound migration under way at the same time",
        format!("for {:.3} s", overlap.as_secs_f64()),
    )
    .advise(&APART)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn moves_one_after_the_other_do_not_overlap() {
        let zero = Instant::now();
        let report = |from, to| LegReport {
            began: Some(zero + Duration::from_secs(from)),
            ended: Some(zero + Duration::from_secs(to)),
            ..LegReport::default()
        };
        assert!(!check(&report(0, 2), &report(2, 4)).ok);
        let proof = check(&report(0, 3), &report(1, 4));
        assert!(proof.ok && proof.seen.contains("2.000 s"), "{proof:?}");
    }
}
