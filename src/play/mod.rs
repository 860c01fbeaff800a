//! Plays one scenario on one fleet: prepares, loads, moves out and proves, moves back and proves, unloads.
//!
//! Every finding goes to the record as it happens; the [`Outcome`] has the result.

mod activity;
mod beside;
mod booting_guests;
mod case;
mod context;
mod cpu;
mod cut;
mod downtime;
mod evidence;
mod floor;
mod guest_clock;
mod journal;
mod last_look;
mod longest;
mod lookout;
mod lost;
mod machines;
mod moves;
mod panel;
mod step_log;

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use crate::failure::Result;
use crate::guest::Fleet;
use crate::migration::{self, Again, Pace};
use crate::record::{Outcome, Verdict};
use crate::scenario::Scenario;
use case::Ended;
pub use context::Context;
use cut::{Began, Cut};
pub use evidence::{EVIDENCE, EvidenceFile};
pub use floor::floor;
use journal::Journal;
pub use last_look::last_look;
pub use longest::longest;
pub use lost::{guests_between_processes, guests_since};

/// The result of a play.
pub struct Played {
    pub outcome: Outcome,
    /// One more play that the scenario is worth, because this one came to nothing, by its mode or by chance, and there is no
    /// other finding.
    pub again: Option<Again>,
}

/// Plays one scenario. The outcome has whatever happens.
pub fn play(scenario: &Scenario, fleet: &Fleet, context: &Context<'_>) -> Played {
    let started = SystemTime::now();
    let (begin, began) = (Instant::now(), Began::now());
    let name = scenario.name();
    let mut journal = Journal::new(&name, context.record);
    journal.started(context.file.ignored_because(scenario).is_some());
    if let Some(words) = moves::refusal(scenario, fleet) {
        let mut outcome = Outcome::new(&name, Verdict::Ignored, started);
        outcome.reason = Some(words);
        return Played { outcome, again: None };
    }
    let Ended { result, logs, legs } = case::play(scenario, fleet, context, &mut journal);
    let interrupted = fleet.stop_flag().is_set();
    let cut = began.cut(fleet);
    let mut outcome =
        conclude(Outcome::new(&name, Verdict::Passed, started), &journal, result, logs, cut, interrupted);
    let missed = migration::again(scenario.mode, context.pace, &legs);
    let together = migration::together(scenario.mode, context.pace);
    let cut = cut.map(|cut| cut.again(context.pace, &journal, &legs));
    let again = after_cut(outcome.verdict, cut, &journal)
        .or_else(|| another_play(outcome.verdict, missed, &journal, together));
    (outcome.findings, outcome.numbers) = journal.finish();
    outcome.duration = begin.elapsed();
    Played { outcome, again }
}

/// The play that a scenario is worth in which a halt of multivm closed a connection, and explains all that was found.
fn after_cut(verdict: Verdict, cut: Option<Again>, journal: &Journal<'_>) -> Option<Again> {
    let came_to_nothing = matches!(verdict, Verdict::Failed | Verdict::Error);
    cut.filter(|again| came_to_nothing && again.explains == journal.findings())
}

/// The play that a scenario is worth in which nothing was found but what its mode missed, and what may be chance. What was
/// chance has the pace at which moves are `together`.
fn another_play(
    verdict: Verdict,
    missed: Option<Again>,
    journal: &Journal<'_>,
    together: Pace,
) -> Option<Again> {
    let chances = journal.chances();
    let explained = missed.as_ref().map_or(0, |again| again.explains) + chances.len();
    if verdict != Verdict::Failed || explained != journal.findings() {
        return None;
    }
    missed.or_else(|| Some(Again { pace: together, why: chances.first()?, explains: chances.len() }))
}

/// What a scenario came to: its verdict, the reason for it, and where its evidence is.
fn conclude(
    mut outcome: Outcome,
    journal: &Journal<'_>,
    result: Result<()>,
    logs: Result<PathBuf>,
    cut: Option<Cut>,
    interrupted: bool,
) -> Outcome {
    if let Err(failure) = result {
        outcome.verdict = Verdict::Error;
        outcome.reason = Some(failure.to_string());
    }
    if journal.has_findings() {
        outcome.verdict = Verdict::Failed;
        // The load in a dead guest cannot be ended, which is no news beside the finding that the guest is dead.
        outcome.reason = None;
    } else if let Some(words) = journal.refusal() {
        outcome.verdict = Verdict::Ignored;
        outcome.reason = Some(format!("this stack refuses it: {words}"));
    }
    if let (Some(cut), Verdict::Failed | Verdict::Error) = (cut, outcome.verdict) {
        let others = outcome.reason.map(|reason| format!("\n{reason}")).unwrap_or_default();
        outcome.reason = Some(cut.reason() + &others);
    }
    if interrupted {
        outcome.verdict = Verdict::Interrupted;
        outcome.reason = Some("the run was interrupted".into());
    }
    match logs {
        Ok(folder) => outcome.evidence = Some(folder),
        // This changes no verdict, but the reader of the outcome must know what is missing.
        Err(failure) => {
            outcome.reason.get_or_insert_with(|| format!("the evidence is incomplete: {failure}"));
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rstest::rstest;

    use super::*;
    use crate::check::{About, Proof, memory, overlap, post_copy};
    use crate::failure::Failure;
    use crate::record::{Record, RunHeader};

    const BROKEN: Option<&str> = Some("the NFS server is gone");

    /// What happened in a scenario, and what that makes of it.
    #[rstest]
    #[case::nothing(None, false, false, false, Verdict::Passed, None)]
    #[case::failure(BROKEN, false, false, false, Verdict::Error, Some("the NFS server is gone"))]
    #[case::finding(None, true, false, false, Verdict::Failed, None)]
    #[case::a_finding_explains_a_failure(BROKEN, true, false, false, Verdict::Failed, None)]
    #[case::refused(None, false, true, false, Verdict::Ignored, Some("this stack refuses it: no such thing"))]
    #[case::a_finding_is_more_than_a_refusal(None, true, true, false, Verdict::Failed, None)]
    #[case::interrupted(BROKEN, true, true, true, Verdict::Interrupted, Some("the run was interrupted"))]
    fn what_happened_makes_the_verdict(
        #[case] failure: Option<&str>,
        #[case] finding: bool,
        #[case] refusal: bool,
        #[case] interrupted: bool,
        #[case] verdict: Verdict,
        #[case] reason: Option<&str>,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::create(folder.path(), RunHeader::default()).unwrap();
        let mut journal = Journal::new("a::b", &record);
        if finding {
            journal.prove([Proof::new(&memory::ABOUT, false, "e", "s")]);
        }
        if refusal {
            journal.refused("no such thing".into());
        }
        let result = failure.map_or(Ok(()), |words| Err(Failure::new("end the load", words)));
        let outcome = Outcome::new("a::b", Verdict::Passed, SystemTime::now());
        let outcome = conclude(outcome, &journal, result, Ok("logs".into()), None, interrupted);
        assert_eq!(outcome.verdict, verdict);
        assert_eq!(outcome.evidence.as_deref(), Some(Path::new("logs")));
        match (&outcome.reason, reason) {
            (Some(told), Some(expected)) => assert!(told.contains(expected), "{told}"),
            (told, expected) => assert_eq!(told.as_deref(), expected),
        }
    }

    const MISSED: Again = Again { pace: Pace::DEFAULT, why: "missed", explains: 1 };

    /// What was found, and why it is worth another play.
    #[rstest]
    #[case::nothing(&[], None, None)]
    #[case::chance(&[&overlap::ABOUT], None, overlap::ABOUT.chance)]
    #[case::more_chance(&[&overlap::ABOUT, &overlap::ABOUT], None, overlap::ABOUT.chance)]
    #[case::damage(&[&memory::ABOUT], None, None)]
    #[case::chance_beside_damage(&[&overlap::ABOUT, &memory::ABOUT], None, None)]
    #[case::a_missed_switch(&[&post_copy::ABOUT], Some(MISSED), Some("missed"))]
    #[case::a_missed_switch_beside_damage(&[&post_copy::ABOUT, &memory::ABOUT], Some(MISSED), None)]
    #[case::a_missed_switch_and_chance(&[&post_copy::ABOUT, &overlap::ABOUT], Some(MISSED), Some("missed"))]
    fn a_scenario_is_played_again_if_nothing_but_chance_was_found(
        #[case] found: &[&'static About],
        #[case] missed: Option<Again>,
        #[case] why: Option<&str>,
        #[values(Verdict::Failed, Verdict::Interrupted, Verdict::Error)] verdict: Verdict,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::create(folder.path(), RunHeader::default()).unwrap();
        let mut journal = Journal::new("a::b", &record);
        for about in found {
            journal.prove([Proof::new(about, false, "e", "s")]);
        }
        let again = another_play(verdict, missed, &journal, Pace::default());
        let expected = why.filter(|_| verdict == Verdict::Failed);
        assert_eq!(again.map(|again| again.why), expected);
    }

    /// What was found in a scenario in which a connection was closed, how much of it that explains, and whether the scenario is
    /// played again.
    #[rstest]
    #[case::all(2, 2, Verdict::Failed, true)]
    #[case::damage_beside_it(2, 1, Verdict::Failed, false)]
    #[case::nothing_could_be_played(0, 0, Verdict::Error, true)]
    #[case::nothing_was_lost(0, 0, Verdict::Passed, false)]
    #[case::interrupted(1, 1, Verdict::Interrupted, false)]
    fn a_halt_that_explains_everything_is_worth_another_play(
        #[case] found: usize,
        #[case] explains: usize,
        #[case] verdict: Verdict,
        #[case] expected: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::create(folder.path(), RunHeader::default()).unwrap();
        let mut journal = Journal::new("a::b", &record);
        journal.prove((0..found).map(|_| Proof::new(&memory::ABOUT, false, "e", "s")));
        let cut = Again { explains, ..MISSED };
        assert_eq!(after_cut(verdict, Some(cut), &journal).is_some(), expected);
        assert_eq!(after_cut(verdict, None, &journal), None);
    }

    #[test]
    fn evidence_that_is_missing_is_told_and_changes_no_verdict() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::create(folder.path(), RunHeader::default()).unwrap();
        let journal = Journal::new("a::b", &record);
        let lost = || Err(Failure::new("collect the logs", "the disk is full"));
        let passed = || Outcome::new("a::b", Verdict::Passed, SystemTime::now());
        let outcome = conclude(passed(), &journal, Ok(()), lost(), None, false);
        assert_eq!((outcome.verdict, outcome.evidence), (Verdict::Passed, None));
        assert!(outcome.reason.unwrap().starts_with("the evidence is incomplete: "));
        let failure = Err(Failure::new("start the load", "no shell"));
        let outcome = conclude(passed(), &journal, failure, lost(), None, false);
        assert!(outcome.reason.unwrap().contains("no shell"), "the first trouble is the reason");
    }
}
