//! The table of axes: the parts of a scenario, with functions that read and set each by its place in its axis.

use super::{Location, Mode, Order, Scenario, Sizing, Transport, Workload};
use crate::axis::AxisValue;

/// One axis of the matrix.
pub(super) struct Axis {
    /// The axis' key in `scenarios.toml`.
    pub key: &'static str,
    /// Whether a file may leave the axis out, which then has its first value only.
    pub optional: bool,
    /// The names of the values, in the order of messages.
    pub names: fn() -> Vec<&'static str>,
    /// The place of a scenario's value on this axis.
    pub of: fn(&Scenario) -> usize,
    /// Sets a scenario's value on this axis by its place.
    pub set: fn(&mut Scenario, usize),
}

/// Makes the row of the axis for a field of a scenario.
macro_rules! row {
    ($field:ident: $axis:ty) => {
        Axis {
            key: <$axis>::AXIS,
            optional: false,
            names: || <$axis>::all().iter().map(|value| value.name()).collect(),
            of: |scenario| scenario.$field.rank(),
            set: |scenario, rank| scenario.$field = <$axis>::all()[rank],
        }
    };
}

/// Number of axes.
pub(super) const COUNT: usize = 5;

/// Every axis but the size of the guests, in the order in which they nest: the first changes slowest.
pub(super) static AXES: [Axis; COUNT] = [
    row!(mode: Mode),
    Axis { optional: true, ..row!(transport: Transport) },
    row!(order: Order),
    row!(location: Location),
    row!(workload: Workload),
];

/// The traits that make two scenarios alike, each as a number below the count beside it: mode, order with transport, where,
/// what, and size. An order by another transport has its own name, and counts as an order of its own.
pub(super) fn traits(scenario: &Scenario) -> [(usize, usize); 5] {
    let order = scenario.order.rank() * Transport::ALL.len() + scenario.transport.rank();
    [
        (scenario.mode.rank(), Mode::ALL.len()),
        (order, Order::ALL.len() * Transport::ALL.len()),
        (scenario.location.rank(), Location::ALL.len()),
        (scenario.workload.rank(), Workload::all().len()),
        (scenario.sizing.map_or(0, |sizing| sizing.rank() + 1), Sizing::ALL.len() + 1),
    ]
}

impl Scenario {
    /// The place of the scenario's group among all groups, in the order of the axes.
    pub fn group_place(&self) -> usize {
        let [mode, order, ..] = traits(self);
        mode.0 * order.1 + order.0
    }

    /// The rank of the scenario's place and kind of load among all of them, in the order of the axes.
    pub fn load_place(&self) -> usize {
        let [_, _, location, workload, _] = traits(self);
        location.0 * workload.1 + workload.0
    }
}

/// The traits as numbers, with the count of numbers; no two traits share a number. A scenario without a size has no number
/// for it.
pub(super) fn numbered(scenario: &Scenario) -> (Vec<usize>, usize) {
    let mut first = 0;
    let mut numbers: Vec<usize> = traits(scenario)
        .into_iter()
        .map(|(rank, count)| {
            let number = first + rank;
            first += count;
            number
        })
        .collect();
    if scenario.sizing.is_none() {
        numbers.pop();
    }
    (numbers, first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_axis_sets_what_it_reads() {
        let base: Scenario = "precopy_orderly::in_vms::stress_cpu".parse().unwrap();
        for axis in &AXES {
            for (rank, name) in (axis.names)().into_iter().enumerate() {
                let mut scenario = base;
                (axis.set)(&mut scenario, rank);
                assert_eq!((axis.of)(&scenario), rank, "{} {name}", axis.key);
                for other in AXES.iter().filter(|other| other.key != axis.key) {
                    assert_eq!(
                        (other.of)(&scenario),
                        (other.of)(&base),
                        "{} changes {}",
                        axis.key,
                        other.key
                    );
                }
            }
        }
    }
}
