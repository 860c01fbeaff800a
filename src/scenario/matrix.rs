//! The cartesian product of the axes, less the scenarios that the constraints forbid.

use super::Scenario;
use super::table::{AXES, Axis, COUNT};

/// The values of every axis of the table, by their places.
#[derive(Debug, Clone)]
pub(super) struct Axes(pub [Vec<usize>; COUNT]);

impl Axes {
    /// Every combination of values; the last axis of the table changes fastest.
    pub fn product(&self) -> Vec<Scenario> {
        let with_each = |scenarios: Vec<Scenario>, (axis, values): (&Axis, &Vec<usize>)| {
            let with = |scenario: Scenario, value: usize| {
                let mut scenario = scenario;
                (axis.set)(&mut scenario, value);
                scenario
            };
            scenarios
                .into_iter()
                .flat_map(|scenario| values.iter().map(move |value| with(scenario, *value)))
                .collect()
        };
        AXES.iter().zip(&self.0).fold(vec![Scenario::FIRST], with_each)
    }
}

/// Some values of some axes, by their places. An axis that is not named admits all its values.
#[derive(Debug, Clone, Default)]
pub(super) struct Restriction(pub [Option<Vec<usize>>; COUNT]);

impl Restriction {
    /// Whether the scenario has one of the named values on every named axis.
    pub fn admits(&self, scenario: &Scenario) -> bool {
        let admits =
            |values: &Option<Vec<usize>>, value| values.as_ref().is_none_or(|values| values.contains(&value));
        AXES.iter().zip(&self.0).all(|(axis, values)| admits(values, (axis.of)(scenario)))
    }
}

/// A rule about the matrix: a scenario that `when` admits is in it only if `only` admits it too.
#[derive(Debug, Clone)]
pub(super) struct Constraint {
    pub when: Restriction,
    pub only: Restriction,
    pub reason: String,
}

impl Constraint {
    /// Whether the constraint takes the scenario out of the matrix.
    pub fn forbids(&self, scenario: &Scenario) -> bool {
        self.when.admits(scenario) && !self.only.admits(scenario)
    }

    /// Whether the constraint forbids a case beyond the matrix. A constraint has no say about a value that is on none of
    /// the `axes`.
    pub fn forbids_beyond(&self, scenario: &Scenario, axes: &Axes) -> bool {
        let admits = |((axis, only), declared): ((&Axis, &Option<Vec<usize>>), &Vec<usize>)| {
            let value = (axis.of)(scenario);
            !declared.contains(&value) || only.as_ref().is_none_or(|only| only.contains(&value))
        };
        self.when.admits(scenario) && !AXES.iter().zip(&self.only.0).zip(&axes.0).all(admits)
    }
}
