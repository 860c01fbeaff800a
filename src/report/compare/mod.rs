//! What changed between the runs of two stacks, BASE and NEW: `multivm compare`.
//!
//! ```text
//! record.jsonl --> run --> measured --> judge --> comparison --> view --> text, HTML
//!                                         |            |
//!                                         |            +--> JSON
//!                                         +-- deal  the test
//! ```
//!
//! # What is judged
//!
//! For every scenario that both sides have: the downtime, the total time and the data volume of its legs (a leg is one
//! migration of one guest). Wall time is shown and not judged: most of it is load and proofs. p95 and maximum are shown
//! and not judged either: of 6 legs they are one leg. A budget in `scenarios.toml` judges every leg.
//!
//! # Why not simply a test on the legs
//!
//! Two runs of the same stack on the same machine differ by far more than the legs of one run do among themselves: what
//! else the machine does at that minute slows all legs of a scenario alike. On two cores with TCG, the total time of a
//! scenario differed by a factor of 1.3 to 1.8 from run to run, with single cases far beyond, while the legs of one run were
//! often closer together. A test that takes the legs for independent (Mann-Whitney, t) takes such minutes for regressions.
//! The statistical unit is the run: of each scenario in each run the median of its legs counts, and nothing else.
//!
//! # What is done
//!
//! - **One test, one correction** (`deal.rs`): if the stacks are equal, each way to deal the runs into two sides is as likely as
//!   the true one. Of each way the largest rise of all scenarios, groups (all of a mode, order and transport, and all together;
//!   6 scenarios at least) and metrics counts. What rose more than that in all but 5 % of the ways is worse.
//! - **Enough runs** (20 ways to deal them: 3 and 3, or 2 and 5) are dealt as wholes, and scenarios are judged, too.
//! - **Fewer runs** (1 and 1): nothing can tell a scenario's change from the minute in which it was played. But there are many
//!   scenarios: the two sides of each are swapped for itself, and groups alone are judged.
//! - **Least effect**: only what exceeds the metric's [least effect](Metric) is called worse, a factor and at
//!   least an absolute amount.
//! - A scenario that passed in BASE and **fails, is refused or has an error** in NEW is a regression without any test.
//! - Where something **stopped NEW** before it had shown what BASE has, it is not called free of regressions.
//!
//! The other way round, the rules say what got better. At its end a comparison says what it would have found: from which
//! factor on, for one scenario and for each group.
//!
//! # What it can find
//!
//! In simulations with noise like the measured one (`judge/tests.rs`, `table`: a factor of 1.5 from run to run with long tails,
//! better and worse hours of the machine by 1.15; 4 groups, 6 legs), of 20 comparisons each:
//!
//! | total time | one of 4 scenarios, 3 and 3 runs | 5 and 5 | one of 72, 3 and 3 | 5 and 5 | all 72, 1 and 1 | 3 and 3 |
//! |------------|----------------------------------|---------|--------------------|---------|-----------------|---------|
//! | x2         | 7 | 9 | 2 | 4 | 16 | 17 |
//! | x2.5       | 11 | 16 | 5 | 8 | 19 | 20 |
//! | x3         | 14 | 18 | 10 | 16 | 19 | 20 |
//! | x4         | 17 | 19 | 14 | 20 | 20 | 20 |
//! | x6         | 18 | 20 | 20 | 20 | 20 | 20 |
//!
//! Of equal stacks, 60 comparisons in each of these columns, 2 claimed anything: of 72 scenarios, one with 1 and 1 runs and
//! one with 3 and 3. All 72 times 4, 3 and 3 runs name 55 of them on average, 5 and 5 name 70; 1 and 1 name none.

mod alike;
mod comparison;
mod deal;
mod fact;
mod judge;
mod measured;
mod metric;
mod notes;
mod reach;
mod run;
mod side;
mod summary;
#[cfg(test)]
mod testing;
mod verdicts;
mod view;

pub use comparison::{Comparison, FORMAT_VERSION};
pub use fact::Fact;
pub use judge::{Dealt, Test};
pub use measured::{Claim, Measured};
pub use metric::Metric;
pub use run::{ComparedRun, RunSummary};
pub use side::Refusal;
pub use summary::MetricSummary;
pub use verdicts::{ScenarioHeadline, Verdicts};

use crate::record::ReportError;

/// The forms of a comparison. The first line of each is the command line's help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people: the worst first
    Text,
    /// Everything, versioned
    Json,
    /// One page that needs no other file
    Html,
}

impl Comparison {
    /// The comparison's text for a file or a terminal; it ends with a newline.
    ///
    /// # Errors
    ///
    /// When a template or serde fails, which no input makes them do.
    pub fn render(&self, format: Format) -> Result<String, ReportError> {
        match format {
            Format::Text => view::render(self, view::TEXT),
            Format::Html => view::render(self, view::HTML),
            Format::Json => {
                let json = serde_json::to_string_pretty(self)
                    .map_err(|error| ReportError::Compare(format!("as JSON: {error}")))?;
                Ok(json + "\n")
            }
        }
    }
}
