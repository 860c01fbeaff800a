//! A comparison as one HTML page that needs no other file and no script.

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::comparison::{Claim, ComparedScenario, Comparison, Measured};
use super::method::method_lines;
use super::row::Row;
use super::text::alike_line;
use crate::record::ReportError;

const PAGE: &str = include_str!("compare.html");

/// minijinja escapes templates whose names end with this.
const NAME: &str = "compare.html";

/// The data of the template.
#[derive(Serialize)]
struct Page<'a> {
    comparison: &'a Comparison,
    headline: String,
    worse: Vec<Row>,
    better: Vec<Row>,
    unjudged: Vec<Row>,
    groups: Vec<Row>,
    scenarios: Vec<Row>,
    alike: Vec<String>,
    method: Vec<String>,
}

pub fn render(comparison: &Comparison) -> Result<String, ReportError> {
    let rows = |found: Vec<(&ComparedScenario, &Measured)>| -> Vec<Row> {
        found.into_iter().map(|(one, measured)| Row::of(&one.scenario, measured)).collect()
    };
    let page = Page {
        comparison,
        headline: comparison.headline(),
        worse: rows(comparison.claims(Claim::Worse)),
        better: rows(comparison.claims(Claim::Better)),
        unjudged: rows(comparison.unjudged()),
        groups: comparison.groups.iter().flat_map(Row::of_group).collect(),
        scenarios: comparison.scenarios.iter().flat_map(Row::of_scenario).collect(),
        alike: comparison.alike.iter().map(alike_line).collect(),
        method: method_lines(comparison),
    };
    let rendered = (|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_template(NAME, PAGE)?;
        environment.get_template(NAME)?.render(Serde(page))
    })();
    rendered.map_err(|error: minijinja::Error| ReportError::Compare(format!("as HTML: {error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Verdict;
    use crate::report::compare::ComparedRun;
    use crate::report::compare::testing::Writer;

    const LEGS: [(f64, f64, f64); 6] = [(1.0, 50.0, 100.0); 6];

    #[test]
    fn the_page_is_whole_escaped_and_needs_nothing() {
        let hostile = "precopy_orderly::<script>alert(1)</script>::x";
        let name = "precopy_orderly::in_vms::stress_cpu";
        let run = |path: &str, slower: f64, verdict| {
            let legs = LEGS.map(|(total, down, mib)| (total * slower, down, mib));
            let run = Writer::new().played(name, &legs).started(hostile).finished(hostile, verdict).run();
            ComparedRun { path: path.into(), made_of: [path.to_owned()].into(), ..run }
        };
        let base = ["a<b", "b", "c"].map(|path| run(path, 1.0, Verdict::Passed));
        let new = ["d", "e", "f"].map(|path| run(path, 20.0, Verdict::Failed));
        let comparison = Comparison::of(&base, &new).unwrap();
        let page = render(&comparison).unwrap();
        assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
        for part in ["REGRESSION", "&lt;script&gt;", "a&lt;b", "x20.00", "prefers-color-scheme", "viewport"] {
            assert!(page.contains(part), "{part} is not in:\n{page}");
        }
        for part in ["<script", "http:", "https:", "src=", "url("] {
            assert!(!page.contains(part), "{part} is in:\n{page}");
        }
    }
}
