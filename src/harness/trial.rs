//! Outcomes in the terms of libtest and nextest.

use std::time::SystemTime;

use libtest_mimic::{Completion, Failed};

use crate::record::{Outcome, Verdict};

/// The answer of a trial whose outcome has this verdict and this text.
///
/// An interrupted scenario counts as ignored: it proves nothing, either way.
pub fn completion(verdict: Verdict, text: String) -> Result<Completion, Failed> {
    match verdict {
        Verdict::Passed => Ok(Completion::Completed),
        Verdict::Ignored => Ok(Completion::ignored_with(text)),
        Verdict::Interrupted => Ok(Completion::ignored_with("the run was interrupted")),
        Verdict::Failed | Verdict::Error | Verdict::NotRun => {
            // nextest takes a failure's text from a line that begins like this.
            if std::env::var_os("NEXTEST").is_some() {
                eprintln!("Error: {text}");
            }
            Err(Failed::from(text))
        }
    }
}

/// The outcome of a scenario whose thread panicked: an error, since a panic says nothing about the guests.
pub fn panicked(scenario: &str, started: SystemTime, words: &str) -> Outcome {
    let mut outcome = Outcome::new(scenario, Verdict::Error, started);
    outcome.reason = Some(format!("the scenario panicked: {words}"));
    outcome.duration = started.elapsed().unwrap_or_default();
    outcome
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;

    use super::*;

    /// The reason for which libtest shows a trial as ignored; none for one that passed.
    fn reason(completion: Result<Completion, Failed>) -> Option<String> {
        match completion {
            Ok(Completion::Completed) => None,
            Ok(Completion::Ignored { reason }) => reason,
            Err(failed) => panic!("it failed: {failed:?}"),
        }
    }

    #[rstest]
    #[case::passed(Verdict::Passed, None)]
    #[case::ignored(Verdict::Ignored, Some("why"))]
    #[case::interrupted(Verdict::Interrupted, Some("the run was interrupted"))]
    fn what_proves_nothing_is_no_failure(#[case] verdict: Verdict, #[case] expected: Option<&str>) {
        assert_eq!(reason(completion(verdict, "why".into())).as_deref(), expected);
    }

    #[rstest]
    fn what_did_not_pass_fails_with_its_text(
        #[values(Verdict::Failed, Verdict::Error, Verdict::NotRun)] verdict: Verdict,
    ) {
        let failed = completion(verdict, "vm2 rebooted".into()).err().unwrap();
        assert_eq!(failed.message(), Some("vm2 rebooted"));
    }

    #[test]
    fn a_panic_is_an_error_with_its_words() {
        let started = SystemTime::now() - Duration::from_secs(3);
        let outcome = panicked("precopy_orderly::in_vms::stress_cpu", started, "out of cheese");
        assert_eq!(outcome.verdict, Verdict::Error);
        assert!(outcome.failure_text().contains("the scenario panicked: out of cheese"));
        assert!(outcome.duration >= Duration::from_secs(3));
    }
}
