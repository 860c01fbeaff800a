//! A comparison for a terminal and as an HTML page: two templates over the same data. The page needs no other file and no
//! script.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, UndefinedBehavior, context};

use super::comparison::Comparison;
use super::judge::{LEAST_GROUP, LEVEL};
use super::measured::Claim;
use super::metric::show;
use super::reach::reach;
use crate::record::ReportError;

/// The name of the text's template.
pub const TEXT: &str = "compare.txt";

/// The name of the page's template. minijinja escapes what ends with `.html`.
pub const HTML: &str = "compare.html";

/// Fills in the template of this name.
pub fn render(comparison: &Comparison, template: &str) -> Result<String, ReportError> {
    fill_in(comparison, template)
        .map_err(|error| ReportError::Compare(format!("by the template {template}: {error:#}")))
}

fn fill_in(comparison: &Comparison, template: &str) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?;
    environment.set_syntax(syntax);
    environment.add_filter("show", |value: f64, unit: String| show(value, &unit));
    environment.add_template(TEXT, include_str!("compare.txt"))?;
    environment.add_template(HTML, include_str!("compare.html"))?;
    environment.add_template("method.txt", include_str!("method.txt"))?;
    let metrics = comparison.metrics;
    let method = environment.get_template("method.txt")?.render(context! {
        comparison => Serde(comparison),
        least => metrics.map(|metric| format!("{} {}", metric.name(), metric.show_least())),
        least_group => LEAST_GROUP,
        percent => (LEVEL * 100.0).round() as u32,
        reaches => metrics.map(|metric| [metric.name().to_owned(), reach(comparison, metric)]),
    })?;
    environment.get_template(template)?.render(context! {
        comparison => Serde(comparison),
        headline => comparison.headline(),
        worse => Serde(comparison.claims(Claim::Worse)),
        better => Serde(comparison.claims(Claim::Better)),
        unjudged => Serde(comparison.unjudged()),
        method,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Verdict;
    use crate::report::compare::testing::{Writer, named};

    const LEGS: [(f64, f64, f64); 6] = [(1.0, 50.0, 100.0); 6];

    #[test]
    fn the_page_is_whole_escaped_and_needs_nothing() {
        let hostile = "precopy_orderly::<script>alert(1)</script>::x";
        let name = "precopy_orderly::in_vms::stress_cpu";
        let run = |path: &str, slower: f64, verdict| {
            let legs = LEGS.map(|(total, down, mib)| (total * slower, down, mib));
            named(Writer::new().played(name, &legs).started(hostile).finished(hostile, verdict).run(), path)
        };
        let base = ["a<b", "b", "c"].map(|path| run(path, 1.0, Verdict::Passed));
        let new = ["d", "e", "f"].map(|path| run(path, 20.0, Verdict::Failed));
        let comparison = Comparison::of(&base, &new).unwrap();
        let page = render(&comparison, HTML).unwrap();
        assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
        for part in ["REGRESSION", "&lt;script&gt;", "a&lt;b", "x20.00", "prefers-color-scheme", "viewport"] {
            assert!(page.contains(part), "{part} is not in:\n{page}");
        }
        for part in ["<script", "http:", "https:", "src=", "url("] {
            assert!(!page.contains(part), "{part} is in:\n{page}");
        }
    }

    /// Every scenario takes three times as long, and fails.
    #[test]
    fn the_text_has_all_that_a_reader_needs_and_leaves_out_what_is_too_much() {
        let run = |path: &str, slower: f64, verdict| {
            let legs = LEGS.map(|(total, down, mib)| (total * slower, down, mib));
            let names = (0..24).map(|number| format!("precopy_orderly::in_vms::load_{number}"));
            let play =
                |run: Writer, name: String| run.played(&name, &legs).started(&name).finished(&name, verdict);
            named(names.fold(Writer::new(), play).run(), path)
        };
        let (base, new) = (run("a", 1.0, Verdict::Passed), run("b", 3.0, Verdict::Failed));
        let comparison = Comparison::of(&[base], &[new]).unwrap();
        let text = render(&comparison, TEXT).unwrap();
        let reasons = "24 scenarios that passed fail; total time is worse in precopy_orderly";
        assert!(text.starts_with(&format!("REGRESSION: {reasons}.\n\nBASE a (a): 24 scenarios")), "{text}");
        let values = "median 1.00 s -> 3.00 s, p95 1.00 s -> 3.00 s, max 1.00 s -> 3.00 s";
        for part in [
            "\n\nNewly failing (24):\n  precopy_orderly::in_vms::load_0\n    reboot: guest vm2, round 1, source to target\n",
            "\n  and 4 more; --format json has all\n\nNot judged, for want of runs; the largest differences:\n  x3.00 total",
            &format!("  x3.00 total time  precopy_orderly::in_vms::load_1\n    {values}; 6 and 6 legs\n"),
            "\n  precopy_orderly, 24 scenarios\n    libvirt downtime x1.00  median 50.0 ms",
            &format!("\n    total time       x3.00  {values}; 144 and 144 legs; p 0.0001  WORSE\n"),
            "\n    wall time        x1.00  median 12.0 s -> 12.0 s, p95 12.0 s -> 12.0 s, max 12.0 s -> 12.0 s\n",
            "\n\nEverything moved alike: total time x3.00 in the median, x3.00 to x3.00 in the middle half, 24 of 24 scenarios",
            "\n  Would have been found in total time: no scenario alone, precopy_orderly from x2.00 on.\n",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        assert_eq!(text.matches("  x3.00 total time  ").count(), 5, "{text}");
        assert!(!text.contains("\n\n\n") && !text.contains(" \n") && text.ends_with(".\n"), "{text}");
        assert!(render(&comparison, HTML).unwrap().contains("All 24 scenarios that both sides have"));
    }
}
