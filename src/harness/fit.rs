//! Decides whether a selection fits any scenario. One that fits none is a mistake, unless it is about multivm's own tests.

use super::own_tests;
use super::request::Request;
use crate::failure::Problem;
use crate::run::Plan;
use crate::scenario::{RunIgnored, ScenarioFile, Selection, Wish};

/// The subject of a selection.
pub(super) enum Fit {
    /// Scenarios.
    Scenarios,
    /// Only multivm's own tests; a line says so.
    OwnTests(String),
}

impl Fit {
    /// Finds the subject of a selection.
    ///
    /// # Errors
    ///
    /// The selection means scenarios and fits none, or one of its skips does. The message names similar ones.
    pub(super) fn of(request: &Request, plan: &Plan) -> Result<Fit, Problem> {
        let selection = &request.selection;
        let mut strangers = plan.file.strangers(selection);
        let mut idle = plan.file.idle_skips(selection);
        let fit = strangers.len();
        if fit + idle.len() > 0 {
            let own = own_tests::names();
            let is_strange = |pattern: &&str| !is_own(pattern, selection, &own, &plan.file);
            strangers.retain(is_strange);
            idle.retain(is_strange);
        }
        if !strangers.is_empty() {
            return Err(plan.file.unknown(&strangers, selection.exact).into());
        }
        if !idle.is_empty() {
            return Err(plan.file.skips_nothing(&idle, selection.exact).into());
        }
        let lists = request.libtest.list;
        // nextest lists twice, with --ignored and without.
        let asked = if lists { RunIgnored::Yes } else { request.asked() };
        let wish = Wish { set: &plan.set, selection, asked, shard: request.options.shard };
        if plan.file.choose(wish).asked_for(asked).next().is_some() {
            return Ok(Fit::Scenarios);
        }
        if fit > 0 && fit == selection.filters.len() {
            let names = selection.filters.join("`, `");
            return Ok(Fit::OwnTests(format!(
                "no scenario has `{names}` in its name, tests of multivm have: nothing migrates"
            )));
        }
        Err(plan.file.nothing_left(wish).into())
    }
}

/// Whether a filter that fits no scenario means multivm's own tests. A part of a test's name may still mean a scenario; a
/// filter that ends where a name does, or that has several sections, means the test.
fn is_own(filter: &str, selection: &Selection, own: &[String], file: &ScenarioFile) -> bool {
    let mut hit = own.iter().filter(|name| selection.hit(filter, name)).peekable();
    hit.peek().is_some() && (hit.any(|name| names_it(filter, name)) || !file.resembles_a_scenario(filter))
}

/// Whether a filter consists of whole sections of a test's name: several of them, or the last one. rstest adds a section for
/// every case.
pub(super) fn names_it(filter: &str, name: &str) -> bool {
    let (name, filter) = (format!("::{name}::"), format!("::{}::", filter.trim_matches(':')));
    let Some(at) = name.find(&filter) else { return false };
    let rest = &name[at + filter.len()..];
    filter.trim_matches(':').contains("::") || rest.is_empty() || rest.starts_with("case_")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const FILE: &str = include_str!("../../scenarios.toml");

    #[rstest]
    #[case::a_test("a_dead_cross_is_found", true)]
    #[case::a_test_and_its_module("tests::a_dead_cross_is_found", true)]
    #[case::a_module("check::post_copy", true)]
    #[case::in_full("check::post_copy::tests::a_dead_cross_is_found::case_1_one", true)]
    #[case::a_case("case_1_one", true)]
    #[case::a_part_like_no_scenario("is_foun", true)]
    #[case::a_part_like_a_mode("post_copy", false)]
    #[case::a_part_with_a_value("a_dead_cross", false)]
    #[case::nothing_of_ours("somebody_elses", false)]
    fn a_filter_is_about_our_own_tests(#[case] filter: &str, #[case] own: bool) {
        let file = ScenarioFile::parse("scenarios.toml", FILE).unwrap();
        let names = ["check::post_copy::tests::a_dead_cross_is_found::case_1_one".to_owned()];
        assert_eq!(is_own(filter, &Selection::default(), &names, &file), own);
    }
}
