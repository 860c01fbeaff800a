//! A scenario, and the cartesian product of the axes less what the constraints forbid.

use std::fmt;
use std::str::FromStr;

use super::{AxisValue, Location, Mode, Order, Sizing, UnknownName, Workload};

/// One case of the matrix: pure data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scenario {
    /// How memory gets across.
    pub mode: Mode,
    /// In which order the guests move.
    pub order: Order,
    /// Where the load is.
    pub location: Location,
    /// What the load is.
    pub workload: Workload,
    /// Which size the guests have; that of the profile if the axis is off.
    pub sizing: Option<Sizing>,
}

impl Scenario {
    /// The form of every name; with the axis `sizing`, `::{sizing}` comes behind it.
    pub const NAME_FORM: &'static str = "{mode}_{order}::{where}::{what}";

    /// `{mode}_{order}::{where}::{what}` and, if the guests are sized, `::{sizing}`, so that `cargo test -- postcopy_cross` picks a group.
    ///
    /// No mode or order contains `_`, and no value contains `:`, so different scenarios have different names.
    pub fn name(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, order, location, workload, sizing } = self;
        write!(f, "{mode}_{order}::{location}::{workload}")?;
        sizing.map_or(Ok(()), |sizing| write!(f, "::{sizing}"))
    }
}

/// Reads a name back, with or without a sizing. Whether the file's constraints admit the combination is not asked here.
impl FromStr for Scenario {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let parts: Vec<&str> = name.split("::").collect();
        let (group, location, workload, sizing) = match parts[..] {
            [group, location, workload] => (group, location, workload, None),
            [group, location, workload, sizing] => (group, location, workload, Some(sizing)),
            _ => return Err(not_of_the_form(name)),
        };
        let (mode, order) = group.split_once('_').ok_or_else(|| not_of_the_form(name))?;
        Ok(Self {
            mode: Mode::named(mode)?,
            order: Order::named(order)?,
            location: Location::named(location)?,
            workload: Workload::named(workload)?,
            sizing: sizing.map(Sizing::named).transpose()?,
        })
    }
}

fn not_of_the_form(name: &str) -> UnknownName {
    UnknownName {
        axis: "scenario",
        given: name.to_owned(),
        allowed: format!("the names of the form `{}`, or with `::{{sizing}}` behind it", Scenario::NAME_FORM),
    }
}

/// The values each axis takes in a file, in the file's order.
#[derive(Debug, Clone)]
pub(super) struct Axes {
    pub mode: Vec<Mode>,
    pub order: Vec<Order>,
    pub location: Vec<Location>,
    pub workload: Vec<Workload>,
}

impl Axes {
    /// Every combination: `mode` changes slowest, then `order`, `where` and `what`.
    pub fn product(&self) -> Vec<Scenario> {
        let mut scenarios = Vec::new();
        for &mode in &self.mode {
            for &order in &self.order {
                for &location in &self.location {
                    scenarios.extend(self.workload.iter().map(|&workload| Scenario {
                        mode,
                        order,
                        location,
                        workload,
                        sizing: None,
                    }));
                }
            }
        }
        scenarios
    }
}

/// Some values of some axes. An axis that is not named admits all its values.
#[derive(Debug, Clone, Default)]
pub(super) struct Restriction {
    pub mode: Option<Vec<Mode>>,
    pub order: Option<Vec<Order>>,
    pub location: Option<Vec<Location>>,
    pub workload: Option<Vec<Workload>>,
}

impl Restriction {
    /// Whether the scenario has one of the values on every axis that is named.
    pub fn admits(&self, scenario: &Scenario) -> bool {
        fn among<V: AxisValue>(values: Option<&Vec<V>>, value: V) -> bool {
            values.is_none_or(|values| values.contains(&value))
        }
        among(self.mode.as_ref(), scenario.mode)
            && among(self.order.as_ref(), scenario.order)
            && among(self.location.as_ref(), scenario.location)
            && among(self.workload.as_ref(), scenario.workload)
    }
}

/// What `when` admits must be admitted by `only` too; the rest of it is not in the matrix.
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
}
