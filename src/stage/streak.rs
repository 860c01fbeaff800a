//! Scenarios that failed in a row. What failed twice although nothing is known to be damaged may be damaged in a way that
//! nobody looks for.

use crate::record::{Outcome, Verdict};

/// The failures in a row at the end of a run's results.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Streak {
    failures: usize,
    /// The guests with findings in the last failure and the one before.
    guests: Vec<String>,
}

impl Streak {
    /// The streak at the end of these results. What could not be played neither ends one nor belongs to it, and after such a result there
    /// is none: what a streak asks for has been done before it.
    pub fn of(outcomes: &[Outcome]) -> Streak {
        if outcomes.last().is_none_or(|last| last.verdict != Verdict::Failed) {
            return Streak::default();
        }
        let judged = outcomes.iter().rev();
        let judged = judged.filter(|outcome| matches!(outcome.verdict, Verdict::Passed | Verdict::Failed));
        let failed: Vec<&Outcome> = judged.take_while(|outcome| outcome.verdict == Verdict::Failed).collect();
        let &[last, before, ..] = &failed[..] else {
            return Streak { failures: failed.len(), ..Streak::default() };
        };
        let has =
            |guest: &String| before.findings.iter().any(|finding| finding.guest.as_ref() == Some(guest));
        let mut guests: Vec<String> =
            last.findings.iter().filter_map(|finding| finding.guest.clone()).filter(has).collect();
        guests.sort();
        guests.dedup();
        Streak { failures: failed.len(), guests }
    }

    /// The guests that are to be renewed, whatever a look at them says. A stack that fails every scenario costs that once.
    pub fn suspects(&self) -> &[String] {
        if self.failures == 2 { &self.guests } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::record::Finding;

    fn failed(guests: &[Option<&str>]) -> Outcome {
        let finding = |guest: &Option<&str>| Finding {
            guest: guest.map(str::to_owned),
            ..Finding::in_a_test("reachable")
        };
        let findings = guests.iter().map(finding).collect();
        Outcome { findings, ..of(Verdict::Failed) }
    }

    fn of(verdict: Verdict) -> Outcome {
        Outcome::new("a", verdict, SystemTime::now())
    }

    fn suspects(outcomes: &[Outcome]) -> Vec<String> {
        Streak::of(outcomes).suspects().to_vec()
    }

    const VM1: Option<&str> = Some("vm1");
    const VM2: Option<&str> = Some("vm2");
    const NOBODY: [&str; 0] = [];

    #[test]
    fn a_guest_with_findings_twice_in_a_row_is_suspect() {
        assert_eq!(suspects(&[failed(&[VM1])]), NOBODY);
        assert_eq!(suspects(&[failed(&[VM1, VM2, None]), failed(&[VM1, VM1, None])]), ["vm1"]);
        assert_eq!(suspects(&[failed(&[VM1]), failed(&[VM2])]), NOBODY);
    }

    #[test]
    fn what_fails_on_is_made_anew_once() {
        assert_eq!(suspects(&vec![failed(&[VM1, None]); 3]), NOBODY);
        // It was made anew before the one that could not be played.
        let unplayed = [failed(&[VM1]), failed(&[VM1]), of(Verdict::Ignored)];
        assert_eq!(suspects(&unplayed), NOBODY);
    }

    #[test]
    fn only_a_pass_ends_a_streak() {
        assert_eq!(suspects(&[failed(&[VM1]), of(Verdict::Passed), failed(&[VM1])]), NOBODY);
        for other in [Verdict::Ignored, Verdict::Error, Verdict::Interrupted] {
            assert_eq!(suspects(&[failed(&[VM1]), of(other), failed(&[VM1])]), ["vm1"]);
        }
    }
}
