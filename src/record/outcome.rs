//! The outcome of a scenario: pure data, without a host, guest or file behind it.
//!
//! A run yields an [`Outcome`], the record keeps it, and JUnit, the HTML report and `compare` show it. Its texts are for the
//! engineer who reads them in a CI log at night, without having seen the run.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize, Serializer};

use super::Numbers;
use crate::inventory::catalogue::CATALOGUE_VARIABLE;
use crate::plan::SEED_VARIABLE;
use crate::remote::quote;
use crate::scenario::{Direction, SIZING_VARIABLE, Scenario};
use crate::sys::words::{counted, first_line};

/// One defect that a check found.
///
/// Its `Display` is a block of lines; the first names the check and the place in the scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// Name of the proof: `placement`, `reboot`, `reachable`, `kernel_log`, `load`, `migration`, `overlap`, ...
    pub check: String,
    /// The guest concerned; absent when the finding is about a host or the whole fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<String>,
    /// The round of the move that was judged, counted from 1; absent before the first and after the last move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// The direction of the move that was judged; absent before the first and after the last move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The appearance of a good run, with units.
    pub expected: String,
    /// What the check saw instead, with units; perhaps several lines.
    pub seen: String,
    /// Advice that is better than a look at the evidence folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub try_next: Option<String>,
}

#[cfg(test)]
impl Finding {
    /// A finding of that check about the whole fleet.
    pub fn in_a_test(check: &str) -> Finding {
        Finding {
            check: check.into(),
            guest: None,
            round: None,
            direction: None,
            expected: "e".into(),
            seen: "s".into(),
            try_next: None,
        }
    }
}

impl Finding {
    /// The first line of the finding's `Display`: `reboot: guest vm2, round 1, source to target`.
    pub fn headline(&self) -> String {
        let place: Vec<String> = [
            self.guest.as_ref().map(|guest| format!("guest {guest}")),
            self.round.map(|round| format!("round {round}")),
            self.direction.map(|direction| direction.to_string()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if place.is_empty() { self.check.clone() } else { format!("{}: {}", self.check, place.join(", ")) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.headline())?;
        write!(f, "\n  expected: {}", indented(&self.expected))?;
        write!(f, "\n  seen: {}", indented(&self.seen))?;
        if let Some(try_next) = &self.try_next {
            write!(f, "\n  try next: {}", indented(try_next))?;
        }
        Ok(())
    }
}

/// Indents further lines deeper than the label, so that a kernel log does not pass for the next label.
fn indented(text: &str) -> String {
    text.trim_end().lines().collect::<Vec<_>>().join("\n    ")
}

/// The end of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every proof held.
    Passed,
    /// At least one proof did not hold: the finding is about the guests or the migration.
    Failed,
    /// The environment could not do it; this says nothing about the guests.
    Error,
    /// Not meant to run here: a requirement is not met, or the scenario was not selected. `reason` says which.
    Ignored,
    /// Begun, and stopped from outside before its end.
    Interrupted,
    /// Selected, and never begun, because the run ended first.
    NotRun,
}

impl Verdict {
    /// Whether a scenario should end like this.
    pub fn is_good(self) -> bool {
        matches!(self, Verdict::Passed | Verdict::Ignored)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Passed => "passed",
            Verdict::Failed => "failed",
            Verdict::Error => "error",
            Verdict::Ignored => "ignored",
            Verdict::Interrupted => "interrupted",
            Verdict::NotRun => "not run",
        })
    }
}

/// The outcome of one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Outcome {
    /// Full name, as `--exact` takes it: `postcopy_cross::in_vms::stress_memory`.
    pub scenario: String,
    /// The scenario's verdict.
    pub verdict: Verdict,
    /// The reason for the verdict, unless it is a pass or a failure with findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The checks' findings, in the order of their discovery. A record has each as an [`Event::CheckFailed`](super::Event)
    /// before the result, and not in it.
    #[serde(skip)]
    pub findings: Vec<Finding>,
    /// The scenario's beginning. In files RFC 3339 in UTC, to the millisecond.
    #[serde(with = "rfc3339")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub started: SystemTime,
    /// The scenario's duration. In files seconds, as a number.
    #[serde(rename = "duration_s", with = "seconds")]
    #[cfg_attr(test, schemars(with = "f64"))]
    pub duration: Duration,
    /// The numbers that deserve a line in a report.
    #[serde(default, skip_serializing_if = "Numbers::is_empty")]
    pub numbers: Numbers,
    /// The seed of the scenario's random choices; absent if it makes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The number of guests that the random choices were made for; absent without any, and where a catalogue lists the guests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guests: Option<u32>,
    /// The number of rounds that the random choices were made for; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u32>,
    /// The catalogue of guests, as the user named it; absent where no catalogue lists the guests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<String>,
    /// Whether the scenario lies beyond the matrix: such a scenario is played only on request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignored: bool,
    /// The folder with what the logs of libvirt, QEMU, the storage server and the guests' consoles gained in the scenario;
    /// of a failed scenario also the guests' kernel logs and domain XML, and where a migration failed what of its guest's
    /// devices differs between the hosts.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "lossy_path")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub evidence: Option<PathBuf>,
}

impl Outcome {
    /// An outcome with no findings, numbers or evidence yet, and a duration of zero.
    pub fn new(scenario: impl Into<String>, verdict: Verdict, started: SystemTime) -> Outcome {
        Outcome {
            scenario: scenario.into(),
            verdict,
            reason: None,
            findings: Vec::new(),
            started,
            duration: Duration::ZERO,
            numbers: Numbers::default(),
            seed: None,
            guests: None,
            rounds: None,
            catalogue: None,
            ignored: false,
            evidence: None,
        }
    }

    /// One line for lists: the first finding's headline and how many more there are, or the reason, or the verdict.
    pub fn headline(&self) -> String {
        match (self.findings.as_slice(), &self.reason) {
            ([only], _) => only.headline(),
            ([first, more @ ..], _) => format!("{} (and {} more)", first.headline(), more.len()),
            ([], Some(reason)) => first_line(reason).to_owned(),
            ([], None) => format!("{}, without a reason given", self.verdict),
        }
    }

    /// The whole text for a reader who has nothing else: reason, findings, the place of the evidence, and the command for
    /// this scenario. It ends without a newline.
    pub fn failure_text(&self) -> String {
        let mut blocks: Vec<String> = Vec::new();
        blocks.extend(self.reason.as_ref().map(|reason| reason.trim_end().to_string()));
        blocks.extend(self.findings.iter().map(Finding::to_string));
        if blocks.is_empty() {
            blocks.push(self.headline());
        }
        let mut last = String::new();
        if let Some(evidence) = &self.evidence {
            last.push_str(&format!("evidence: {}\n", evidence.display()));
        }
        last.extend(
            self.seed.map(|seed| format!("its moves follow from the seed {seed}{}\n", self.drawn_for())),
        );
        last.push_str(&format!("run just this: {}", self.rerun_command()));
        blocks.push(last);
        blocks.join("\n\n")
    }

    /// What the random choices follow from beside the seed.
    fn drawn_for(&self) -> String {
        let counts = [
            self.guests.map(|guests| counted(guests, "guest", "guests")),
            self.rounds.map(|rounds| counted(rounds, "round", "rounds")),
        ];
        counts.into_iter().flatten().map(|count| format!(", {count}")).collect()
    }

    /// The command that runs this scenario and no other, with the same guests and random choices.
    pub fn rerun_command(&self) -> String {
        let sized = self.scenario.parse().is_ok_and(|scenario: Scenario| scenario.sizing.is_some());
        let mut switch = if sized { format!("{SIZING_VARIABLE}=1 ") } else { String::new() };
        if let Some(seed) = self.seed {
            switch.extend(self.guests.map(|guests| format!("MULTIVM_GUESTS={guests} ")));
            switch.extend(self.rounds.map(|rounds| format!("MULTIVM_ROUNDS={rounds} ")));
            switch.push_str(&format!("{SEED_VARIABLE}={seed} "));
        }
        let catalogue = self.catalogue.iter();
        switch.extend(catalogue.map(|path| format!("{CATALOGUE_VARIABLE}={} ", quote(path))));
        let ignored = if self.ignored { "--ignored " } else { "" };
        format!("{switch}cargo test --test migration -- {ignored}--exact {}", self.scenario)
    }
}

/// RFC 3339 in UTC with milliseconds. A time before 1970 becomes 1970, so that a host with a dead clock cannot break the
/// record (humantime's formatter refuses such times).
pub fn rfc3339_text(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time.max(SystemTime::UNIX_EPOCH)).to_string()
}

/// `#[serde(with)]` for a point in time.
pub(crate) mod rfc3339 {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::rfc3339_text(*time))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text)
            .map_err(|error| D::Error::custom(format!("{text:?} is not an RFC 3339 time in UTC: {error}")))
    }
}

/// A point in time in its file form, where it may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rfc3339(#[serde(with = "rfc3339")] pub SystemTime);

/// `#[serde(with)]` for a duration as a number of seconds.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds)
            .map_err(|error| D::Error::custom(format!("{seconds} is not a duration in seconds: {error}")))
    }
}

/// `#[serde(serialize_with)]` for an optional path. Bytes that are not UTF-8 become U+FFFD: serde would refuse the path, and
/// with it the whole outcome.
fn lossy_path<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn reboot() -> Finding {
        Finding {
            check: "reboot".into(),
            guest: Some("vm2".into()),
            round: Some(1),
            direction: Some(Direction::Out),
            expected: "boot id 11aa".into(),
            seen: "boot id 22bb\nuptime 3 s".into(),
            try_next: Some("read the guest's console".into()),
        }
    }

    fn failed() -> Outcome {
        let started = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let mut outcome = Outcome::new("precopy_orderly::in_vms::stress_cpu", Verdict::Failed, started);
        outcome.findings.push(reboot());
        outcome.duration = Duration::from_millis(1500);
        outcome.numbers.migrations = Some(4);
        outcome.evidence = Some("results/latest/x/evidence".into());
        outcome
    }

    #[test]
    fn a_finding_reads_as_a_block() {
        assert_eq!(
            reboot().to_string(),
            "reboot: guest vm2, round 1, source to target\n  expected: boot id 11aa\n  seen: boot id 22bb\n    \
             uptime 3 s\n  try next: read the guest's console"
        );
    }

    #[rstest]
    #[case::nothing(None, None, None, "reboot")]
    #[case::guest(Some("vm1"), None, None, "reboot: guest vm1")]
    #[case::fleet(None, Some(2), Some(Direction::Back), "reboot: round 2, target to source")]
    fn a_headline_has_only_what_is_known(
        #[case] guest: Option<&str>,
        #[case] round: Option<u32>,
        #[case] direction: Option<Direction>,
        #[case] expected: &str,
    ) {
        let finding = Finding { guest: guest.map(Into::into), round, direction, ..reboot() };
        assert_eq!(finding.headline(), expected);
    }

    #[test]
    fn a_sized_scenario_is_run_again_with_its_size() {
        let name = "precopy_orderly::in_vms::stress_cpu::set_vcpu_1";
        assert_eq!(
            Outcome::new(name, Verdict::Failed, SystemTime::now()).rerun_command(),
            format!("MULTIVM_SIZING=1 cargo test --test migration -- --exact {name}")
        );
    }

    #[test]
    fn a_scenario_with_guests_of_a_catalogue_is_run_again_with_them() {
        let name = "precopy_orderly::in_vms::stress_cpu";
        let outcome = Outcome {
            catalogue: Some("my guests.toml".into()),
            ..Outcome::new(name, Verdict::Failed, SystemTime::now())
        };
        assert_eq!(
            outcome.rerun_command(),
            format!("MULTIVM_CATALOGUE='my guests.toml' cargo test --test migration -- --exact {name}")
        );
    }

    #[test]
    fn the_failure_text_stands_alone() {
        assert_eq!(
            failed().failure_text(),
            format!(
                "{}\n\nevidence: results/latest/x/evidence\nrun just this: cargo test --test migration -- --exact \
                 precopy_orderly::in_vms::stress_cpu",
                reboot()
            )
        );
    }

    #[test]
    fn a_failure_says_its_seed_and_how_to_replay_it() {
        let outcome = Outcome { seed: Some(42), guests: Some(2), rounds: Some(1), ignored: true, ..failed() };
        let text = outcome.failure_text();
        assert!(text.contains("its moves follow from the seed 42, 2 guests, 1 round\n"), "{text}");
        let command = "MULTIVM_GUESTS=2 MULTIVM_ROUNDS=1 MULTIVM_SEED=42 cargo test --test migration -- --ignored --exact precopy_orderly::";
        assert!(text.contains(command), "{text}");
    }

    #[test]
    fn the_headline_counts_what_it_leaves_out() {
        let mut outcome = failed();
        outcome.findings.push(reboot());
        outcome.findings.push(reboot());
        assert_eq!(outcome.headline(), "reboot: guest vm2, round 1, source to target (and 2 more)");
        outcome.findings.clear();
        assert_eq!(outcome.headline(), "failed, without a reason given");
        outcome.reason = Some("no KVM\nhere".into());
        assert_eq!(outcome.headline(), "no KVM");
    }

    #[test]
    fn an_outcome_survives_its_file_form() {
        let json = serde_json::to_value(failed()).unwrap();
        assert_eq!(json["started"], "2023-11-14T22:13:20.123Z");
        assert_eq!(json["duration_s"], 1.5);
        let without_findings = Outcome { findings: Vec::new(), ..failed() };
        assert_eq!(serde_json::from_value::<Outcome>(json).unwrap(), without_findings);
    }

    #[rstest]
    #[case::negative("-1")]
    #[case::huge("1e300")]
    fn an_impossible_duration_is_an_error(#[case] seconds: &str) {
        let json = serde_json::to_string(&failed()).unwrap().replace("1.5", seconds);
        let error = serde_json::from_str::<Outcome>(&json).unwrap_err().to_string();
        assert!(error.contains("is not a duration in seconds"), "{error}");
    }

    #[test]
    fn a_dead_clock_does_not_panic() {
        assert_eq!(rfc3339_text(SystemTime::UNIX_EPOCH - Duration::from_secs(9)), "1970-01-01T00:00:00.000Z");
    }
}
