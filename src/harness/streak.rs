//! Scenarios that failed in a row. What failed twice although nothing is known to be damaged may be damaged in a way that
//! nobody looks for.

use crate::record::{Outcome, Verdict};

/// The failures in a row at the end of a run's results.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Streak {
    failures: usize,
    /// The guests with findings in the last failure and the one before.
    guests: Vec<String>,
    /// Whether both of these have findings about no guest.
    hosts: bool,
}

impl Streak {
    /// The streak at the end of these results. What was not played, or could not be, neither ends one nor belongs to it.
    pub fn of(outcomes: &[Outcome]) -> Streak {
        let judged = outcomes.iter().rev();
        let judged = judged.filter(|outcome| matches!(outcome.verdict, Verdict::Passed | Verdict::Failed));
        let failed: Vec<&Outcome> = judged.take_while(|outcome| outcome.verdict == Verdict::Failed).collect();
        let &[last, before, ..] = &failed[..] else {
            return Streak { failures: failed.len(), ..Streak::default() };
        };
        let has = |outcome: &Outcome, guest: Option<&str>| {
            outcome.findings.iter().any(|finding| finding.guest.as_deref() == guest)
        };
        let mut guests: Vec<String> =
            last.findings.iter().filter_map(|finding| finding.guest.clone()).collect();
        guests.retain(|guest| has(before, Some(guest)));
        guests.sort();
        guests.dedup();
        Streak { failures: failed.len(), guests, hosts: has(last, None) && has(before, None) }
    }

    /// The guests that are to be renewed, whatever a look at them says. A stack that fails every scenario costs that once.
    pub fn suspects(&self) -> &[String] {
        if self.failures == 2 { &self.guests } else { &[] }
    }

    /// Why hosts are to be raised anew, whatever a look at them says; none if they need not be. A stack that fails every
    /// scenario costs that once or twice.
    pub fn suspects_hosts(&self) -> Option<String> {
        let failures = self.failures;
        (failures == 3 || failures == 2 && self.hosts).then(|| {
            format!("{failures} scenarios in a row have failed, and nobody knows of any other damage")
        })
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

    /// What is to be made anew after these results.
    fn anew(outcomes: &[Outcome]) -> (Vec<String>, bool) {
        let streak = Streak::of(outcomes);
        (streak.suspects().to_vec(), streak.suspects_hosts().is_some())
    }

    const VM1: Option<&str> = Some("vm1");
    const VM2: Option<&str> = Some("vm2");

    #[test]
    fn a_guest_with_findings_twice_in_a_row_is_suspect() {
        assert_eq!(anew(&[failed(&[VM1])]), (vec![], false));
        let twice = [failed(&[VM1, VM2]), failed(&[VM1, VM1])];
        assert_eq!(anew(&twice), (vec!["vm1".to_owned()], false));
        assert_eq!(anew(&[failed(&[VM1]), failed(&[VM2])]), (vec![], false));
    }

    #[test]
    fn hosts_are_suspect_after_two_findings_about_them_or_three_failures() {
        assert_eq!(anew(&[failed(&[None]), failed(&[None, VM1])]), (vec![], true));
        assert_eq!(anew(&[failed(&[None]), failed(&[VM1])]), (vec![], false));
        assert_eq!(anew(&[failed(&[VM1]), failed(&[VM1]), failed(&[VM1])]), (vec![], true));
    }

    #[test]
    fn what_fails_on_is_made_anew_no_more() {
        let failures = vec![failed(&[VM1, None]); 4];
        assert_eq!(anew(&failures), (vec![], false));
    }

    #[test]
    fn only_a_pass_ends_a_streak() {
        let ended = [failed(&[VM1]), of(Verdict::Passed), failed(&[VM1])];
        assert_eq!(anew(&ended), (vec![], false));
        assert_eq!(Streak::of(&[failed(&[VM1]), of(Verdict::Passed)]), Streak::default());
        for other in [Verdict::Ignored, Verdict::Error, Verdict::Interrupted] {
            assert_eq!(anew(&[failed(&[VM1]), of(other), failed(&[VM1])]), (vec!["vm1".to_owned()], false));
        }
    }
}
