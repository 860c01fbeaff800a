//! Outcomes in the terms of libtest and nextest.

use libtest_mimic::{Completion, Failed};

use crate::record::Verdict;
use crate::sys::terminal;

/// The answer of a trial whose outcome has this verdict and this text.
///
/// An interrupted scenario counts as ignored, and so does one that an interruption kept from being played: they prove
/// nothing, either way.
pub fn completion(verdict: Verdict, text: String) -> Result<Completion, Failed> {
    match verdict {
        Verdict::Passed => Ok(Completion::Completed),
        Verdict::Ignored => Ok(Completion::ignored_with(text)),
        Verdict::Interrupted | Verdict::NotRun => Ok(Completion::ignored_with("the run was interrupted")),
        Verdict::Failed | Verdict::Error => {
            // nextest takes a failure's text from a line that begins like this.
            if std::env::var_os("NEXTEST").is_some() {
                terminal::say(&format!("Error: {text}"));
            }
            Err(Failed::from(text))
        }
    }
}

#[cfg(test)]
mod tests {
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
    #[case::not_played(Verdict::NotRun, Some("the run was interrupted"))]
    fn what_proves_nothing_is_no_failure(#[case] verdict: Verdict, #[case] expected: Option<&str>) {
        assert_eq!(reason(completion(verdict, "why".into())).as_deref(), expected);
    }

    #[rstest]
    fn what_did_not_pass_fails_with_its_text(#[values(Verdict::Failed, Verdict::Error)] verdict: Verdict) {
        let failed = completion(verdict, "vm2 rebooted".into()).err().unwrap();
        assert_eq!(failed.message(), Some("vm2 rebooted"));
    }
}
