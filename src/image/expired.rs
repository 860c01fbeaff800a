//! Package sources with an expired Release file: frozen or archived ones, which are no longer signed anew.

use super::mirror::SUITES;
use crate::failure::Failure;

/// The variable with the suites that may be expired.
pub const EXPIRED_VARIABLE: &str = "MULTIVM_EXPIRED";

/// The value for every suite.
const ALL: &str = "all";

/// The suites whose Release file may have expired. Its signature must still be good.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expired(Vec<String>);

impl Expired {
    /// Reads `forky`, `bullseye,forky` or `all`.
    pub fn read(value: &str) -> Result<Expired, Failure> {
        let names: Vec<String> = value.split(',').map(|name| name.trim().to_owned()).collect();
        match names.iter().find(|name| *name != ALL && !SUITES.contains(&name.as_str())) {
            None => Ok(Expired(names)),
            Some(wrong) => Err(Failure::new(
                format!("use {EXPIRED_VARIABLE}={value}"),
                format!(
                    "`{wrong}` is no suite; allowed: {ALL}, or any of {}, with commas between them",
                    SUITES.join(", ")
                ),
            )),
        }
    }

    /// Whether the Release file of a suite may have expired.
    pub fn has(&self, suite: &str) -> bool {
        self.0.iter().any(|name| name == ALL || name == suite)
    }
}

/// Advice about a failed build whose messages mention an expired Release file, which apt reports only in words.
pub(super) fn advice(suite: &str, words: &[String]) -> Option<String> {
    let expired = words.iter().any(|line| line.contains("Release file") && line.contains("expired"));
    expired.then(|| {
        format!(
            "the package source has an expired Release file for {suite}, as a frozen or archived one has. If that is meant: \
             {EXPIRED_VARIABLE}={suite} for this suite, {EXPIRED_VARIABLE}={ALL} for all images"
        )
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one("forky", &["forky"], &["trixie"])]
    #[case::two("bullseye, forky", &["bullseye", "forky"], &["trixie"])]
    #[case::all("all", &["bullseye", "forky", "trixie"], &[])]
    fn suites_are_named(#[case] value: &str, #[case] may: &[&str], #[case] may_not: &[&str]) {
        let expired = Expired::read(value).unwrap();
        assert!(
            may.iter().all(|suite| expired.has(suite)) && !may_not.iter().any(|suite| expired.has(suite))
        );
        assert!(!Expired::default().has("forky"));
    }

    #[rstest]
    #[case("yes")]
    #[case("forky,noble")]
    #[case("forky,")]
    fn what_is_no_suite_is_refused(#[case] value: &str) {
        let said = Expired::read(value).unwrap_err().to_string();
        assert!(
            said.contains("MULTIVM_EXPIRED") && said.contains("allowed: all, or any of bullseye"),
            "{said}"
        );
    }

    #[test]
    fn the_message_says_which_suite_and_which_setting() {
        let words = [
            "I: running apt-get update...",
            "E: Release file for mirror:/dists/forky/InRelease is expired (invalid since 3d).",
        ];
        let words = words.map(str::to_owned);
        let advice = advice("forky", &words).unwrap();
        assert!(
            advice.contains("MULTIVM_EXPIRED=forky") && advice.contains("MULTIVM_EXPIRED=all"),
            "{advice}"
        );
        assert_eq!(super::advice("forky", &words[..1]), None);
    }
}
