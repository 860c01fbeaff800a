//! What changed between two runs: `multivm compare BASE NEW`.
//!
//! ```text
//! record.jsonl --> run --> judge --> comparison --> text, JSON, HTML
//!                            |
//!                            +-- noise    how far equal runs are apart, learnt from these two
//!                            +-- rank     the tests on ranks
//!                            +-- correct  for many tests at once
//! ```
//!
//! # What is judged
//!
//! For every scenario that both runs have: the downtime, the total time and the data volume of its legs (a leg is one
//! migration of one guest). Wall time is shown and not judged: most of it is load and proofs. p95 and maximum are shown
//! and not judged either: of 6 legs they are one leg. A budget in `scenarios.toml` judges every leg.
//!
//! # Why not simply a test on the legs
//!
//! Two runs of the same stack on the same machine differ by far more than the legs of one run do among themselves: what
//! else the machine does at that minute slows all legs of a scenario alike. On two cores with TCG, the total time of a
//! scenario differed by a factor of 1.3 to 1.8 from run to run ([`Metric::usual_scatter`]), with single cases far beyond,
//! while the legs of one run were often closer together. A test that takes the legs for independent (Mann-Whitney, t) takes
//! such minutes for regressions. The statistical unit is the run of a scenario, and of that there is one in BASE and one
//! in NEW.
//!
//! # What is done
//!
//! The *shift* of a scenario is the Hodges-Lehmann estimate on the logarithms of its legs: the median of all ratios of a leg
//! of NEW to a leg of BASE. It counts as worse only by what it exceeds the metric's [least effect](Metric), a factor and at
//! least an absolute amount. Then:
//!
//! - **A group** (all scenarios of a mode and order, and all together; 6 at least) is worse if the shifts of its scenarios
//!   exceed the least effect by Wilcoxon's signed-rank test, one-sided and exact up to 60 scenarios, at 5 % after Holm's correction over all
//!   groups and metrics.
//! - **A scenario** is worse if its shift exceeds the least effect by so much that the scatter between equal runs does
//!   not explain it: Student's t with 8 degrees of freedom, whose long tails allow for the minutes in which a machine is
//!   busy with something else. The scatter is learnt from these two runs (`noise`): how far the shifts of scenarios of
//!   the same group are apart, by a measure that ignores those that got worse. Significant at
//!   5 % after Benjamini and Hochberg's correction: over the scenarios of its group where that is worse, else over all
//!   scenarios and metrics.
//! - **Its legs must agree**: those of NEW are longer than those of BASE raised by the least effect, by the
//!   one-sided Mann-Whitney test, exact up to 24 legs, at 5 %, uncorrected: errors are limited by the condition before; one leg alone must not
//!   make a scenario worse.
//! - A scenario that passed in BASE and **fails** in NEW is a regression without any test.
//!
//! The same the other way round says what got better.
//!
//! # What it can find
//!
//! In simulations with noise like the measured one (a factor of 1.5 from run to run, long tails; 4 groups, 6 legs; 20 runs
//! of 4 and 8 of 72 scenarios each; `judge/tests.rs` has the same noise): total time of all 72 scenarios times 2.5, a group
//! was found in 7 of 8; times 3, in all 8, and 2 scenarios named; times 4, 13; times 10, 66. Of 4 scenarios times 10, 3 were
//! named. Of equal stacks, 1 of 60 comparisons of 4 scenarios, none of 60 of 12 and none of 30 of 72 claimed anything; with
//! a factor of 1.4 between the speeds of the machine in both runs on top, 1 of 60, 1 of 60 and none of 30.

mod change;
mod comparison;
mod correct;
mod html;
mod judge;
mod metric;
mod noise;
mod rank;
mod run;
mod summary;
#[cfg(test)]
mod testing;
mod text;

use std::path::Path;

pub use change::{Fact, Told, Verdicts};
pub use comparison::{
    Alike, Claim, Comparison, FORMAT_VERSION, Group, Measured, Noise, RunSummary, Scenario,
};
pub use metric::{DowntimeClock, Metric};
pub use run::Run;
pub use summary::Summary;

use crate::record::{ReportError, write_atomically};

/// What a comparison can look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: the worst first, the rest counted.
    Text,
    /// Everything, as [`Comparison`] describes it.
    Json,
    /// One page that needs no other file.
    Html,
}

impl Comparison {
    /// The comparison as a file or a terminal takes it; ends with a newline.
    ///
    /// # Errors
    /// When a template or serde fails, which no input makes them do.
    pub fn render(&self, format: Format) -> Result<String, ReportError> {
        match format {
            Format::Text => Ok(text::render(self)),
            Format::Html => html::render(self),
            Format::Json => {
                let json = serde_json::to_string_pretty(self)
                    .map_err(|error| ReportError::Compare(format!("as JSON: {error}")))?;
                Ok(json + "\n")
            }
        }
    }
}

/// Writes a comparison to a file, as a whole or not at all.
///
/// # Errors
/// When the file system refuses.
pub fn write(path: &Path, rendered: &str) -> Result<(), ReportError> {
    write_atomically(path, rendered.as_bytes())
}
