//! A comparison for a terminal: the verdict first, then what is worse, the largest change first.

use std::fmt::Write;

use super::change::{Fact, Told};
use super::comparison::{Alike, Claim, ComparedScenario, Comparison, Group, Measured, RunSummary};
use super::method::method_lines;
use super::number::times;
use super::row::Row;
use crate::sys::words::counted;

/// The text shows so many entries of a list, and counts the rest.
const SHOWN: usize = 20;

/// The text shows so many of the largest differences that no test judges.
const SHOWN_UNJUDGED: usize = 5;

pub fn render(comparison: &Comparison) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(comparison, &mut text);
    text
}

fn write(comparison: &Comparison, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{}\n", comparison.headline())?;
    comparison.base.iter().try_for_each(|run| run_line(out, "BASE", run))?;
    comparison.new.iter().try_for_each(|run| run_line(out, "NEW ", run))?;
    if !comparison.profile_changes.is_empty() {
        writeln!(
            out,
            "\nTHE PROFILES DIFFER: the runs did not do the same, and their numbers cannot be compared."
        )?;
        facts(out, &comparison.profile_changes)?;
    }
    if !comparison.stack_changes.is_empty() {
        writeln!(out, "\nThe stack differs:")?;
        facts(out, &comparison.stack_changes)?;
    }
    for note in &comparison.notes {
        writeln!(out, "\n{note}")?;
    }
    let verdicts = &comparison.verdicts;
    told(out, "Newly failing", &verdicts.newly_failing)?;
    told(out, "Newly refused by the stack", &verdicts.newly_refused)?;
    claims(out, "Worse", &comparison.claims(Claim::Worse))?;
    told(out, "Failing in both", &verdicts.failing_in_both)?;
    told(out, "Failing, with nothing in BASE to compare with", &verdicts.failing_without_base)?;
    told(out, "Without a result in NEW", &verdicts.without_result)?;
    told(out, "Newly passing; in BASE it was", &verdicts.newly_passing)?;
    names(out, "Only in BASE", &verdicts.missing)?;
    names(out, "Only in NEW", &verdicts.added)?;
    claims(out, "Better", &comparison.claims(Claim::Better))?;
    unjudged(out, &comparison.unjudged())?;
    groups(out, &comparison.groups)?;
    for alike in &comparison.alike {
        writeln!(
            out,
            "\nEverything moved alike: {}.\nA slower machine does that as well as a slower stack: run BASE again on the \
             machine of NEW to tell.",
            alike_line(alike)
        )?;
    }
    method(out, comparison)
}

fn run_line(out: &mut String, which: &str, run: &RunSummary) -> std::fmt::Result {
    let others = run.scenarios - run.passed - run.failed;
    let others = if others > 0 { format!(", {others} without either") } else { String::new() };
    writeln!(
        out,
        "{which} {} ({}): {}, {} passed, {} failed{others}",
        run.run,
        run.path,
        counted(run.scenarios, "scenario", "scenarios"),
        run.passed,
        run.failed
    )
}

fn facts(out: &mut String, facts: &[Fact]) -> std::fmt::Result {
    facts.iter().try_for_each(|fact| writeln!(out, "  {fact}"))
}

fn told(out: &mut String, title: &str, told: &[Told]) -> std::fmt::Result {
    let lines: Vec<String> =
        told.iter().map(|told| format!("{}\n    {}", told.scenario, told.headline)).collect();
    names(out, title, &lines)
}

fn names(out: &mut String, title: &str, names: &[String]) -> std::fmt::Result {
    if names.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title} ({}):", names.len())?;
    for name in names.iter().take(SHOWN) {
        writeln!(out, "  {name}")?;
    }
    rest(out, names.len())
}

/// Writes the number of entries that the text leaves out.
fn rest(out: &mut String, count: usize) -> std::fmt::Result {
    if count > SHOWN {
        writeln!(out, "  and {} more; --format json has all", count - SHOWN)?;
    }
    Ok(())
}

fn claims(out: &mut String, title: &str, claims: &[(&ComparedScenario, &Measured)]) -> std::fmt::Result {
    if claims.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}, by scenario ({}):", claims.len())?;
    claims.iter().take(SHOWN).try_for_each(|(scenario, measured)| one(out, scenario, measured))?;
    rest(out, claims.len())
}

/// Writes the largest differences where no scenario can be judged, for a reader who suspects a change.
fn unjudged(out: &mut String, largest: &[(&ComparedScenario, &Measured)]) -> std::fmt::Result {
    if largest.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nNot judged, for want of runs; the largest differences:")?;
    largest.iter().take(SHOWN_UNJUDGED).try_for_each(|(scenario, measured)| one(out, scenario, measured))
}

fn one(out: &mut String, scenario: &ComparedScenario, measured: &Measured) -> std::fmt::Result {
    let row = Row::of(&scenario.scenario, measured);
    writeln!(out, "  {} {}  {}\n    {}", row.factor, row.metric, row.name, row.judged_values())?;
    match &row.runs {
        Some([base, new]) => writeln!(out, "    medians of the runs {base} -> {new}"),
        None => Ok(()),
    }
}

fn groups(out: &mut String, groups: &[Group]) -> std::fmt::Result {
    writeln!(out, "\nBy mode and order, all legs (wall time: scenarios, not judged):")?;
    for group in groups {
        writeln!(out, "  {}, {}", group.group, counted(group.scenarios, "scenario", "scenarios"))?;
        for (at, row) in Row::of_group(group).iter().enumerate() {
            let values = if at < group.measured.len() { row.judged_values() } else { row.values() };
            let claim = match row.claim {
                "worse" => "  WORSE",
                "better" => "  better",
                _ => "",
            };
            writeln!(out, "    {:<11} {:<6} {values}{claim}", row.metric, row.factor)?;
        }
    }
    Ok(())
}

/// Writes the method, and what this comparison could have found.
fn method(out: &mut String, comparison: &Comparison) -> std::fmt::Result {
    writeln!(out, "\nHow it was judged:")?;
    for line in method_lines(comparison) {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

/// A line about a metric that moved alike everywhere.
pub fn alike_line(alike: &Alike) -> String {
    format!(
        "{} {} in the median, {} to {} in the middle half, {} of {} scenarios in this direction",
        alike.metric.name(),
        times(alike.factor),
        times(alike.middle_half[0]),
        times(alike.middle_half[1]),
        alike.scenarios,
        alike.of
    )
}
