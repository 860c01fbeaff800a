//! Within budget: no migration took longer, and no guest stood still longer, than `scenarios.toml` allows.
//!
//! The user writes a budget, and nothing stretches it. The check compares the reported downtime; the record has its error
//! bound.

use std::time::Duration;

use humantime::format_duration;

use super::{About, Advice, Asked, Check, End, LegDowntime, LegEnd, Moment, Proof, Scene};
use crate::failure::Result;
use crate::scenario::{Budget, Limit, Scenario, ScenarioFile};

pub static ABOUT: About = About {
    id: "budget",
    summary: "within budget",
    how: "a migration's total time and its guest's downtime (how long its network was silent), \
          where `scenarios.toml` has a [budget](#budgets)",
    asked: &[Moment::Leg, Moment::End],
    // The migration is over and its guest is well: the scenario can go on.
    goes_on: true,
    advice: &[TOTAL, DOWNTIME],
    ..About::BASE
};

const TOTAL: Advice = Advice::new(
    "a migration took longer than its budget",
    "the job_sample lines of this migration in record.jsonl say where its time went",
);

const DOWNTIME: Advice = Advice::new(
    "a guest stood still for longer than its budget",
    "the downtime line in record.jsonl has what each clock says of it",
);

/// The check.
pub(super) struct WithinBudget;

impl Check for WithinBudget {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn settings(&self, scenario: &Scenario, file: &ScenarioFile) -> Vec<String> {
        file.budget_of(scenario).explain()
    }

    fn begin<'a>(&self, scene: &Scene<'a>) -> Result<Box<dyn Asked + 'a>> {
        Ok(Box::new(BudgetAsked(scene.file.budget_of(scene.scenario))))
    }
}

struct BudgetAsked(Budget);

impl Asked for BudgetAsked {
    fn on_leg(&mut self, end: &LegEnd<'_>) -> Vec<Proof> {
        let limit = self.0.total.iter().filter(|_| end.is_complete());
        limit.map(|limit| end.proof(total(limit, end.report.duration))).collect()
    }

    fn at_end(&mut self, end: &End<'_>) -> Vec<Proof> {
        let Some(limit) = &self.0.downtime else { return Vec::new() };
        let proof = |LegDowntime { guest, leg, clocks, .. }: &LegDowntime| {
            downtime(limit, clocks.reported_ms).of(guest).after(*leg)
        };
        end.downtimes.iter().map(proof).collect()
    }
}

/// Compares the time of one migration, from libvirt's call to its return, with its budget.
pub fn total(limit: &Limit, took: Duration) -> Proof {
    let seen = format!("{:.3} s", took.as_secs_f64());
    check("a migration", limit, took.as_secs_f64(), seen).advise(&TOTAL)
}

/// Compares the downtime of one migration, in milliseconds, with its budget.
pub fn downtime(limit: &Limit, reported_ms: f64) -> Proof {
    check("a downtime", limit, reported_ms / 1e3, format!("{reported_ms:.1} ms")).advise(&DOWNTIME)
}

fn check(what: &str, limit: &Limit, took_s: f64, seen: String) -> Proof {
    let most_s = limit.most.as_secs_f64();
    let over = took_s - most_s;
    // NaN fails this comparison, and so proves nothing.
    let ok = took_s <= most_s;
    let seen = if ok { seen } else { format!("{seen}, {:.1} ms more", over * 1e3) };
    let expected = format!("{what} of at most {}, by budget: {}", format_duration(limit.most), limit.reason);
    Proof::new(&ABOUT, ok, expected, seen)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn limit(milliseconds: u64) -> Limit {
        Limit { most: Duration::from_millis(milliseconds), reason: "clients give up".into() }
    }

    #[rstest]
    #[case::within(499, true, "0.499 s")]
    #[case::exactly(500, true, "0.500 s")]
    #[case::over(1750, false, "1.750 s, 1250.0 ms more")]
    fn a_migration_has_a_total(#[case] took_ms: u64, #[case] ok: bool, #[case] seen: &str) {
        let proof = total(&limit(500), Duration::from_millis(took_ms));
        assert_eq!((proof.about.id, proof.ok, &*proof.seen), ("budget", ok, seen));
        assert_eq!(proof.expected, "a migration of at most 500ms, by budget: clients give up");
    }

    #[rstest]
    #[case::within(2000.0, true, "2000.0 ms")]
    #[case::over(2000.5, false, "2000.5 ms, 0.5 ms more")]
    #[case::unknown(f64::NAN, false, "NaN ms, NaN ms more")]
    fn a_guest_has_a_downtime(#[case] reported_ms: f64, #[case] ok: bool, #[case] seen: &str) {
        let proof = downtime(&limit(2000), reported_ms);
        assert_eq!((proof.ok, &*proof.seen), (ok, seen));
        assert_eq!(proof.expected, "a downtime of at most 2s, by budget: clients give up");
    }
}
