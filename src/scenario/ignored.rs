//! Cases beyond the matrix: listings show them as ignored, and a command plays them on request.

use super::matrix::{Axes, Constraint};
use super::{Location, Scenario, Workload, raw, read};
use crate::failure::input::{InputError, InputFile};

/// Some cases beyond the matrix, with the reason for them.
#[derive(Debug, Clone)]
pub(super) struct Ignored {
    pub cases: Vec<Scenario>,
    pub reason: String,
}

/// The cases beyond the matrix that a file declares, in its order.
pub(super) fn read(
    source: InputFile<'_>,
    raw: &[raw::Ignored],
    axes: &Axes,
    constraints: &[Constraint],
    matrix: &[Scenario],
) -> Result<Vec<Ignored>, InputError> {
    let mut declared: Vec<Ignored> = Vec::new();
    for raw in raw {
        let reason = source.not_empty(&raw.reason, "a reason")?;
        let mut cases = read::beyond(source, &raw.cases, axes)?.product();
        cases.retain(|case| !constraints.iter().any(|constraint| constraint.forbids_beyond(case, axes)));
        let mistake = |what: &str, label: &str, allowed: &str| {
            Err(source.error(raw.cases.span(), what, label, &[format!("allowed: {allowed}")]))
        };
        if cases.is_empty() {
            return mistake(
                "the ignored cases are none: a constraint forbids every combination",
                "no combination of these values is left",
                "values of which at least one combination is within the constraints",
            );
        }
        for case in &cases {
            if let Some(why) = contradiction(case) {
                let what = format!("the ignored cases have one that makes no sense, `{case}`: {why}");
                return mistake(&what, "", "a `where` and a `what` that go together; several `[[ignored]]`");
            }
            if matrix.contains(case) {
                let what = format!("the ignored cases have one that is in the matrix, `{case}`");
                return mistake(&what, "it is played anyway", "values of which one is on no axis");
            }
            if declared.iter().any(|other| other.cases.contains(case)) {
                let what = format!("the ignored cases have one that is there already, `{case}`");
                return mistake(&what, "it is among those above", "each case once");
            }
        }
        declared.push(Ignored { cases, reason });
    }
    Ok(declared)
}

/// The reason why place and load do not go together; none if they do.
pub(super) fn contradiction(case: &Scenario) -> Option<&'static str> {
    let on_hosts = !case.location.hosts().is_empty();
    match case.workload {
        Workload::Boot(_) if case.location != Location::Booting => Some("guests that boot are in `booting`"),
        Workload::Stress { .. } if case.location == Location::Booting => {
            Some("in `booting` the load is guests that boot")
        }
        Workload::Stress { share: None, .. } if on_hosts => Some("load on a host takes a share of that host"),
        Workload::Stress { share: Some(_), .. } if !on_hosts => {
            Some("a share of a host means nothing where no host has load")
        }
        _ => None,
    }
}
