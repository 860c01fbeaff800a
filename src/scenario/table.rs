//! The table of axes: what a scenario is made of, and how each part is read and set by its place in its axis.

use super::{Location, Mode, Order, Scenario, Sizing, Transport, Workload};
use crate::axis::AxisValue;

/// One axis of the matrix.
pub(super) struct Axis {
    /// Its key in `scenarios.toml`.
    pub key: &'static str,
    /// A file need not have it: then it has the first of its values.
    pub optional: bool,
    /// The names of its values, in the order messages list them.
    pub names: fn() -> Vec<&'static str>,
    /// Which of its values a scenario has.
    pub of: fn(&Scenario) -> usize,
    /// Gives a scenario one of its values.
    pub set: fn(&mut Scenario, usize),
}

/// The row of the axis whose values a field of a scenario has.
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

/// What makes two scenarios alike, each as a number below the count beside it: mode, order with transport, where, what, and
/// size. An order by another transport has its own name, and counts as an order of its own.
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

/// The traits as numbers of which no two traits share one, and how many numbers there are. A scenario that has no size has
/// no number for it.
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
