//! Budgets: the longest downtime of a guest and the longest duration of one of its migrations, as `scenarios.toml` declares
//! them.

use std::time::Duration;

use humantime::format_duration;

use super::Scenario;
use super::field::duration_above_zero;
use super::matrix::{Axes, Restriction};
use super::raw;
use super::read::restriction;
use crate::failure::input::{InputError, InputFile, did_you_mean};

/// The longest allowed duration, and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The longest duration that is still good. Nothing stretches it: the user chose it.
    pub most: Duration,
    /// The reason that the file gives.
    pub reason: String,
}

/// The limits of one scenario; an empty budget judges nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budget {
    /// Limit for the reported downtime of one guest in one migration: how long its network was silent.
    pub downtime: Option<Limit>,
    /// Limit for one migration of one guest, from libvirt's call to its return.
    pub total: Option<Limit>,
}

impl Budget {
    /// A line for every limit, for the explanation of a scenario; none without a budget.
    pub fn explain(&self) -> Vec<String> {
        let line = |what: &str, limit: &Limit| {
            format!(
                "Budget of every migration: {what} at most {} ({}).",
                format_duration(limit.most),
                limit.reason
            )
        };
        let downtime = self.downtime.iter().map(|limit| line("downtime", limit));
        let total = self.total.iter().map(|limit| line("total time", limit));
        downtime.chain(total).collect()
    }
}

/// A `[[budget]]` of the file.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    scope: Scope,
    max_downtime: Option<Duration>,
    max_total: Option<Duration>,
    reason: String,
}

/// The scenarios of a budget.
#[derive(Debug, Clone)]
enum Scope {
    /// The scenarios with some values of axes; every scenario if no axis is named.
    Values(Restriction),
    /// A single scenario; without a size it stands for every size.
    One(Scenario),
}

impl Declared {
    fn is_for(&self, scenario: &Scenario) -> bool {
        match &self.scope {
            Scope::Values(restriction) => restriction.admits(scenario),
            Scope::One(one) => *one == Scenario { sizing: one.sizing.and(scenario.sizing), ..*scenario },
        }
    }
}

/// The limits of a scenario: each comes from the last budget that declares one for it.
pub(super) fn of(declared: &[Declared], scenario: &Scenario) -> Budget {
    let last = |limit: fn(&Declared) -> Option<Duration>| {
        declared
            .iter()
            .rev()
            .filter(|budget| budget.is_for(scenario))
            .find_map(|budget| Some(Limit { most: limit(budget)?, reason: budget.reason.clone() }))
    };
    Budget { downtime: last(|budget| budget.max_downtime), total: last(|budget| budget.max_total) }
}

/// The budgets of a file, in its order. `matrix` has no sizes.
pub(super) fn read(
    source: InputFile<'_>,
    raw: &[toml::Spanned<raw::Budget>],
    axes: &Axes,
    matrix: &[Scenario],
) -> Result<Vec<Declared>, InputError> {
    let declared: Vec<Declared> =
        raw.iter().map(|budget| one(source, budget, axes, matrix)).collect::<Result<_, _>>()?;
    for (number, budget) in declared.iter().enumerate() {
        let below = &declared[number + 1..];
        let replaced = |scenario: &&Scenario| {
            let by =
                |has: fn(&Declared) -> bool| below.iter().any(|other| has(other) && other.is_for(scenario));
            (budget.max_downtime.is_none() || by(|other| other.max_downtime.is_some()))
                && (budget.max_total.is_none() || by(|other| other.max_total.is_some()))
        };
        // The matrix has no sizes here, so a budget for one size chooses nothing in it, and counts as not replaced.
        let mut chosen = matrix.iter().filter(|scenario| budget.is_for(scenario)).peekable();
        if chosen.peek().is_some() && chosen.all(|scenario| replaced(&scenario)) {
            return Err(source.error(
                raw[number].span(),
                "the budget holds for no scenario: those below replace all of it",
                "for each limit, the last budget that is for a scenario holds",
                &["allowed: the general budgets first, exceptions below them".to_owned()],
            ));
        }
    }
    Ok(declared)
}

fn one(
    source: InputFile<'_>,
    raw: &toml::Spanned<raw::Budget>,
    axes: &Axes,
    matrix: &[Scenario],
) -> Result<Declared, InputError> {
    let budget = raw.get_ref();
    let reason = source.not_empty(&budget.reason, "a reason")?;
    let limit = |key: &str, value: &Option<toml::Spanned<toml::Value>>| {
        value.as_ref().map(|value| duration_above_zero(source, key, value)).transpose()
    };
    let max_downtime = limit("max_downtime", &budget.max_downtime)?;
    let max_total = limit("max_total", &budget.max_total)?;
    if max_downtime.is_none() && max_total.is_none() {
        return Err(source.error(
            raw.span(),
            "the budget limits nothing",
            "it has neither `max_downtime` nor `max_total`",
            &["allowed: `max_downtime = \"500ms\"` or `max_total = \"20s\"`, or both".to_owned()],
        ));
    }
    let scope = match (&budget.when, &budget.scenario) {
        (Some(_), Some(name)) => {
            return Err(source.error(
                name.span(),
                "the budget has both `when` and `scenario`",
                "",
                &["allowed: one of them; neither means every scenario".to_owned()],
            ));
        }
        (None, Some(name)) => Scope::One(named(source, name, matrix)?),
        (Some(when), None) => Scope::Values(chosen(source, when, axes, matrix)?),
        (None, None) => Scope::Values(Restriction::default()),
    };
    Ok(Declared { scope, max_downtime, max_total, reason })
}

/// The scenario of a given name, which must be in the matrix.
fn named(
    source: InputFile<'_>,
    name: &toml::Spanned<String>,
    matrix: &[Scenario],
) -> Result<Scenario, InputError> {
    let parsed = name.get_ref().parse::<Scenario>();
    if let Ok(scenario) = &parsed
        && matrix.contains(&Scenario { sizing: None, ..*scenario })
    {
        return Ok(*scenario);
    }
    let label = parsed.err().map(|error| error.to_string()).unwrap_or_default();
    let names: Vec<String> = matrix.iter().map(Scenario::name).collect();
    let mut help = vec![format!("allowed: a whole name `{}` of the matrix", Scenario::NAME_FORM)];
    help.extend(did_you_mean(name.get_ref(), names.iter().map(String::as_str)));
    Err(source.error(
        name.span(),
        &format!("the budget is for no scenario: there is no `{name}`"),
        &label,
        &help,
    ))
}

/// The restriction of a `when`, which must choose a scenario of the matrix.
fn chosen(
    source: InputFile<'_>,
    when: &toml::Spanned<raw::Restriction>,
    axes: &Axes,
    matrix: &[Scenario],
) -> Result<Restriction, InputError> {
    let restriction = restriction(source, when, axes)?;
    if matrix.iter().any(|scenario| restriction.admits(scenario)) {
        return Ok(restriction);
    }
    Err(source.error(
        when.span(),
        "the budget is for no scenario: its `when` selects no combination",
        "no combination of these values is in the matrix",
        &["allowed: a `when` that selects at least one scenario".to_owned()],
    ))
}
